//! Which of our forms a file has, told from its first bytes.

use crate::{ciphertext, stream};

/// The form of encrypted data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `conclave:v1:…`, see [`crate::ciphertext`].
    Text,
    /// One binary envelope, see [`crate::ciphertext`].
    Binary,
    /// A stream of chunks under a data key, see [`crate::stream`].
    Stream,
}

/// How many first bytes [`Form::of`] wants to see (fewer if the data is shorter).
pub const PREFIX_LEN: usize = 64;

impl Form {
    /// The form of data that begins with `start`; `None` if it is none of ours. Blanks before the
    /// text form are ignored.
    pub fn of(start: &[u8]) -> Option<Form> {
        if start.starts_with(&ciphertext::MAGIC) {
            Some(Form::Binary)
        } else if start.starts_with(&stream::MAGIC) {
            Some(Form::Stream)
        } else if start.trim_ascii_start().starts_with(ciphertext::TEXT_PREFIX.as_bytes()) {
            Some(Form::Text)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_told_from_the_first_bytes() {
        assert_eq!(Form::of(b"conclave:v1:Q05D"), Some(Form::Text));
        assert_eq!(Form::of(b"\n  conclave:v1:Q05D"), Some(Form::Text));
        assert_eq!(Form::of(b"CNCL\x01"), Some(Form::Binary));
        assert_eq!(Form::of(b"CNCS\x01"), Some(Form::Stream));
        for other in [&b""[..], b"CNC", b"conclave:v2:Q05D", b" CNCL", b"hello"] {
            assert_eq!(Form::of(other), None);
        }
    }
}
