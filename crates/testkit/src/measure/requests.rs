//! Calls through the services of a node. The client's encoding and decoding count, too: they are
//! generated code, and the same for every change of the server.

use conclave_proto::v1;
use conclave_proto::v1::crypto_client::CryptoClient;
use conclave_proto::v1::keys_client::KeysClient;

use super::Meter;
use super::subject::{KEY, Subject};

pub(super) fn encrypt(subject: &Subject, length: usize, meter: &mut impl Meter) {
    let mut crypto = CryptoClient::new(subject.routes.clone());
    let message = v1::EncryptRequest {
        key: KEY.to_owned(),
        plaintext: vec![7; length],
        associated_data: Vec::new(),
    };
    let prepare = || subject.request(message.clone());
    meter.meter(prepare, |request| {
        let answer = subject.runtime.block_on(crypto.encrypt(request));
        answer.expect("the worker may encrypt")
    });
}

pub(super) fn decrypt(subject: &Subject, length: usize, meter: &mut impl Meter) {
    let mut crypto = CryptoClient::new(subject.routes.clone());
    let message = v1::EncryptRequest {
        key: KEY.to_owned(),
        plaintext: vec![7; length],
        associated_data: Vec::new(),
    };
    let encrypted = subject.runtime.block_on(crypto.encrypt(subject.request(message)));
    let ciphertext = encrypted.expect("the worker may encrypt").into_inner().ciphertext;
    let message = v1::DecryptRequest { ciphertext, ..v1::DecryptRequest::default() };
    let prepare = || subject.request(message.clone());
    meter.meter(prepare, |request| {
        let answer = subject.runtime.block_on(crypto.decrypt(request));
        let answer = answer.expect("the worker may decrypt");
        assert_eq!(answer.get_ref().plaintext.len(), length);
        answer
    });
}

/// Disables the key and enables it again: two calls.
pub(super) fn switch(mut subject: Subject, meter: &mut impl Meter) {
    let mut keys = KeysClient::new(subject.routes.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut of_key = || {
        let request_id = subject.request_id().to_string();
        subject.request(v1::KeyRequest { request_id, key: KEY.to_owned() })
    };
    let prepare = || (of_key(), of_key());
    meter.meter(prepare, |(disable, enable)| {
        let both = runtime.block_on(async {
            keys.disable_key(disable).await?;
            keys.enable_key(enable).await
        });
        both.expect("the worker may switch keys")
    });
}
