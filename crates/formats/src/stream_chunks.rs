//! Cuts a reader into the chunks of a stream and says which one is the last. The same splitter
//! serves both directions: with the chunk size for plain bytes, with chunk size and tag for
//! encrypted ones. Each chunk but the last is full; the last is full too or shorter, and empty only
//! if the whole stream is (an encrypted chunk is never shorter than its tag).

use std::io::{self, Read};

use zeroize::Zeroizing;

use crate::limits::TAG_LEN;
use crate::stream::{StreamError, StreamHeader};

/// One chunk. The bytes are wiped on drop, because they may be plain.
pub struct Chunk {
    /// The number of the chunk, from 0.
    pub counter: u32,
    /// Whether it is the last one.
    pub last: bool,
    /// Its bytes: plain, or encrypted with the tag behind them. The capacity always has room for
    /// a tag, so that encrypting in place does not move them.
    pub bytes: Zeroizing<Vec<u8>>,
}

/// Reads chunks one by one, holding at most two.
pub struct Chunks<R> {
    reader: R,
    chunk_len: usize,
    least: usize,
    ahead: Option<Zeroizing<Vec<u8>>>,
    next_counter: Option<u32>,
}

impl<R: Read> Chunks<R> {
    /// Chunks of plain bytes, to be encrypted.
    pub fn plain(header: &StreamHeader, reader: R) -> Chunks<R> {
        Chunks::new(reader, header.chunk_size as usize, 0)
    }

    /// Chunks of encrypted bytes with their tags, after [`StreamHeader::read_from`].
    pub fn encrypted(header: &StreamHeader, reader: R) -> Chunks<R> {
        Chunks::new(reader, header.chunk_size as usize + TAG_LEN, TAG_LEN)
    }

    fn new(reader: R, chunk_len: usize, least: usize) -> Chunks<R> {
        Chunks { reader, chunk_len, least, ahead: None, next_counter: Some(0) }
    }

    /// The next chunk, `None` after the last. After an error there is nothing more to read.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk>, StreamError> {
        let Some(counter) = self.next_counter.take() else { return Ok(None) };
        let bytes = match self.ahead.take() {
            Some(bytes) => bytes,
            None => self.read_one()?,
        };
        let mut last = bytes.len() < self.chunk_len;
        if !last {
            let ahead = self.read_one()?;
            last = ahead.is_empty();
            self.ahead = (!last).then_some(ahead);
        }
        if bytes.len() < self.least {
            return Err(StreamError::CutOff);
        }
        if !last {
            self.next_counter = Some(counter.checked_add(1).ok_or(StreamError::TooLong)?);
        }
        Ok(Some(Chunk { counter, last, bytes }))
    }

    /// Up to one chunk; fewer bytes mean the end of the reader.
    fn read_one(&mut self) -> Result<Zeroizing<Vec<u8>>, StreamError> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.chunk_len + TAG_LEN));
        bytes.resize(self.chunk_len, 0);
        let mut filled = 0;
        while filled < self.chunk_len {
            match self.reader.read(&mut bytes[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(StreamError::Read(error)),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Algorithm;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn header(chunk_size: u32) -> StreamHeader {
        StreamHeader {
            algorithm: Algorithm::Aes256GcmSiv,
            chunk_size,
            key_id: Uuid::nil(),
            nonce_prefix: [0; 7],
            wrapped_data_key: vec![],
        }
    }

    /// A reader that hands out few bytes at a time, as pipes do.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = buffer.len().min(self.1).min(self.0.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn lengths(mut chunks: Chunks<impl Read>) -> Result<Vec<(u32, bool, usize)>, StreamError> {
        let mut seen = Vec::new();
        while let Some(chunk) = chunks.next_chunk()? {
            seen.push((chunk.counter, chunk.last, chunk.bytes.len()));
        }
        Ok(seen)
    }

    #[test]
    fn plain_bytes_are_cut_at_the_chunk_size() {
        let cut = |len: usize| {
            lengths(Chunks::plain(&header(1024), Trickle(&vec![1; len], 100))).unwrap()
        };
        assert_eq!(cut(0), [(0, true, 0)]);
        assert_eq!(cut(1), [(0, true, 1)]);
        assert_eq!(cut(1024), [(0, true, 1024)]);
        assert_eq!(cut(1025), [(0, false, 1024), (1, true, 1)]);
        assert_eq!(cut(3072), [(0, false, 1024), (1, false, 1024), (2, true, 1024)]);
    }

    #[test]
    fn an_encrypted_chunk_has_at_least_its_tag() {
        let cut = |len: usize| lengths(Chunks::encrypted(&header(1024), &vec![1; len][..]));
        assert!(matches!(cut(0), Err(StreamError::CutOff)));
        assert!(matches!(cut(15), Err(StreamError::CutOff)));
        assert_eq!(cut(16).unwrap(), [(0, true, 16)]);
        assert_eq!(cut(1040).unwrap(), [(0, true, 1040)]);
        assert!(matches!(cut(1041), Err(StreamError::CutOff)));
    }

    #[test]
    fn the_counter_never_wraps() {
        let mut chunks = Chunks::plain(&header(1024), &[0u8; 4096][..]);
        chunks.next_counter = Some(u32::MAX);
        assert!(matches!(chunks.next_chunk(), Err(StreamError::TooLong)));
        assert!(matches!(chunks.next_chunk(), Ok(None)));
    }

    #[test]
    fn a_failing_reader_is_reported() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("gone"))
            }
        }
        let mut chunks = Chunks::plain(&header(1024), Broken);
        assert!(matches!(chunks.next_chunk(), Err(StreamError::Read(_))));
    }

    proptest! {
        #[test]
        fn joined_chunks_are_the_input(len in 0usize..5000, step in 1usize..2000) {
            let data: Vec<u8> = (0..len).map(|i| i as u8).collect();
            let mut chunks = Chunks::plain(&header(1024), Trickle(&data, step));
            let mut joined = Vec::new();
            let mut ended = false;
            while let Some(chunk) = chunks.next_chunk().unwrap() {
                prop_assert!(!ended);
                ended = chunk.last;
                prop_assert!(chunk.bytes.capacity() >= 1024 + TAG_LEN);
                joined.extend_from_slice(&chunk.bytes);
            }
            prop_assert!(ended);
            prop_assert_eq!(joined, data);
        }
    }
}
