//! Cryptography with one key for all keys.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use conclave_client::v1;
use conclave_formats::Algorithm;
use conclave_formats::ciphertext::Envelope;
use tonic::{Code, Request, Response, Status};
use v1::crypto_server::Crypto;

use super::{Answer, Fake, find, refuse};

#[tonic::async_trait]
impl Crypto for Fake {
    async fn encrypt(&self, r: Request<v1::EncryptRequest>) -> Answer<v1::EncryptAnswer> {
        let r = r.into_inner();
        self.encrypted(&r.key, &r.associated_data, r.plaintext).map(Response::new)
    }
    async fn decrypt(&self, r: Request<v1::DecryptRequest>) -> Answer<v1::DecryptAnswer> {
        let r = r.into_inner();
        let mut state = self.called();
        let invalid = || refuse(Code::InvalidArgument, "CIPHERTEXT_INVALID", &[]);
        let envelope = Envelope::decode(&r.ciphertext).map_err(|_| invalid())?;
        let key_id = envelope.key_id.to_string();
        if !r.key.is_empty() && find(&mut state.keys, &r.key)?.id != key_id {
            return Err(refuse(Code::InvalidArgument, "CIPHERTEXT_WRONG_KEY", &[]));
        }
        usable(find(&mut state.keys, &key_id)?, "Decrypt")?;
        let bound = [&envelope.header_bytes()[..], &r.associated_data].concat();
        let nonce = Nonce::assume_unique_for_key(envelope.nonce);
        let mut body = envelope.body_and_tag;
        let plain = cipher().open_in_place(nonce, Aad::from(bound), &mut body);
        let plaintext = plain.map_err(|_| invalid())?.to_vec();
        Ok(Response::new(v1::DecryptAnswer { plaintext, key_id, version: 1 }))
    }
    async fn generate_data_key(
        &self,
        r: Request<v1::GenerateDataKeyRequest>,
    ) -> Answer<v1::GenerateDataKeyAnswer> {
        let r = r.into_inner();
        let plaintext = vec![5; r.bytes as usize];
        let wrapped = self.encrypted(&r.key, &r.associated_data, plaintext.clone())?;
        Ok(Response::new(v1::GenerateDataKeyAnswer {
            plaintext,
            wrapped: wrapped.ciphertext,
            key_id: wrapped.key_id,
            version: 1,
        }))
    }
    async fn random(&self, r: Request<v1::RandomRequest>) -> Answer<v1::RandomAnswer> {
        self.count();
        Ok(Response::new(v1::RandomAnswer { bytes: vec![6; r.into_inner().bytes as usize] }))
    }
}

impl Fake {
    fn encrypted(
        &self,
        key: &str,
        aad: &[u8],
        plain: Vec<u8>,
    ) -> Result<v1::EncryptAnswer, Status> {
        let mut state = self.called();
        let key = usable(find(&mut state.keys, key)?, "Encrypt")?;
        let mut nonce = [0; 12];
        aws_lc_rs::rand::fill(&mut nonce).unwrap();
        let mut envelope = Envelope {
            key_id: key.id.parse().unwrap(),
            version: 1,
            algorithm: Algorithm::Aes256GcmSiv,
            nonce,
            body_and_tag: plain,
        };
        let bound = [&envelope.header_bytes()[..], aad].concat();
        let nonce = Nonce::assume_unique_for_key(nonce);
        cipher()
            .seal_in_place_append_tag(nonce, Aad::from(bound), &mut envelope.body_and_tag)
            .unwrap();
        let (ciphertext, key_id) = (envelope.encode(), key.id.clone());
        Ok(v1::EncryptAnswer { ciphertext, key_id, version: 1 })
    }
}

fn usable<'a>(key: &'a mut v1::Key, action: &str) -> Result<&'a mut v1::Key, Status> {
    if key.state() == v1::KeyState::Enabled {
        return Ok(key);
    }
    let facts = [("state", "Disabled"), ("action", action), ("next", "enable the key")];
    Err(refuse(Code::FailedPrecondition, "KEY_STATE", &facts))
}

fn cipher() -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, &[3; 32]).unwrap())
}
