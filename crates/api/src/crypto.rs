//! The service `conclave.v1.Crypto`.

use crate::call::Call;
use crate::context::Context;
use crate::decisions::Target;
use crate::error::ApiError;
use crate::limits::{DATA_KEY_BYTES, DATA_KEY_DEFAULT, RANDOM_DEFAULT};
use crate::validate;
use conclave_core::command::Algorithm;
use conclave_core::ids::KeyId;
use conclave_core::reason::Reason;
use conclave_core::roles::Action;
use conclave_crypto::data_plane::{DecryptError, EncryptError};
use conclave_formats::ciphertext::{Envelope, EnvelopeError};
use conclave_formats::limits::{MAX_ASSOCIATED_DATA, MAX_ENVELOPE, MAX_PLAINTEXT, MAX_RANDOM};
use conclave_proto::v1;
use conclave_proto::v1::crypto_server::Crypto;
use std::sync::Arc;
use tonic::{Request, Response, Status};
use zeroize::Zeroizing;

/// See `proto/conclave/v1/crypto.proto`.
pub(crate) struct CryptoService(pub(crate) Arc<Context>);

#[tonic::async_trait]
impl Crypto for CryptoService {
    async fn encrypt(
        &self,
        request: Request<v1::EncryptRequest>,
    ) -> Result<Response<v1::EncryptAnswer>, Status> {
        let call = Call::of(&self.0, &request)?;
        Ok(Response::new(self.0.encrypt(&call, request.into_inner()).await?))
    }

    async fn decrypt(
        &self,
        request: Request<v1::DecryptRequest>,
    ) -> Result<Response<v1::DecryptAnswer>, Status> {
        let call = Call::of(&self.0, &request)?;
        Ok(Response::new(self.0.decrypt(&call, request.get_ref()).await?))
    }

    async fn generate_data_key(
        &self,
        request: Request<v1::GenerateDataKeyRequest>,
    ) -> Result<Response<v1::GenerateDataKeyAnswer>, Status> {
        let call = Call::of(&self.0, &request)?;
        Ok(Response::new(self.0.generate_data_key(&call, request.get_ref()).await?))
    }

    async fn random(
        &self,
        request: Request<v1::RandomRequest>,
    ) -> Result<Response<v1::RandomAnswer>, Status> {
        let call = Call::of(&self.0, &request)?;
        Ok(Response::new(self.0.random(&call, request.get_ref()).await?))
    }
}

impl Context {
    async fn encrypt(
        &self,
        call: &Call,
        request: v1::EncryptRequest,
    ) -> Result<v1::EncryptAnswer, ApiError> {
        let plaintext = Zeroizing::new(request.plaintext);
        within("plaintext", plaintext.len(), MAX_PLAINTEXT)?;
        within("associated_data", request.associated_data.len(), MAX_ASSOCIATED_DATA)?;
        let (ciphertext, key_id, version) =
            self.encrypt_under(call, &request.key, &plaintext, &request.associated_data).await?;
        Ok(v1::EncryptAnswer { ciphertext, key_id: key_id.to_string(), version })
    }

    async fn generate_data_key(
        &self,
        call: &Call,
        request: &v1::GenerateDataKeyRequest,
    ) -> Result<v1::GenerateDataKeyAnswer, ApiError> {
        let len = validate::number("bytes", request.bytes, DATA_KEY_DEFAULT, &DATA_KEY_BYTES)?;
        within("associated_data", request.associated_data.len(), MAX_ASSOCIATED_DATA)?;
        let mut plaintext = Zeroizing::new(vec![0; len as usize]);
        self.entropy.fill(&mut plaintext);
        let (wrapped, key_id, version) =
            self.encrypt_under(call, &request.key, &plaintext, &request.associated_data).await?;
        Ok(v1::GenerateDataKeyAnswer {
            plaintext: std::mem::take(&mut *plaintext),
            wrapped,
            key_id: key_id.to_string(),
            version,
        })
    }

