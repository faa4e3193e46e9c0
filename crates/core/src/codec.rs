//! How records and entries are encoded: a format byte, then postcard. Positional, so a change of a
//! type is a change of the format byte; the golden tests show it.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Format of everything that [`encode`] writes.
pub const FORMAT: u8 = 3;

/// Why bytes could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The format byte is missing or of another release.
    #[error(
        "format {0:?} is not known here (this release reads format {FORMAT}); use the release that wrote it"
    )]
    Format(Option<u8>),
    /// The bytes do not hold what they should.
    #[error("the bytes are damaged or of another type")]
    Damaged,
}

/// Encodes a value with its format byte.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_extend(value, vec![FORMAT]).expect("encoding to memory of plain data cannot fail")
}

/// Decodes what [`encode`] wrote; every byte must be used.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let (format, body) = bytes.split_first().ok_or(DecodeError::Format(None))?;
    if *format != FORMAT {
        return Err(DecodeError::Format(Some(*format)));
    }
    match postcard::take_from_bytes(body) {
        Ok((value, [])) => Ok(value),
        _ => Err(DecodeError::Damaged),
    }
}
