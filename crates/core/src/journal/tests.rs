use super::*;
use uuid::Uuid;

fn encrypted() -> Use {
    Use {
        at_ms: 1_798_761_600_123,
        index: 4_711,
        principal: PrincipalId(Uuid::from_u128(0x11)),
        operation: Operation::Encrypt,
        key: Some(KeyId(Uuid::from_u128(0x22))),
        version: Some(3),
        verdict: Verdict::Ok,
        reason: None,
        request: Some(RequestId(Uuid::from_u128(0x33))),
        bytes: 65_536,
    }
}

fn refused() -> Use {
    Use {
        principal: PrincipalId::NOBODY,
        operation: Operation::Decrypt,
        key: None,
        version: None,
        verdict: Verdict::Refused,
        reason: Some("UNAUTHENTICATED".into()),
        request: None,
        ..encrypted()
    }
}

/// The head, then the records of these uses.
fn chained(uses: &[Use]) -> (Vec<u8>, Position) {
    let mut position = Position::START;
    let mut bytes = position.head.to_vec();
    uses.iter().for_each(|recorded| append_frame(&mut bytes, &mut position, recorded));
    (bytes, position)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn records_come_back_in_order() {
    let all = Operation::ALL.into_iter().flat_map(|operation| {
        Verdict::ALL.map(|verdict| Use { operation, verdict, ..encrypted() })
    });
    let uses: Vec<Use> = all.chain([refused()]).collect();
    let (bytes, end) = chained(&uses);
    let mut at = 0;
    for (seq, expected) in (0..).zip(&uses) {
        let frame = read_frame(&bytes[at..]).unwrap();
        assert_eq!((frame.seq, &frame.recorded), (seq, expected));
        at += frame.bytes;
        assert_eq!(bytes[at..at + LINK_BYTES], frame.link);
    }
    assert_eq!(bytes[at..], end.head);
    assert_eq!(end.next_seq, uses.len() as u64);
}

#[test]
fn every_changed_bit_and_every_cut_is_found() {
    let (bytes, _) = chained(&[refused()]);
    for bit in 0..bytes.len() * 8 {
        let mut bad = bytes.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(read_frame(&bad).is_err(), "bit {bit}");
    }
    for len in 0..bytes.len() {
        assert_eq!(read_frame(&bytes[..len]), Err(FrameError::Short), "{len} bytes");
    }
}

#[test]
fn a_long_reason_is_cut() {
    let long = Use { reason: Some("R".repeat(1_000).into()), ..refused() };
    let (bytes, _) = chained(&[long]);
    assert_eq!(bytes.len(), LINK_BYTES + MOST_FRAME_BYTES);
    assert_eq!(read_frame(&bytes).unwrap().recorded.reason, Some("R".repeat(64).into()));
}

/// What is stored: a change of it is a change of the format. The links were made by another
/// implementation of BLAKE3.
#[test]
fn the_form_is_golden() {
    let (bytes, _) = chained(&[encrypted(), refused()]);
    let first = LINK_BYTES + LEAST_FRAME_BYTES;
    assert_eq!(
        hex(&bytes[LINK_BYTES..first]),
        concat!(
            "5600",
            "0000000000000000",
            "7bd48bcea2010000",
            "6712000000000000",
            "0000010000000000",
            "03000000",
            "0101",
            "00000000000000000000000000000011",
            "00000000000000000000000000000022",
            "00000000000000000000000000000033",
            "befdf5830feffae9868a47def5d874ae2e6e34979e2a1cfab350fb3a061c5f31",
        )
    );
    assert_eq!(
        hex(&bytes[first..]),
        concat!(
            "6500",
            "0100000000000000",
            "7bd48bcea2010000",
            "6712000000000000",
            "0000010000000000",
            "00000000",
            "0202",
            "00000000000000000000000000000000",
            "00000000000000000000000000000000",
            "00000000000000000000000000000000",
            "554e41555448454e54494341544544",
            "97dcb6a45116e9cd0bb0f1c535da2f5568904e6e09f6e0abea44e951f9223838",
        )
    );
}
