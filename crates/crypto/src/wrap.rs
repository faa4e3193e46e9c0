//! Wrapping with AES-256-SIV (RFC 5297). The associated data is the whole context of what is
//! wrapped, so that no wrapped key can be moved to another place; the 64-byte SIV keys are derived
//! from the 32-byte keys of the hierarchy, separately for each use.
//!
//! SIV is deterministic: equal keys under equal contexts have equal wrappings. Wrapped keys are
//! random, so this reveals nothing.

use aes_siv::siv::Aes256Siv;
use aes_siv::{KeyInit, Tag};
use conclave_formats::Algorithm;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::canonical::Canonical;
use crate::hierarchy::{KeyMaterial, RootKey, WrappingKey};
use crate::kdf;
use crate::secret::SecretBytes;

/// Bytes that wrapping adds: the synthetic IV in front.
pub const WRAP_OVERHEAD: usize = 16;

/// Where wrapped key material belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaterialContext {
    /// The keyspace (one per init).
    pub keyspace_id: Uuid,
    /// The key.
    pub key_id: Uuid,
    /// The version of the key, from 1.
    pub version: u32,
    /// The algorithm of the material.
    pub algorithm: Algorithm,
    /// The generation of the wrapping key.
    pub generation: u32,
}

/// Where a wrapped wrapping key belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrappingKeyContext {
    /// The keyspace (one per init).
    pub keyspace_id: Uuid,
    /// The seal epoch of the root key, from 1.
    pub epoch: u32,
    /// The generation of the wrapping key, from 1.
    pub generation: u32,
}

/// Why something cannot be wrapped or unwrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrapError {
    /// Key and context name different generations of the wrapping key.
    #[error(
        "wrapping key generation {key} was used where generation {context} belongs; use the key of that generation"
    )]
    Generation {
        /// The generation of the key.
        key: u32,
        /// The generation in the context.
        context: u32,
    },
    /// Key material and context name different algorithms.
    #[error("material for {material} was to be wrapped as material for {context}")]
    Algorithm {
        /// The algorithm of the material.
        material: Algorithm,
        /// The algorithm in the context.
        context: Algorithm,
    },
    /// The wrapped bytes are not authentic in this context.
    #[error(
        "the wrapped key does not open in its place; it was damaged, moved, or wrapped by another key"
    )]
    NotAuthentic,
}

/// Wraps key material. Fails only if the arguments contradict each other.
pub fn wrap_material(
    key: &WrappingKey,
    context: &MaterialContext,
    material: &KeyMaterial,
) -> Result<Vec<u8>, WrapError> {
    check_generation(key, context.generation)?;
    if material.algorithm() != context.algorithm {
        return Err(WrapError::Algorithm {
            material: material.algorithm(),
            context: context.algorithm,
        });
    }
    Ok(seal(&mut key.cipher(), &context.encode(), material.expose()))
}

/// Unwraps key material.
pub fn unwrap_material(
    key: &WrappingKey,
    context: &MaterialContext,
    wrapped: &[u8],
) -> Result<KeyMaterial, WrapError> {
    check_generation(key, context.generation)?;
    let bytes = open(&mut key.cipher(), &context.encode(), wrapped)?;
    KeyMaterial::from_secret(context.algorithm, bytes).map_err(|_| WrapError::NotAuthentic)
}

impl RootKey {
    /// Wraps a wrapping key. Fails only if key and context name different generations.
    pub fn wrap_wrapping_key(
        &self,
        context: &WrappingKeyContext,
        key: &WrappingKey,
    ) -> Result<Vec<u8>, WrapError> {
        check_generation(key, context.generation)?;
        Ok(seal(&mut self.cipher(), &context.encode(), key.expose()))
    }

    /// Unwraps a wrapping key.
    pub fn unwrap_wrapping_key(
        &self,
        context: &WrappingKeyContext,
        wrapped: &[u8],
    ) -> Result<WrappingKey, WrapError> {
        let bytes = open(&mut self.cipher(), &context.encode(), wrapped)?;
        WrappingKey::from_secret(context.generation, bytes).map_err(|_| WrapError::NotAuthentic)
    }

    fn cipher(&self) -> Aes256Siv {
        cipher("conclave/root-key/v1", self.expose())
    }
}

impl WrappingKey {
    fn cipher(&self) -> Aes256Siv {
        cipher("conclave/wrapping-key/v1", self.expose())
    }
}

impl MaterialContext {
    fn encode(&self) -> Vec<u8> {
        Canonical::new("conclave/wrapped-key-material/v1")
            .uuid(self.keyspace_id)
            .uuid(self.key_id)
            .u32(self.version)
            .u8(self.algorithm.number())
            .u32(self.generation)
            .finish()
    }
}

impl WrappingKeyContext {
    fn encode(&self) -> Vec<u8> {
        Canonical::new("conclave/wrapped-wrapping-key/v1")
            .uuid(self.keyspace_id)
            .u32(self.epoch)
            .u32(self.generation)
            .finish()
    }
}

fn check_generation(key: &WrappingKey, context: u32) -> Result<(), WrapError> {
    let key = key.generation();
    if key == context { Ok(()) } else { Err(WrapError::Generation { key, context }) }
}

fn cipher(label: &str, secret: &[u8]) -> Aes256Siv {
    let mut key = Zeroizing::new([0u8; 64]);
    kdf::derive(label, secret, &Canonical::new("conclave/aes-256-siv/v1").finish(), &mut key[..]);
    Aes256Siv::new_from_slice(&key[..]).expect("AES-256-SIV takes 64 bytes")
}

/// Synthetic IV, then the encrypted bytes.
fn seal(cipher: &mut Aes256Siv, context: &[u8], plain: &[u8]) -> Vec<u8> {
    cipher.encrypt([context], plain).expect("SIV takes up to 126 headers, this is one")
}

fn open(cipher: &mut Aes256Siv, context: &[u8], wrapped: &[u8]) -> Result<SecretBytes, WrapError> {
    let (tag, body) =
        wrapped.split_first_chunk::<WRAP_OVERHEAD>().ok_or(WrapError::NotAuthentic)?;
    let mut plain = SecretBytes::copy_from(body);
    cipher
        .decrypt_inout_detached([context], plain.expose_mut().into(), &Tag::from(*tag))
        .map_err(|_| WrapError::NotAuthentic)?;
    Ok(plain)
}

#[cfg(test)]
mod tests;