    pub(crate) async fn encrypt_under(
        &self,
        call: &Call,
        key: &str,
        plaintext: &[u8],
        associated_data: &[u8],
    ) -> Result<(Vec<u8>, KeyId, u32), ApiError> {
        let selector = validate::key(key)?;
        let decision = self.permit_use(call, Action::Encrypt, &Target::Primary(&selector)).await?;
        let (key, version) = (decision.key(), decision.version());
        let encrypted = self.with_key(&decision, |data_key| {
            data_key.encrypt(&*self.entropy, key.0, version, plaintext, associated_data)
        })?;
        Ok((encrypted.map_err(too_large)?, key, version))
    }

    async fn decrypt(
        &self,
        call: &Call,
        request: &v1::DecryptRequest,
    ) -> Result<v1::DecryptAnswer, ApiError> {
        within("associated_data", request.associated_data.len(), MAX_ASSOCIATED_DATA)?;
        let only = validate::optional_key(&request.key)?;
        let envelope = Envelope::decode(&request.ciphertext)
            .map_err(|error| unreadable(error, request.ciphertext.len()))?;
        let target = Target::Named {
            key: KeyId(envelope.key_id),
            version: envelope.version,
            only: only.as_ref(),
        };
        let decision = self.permit_use(call, Action::Decrypt, &target).await?;
        let decrypted = self.with_key(&decision, |data_key| {
            data_key.decrypt(&envelope, &request.associated_data)
        })?;
        let mut plaintext = decrypted.map_err(|DecryptError| not_authentic())?;
        Ok(v1::DecryptAnswer {
            plaintext: std::mem::take(&mut *plaintext),
            key_id: decision.key().to_string(),
            version: decision.version(),
        })
    }

    async fn random(
        &self,
        call: &Call,
        request: &v1::RandomRequest,
    ) -> Result<v1::RandomAnswer, ApiError> {
        let most = u32::try_from(MAX_RANDOM).unwrap_or(u32::MAX);
        let len = validate::number("bytes", request.bytes, RANDOM_DEFAULT, &(1..=most))?;
        self.fresh(call).await?.judge(call, Action::Random)?;
        let mut bytes = vec![0; len as usize];
        self.entropy.fill(&mut bytes);
        Ok(v1::RandomAnswer { bytes })
    }
}

/// One answer for tampered ciphertexts, wrong associated data and wrong keys: who tries learns
/// nothing.
pub(crate) fn not_authentic() -> ApiError {
    ApiError::new(
        Reason::CiphertextInvalid,
        DecryptError.to_string(),
        "give the ciphertext and the associated data exactly as they were when it was made",
    )
}

/// The algorithm under the name that formats and ciphers have for it.
pub(crate) fn format_algorithm(algorithm: Algorithm) -> conclave_formats::Algorithm {
    match algorithm {
        Algorithm::Aes256GcmSiv => conclave_formats::Algorithm::Aes256GcmSiv,
    }
}

fn unreadable(error: EnvelopeError, len: usize) -> ApiError {
    match error {
        EnvelopeError::TooLong => ApiError::too_large("ciphertext", len, MAX_ENVELOPE),
        error => ApiError::new(
            Reason::CiphertextInvalid,
            error.to_string(),
            "give the ciphertext as Encrypt returned it (the binary form)",
        ),
    }
}

fn too_large(error: EncryptError) -> ApiError {
    match error {
        EncryptError::PlaintextTooLarge { found } => {
            ApiError::too_large("plaintext", found, MAX_PLAINTEXT)
        }
        EncryptError::AssociatedDataTooLarge { found } => {
            ApiError::too_large("associated_data", found, MAX_ASSOCIATED_DATA)
        }
    }
}

pub(crate) fn within(field: &str, given: usize, limit: usize) -> Result<(), ApiError> {
    if given <= limit { Ok(()) } else { Err(ApiError::too_large(field, given, limit)) }
}

#[cfg(test)]
mod tests;
