use super::*;
use crate::testing::SeededEntropy;
use proptest::prelude::*;

const KEY_ID: Uuid = Uuid::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef);

fn key(seed: u64) -> DataKey {
    let entropy = SeededEntropy::new(seed);
    DataKey::new(&KeyMaterial::generate(&entropy, Algorithm::Aes256GcmSiv))
}

fn encrypted(plaintext: &[u8], associated_data: &[u8]) -> Envelope {
    let entropy = SeededEntropy::new(99);
    let bytes = key(1).encrypt(&entropy, KEY_ID, 4, plaintext, associated_data).unwrap();
    Envelope::decode(&bytes).unwrap()
}

#[test]
fn the_envelope_says_what_is_needed_to_decrypt() {
    let envelope = encrypted(b"plain", b"context");
    assert_eq!((envelope.key_id, envelope.version), (KEY_ID, 4));
    assert_eq!(envelope.algorithm, Algorithm::Aes256GcmSiv);
    assert_eq!(envelope.body_and_tag.len(), 5 + TAG_LEN);
    assert_eq!(key(1).decrypt(&envelope, b"context").unwrap().as_slice(), b"plain");
}

/// Each bit of the encoded envelope, header included: either it no longer is an envelope, or it does
/// not decrypt.
#[test]
fn each_changed_bit_is_noticed() {
    let encoded = encrypted(b"plain", b"context").encode();
    let mut decoded = 0;
    for at in 0..encoded.len() * 8 {
        let mut changed = encoded.clone();
        changed[at / 8] ^= 1 << (at % 8);
        if let Ok(envelope) = Envelope::decode(&changed) {
            decoded += 1;
            assert_eq!(key(1).decrypt(&envelope, b"context"), Err(DecryptError), "bit {at}");
        }
    }
    assert_eq!(decoded, (encoded.len() - 6) * 8);
}

#[test]
fn other_associated_data_and_other_keys_give_the_same_error() {
    let envelope = encrypted(b"plain", b"context");
    for other in [&b""[..], b"Context", b"context ", b"contex"] {
        assert_eq!(key(1).decrypt(&envelope, other), Err(DecryptError));
    }
    assert_eq!(key(2).decrypt(&envelope, b"context"), Err(DecryptError));
}

#[test]
fn limits_hold_exactly() {
    let entropy = SeededEntropy::new(1);
    let encrypt = |plain: usize, aad: usize| {
        key(1).encrypt(&entropy, KEY_ID, 1, &vec![0; plain], &vec![0; aad])
    };
    let largest = encrypt(MAX_PLAINTEXT, MAX_ASSOCIATED_DATA).unwrap();
    let envelope = Envelope::decode(&largest).unwrap();
    let aad = vec![0; MAX_ASSOCIATED_DATA];
    assert_eq!(key(1).decrypt(&envelope, &aad).unwrap().len(), MAX_PLAINTEXT);
    let found = MAX_PLAINTEXT + 1;
    assert_eq!(encrypt(found, 0), Err(EncryptError::PlaintextTooLarge { found }));
    let found = MAX_ASSOCIATED_DATA + 1;
    assert_eq!(encrypt(0, found), Err(EncryptError::AssociatedDataTooLarge { found }));
    assert_eq!(key(1).decrypt(&envelope, &vec![0; found]), Err(DecryptError));
}

#[test]
fn equal_messages_have_different_ciphertexts() {
    let entropy = SeededEntropy::new(1);
    let encrypt = || key(1).encrypt(&entropy, KEY_ID, 1, b"plain", b"").unwrap();
    assert_ne!(encrypt(), encrypt());
}

#[test]
fn debug_shows_the_algorithm_only() {
    assert_eq!(format!("{:?}", key(1)), "DataKey { algorithm: Aes256GcmSiv, .. }");
}

proptest! {
    #[test]
    fn what_was_encrypted_comes_back(
        plaintext in proptest::collection::vec(any::<u8>(), 0..500),
        associated_data in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let envelope = encrypted(&plaintext, &associated_data);
        prop_assert_eq!(&*key(1).decrypt(&envelope, &associated_data).unwrap(), &plaintext);
    }

    #[test]
    fn any_body_is_answered(
        body_and_tag in proptest::collection::vec(any::<u8>(), 0..100), nonce: [u8; 12], version: u32,
    ) {
        let algorithm = Algorithm::Aes256GcmSiv;
        let envelope = Envelope { key_id: KEY_ID, version, algorithm, nonce, body_and_tag };
        prop_assert_eq!(key(1).decrypt(&envelope, b""), Err(DecryptError));
    }
}
