//! The service `conclave.v1.Crypto`.

use crate::call::Call;
use crate::context::Context;
use crate::decisions::Target;
use crate::error::ApiError;
use crate::journaled::{Draft, Journaled, Unrecorded};
use crate::limits::{DATA_KEY_BYTES, DATA_KEY_DEFAULT, RANDOM_DEFAULT};
use crate::validate;
use conclave_core::command::Algorithm;
use conclave_core::ids::KeyId;
use conclave_core::journal::Operation;
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
pub(crate) struct CryptoService {
    pub(crate) context: Arc<Context>,
    pub(crate) journal: Arc<Journaled>,
}

/// One handler: read the call, run it, record it, answer.
macro_rules! handlers {
    ($($method:ident($request:ident) -> $answer:ident: $operation:ident;)*) => {
        #[tonic::async_trait]
        impl Crypto for CryptoService {
            $(
                async fn $method(
                    &self,
                    request: Request<v1::$request>,
                ) -> Result<Response<v1::$answer>, Status> {
                    let mut draft = Draft::new(Operation::$operation, request.get_ref().size());
                    let call = draft.requested(&request).and_then(|()| Call::of(&self.context, &request));
                    let outcome = match call {
                        Ok(call) => {
                            self.context.$method(&call, request.into_inner(), &mut draft).await
                        }
                        Err(error) => Err(error),
                    };
                    self.journal.answer(draft.ends(&self.context, outcome)).await
                }
            )*
        }
    };
}

handlers! {
    encrypt(EncryptRequest) -> EncryptAnswer: Encrypt;
    decrypt(DecryptRequest) -> DecryptAnswer: Decrypt;
    generate_data_key(GenerateDataKeyRequest) -> GenerateDataKeyAnswer: GenerateDataKey;
    random(RandomRequest) -> RandomAnswer: Random;
}

/// The size that a record gives: of what was sent, or asked for.
trait Size {
    fn size(&self) -> usize;
}

impl Size for v1::EncryptRequest {
    fn size(&self) -> usize {
        self.plaintext.len()
    }
}

impl Size for v1::DecryptRequest {
    fn size(&self) -> usize {
        self.ciphertext.len()
    }
}

impl Size for v1::GenerateDataKeyRequest {
    fn size(&self) -> usize {
        self.bytes as usize
    }
}

impl Size for v1::RandomRequest {
    fn size(&self) -> usize {
        self.bytes as usize
    }
}

impl Context {
    async fn encrypt(
        &self,
        call: &Call,
        request: v1::EncryptRequest,
        draft: &mut Draft,
    ) -> Result<Unrecorded<v1::EncryptAnswer>, ApiError> {
        let plaintext = Zeroizing::new(request.plaintext);
        within("plaintext", plaintext.len(), MAX_PLAINTEXT)?;
        within("associated_data", request.associated_data.len(), MAX_ASSOCIATED_DATA)?;
        let aad = &request.associated_data;
        let made = self.encrypt_under(call, &request.key, &plaintext, aad, draft).await?;
        Ok(made.map(|(ciphertext, key_id, version)| v1::EncryptAnswer {
            ciphertext,
            key_id: key_id.to_string(),
            version,
        }))
    }

    async fn generate_data_key(
        &self,
        call: &Call,
        request: v1::GenerateDataKeyRequest,
        draft: &mut Draft,
    ) -> Result<Unrecorded<v1::GenerateDataKeyAnswer>, ApiError> {
        let len = validate::number("bytes", request.bytes, DATA_KEY_DEFAULT, &DATA_KEY_BYTES)?;
        draft.bytes(len);
        within("associated_data", request.associated_data.len(), MAX_ASSOCIATED_DATA)?;
        let mut plaintext = Zeroizing::new(vec![0; len as usize]);
        self.entropy.fill(&mut plaintext);
        let aad = &request.associated_data;
        let made = self.encrypt_under(call, &request.key, &plaintext, aad, draft).await?;
        Ok(made.map(|(wrapped, key_id, version)| v1::GenerateDataKeyAnswer {
            plaintext: std::mem::take(&mut *plaintext),
            wrapped,
            key_id: key_id.to_string(),
            version,
        }))
    }

    pub(crate) async fn encrypt_under(
        &self,
        call: &Call,
        key: &str,
        plaintext: &[u8],
        associated_data: &[u8],
        draft: &mut Draft,
    ) -> Result<Unrecorded<(Vec<u8>, KeyId, u32)>, ApiError> {
        let selector = validate::key(key)?;
        let target = Target::Primary(&selector);
        let decision = self.permit_use(call, Action::Encrypt, &target, draft).await?;
        let (key, version) = (decision.key(), decision.version());
        let encrypted = self.with_key(&decision, |data_key| {
            data_key.encrypt(&*self.entropy, key.0, version, plaintext, associated_data)
        })?;
        let ciphertext = encrypted.transpose().map_err(too_large)?;
        Ok(ciphertext.map(|ciphertext| (ciphertext, key, version)))
    }

    async fn decrypt(
        &self,
        call: &Call,
        request: v1::DecryptRequest,
        draft: &mut Draft,
    ) -> Result<Unrecorded<v1::DecryptAnswer>, ApiError> {
        within("associated_data", request.associated_data.len(), MAX_ASSOCIATED_DATA)?;
        let only = validate::optional_key(&request.key)?;
        let envelope = Envelope::decode(&request.ciphertext)
            .map_err(|error| unreadable(error, request.ciphertext.len()))?;
        let target = Target::Named {
            key: KeyId(envelope.key_id),
            version: envelope.version,
            only: only.as_ref(),
        };
        let decision = self.permit_use(call, Action::Decrypt, &target, draft).await?;
        let decrypted = self.with_key(&decision, |data_key| {
            data_key.decrypt(&envelope, &request.associated_data)
        })?;
        let decrypted = decrypted.transpose().map_err(|DecryptError| not_authentic())?;
        Ok(decrypted.map(|mut plaintext| v1::DecryptAnswer {
            plaintext: std::mem::take(&mut *plaintext),
            key_id: decision.key().to_string(),
            version: decision.version(),
        }))
    }

    async fn random(
        &self,
        call: &Call,
        request: v1::RandomRequest,
        draft: &mut Draft,
    ) -> Result<Unrecorded<v1::RandomAnswer>, ApiError> {
        let most = u32::try_from(MAX_RANDOM).unwrap_or(u32::MAX);
        let len = validate::number("bytes", request.bytes, RANDOM_DEFAULT, &(1..=most))?;
        draft.bytes(len);
        self.fresh(call).await?.judge_use(call, Action::Random, draft)?;
        let mut bytes = vec![0; len as usize];
        self.entropy.fill(&mut bytes);
        Ok(Unrecorded::new(v1::RandomAnswer { bytes }))
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
