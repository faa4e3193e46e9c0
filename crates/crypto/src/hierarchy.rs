//! The three kinds of keys: root key, wrapping key, key material.

use conclave_core::seams::Entropy;
use conclave_formats::Algorithm;
use conclave_formats::limits::ROOT_KEY_LEN;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::canonical::Canonical;
use crate::kdf;
use crate::secret::SecretBytes;

/// Length of a wrapping key, bytes.
pub const WRAPPING_KEY_LEN: usize = 32;
/// Length of a key check value, bytes.
pub const CHECK_VALUE_LEN: usize = 32;

/// The top of the hierarchy: exists whole only while a ceremony's collector holds it.
#[derive(Debug)]
pub struct RootKey(SecretBytes);

/// Wraps key material; replicated only wrapped by the root key.
#[derive(Debug)]
pub struct WrappingKey {
    generation: u32,
    bytes: SecretBytes,
}

/// The secret bits of one key version; replicated only wrapped by a wrapping key.
#[derive(Debug)]
pub struct KeyMaterial {
    algorithm: Algorithm,
    bytes: SecretBytes,
}

/// Bytes of another length than the key has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key of {expected} bytes was expected, {found} were given")]
pub struct KeyLengthError {
    /// How many bytes the key has.
    pub expected: usize,
    /// How many were given.
    pub found: usize,
}

impl RootKey {
    /// A fresh root key.
    pub fn generate(entropy: &dyn Entropy) -> RootKey {
        RootKey(SecretBytes::generate(entropy, ROOT_KEY_LEN))
    }

    /// The root key that a recovery yielded.
    pub fn from_secret(bytes: SecretBytes) -> Result<RootKey, KeyLengthError> {
        check_len(&bytes, ROOT_KEY_LEN).map(|()| RootKey(bytes))
    }

    /// The key check value: shows that a recovered root key is the right one, tells nothing else.
    pub fn check_value(&self, keyspace_id: Uuid, epoch: u32) -> [u8; CHECK_VALUE_LEN] {
        let context = Canonical::new("conclave/root-key/check-value/v1")
            .uuid(keyspace_id)
            .u32(epoch)
            .finish();
        let mut value = [0; CHECK_VALUE_LEN];
        kdf::derive("conclave/root-key/v1", self.expose(), &context, &mut value);
        value
    }

    /// Compares the key check value in constant time.
    pub fn has_check_value(&self, keyspace_id: Uuid, epoch: u32, expected: &[u8]) -> bool {
        self.check_value(keyspace_id, epoch)[..].ct_eq(expected).into()
    }

    pub(crate) fn expose(&self) -> &[u8] {
        self.0.expose()
    }
}

impl WrappingKey {
    /// A fresh wrapping key of this generation (from 1).
    pub fn generate(entropy: &dyn Entropy, generation: u32) -> WrappingKey {
        WrappingKey { generation, bytes: SecretBytes::generate(entropy, WRAPPING_KEY_LEN) }
    }

    /// A wrapping key that was unwrapped or handed over.
    pub fn from_secret(generation: u32, bytes: SecretBytes) -> Result<WrappingKey, KeyLengthError> {
        check_len(&bytes, WRAPPING_KEY_LEN).map(|()| WrappingKey { generation, bytes })
    }

    /// Its generation.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    pub(crate) fn expose(&self) -> &[u8] {
        self.bytes.expose()
    }
}

impl KeyMaterial {
    /// Fresh material for this algorithm.
    pub fn generate(entropy: &dyn Entropy, algorithm: Algorithm) -> KeyMaterial {
        KeyMaterial { algorithm, bytes: SecretBytes::generate(entropy, algorithm.key_len()) }
    }

    /// Material that was unwrapped.
    pub fn from_secret(
        algorithm: Algorithm,
        bytes: SecretBytes,
    ) -> Result<KeyMaterial, KeyLengthError> {
        check_len(&bytes, algorithm.key_len()).map(|()| KeyMaterial { algorithm, bytes })
    }

    /// The algorithm that the material is for.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) fn expose(&self) -> &[u8] {
        self.bytes.expose()
    }
}

fn check_len(bytes: &SecretBytes, expected: usize) -> Result<(), KeyLengthError> {
    let found = bytes.len();
    if found == expected { Ok(()) } else { Err(KeyLengthError { expected, found }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SeededEntropy;

    #[test]
    fn a_check_value_belongs_to_one_key_keyspace_and_epoch() {
        let entropy = SeededEntropy::new(1);
        let (root, other) = (RootKey::generate(&entropy), RootKey::generate(&entropy));
        let keyspace_id = Uuid::from_u128(1);
        let value = root.check_value(keyspace_id, 1);
        assert!(root.has_check_value(keyspace_id, 1, &value));
        assert!(!other.has_check_value(keyspace_id, 1, &value));
        assert!(!root.has_check_value(keyspace_id, 2, &value));
        assert!(!root.has_check_value(Uuid::from_u128(2), 1, &value));
        assert!(!root.has_check_value(keyspace_id, 1, &value[..31]));
        assert!(!root.has_check_value(keyspace_id, 1, b""));
    }

    #[test]
    fn keys_of_another_length_are_refused() {
        let bytes = || SecretBytes::zeroed(31);
        let error = KeyLengthError { expected: 32, found: 31 };
        assert_eq!(RootKey::from_secret(bytes()).unwrap_err(), error);
        assert_eq!(WrappingKey::from_secret(1, bytes()).unwrap_err(), error);
        let algorithm = Algorithm::Aes256GcmSiv;
        assert_eq!(KeyMaterial::from_secret(algorithm, bytes()).unwrap_err(), error);
    }

    #[test]
    fn debug_reveals_nothing() {
        let key = WrappingKey::from_secret(7, SecretBytes::copy_from(&[0xab; 32])).unwrap();
        assert_eq!(
            format!("{key:?}"),
            "WrappingKey { generation: 7, bytes: SecretBytes(32 bytes) }"
        );
    }
}
