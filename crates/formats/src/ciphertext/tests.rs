use super::*;
use proptest::prelude::*;

const GOLDEN: &str = include_str!("../../tests/vectors/ciphertext.txt");

fn envelope() -> Envelope {
    Envelope {
        key_id: Uuid::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef),
        version: 4,
        algorithm: Algorithm::Aes256GcmSiv,
        nonce: *b"nonce-of-12b",
        body_and_tag: b"body, then sixteen bytes tag".to_vec(),
    }
}

#[test]
fn both_forms_are_golden() {
    let hex = data_encoding::HEXLOWER.encode(&envelope().encode());
    let expected = format!("binary {hex}\ntext {}\n", envelope().to_text());
    assert_eq!(GOLDEN, expected);
    let text = GOLDEN.lines().find_map(|line| line.strip_prefix("text ")).unwrap();
    assert_eq!(Envelope::from_text(text), Ok(envelope()));
}

#[test]
fn the_header_is_the_start_of_the_envelope() {
    let encoded = envelope().encode();
    assert_eq!(encoded[..HEADER_LEN], envelope().header_bytes());
    assert_eq!(encoded[HEADER_LEN..], envelope().body_and_tag);
}

#[test]
fn what_is_wrong_is_named() {
    let encoded = envelope().encode();
    let with = |at: usize, byte: u8| {
        let mut bytes = encoded.clone();
        bytes[at] = byte;
        Envelope::decode(&bytes).unwrap_err()
    };
    assert_eq!(with(0, b'X'), EnvelopeError::NotACiphertext);
    assert_eq!(with(4, 2), EnvelopeError::FormatVersion { found: 2 });
    assert_eq!(with(5, 0), EnvelopeError::Algorithm { found: 0 });
    for len in 4..HEADER_LEN + TAG_LEN {
        assert_eq!(Envelope::decode(&encoded[..len]), Err(EnvelopeError::CutOff), "{len}");
    }
    assert!(Envelope::decode(&encoded[..HEADER_LEN + TAG_LEN]).is_ok());
    let mut long = encoded.clone();
    long.resize(MAX_ENVELOPE + 1, 0);
    assert_eq!(Envelope::decode(&long), Err(EnvelopeError::TooLong));
    long.pop();
    assert!(Envelope::decode(&long).is_ok());
    assert_eq!(Envelope::from_text("hello"), Err(EnvelopeError::NotACiphertext));
    assert_eq!(Envelope::from_text("conclave:v1:a+b/"), Err(EnvelopeError::Base64));
    let long_text = format!("{TEXT_PREFIX}{}", "A".repeat(200_000));
    assert_eq!(Envelope::from_text(&long_text), Err(EnvelopeError::TooLong));
}

#[test]
fn the_text_has_one_spelling() {
    let text = envelope().to_text();
    assert_eq!(Envelope::from_text(&format!(" {text}\r\n")), Ok(envelope()));
    // 66 bytes end on a character boundary; one byte less leaves bits that must be zero.
    let mut shorter = envelope();
    shorter.body_and_tag.pop();
    let text = shorter.to_text();
    let (start, last) = text.split_at(text.len() - 1);
    let next = char::from(last.as_bytes()[0] + 1);
    assert_eq!(Envelope::from_text(&format!("{start}{next}")), Err(EnvelopeError::Base64));
}

proptest! {
    #[test]
    fn an_envelope_comes_back(
        id: u128, version: u32, nonce: [u8; 12],
        body_and_tag in proptest::collection::vec(any::<u8>(), 16..300),
    ) {
        let key_id = Uuid::from_u128(id);
        let algorithm = Algorithm::Aes256GcmSiv;
        let envelope = Envelope { key_id, version, algorithm, nonce, body_and_tag };
        prop_assert_eq!(Envelope::decode(&envelope.encode()).unwrap(), envelope.clone());
        prop_assert_eq!(Envelope::from_text(&envelope.to_text()).unwrap(), envelope);
    }

    #[test]
    fn any_bytes_are_answered(
        bytes in proptest::collection::vec(any::<u8>(), 0..100), text in "(conclave:v1:)?\\PC{0,80}",
    ) {
        let _ = Envelope::decode(&bytes);
        let framed = [&MAGIC[..], &[FORMAT_VERSION, 1], &bytes].concat();
        if let Ok(envelope) = Envelope::decode(&framed) {
            prop_assert_eq!(envelope.encode(), framed);
        }
        let _ = Envelope::from_text(&text);
    }
}
