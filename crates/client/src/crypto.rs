//! Cryptography with keys that never leave the cluster.

use conclave_proto::v1;
use conclave_proto::v1::crypto_client::CryptoClient;

use crate::call::Kind;
use crate::client::Client;
use crate::error::Error;

/// Calls of `conclave.v1.Crypto`. `key` is a key id or an alias everywhere.
impl Client {
    /// Encrypts at most 64 KiB under the key's primary version. `associated_data` (at most 64 KiB)
    /// is authenticated, not stored: decryption needs the same bytes. For more data see
    /// [`crate::stream`].
    ///
    /// # Errors
    /// `NOT_FOUND`, `KEY_STATE`, `TOO_LARGE`; what every call may meet.
    pub async fn encrypt(
        &self,
        key: &str,
        plaintext: Vec<u8>,
        associated_data: Vec<u8>,
    ) -> Result<v1::EncryptAnswer, Error> {
        let request = v1::EncryptRequest { key: key.to_owned(), plaintext, associated_data };
        self.run(Kind::Read, request, |wire, request| async move {
            CryptoClient::with_origin(wire.connection, wire.origin).encrypt(request).await
        })
        .await
    }

    /// Decrypts a binary envelope. With `key`, a ciphertext of any other key is refused.
    ///
    /// # Errors
    /// `CIPHERTEXT_INVALID` for a changed ciphertext or other associated data,
    /// `CIPHERTEXT_WRONG_KEY`, `NOT_FOUND`, `KEY_STATE`; what every call may meet.
    pub async fn decrypt(
        &self,
        ciphertext: Vec<u8>,
        associated_data: Vec<u8>,
        key: Option<&str>,
    ) -> Result<v1::DecryptAnswer, Error> {
        let key = key.unwrap_or_default().to_owned();
        let request = v1::DecryptRequest { ciphertext, associated_data, key };
        self.run(Kind::Read, request, |wire, request| async move {
            CryptoClient::with_origin(wire.connection, wire.origin).decrypt(request).await
        })
        .await
    }

    /// Makes a data key of `bytes` bytes (16 to 64), returned plain and wrapped under the key. The
    /// caller wipes the plain one.
    ///
    /// # Errors
    /// `NOT_FOUND`, `KEY_STATE`, `INVALID_ARGUMENT`; what every call may meet.
    pub async fn generate_data_key(
        &self,
        key: &str,
        bytes: u32,
        associated_data: Vec<u8>,
    ) -> Result<v1::GenerateDataKeyAnswer, Error> {
        let request = v1::GenerateDataKeyRequest { key: key.to_owned(), bytes, associated_data };
        self.run(Kind::Read, request, |wire, request| async move {
            CryptoClient::with_origin(wire.connection, wire.origin).generate_data_key(request).await
        })
        .await
    }

    /// Random bytes (1 to 1024) from the cluster.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`; what every call may meet.
    pub async fn random(&self, bytes: u32) -> Result<Vec<u8>, Error> {
        let request = v1::RandomRequest { bytes };
        let answer = self
            .run(Kind::Read, request, |wire, request| async move {
                CryptoClient::with_origin(wire.connection, wire.origin).random(request).await
            })
            .await?;
        Ok(answer.bytes)
    }
}
