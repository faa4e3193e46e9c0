use super::*;
use proptest::prelude::*;

const GOLDEN: &str = include_str!("../../tests/vectors/stream.txt");

fn header() -> StreamHeader {
    StreamHeader {
        algorithm: Algorithm::Aes256GcmSiv,
        chunk_size: 65536,
        key_id: Uuid::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef),
        nonce_prefix: *b"prefix7",
        wrapped_data_key: b"an envelope".to_vec(),
    }
}

#[test]
fn header_nonces_and_associated_data_are_golden() {
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    let expected = format!(
        "header {}\nnonce-0 {}\nnonce-258-last {}\nassociated-data-empty {}\nassociated-data-invoice {}\n",
        hex(&header().encode().unwrap()),
        hex(&header().chunk_nonce(0, false)),
        hex(&header().chunk_nonce(258, true)),
        hex(&header().associated_data(b"").unwrap()),
        hex(&header().associated_data(b"invoice").unwrap()),
    );
    assert_eq!(GOLDEN, expected);
}

#[test]
fn reading_stops_at_the_first_chunk() {
    let mut bytes = header().encode().unwrap();
    bytes.extend_from_slice(b"chunks");
    let mut reader = &bytes[..];
    assert_eq!(StreamHeader::read_from(&mut reader).unwrap(), header());
    assert_eq!(reader, b"chunks");
}

#[test]
fn what_is_wrong_is_named() {
    let encoded = header().encode().unwrap();
    let read = |bytes: &[u8]| StreamHeader::read_from(&mut &bytes[..]).unwrap_err();
    let with = |at: usize, byte: u8| {
        let mut bytes = encoded.clone();
        bytes[at] = byte;
        read(&bytes)
    };
    assert!(matches!(read(b""), StreamError::NotAStream));
    assert!(matches!(with(0, b'X'), StreamError::NotAStream));
    assert!(matches!(with(4, 9), StreamError::FormatVersion { found: 9 }));
    assert!(matches!(with(5, 9), StreamError::Algorithm { found: 9 }));
    assert!(matches!(with(6, 1), StreamError::ChunkSize { found: 0x0101_0000 }));
    assert!(matches!(with(33, 2), StreamError::WrappedDataKey { found: 0x020b }));
    for len in 4..encoded.len() {
        assert!(matches!(read(&encoded[..len]), StreamError::CutOff), "{len}");
    }
}

#[test]
fn a_header_that_no_reader_accepts_is_not_written() {
    let small = StreamHeader { chunk_size: 1023, ..header() };
    assert!(matches!(small.encode(), Err(StreamError::ChunkSize { found: 1023 })));
    let wrapped_data_key = vec![0; MAX_WRAPPED_DATA_KEY + 1];
    let long = StreamHeader { wrapped_data_key, ..header() };
    assert!(matches!(long.encode(), Err(StreamError::WrappedDataKey { .. })));
    assert!(long.associated_data(b"").is_err());
}

#[test]
fn the_associated_data_binds_each_field() {
    let own = header().associated_data(b"x").unwrap();
    let mut others = vec![header(); 4];
    others[0].chunk_size = 1024;
    others[1].key_id = Uuid::nil();
    others[2].nonce_prefix[6] ^= 1;
    others[3].wrapped_data_key.push(b'x');
    for other in others {
        assert_ne!(other.associated_data(b"x").unwrap(), own);
    }
    assert_ne!(header().associated_data(b"").unwrap(), own);
}

proptest! {
    #[test]
    fn a_header_comes_back(
        chunk_size in MIN_STREAM_CHUNK..=MAX_STREAM_CHUNK, id: u128, nonce_prefix: [u8; 7],
        wrapped_data_key in proptest::collection::vec(any::<u8>(), 0..=MAX_WRAPPED_DATA_KEY),
    ) {
        let key_id = Uuid::from_u128(id);
        let algorithm = Algorithm::Aes256GcmSiv;
        let header = StreamHeader { algorithm, chunk_size, key_id, nonce_prefix, wrapped_data_key };
        let encoded = header.encode().unwrap();
        prop_assert_eq!(StreamHeader::read_from(&mut &encoded[..]).unwrap(), header);
    }

    #[test]
    fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = StreamHeader::read_from(&mut &bytes[..]);
        let framed = [&MAGIC[..], &[1, 1, 0, 1, 0, 0], &bytes].concat();
        if let Ok(header) = StreamHeader::read_from(&mut &framed[..]) {
            prop_assert!(framed.starts_with(&header.encode().unwrap()));
        }
    }
}
