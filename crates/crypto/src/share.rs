//! One share of a secret: the type and bytes of `sharks`, behind checks.

use std::fmt;

use conclave_formats::share_text::{ShareHeader, ShareText};
use zeroize::Zeroizing;

/// A share: an index x from 1 and one y per byte of the secret. Wiped on drop; without `Clone`,
/// `PartialEq` or a revealing `Debug`.
///
/// ```compile_fail
/// let share = conclave_crypto::share::Share::from_bytes(&[1, 2]).unwrap();
/// let second = share.clone();
/// ```
pub struct Share(sharks::Share);

/// Why bytes are not a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// Fewer than two bytes.
    #[error("a share has an index and at least one byte")]
    TooShort,
    /// The index is zero, where the secret itself lies.
    #[error(
        "the index of a share lies between 1 and 255, this one is 0; it was not dealt by Conclave"
    )]
    IndexZero,
}

impl Share {
    /// A share from its bytes, x first.
    pub fn from_bytes(bytes: &[u8]) -> Result<Share, ShareError> {
        if bytes.first() == Some(&0) {
            return Err(ShareError::IndexZero);
        }
        sharks::Share::try_from(bytes).map(Share).map_err(|_| ShareError::TooShort)
    }

    /// The share in a text that was read.
    pub fn from_text(text: &ShareText) -> Result<Share, ShareError> {
        Share::from_bytes(text.bytes())
    }

    /// The text for a share of the root key; `None` if the header does not fit the share.
    pub fn to_text(&self, header: ShareHeader) -> Option<ShareText> {
        ShareText::new(header, &self.to_bytes())
    }

    /// The bytes, x first.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(Vec::from(&self.0))
    }

    /// The index x; it is not secret.
    pub fn index(&self) -> u8 {
        self.0.x.0
    }

    /// How many bytes of the secret it shares; this is not secret.
    pub fn secret_len(&self) -> usize {
        self.0.y.len()
    }

    /// The bytes after the index.
    pub(crate) fn values(&self) -> impl Iterator<Item = u8> {
        self.0.y.iter().map(|value| value.0)
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share").field("index", &self.index()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_share_is_refused() {
        assert_eq!(Share::from_bytes(&[]).unwrap_err(), ShareError::TooShort);
        assert_eq!(Share::from_bytes(&[1]).unwrap_err(), ShareError::TooShort);
        assert_eq!(Share::from_bytes(&[0, 1]).unwrap_err(), ShareError::IndexZero);
        let share = Share::from_bytes(&[1, 2, 3]).unwrap();
        assert_eq!((share.index(), share.secret_len()), (1, 2));
        assert_eq!(share.to_bytes().to_vec(), [1, 2, 3]);
        assert_eq!(format!("{share:?}"), "Share { index: 1, .. }");
    }
}
