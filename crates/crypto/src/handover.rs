//! Handing secrets from one node to another: HPKE (RFC 9180, base mode, DHKEM X25519 with
//! HKDF-SHA256, AES-256-GCM) to a key that the receiver made for this one ceremony and signed with
//! its node key. Everything is bound to ceremony, member and seal generation.

use aws_lc_rs::agreement::{PrivateKey, X25519};
use conclave_core::seams::Entropy;
use rustls::crypto::aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_AES_256 as SUITE;
use rustls::crypto::hpke::{EncapsulatedSecret, Hpke, HpkePrivateKey, HpkePublicKey};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::canonical::Canonical;
use crate::node_key::{self, NodeKey, SIGNATURE_LEN};
use crate::secret::SecretBytes;

/// Length of the public half of a hand-over key, bytes.
pub const PUBLIC_KEY_LEN: usize = 32;

/// First byte of a sealed message.
const FORMAT_VERSION: u8 = 1;
const ENCAPSULATED_LEN: usize = 32;
const OFFER_DOMAIN: &str = "conclave/handover-offer/v1";

/// What is handed over: a message for one purpose never opens as one for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Purpose {
    /// The wrapping keys, to a sealed member.
    WrappingKeys = 1,
    /// A share, to the collector of a ceremony.
    Share = 2,
}

/// What a hand-over is bound to. Sender and receiver each know it on their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandoverContext {
    /// What is handed over.
    pub purpose: Purpose,
    /// The keyspace.
    pub keyspace_id: Uuid,
    /// The ceremony.
    pub ceremony_id: Uuid,
    /// The member that receives.
    pub member_id: u64,
    /// The seal generation within which the hand-over is good.
    pub seal_generation: u64,
}

/// The receiver's key pair, made for one ceremony; wiped on drop.
pub struct HandoverKey {
    private: HpkePrivateKey,
    public: [u8; PUBLIC_KEY_LEN],
}

/// The receiver's public key, signed by its node key for one context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandoverOffer {
    /// The public half of the hand-over key.
    pub public_key: [u8; PUBLIC_KEY_LEN],
    /// The node's signature over context and public key.
    pub signature: [u8; SIGNATURE_LEN],
}

/// Why a hand-over fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandoverError {
    /// The signature is not that of the node for this context.
    #[error(
        "the hand-over key is not signed by the node it is said to belong to, for this ceremony and seal generation"
    )]
    Offer,
    /// The receiver's public key is not usable.
    #[error("the hand-over key is not a valid X25519 public key")]
    PublicKey,
    /// The message does not open.
    #[error(
        "the sealed message does not open; it was damaged, or made for another key, ceremony, member, purpose or seal generation"
    )]
    NotAuthentic,
    /// The message opened, but holds something else than expected.
    #[error("the sealed message does not hold what was expected; the sender runs another version")]
    Content,
}

impl HandoverKey {
    /// A fresh key pair.
    pub fn generate(entropy: &dyn Entropy) -> HandoverKey {
        let secret = SecretBytes::generate(entropy, 32);
        let public = PrivateKey::from_private_key(&X25519, secret.expose())
            .and_then(|key| key.compute_public_key().map_err(Into::into))
            .expect("any 32 bytes are an X25519 private key");
        HandoverKey {
            private: HpkePrivateKey::from(secret.expose().to_vec()),
            public: public.as_ref().try_into().expect("an X25519 public key has 32 bytes"),
        }
    }

    /// The public half.
    pub fn public_key(&self) -> &[u8; PUBLIC_KEY_LEN] {
        &self.public
    }

    /// The public half, signed by the node for this context.
    pub fn offer(&self, node_key: &NodeKey, context: &HandoverContext) -> HandoverOffer {
        let signature = node_key.sign(OFFER_DOMAIN, &context.offer_message(&self.public));
        HandoverOffer { public_key: self.public, signature }
    }

    /// Opens a message that was sealed to this key for this context.
    pub fn open(
        &self,
        context: &HandoverContext,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, HandoverError> {
        let message = sealed.strip_prefix(&[FORMAT_VERSION]).ok_or(HandoverError::NotAuthentic)?;
        let (encapsulated, ciphertext) =
            message.split_at_checked(ENCAPSULATED_LEN).ok_or(HandoverError::NotAuthentic)?;
        let encapsulated = EncapsulatedSecret(encapsulated.to_vec());
        SUITE
            .open(&encapsulated, &context.encode(), &[], ciphertext, &self.private)
            .map(Zeroizing::new)
            .map_err(|_| HandoverError::NotAuthentic)
    }
}

impl std::fmt::Debug for HandoverKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HandoverKey").finish_non_exhaustive()
    }
}

impl HandoverOffer {
    /// Checks that the node with this public key made the offer for this context.
    pub fn verify(
        &self,
        node_public: &[u8],
        context: &HandoverContext,
    ) -> Result<(), HandoverError> {
        let message = context.offer_message(&self.public_key);
        node_key::verify(node_public, OFFER_DOMAIN, &message, &self.signature)
            .map_err(|_| HandoverError::Offer)
    }
}

/// Seals `payload` to a public key for one context. Whose key it is was checked before by
/// [`HandoverOffer::verify`].
pub fn seal_to(
    public_key: &[u8; PUBLIC_KEY_LEN],
    context: &HandoverContext,
    payload: &[u8],
) -> Result<Vec<u8>, HandoverError> {
    let receiver = HpkePublicKey(public_key.to_vec());
    let (encapsulated, ciphertext) = SUITE
        .seal(&context.encode(), &[], payload, &receiver)
        .map_err(|_| HandoverError::PublicKey)?;
    let mut message = Vec::with_capacity(1 + ENCAPSULATED_LEN + ciphertext.len());
    message.push(FORMAT_VERSION);
    message.extend_from_slice(&encapsulated.0);
    message.extend_from_slice(&ciphertext);
    Ok(message)
}

impl HandoverContext {
    /// The HPKE info.
    fn encode(&self) -> Vec<u8> {
        self.fields("conclave/handover/v1").finish()
    }

    fn offer_message(&self, public_key: &[u8; PUBLIC_KEY_LEN]) -> Vec<u8> {
        self.fields(OFFER_DOMAIN).bytes(public_key).finish()
    }

    fn fields(&self, label: &str) -> Canonical {
        Canonical::new(label)
            .u8(self.purpose as u8)
            .uuid(self.keyspace_id)
            .uuid(self.ceremony_id)
            .u64(self.member_id)
            .u64(self.seal_generation)
    }
}

#[cfg(test)]
mod tests;
