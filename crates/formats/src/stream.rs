//! The binary stream form for data larger than one call takes: a header, then chunks encrypted
//! under a data key, in the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár as age
//! uses it. Only the framing lies here; who holds the data key brings the cipher.
//!
//! ```text
//! offset  length  field
//!      0       4  magic "CNCS"
//!      4       1  format version, 1
//!      5       1  algorithm number of the chunks
//!      6       4  plain bytes of each chunk but the last, big endian
//!     10      16  id of the key that wraps the data key
//!     26       7  nonce prefix, random for each stream
//!     33       2  length w of the wrapped data key, big endian
//!     35       w  wrapped data key: a ciphertext envelope of that key
//!   35+w          chunks, each followed by its tag; see [`crate::stream_chunks`]
//! ```
//!
//! The nonce of chunk i is prefix || i (u32, big endian) || 1 for the last chunk, else 0: chunks
//! cannot be moved, dropped, repeated or cut off at the end. [`StreamHeader::associated_data`]
//! binds header and caller's associated data to each chunk.

use std::io::{self, Read};

use uuid::Uuid;

use crate::Algorithm;
use crate::limits::{MAX_STREAM_CHUNK, MAX_WRAPPED_DATA_KEY, MIN_STREAM_CHUNK, NONCE_LEN};

/// First bytes of a stream.
pub const MAGIC: [u8; 4] = *b"CNCS";
/// The format version that this crate writes and reads.
pub const FORMAT_VERSION: u8 = 1;
/// Length of the random part of a chunk's nonce, bytes.
pub const NONCE_PREFIX_LEN: usize = 7;

/// Bytes before the wrapped data key.
const FIXED_LEN: usize = 4 + 1 + 1 + 4 + 16 + NONCE_PREFIX_LEN + 2;

/// What stands before the chunks. All of it is authenticated with each chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamHeader {
    /// The algorithm of the chunks and of the data key.
    pub algorithm: Algorithm,
    /// Plain bytes of each chunk but the last.
    pub chunk_size: u32,
    /// The key that wraps the data key.
    pub key_id: Uuid,
    /// The random part of the nonces.
    pub nonce_prefix: [u8; NONCE_PREFIX_LEN],
    /// The data key as the cluster wrapped it: an encoded [`crate::ciphertext::Envelope`].
    pub wrapped_data_key: Vec<u8>,
}

/// Why bytes are not a stream of ours.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// It does not begin as a stream does.
    #[error("this is not a Conclave stream; a stream begins with `CNCS`")]
    NotAStream,
    /// It ends inside the header or inside the tag of a chunk.
    #[error("the stream is cut off; copy it whole")]
    CutOff,
    /// A format version that this program does not know.
    #[error(
        "the stream has format version {found}, known is {FORMAT_VERSION}; use a newer release of Conclave"
    )]
    FormatVersion {
        /// The version in the stream.
        found: u8,
    },
    /// An algorithm number that this program does not know.
    #[error(
        "the stream has algorithm number {found}, which is not known; use a newer release of Conclave"
    )]
    Algorithm {
        /// The number in the stream.
        found: u8,
    },
    /// A chunk size out of bounds.
    #[error(
        "the stream has chunks of {found} bytes, allowed are {MIN_STREAM_CHUNK} to {MAX_STREAM_CHUNK}; the file is damaged"
    )]
    ChunkSize {
        /// The size in the stream.
        found: u32,
    },
    /// A wrapped data key that is too long.
    #[error(
        "the wrapped data key has {found} bytes, the most is {MAX_WRAPPED_DATA_KEY}; the file is damaged"
    )]
    WrappedDataKey {
        /// The length in the stream or in the header that is to be written.
        found: usize,
    },
    /// More chunks than the counter can number.
    #[error("the stream has more chunks than can be numbered; split the file")]
    TooLong,
    /// The reader failed.
    #[error("the stream cannot be read: {0}")]
    Read(#[from] io::Error),
}

