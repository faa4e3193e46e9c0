//! Encrypting and decrypting for clients: AES-256-GCM-SIV with the cipher state kept ready.
//!
//! The associated data of the cipher is the canonical encoding of the envelope's header and the
//! caller's own associated data: what the header says is authentic, and no byte can be moved from
//! one part to the other.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use conclave_core::seams::Entropy;
use conclave_formats::Algorithm;
use conclave_formats::ciphertext::{Envelope, HEADER_LEN, header_bytes};
use conclave_formats::limits::{MAX_ASSOCIATED_DATA, MAX_PLAINTEXT, NONCE_LEN, TAG_LEN};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::canonical::Canonical;
use crate::hierarchy::KeyMaterial;

/// One key version, ready for use: wiped when dropped (aws-lc cleanses its key on free).
pub struct DataKey {
    algorithm: Algorithm,
    cipher: LessSafeKey,
}

/// Why something is not encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncryptError {
    /// Too much to encrypt in one call.
    #[error(
        "{found} bytes are to be encrypted, one call takes {MAX_PLAINTEXT}; encrypt larger data under a data key"
    )]
    PlaintextTooLarge {
        /// How many bytes were given.
        found: usize,
    },
    /// Too much associated data.
    #[error("the associated data has {found} bytes, allowed are {MAX_ASSOCIATED_DATA}")]
    AssociatedDataTooLarge {
        /// How many bytes were given.
        found: usize,
    },
}

/// The ciphertext is not authentic. One error for a tampered ciphertext, wrong associated data and
/// a wrong key, so that a caller learns nothing by trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the ciphertext or its associated data is not what was encrypted; check that both are complete and unchanged"
)]
pub struct DecryptError;

impl DataKey {
    /// Prepares key material for use.
    pub fn new(material: &KeyMaterial) -> DataKey {
        let algorithm = material.algorithm();
        let suite = match algorithm {
            Algorithm::Aes256GcmSiv => &AES_256_GCM_SIV,
        };
        let key = UnboundKey::new(suite, material.expose())
            .expect("key material has the length of its algorithm");
        DataKey { algorithm, cipher: LessSafeKey::new(key) }
    }

    /// Encrypts under a fresh random nonce; gives the encoded envelope.
    pub fn encrypt(
        &self,
        entropy: &dyn Entropy,
        key_id: Uuid,
        version: u32,
        plaintext: &[u8],
        associated_data: &[u8],
    ) -> Result<Vec<u8>, EncryptError> {
        if plaintext.len() > MAX_PLAINTEXT {
            return Err(EncryptError::PlaintextTooLarge { found: plaintext.len() });
        }
        if associated_data.len() > MAX_ASSOCIATED_DATA {
            return Err(EncryptError::AssociatedDataTooLarge { found: associated_data.len() });
        }
        let mut nonce = [0u8; NONCE_LEN];
        entropy.fill(&mut nonce);
        let header = header_bytes(key_id, version, self.algorithm, &nonce);
        let mut envelope = Vec::with_capacity(HEADER_LEN + plaintext.len() + TAG_LEN);
        envelope.extend_from_slice(&header);
        envelope.extend_from_slice(plaintext);
        let tag = self
            .cipher
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(bind(&header, associated_data)),
                &mut envelope[HEADER_LEN..],
            )
            .expect("AES-256-GCM-SIV takes far more than our limits allow");
        envelope.extend_from_slice(tag.as_ref());
        Ok(envelope)
    }

    /// Decrypts an envelope. The caller has found the key by the envelope's key id and version.
    pub fn decrypt(
        &self,
        envelope: &Envelope,
        associated_data: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
        let too_large = associated_data.len() > MAX_ASSOCIATED_DATA
            || envelope.body_and_tag.len() > MAX_PLAINTEXT + TAG_LEN;
        if too_large || envelope.algorithm != self.algorithm {
            return Err(DecryptError);
        }
        let mut bytes = Zeroizing::new(envelope.body_and_tag.clone());
        let opened = self.cipher.open_in_place(
            Nonce::assume_unique_for_key(envelope.nonce),
            Aad::from(bind(&envelope.header_bytes(), associated_data)),
            &mut bytes,
        );
        let plain_len = opened.map_err(|_| DecryptError)?.len();
        bytes.truncate(plain_len);
        Ok(bytes)
    }
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DataKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

fn bind(header: &[u8], associated_data: &[u8]) -> Vec<u8> {
    Canonical::new("conclave/ciphertext/v1").bytes(header).bytes(associated_data).finish()
}

#[cfg(test)]
mod tests;
