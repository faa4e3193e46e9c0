//! The node's own Ed25519 key: signs what others must be able to check later (receipts, anchors,
//! hand-over keys). Each use has a domain, so that a signature for one never serves another.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use conclave_core::seams::Entropy;

use crate::canonical::Canonical;
use crate::secret::SecretBytes;

/// Length of a public key, bytes.
pub const PUBLIC_KEY_LEN: usize = 32;
/// Length of a signature, bytes.
pub const SIGNATURE_LEN: usize = 64;
/// Length of the seed that the data directory keeps, bytes.
pub const SEED_LEN: usize = 32;

/// A node key; its seed is wiped on drop.
pub struct NodeKey {
    seed: SecretBytes,
    pair: Ed25519KeyPair,
}

/// Why a node key or a signature is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeKeyError {
    /// The stored bytes are not a seed.
    #[error(
        "a node key has {SEED_LEN} bytes, {found} were found; restore `node.key` from this node's own backup"
    )]
    Seed {
        /// How many bytes there are.
        found: usize,
    },
    /// The signature is not that of the key over the message.
    #[error("the signature is not that of this node over this message")]
    Signature,
}

impl NodeKey {
    /// A fresh key.
    pub fn generate(entropy: &dyn Entropy) -> NodeKey {
        NodeKey::from_secret(SecretBytes::generate(entropy, SEED_LEN))
            .expect("a seed of the right length was made")
    }

    /// The key with this seed, as read from the data directory.
    pub fn from_seed(seed: &[u8]) -> Result<NodeKey, NodeKeyError> {
        NodeKey::from_secret(SecretBytes::copy_from(seed))
    }

    /// The seed, to be written to the data directory with mode 0600.
    pub fn seed(&self) -> &SecretBytes {
        &self.seed
    }

    /// The public key.
    pub fn public_key(&self) -> [u8; PUBLIC_KEY_LEN] {
        self.pair.public_key().as_ref().try_into().expect("an Ed25519 public key has 32 bytes")
    }

    /// Signs a message for one domain.
    pub fn sign(&self, domain: &str, message: &[u8]) -> [u8; SIGNATURE_LEN] {
        let signature = self.pair.sign(&to_be_signed(domain, message));
        signature.as_ref().try_into().expect("an Ed25519 signature has 64 bytes")
    }

    fn from_secret(seed: SecretBytes) -> Result<NodeKey, NodeKeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose())
            .map_err(|_| NodeKeyError::Seed { found: seed.len() })?;
        Ok(NodeKey { seed, pair })
    }
}

impl std::fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeKey").finish_non_exhaustive()
    }
}

/// Checks a signature over a message for one domain.
pub fn verify(
    public_key: &[u8],
    domain: &str,
    message: &[u8],
    signature: &[u8],
) -> Result<(), NodeKeyError> {
    UnparsedPublicKey::new(&ED25519, public_key)
        .verify(&to_be_signed(domain, message), signature)
        .map_err(|_| NodeKeyError::Signature)
}

fn to_be_signed(domain: &str, message: &[u8]) -> Vec<u8> {
    Canonical::new("conclave/node-signature/v1").bytes(domain.as_bytes()).bytes(message).finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SeededEntropy;

    #[test]
    fn a_signature_holds_for_its_key_domain_and_message() {
        let entropy = SeededEntropy::new(1);
        let (key, other) = (NodeKey::generate(&entropy), NodeKey::generate(&entropy));
        let signature = key.sign("a", b"message");
        let public = key.public_key();
        assert_eq!(verify(&public, "a", b"message", &signature), Ok(()));
        let refused = Err(NodeKeyError::Signature);
        assert_eq!(verify(&public, "b", b"message", &signature), refused);
        assert_eq!(verify(&public, "a", b"massage", &signature), refused);
        assert_eq!(verify(&other.public_key(), "a", b"message", &signature), refused);
        assert_eq!(verify(&public, "a", b"message", &signature[..63]), refused);
        assert_eq!(verify(b"", "a", b"message", &signature), refused);
        // Domain and message cannot flow into each other.
        assert_eq!(verify(&public, "am", b"essage", &signature), refused);
    }

    #[test]
    fn the_seed_brings_the_key_back() {
        let key = NodeKey::generate(&SeededEntropy::new(1));
        let back = NodeKey::from_seed(key.seed().expose()).unwrap();
        assert_eq!(back.public_key(), key.public_key());
        let error = NodeKey::from_seed(&[0; 31]).unwrap_err();
        assert_eq!(error, NodeKeyError::Seed { found: 31 });
    }
}
