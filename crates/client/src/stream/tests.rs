use conclave_formats::limits::{MIN_STREAM_CHUNK, TAG_LEN};

use super::*;

const AAD: &[u8] = b"invoice 7";
const CHUNK: usize = MIN_STREAM_CHUNK as usize;

fn data_key() -> DataKey {
    DataKey {
        plain: Zeroizing::new(vec![7; 32]),
        wrapped: vec![1, 2, 3],
        key_id: Uuid::from_u128(42),
    }
}

fn sealed(plain: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let total = encrypt_chunked(&data_key(), AAD, MIN_STREAM_CHUNK, plain, &mut out).unwrap();
    assert_eq!(total, plain.len() as u64);
    out
}

fn open_with(key: &[u8], aad: &[u8], stream: &[u8]) -> Result<Vec<u8>, Error> {
    let mut reader = stream;
    let header = StreamHeader::read_from(&mut reader).map_err(stream_error)?;
    let mut out = Vec::new();
    decrypt(&header, key, aad, reader, &mut out)?;
    Ok(out)
}

fn open(stream: &[u8]) -> Result<Vec<u8>, Error> {
    open_with(&data_key().plain, AAD, stream)
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 % 251) as u8).collect()
}

fn header_len() -> usize {
    sealed(b"").len() - TAG_LEN
}

#[test]
fn every_length_around_the_chunk_size_comes_back() {
    for len in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5] {
        assert_eq!(open(&sealed(&pattern(len))).unwrap(), pattern(len), "{len} bytes");
    }
}

#[test]
fn the_usual_chunk_size_comes_back() {
    let plain = pattern(3 * STREAM_CHUNK as usize + 17);
    let mut stream = Vec::new();
    encrypt(&data_key(), AAD, &plain[..], &mut stream).unwrap();
    assert_eq!(open(&stream).unwrap(), plain);
}

#[test]
fn no_two_streams_of_the_same_bytes_are_equal() {
    assert_ne!(sealed(b"same"), sealed(b"same"));
}

/// Every single changed byte, header included. (A change inside the wrapped data key is noticed
/// here too, though the cluster would refuse it before.)
#[test]
fn every_changed_byte_is_noticed() {
    let stream = sealed(&pattern(CHUNK + 3));
    for at in 0..stream.len() {
        let mut changed = stream.clone();
        changed[at] ^= 1;
        let error = open(&changed).expect_err(&format!("byte {at}"));
        assert_eq!(error.reason, Reason::CiphertextInvalid, "byte {at}");
    }
}

#[test]
fn every_truncation_and_every_addition_is_noticed() {
    let stream = sealed(&pattern(2 * CHUNK + 3));
    for len in 0..stream.len() {
        let error = open(&stream[..len]).expect_err(&format!("{len} bytes"));
        assert_eq!(error.reason, Reason::CiphertextInvalid, "{len} bytes");
    }
    for extra in [1, TAG_LEN, CHUNK, CHUNK + TAG_LEN, 2 * CHUNK] {
        let mut longer = stream.clone();
        longer.extend(std::iter::repeat_n(0, extra));
        assert_eq!(open(&longer).unwrap_err().reason, Reason::CiphertextInvalid, "{extra} more");
    }
}

#[test]
fn exchanged_repeated_and_dropped_chunks_are_noticed() {
    let stream = sealed(&pattern(4 * CHUNK));
    let (header, body) = stream.split_at(header_len());
    let chunks: Vec<&[u8]> = body.chunks(CHUNK + TAG_LEN).collect();
    assert_eq!(chunks.len(), 4);
    let orders: [&[usize]; 7] =
        [&[1, 0, 2, 3], &[0, 2, 1, 3], &[3, 2, 1, 0], &[0, 0, 1, 3], &[0, 1, 3], &[0, 1, 2], &[3]];
    for order in orders {
        let mut changed = header.to_vec();
        order.iter().for_each(|i| changed.extend_from_slice(chunks[*i]));
        let error = open(&changed).expect_err(&format!("{order:?}"));
        assert_eq!(error.reason, Reason::CiphertextInvalid, "{order:?}");
    }
}

#[test]
fn chunks_of_another_stream_under_the_same_data_key_are_noticed() {
    let (one, other) = (sealed(&pattern(CHUNK + 1)), sealed(&pattern(CHUNK + 1)));
    let cut = header_len() + CHUNK + TAG_LEN;
    let mixed = [&one[..cut], &other[cut..]].concat();
    assert_eq!(open(&mixed).unwrap_err().reason, Reason::CiphertextInvalid);
}

#[test]
fn other_associated_data_another_key_and_a_short_key_are_noticed() {
    let stream = sealed(b"text");
    assert_eq!(open(&stream).unwrap(), b"text");
    for (key, aad) in
        [(&[7u8; 32][..], &b"invoice 8"[..]), (&[7; 32], b""), (&[8; 32], AAD), (&[7; 31], AAD)]
    {
        let error = open_with(key, aad, &stream).unwrap_err();
        assert_eq!(error.reason, Reason::CiphertextInvalid);
    }
}

#[test]
fn failing_readers_and_writers_are_local() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("no space"))
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("gone"))
        }
    }
    let error = encrypt(&data_key(), AAD, &b"x"[..], Full).unwrap_err();
    assert_eq!((error.reason, error.message.contains("no space")), (Reason::LocalFile, true));
    let error = encrypt(&data_key(), AAD, Broken, Vec::new()).unwrap_err();
    assert_eq!((error.reason, error.message.contains("gone")), (Reason::LocalFile, true));
}

/// A stream is read chunk by chunk: never more than two chunks ahead of what was written.
#[test]
fn memory_is_bounded() {
    use std::cell::Cell;
    use std::rc::Rc;

    struct Endless(Rc<Cell<usize>>, usize);
    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let count = buffer.len().min(self.1);
            self.1 -= count;
            self.0.set(self.0.get() + count);
            Ok(count)
        }
    }
    struct Gauge(Rc<Cell<usize>>, usize);
    impl Write for Gauge {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            assert!(self.0.get() - self.1 <= 3 * STREAM_CHUNK as usize);
            self.1 += bytes.len().min(STREAM_CHUNK as usize);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let read = Rc::new(Cell::new(0));
    let total = 200 * STREAM_CHUNK as usize;
    let gauge = Gauge(Rc::clone(&read), 0);
    encrypt(&data_key(), AAD, Endless(Rc::clone(&read), total), gauge).unwrap();
    assert_eq!(read.get(), total);
}
