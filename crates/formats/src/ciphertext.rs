//! The ciphertext envelope: a self-describing header, then body and tag.
//!
//! ```text
//! offset  length  field
//!      0       4  magic "CNCL"
//!      4       1  format version, 1
//!      5       1  algorithm number
//!      6      16  key id
//!     22       4  key version, big endian
//!     26      12  nonce
//!     38       n  body, as long as the plaintext
//!   38+n      16  authentication tag
//! ```
//!
//! The first 38 bytes are the header; all of it is authenticated. The text form is `conclave:v1:`
//! and the whole envelope in base64url (RFC 4648 section 5) without padding.

use data_encoding::BASE64URL_NOPAD;
use uuid::Uuid;

use crate::Algorithm;
use crate::limits::{MAX_ENVELOPE, NONCE_LEN, TAG_LEN};

/// First bytes of a binary envelope.
pub const MAGIC: [u8; 4] = *b"CNCL";
/// First characters of the text form.
pub const TEXT_PREFIX: &str = "conclave:v1:";
/// The format version that this crate writes and reads.
pub const FORMAT_VERSION: u8 = 1;
/// Length of the authenticated header, bytes.
pub const HEADER_LEN: usize = 4 + 1 + 1 + 16 + 4 + NONCE_LEN;

/// A ciphertext with all that is needed to find its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The key under which the ciphertext was made.
    pub key_id: Uuid,
    /// The version of that key.
    pub version: u32,
    /// The algorithm of that version.
    pub algorithm: Algorithm,
    /// The nonce of this message.
    pub nonce: [u8; NONCE_LEN],
    /// The encrypted bytes, then the tag of [`TAG_LEN`] bytes.
    pub body_and_tag: Vec<u8>,
}

/// Why bytes or a text are not a ciphertext of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// It does not begin as a ciphertext does.
    #[error(
        "this is not a Conclave ciphertext; the text form begins with `conclave:v1:`, the binary form with `CNCL`"
    )]
    NotACiphertext,
    /// It begins as one, but ends too soon.
    #[error("the ciphertext is cut off; copy it whole")]
    CutOff,
    /// It is longer than any ciphertext of one call.
    #[error(
        "the ciphertext is longer than {MAX_ENVELOPE} bytes, the most that one call takes; larger data is encrypted as a stream"
    )]
    TooLong,
    /// A format version that this program does not know.
    #[error(
        "the ciphertext has format version {found}, known is {FORMAT_VERSION}; use a newer release of Conclave"
    )]
    FormatVersion {
        /// The version in the ciphertext.
        found: u8,
    },
    /// An algorithm number that this program does not know.
    #[error(
        "the ciphertext has algorithm number {found}, which is not known; use a newer release of Conclave"
    )]
    Algorithm {
        /// The number in the ciphertext.
        found: u8,
    },
    /// The text form is not base64url.
    #[error(
        "the ciphertext has characters that are not base64url (A-Z a-z 0-9 - _); copy it whole and unchanged"
    )]
    Base64,
}

impl Envelope {
    /// The authenticated header: everything but body and tag.
    pub fn header_bytes(&self) -> [u8; HEADER_LEN] {
        header_bytes(self.key_id, self.version, self.algorithm, &self.nonce)
    }

    /// The binary form.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_LEN + self.body_and_tag.len());
        bytes.extend_from_slice(&self.header_bytes());
        bytes.extend_from_slice(&self.body_and_tag);
        bytes
    }

    /// Reads the binary form.
    pub fn decode(bytes: &[u8]) -> Result<Envelope, EnvelopeError> {
        if !bytes.starts_with(&MAGIC) {
            return Err(EnvelopeError::NotACiphertext);
        }
        if bytes.len() > MAX_ENVELOPE {
            return Err(EnvelopeError::TooLong);
        }
        let [_, _, _, _, format, number, ..] = *bytes else {
            return Err(EnvelopeError::CutOff);
        };
        if format != FORMAT_VERSION {
            return Err(EnvelopeError::FormatVersion { found: format });
        }
        let algorithm =
            Algorithm::from_number(number).ok_or(EnvelopeError::Algorithm { found: number })?;
        let (_, fields) = bytes.split_at(6);
        let (key_id, fields) = fields.split_first_chunk().ok_or(EnvelopeError::CutOff)?;
        let (version, fields) = fields.split_first_chunk().ok_or(EnvelopeError::CutOff)?;
        let (nonce, body_and_tag) = fields.split_first_chunk().ok_or(EnvelopeError::CutOff)?;
        if body_and_tag.len() < TAG_LEN {
            return Err(EnvelopeError::CutOff);
        }
        Ok(Envelope {
            key_id: Uuid::from_bytes(*key_id),
            version: u32::from_be_bytes(*version),
            algorithm,
            nonce: *nonce,
            body_and_tag: body_and_tag.to_vec(),
        })
    }

    /// The text form, without a newline.
    pub fn to_text(&self) -> String {
        text_of(&self.encode())
    }

    /// Reads the text form; blanks and newlines around it are ignored.
    pub fn from_text(text: &str) -> Result<Envelope, EnvelopeError> {
        Envelope::decode(&bytes_of_text(text)?)
    }
}

/// The header of an envelope.
pub fn header_bytes(
    key_id: Uuid,
    version: u32,
    algorithm: Algorithm,
    nonce: &[u8; NONCE_LEN],
) -> [u8; HEADER_LEN] {
    let mut header = [0u8; HEADER_LEN];
    let (magic, rest) = header.split_at_mut(4);
    magic.copy_from_slice(&MAGIC);
    rest[0] = FORMAT_VERSION;
    rest[1] = algorithm.number();
    rest[2..18].copy_from_slice(key_id.as_bytes());
    rest[18..22].copy_from_slice(&version.to_be_bytes());
    rest[22..].copy_from_slice(nonce);
    header
}

/// The text form of an encoded envelope.
pub fn text_of(encoded: &[u8]) -> String {
    let mut text = String::with_capacity(TEXT_PREFIX.len() + encoded.len().div_ceil(3) * 4);
    text.push_str(TEXT_PREFIX);
    BASE64URL_NOPAD.encode_append(encoded, &mut text);
    text
}

/// The encoded envelope in a text form. The content is not looked at.
pub fn bytes_of_text(text: &str) -> Result<Vec<u8>, EnvelopeError> {
    let text = text.trim_ascii();
    let body = text.strip_prefix(TEXT_PREFIX).ok_or(EnvelopeError::NotACiphertext)?;
    if body.len() > MAX_ENVELOPE.div_ceil(3) * 4 {
        return Err(EnvelopeError::TooLong);
    }
    BASE64URL_NOPAD.decode(body.as_bytes()).map_err(|_| EnvelopeError::Base64)
}

#[cfg(test)]
mod tests;