impl StreamHeader {
    /// The bytes before the first chunk. Fails if a field is out of the bounds that a reader
    /// accepts.
    pub fn encode(&self) -> Result<Vec<u8>, StreamError> {
        self.check_bounds()?;
        let wrapped_len = u16::try_from(self.wrapped_data_key.len())
            .map_err(|_| StreamError::WrappedDataKey { found: self.wrapped_data_key.len() })?;
        let mut bytes = Vec::with_capacity(FIXED_LEN + self.wrapped_data_key.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[FORMAT_VERSION, self.algorithm.number()]);
        bytes.extend_from_slice(&self.chunk_size.to_be_bytes());
        bytes.extend_from_slice(self.key_id.as_bytes());
        bytes.extend_from_slice(&self.nonce_prefix);
        bytes.extend_from_slice(&wrapped_len.to_be_bytes());
        bytes.extend_from_slice(&self.wrapped_data_key);
        Ok(bytes)
    }

    /// Reads the header and leaves `reader` at the first chunk.
    pub fn read_from(reader: &mut impl Read) -> Result<StreamHeader, StreamError> {
        let magic: [u8; 4] = take(reader).map_err(|error| match error {
            StreamError::CutOff => StreamError::NotAStream,
            other => other,
        })?;
        if magic != MAGIC {
            return Err(StreamError::NotAStream);
        }
        let [format, number] = take(reader)?;
        if format != FORMAT_VERSION {
            return Err(StreamError::FormatVersion { found: format });
        }
        let algorithm =
            Algorithm::from_number(number).ok_or(StreamError::Algorithm { found: number })?;
        let chunk_size = u32::from_be_bytes(take(reader)?);
        let key_id = Uuid::from_bytes(take(reader)?);
        let nonce_prefix = take(reader)?;
        let wrapped_len = usize::from(u16::from_be_bytes(take(reader)?));
        let mut header =
            StreamHeader { algorithm, chunk_size, key_id, nonce_prefix, wrapped_data_key: vec![] };
        header.check_bounds()?;
        if wrapped_len > MAX_WRAPPED_DATA_KEY {
            return Err(StreamError::WrappedDataKey { found: wrapped_len });
        }
        header.wrapped_data_key.resize(wrapped_len, 0);
        fill(reader, &mut header.wrapped_data_key)?;
        Ok(header)
    }

    /// The nonce of chunk number `counter`, counted from 0.
    pub fn chunk_nonce(&self, counter: u32, last: bool) -> [u8; NONCE_LEN] {
        let [a, b, c, d, e, f, g] = self.nonce_prefix;
        let [h, i, j, k] = counter.to_be_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, u8::from(last)]
    }

    /// The associated data of every chunk: a digest that binds the header and the caller's own
    /// associated data, each with its length.
    pub fn associated_data(&self, caller: &[u8]) -> Result<[u8; 32], StreamError> {
        let header = self.encode()?;
        let mut hasher = blake3::Hasher::new_derive_key("conclave stream v1: associated data");
        for part in [&header[..], caller] {
            hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
        }
        Ok(*hasher.finalize().as_bytes())
    }

    fn check_bounds(&self) -> Result<(), StreamError> {
        if !(MIN_STREAM_CHUNK..=MAX_STREAM_CHUNK).contains(&self.chunk_size) {
            return Err(StreamError::ChunkSize { found: self.chunk_size });
        }
        if self.wrapped_data_key.len() > MAX_WRAPPED_DATA_KEY {
            return Err(StreamError::WrappedDataKey { found: self.wrapped_data_key.len() });
        }
        Ok(())
    }
}

fn take<const N: usize>(reader: &mut impl Read) -> Result<[u8; N], StreamError> {
    let mut bytes = [0u8; N];
    fill(reader, &mut bytes)?;
    Ok(bytes)
}

fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> Result<(), StreamError> {
    reader.read_exact(buffer).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => StreamError::CutOff,
        _ => StreamError::Read(error),
    })
}

#[cfg(test)]
mod tests;
