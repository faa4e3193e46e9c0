//! Bytes that must not be copied, compared, printed or serialized by accident.

use std::fmt;

use conclave_core::seams::Entropy;
use zeroize::Zeroizing;

/// Secret bytes: on the heap, so that moving them copies nothing; wiped on drop; without `Clone`,
/// `PartialEq`, `Serialize` or a revealing `Debug`.
///
/// ```compile_fail
/// let secret = conclave_crypto::SecretBytes::copy_from(b"secret");
/// let second = secret.clone();
/// ```
///
/// ```compile_fail
/// let secret = conclave_crypto::SecretBytes::copy_from(b"secret");
/// assert!(secret == secret);
/// ```
pub struct SecretBytes(Zeroizing<Box<[u8]>>);

impl SecretBytes {
    /// Fresh random bytes.
    pub fn generate(entropy: &dyn Entropy, len: usize) -> SecretBytes {
        let mut secret = SecretBytes::zeroed(len);
        entropy.fill(secret.expose_mut());
        secret
    }

    /// A copy of `bytes`; wiping the original is the caller's part.
    pub fn copy_from(bytes: &[u8]) -> SecretBytes {
        SecretBytes(Zeroizing::new(Box::from(bytes)))
    }

    /// The bytes. Named so that each place that looks at a secret can be found.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// How many bytes there are; this is not secret.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn zeroed(len: usize) -> SecretBytes {
        SecretBytes(Zeroizing::new(vec![0; len].into_boxed_slice()))
    }

    pub(crate) fn expose_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretBytes({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SeededEntropy;

    #[test]
    fn debug_shows_the_length_only() {
        assert_eq!(format!("{:?}", SecretBytes::copy_from(b"secret")), "SecretBytes(6 bytes)");
    }

    #[test]
    fn generated_bytes_come_from_the_given_entropy() {
        let generate = |seed| SecretBytes::generate(&SeededEntropy::new(seed), 32);
        assert_eq!(generate(1).expose(), generate(1).expose());
        assert_ne!(generate(1).expose(), generate(2).expose());
    }
}
