//! What is stored or replicated is golden in readable form: these vectors change only with a new
//! format version. `tests/vectors/reference.py`, an implementation of its own, wrote the files.

use std::fmt::Write;

use conclave_formats::ciphertext::Envelope;
use uuid::Uuid;

use crate::commitment::commitment;
use crate::data_plane::DataKey;
use crate::dealing::deal;
use crate::handover::{HandoverContext, HandoverKey, Purpose};
use crate::node_key::NodeKey;
use crate::shamir::SharePlan;
use crate::share::Share;
use crate::testing::FixedEntropy;
use crate::wrap::{MaterialContext, WrappingKeyContext, unwrap_material, wrap_material};
use crate::{Algorithm, KeyMaterial, RootKey, SecretBytes, WrappingKey, token};

const KEYSPACE: Uuid = Uuid::from_u128(0x5f0c_1a2b_3c4d_4e5f_8061_7283_94a5_b6c7);
const KEY: Uuid = Uuid::from_u128(0x0123_4567_89ab_4def_8123_4567_89ab_cdef);

#[test]
fn wrapping_is_golden() {
    let (root, wrapping, material) = (root(), wrapping_key(), material());
    let wrapping_context = WrappingKeyContext { keyspace_id: KEYSPACE, epoch: 1, generation: 2 };
    let material_context = MaterialContext {
        keyspace_id: KEYSPACE,
        key_id: KEY,
        version: 3,
        algorithm: Algorithm::Aes256GcmSiv,
        generation: 2,
    };
    let wrapped_key = root.wrap_wrapping_key(&wrapping_context, &wrapping).unwrap();
    let wrapped_material = wrap_material(&wrapping, &material_context, &material).unwrap();
    let mut seen = Vectors::default();
    seen.text("keyspace-id", &KEYSPACE.to_string());
    seen.text("key-id", &KEY.to_string());
    seen.text("epoch, generation, version, algorithm", "1, 2, 3, 1");
    seen.bytes("root-key", root.expose());
    seen.bytes("wrapping-key", wrapping.expose());
    seen.bytes("key-material", material.expose());
    seen.bytes("check-value", &root.check_value(KEYSPACE, 1));
    seen.bytes("wrapped-wrapping-key", &wrapped_key);
    seen.bytes("wrapped-key-material", &wrapped_material);
    seen.compare(include_str!("../tests/vectors/wrapping.txt"));
    let back = unwrap_material(&wrapping, &material_context, &wrapped_material).unwrap();
    assert_eq!(back.expose(), material.expose());
}

#[test]
fn dealing_is_golden() {
    let plan = SharePlan::new(3, 2).unwrap();
    let dealing = deal(&FixedEntropy::counting(), KEYSPACE, 1, plan);
    let mut seen = Vectors::default();
    seen.text("keyspace-id", &KEYSPACE.to_string());
    seen.text("entropy", "00 01 02 and so on: 32 bytes of root key, then one coefficient a byte");
    seen.bytes("root-key", dealing.root.expose());
    seen.bytes("check-value", &dealing.check_value);
    for (dealt, commitment) in dealing.shares.iter().zip(&dealing.commitments) {
        seen.bytes("share", &dealt.share().to_bytes());
        seen.bytes("commitment", commitment);
    }
    seen.compare(include_str!("../tests/vectors/dealing.txt"));
    let share = Share::from_bytes(&dealing.shares[0].share().to_bytes()).unwrap();
    assert_eq!(commitment(KEYSPACE, 1, &share), dealing.commitments[0]);
}

#[test]
fn encryption_is_golden() {
    let key = DataKey::new(&material());
    let entropy = FixedEntropy::counting();
    let envelope = key.encrypt(&entropy, KEY, 3, b"attack at dawn", b"invoice 7").unwrap();
    let decoded = Envelope::decode(&envelope).unwrap();
    let mut seen = Vectors::default();
    seen.bytes("key-material", material().expose());
    seen.text("key-id", &KEY.to_string());
    seen.text("version", "3");
    seen.text("plaintext", "attack at dawn");
    seen.text("associated-data", "invoice 7");
    seen.bytes("envelope", &envelope);
    seen.compare(include_str!("../tests/vectors/encryption.txt"));
    assert_eq!(key.decrypt(&decoded, b"invoice 7").unwrap().as_slice(), b"attack at dawn");
}

#[test]
fn tokens_and_signatures_are_golden() {
    let entropy = FixedEntropy::counting();
    let token = token::issue(&entropy);
    let node = NodeKey::generate(&FixedEntropy::counting());
    let mut seen = Vectors::default();
    seen.text("token-id", &token.token_id().to_string());
    seen.bytes("stored-hash", &token::hash(&token));
    seen.bytes("node-key-seed", node.seed().expose());
    seen.bytes("node-public-key", &node.public_key());
    seen.bytes(
        "signature of \"message\" in domain \"conclave/test\"",
        &node.sign("conclave/test", b"message"),
    );
    seen.compare(include_str!("../tests/vectors/token-and-signature.txt"));
}

/// Sealing draws an ephemeral key of its own, so a recorded message is opened.
#[test]
fn a_recorded_handover_opens() {
    let recorded = include_str!("../tests/vectors/handover.txt");
    let field = |name: &str| {
        let line = recorded.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        unhex(line.trim_start_matches(": "))
    };
    let receiver = HandoverKey::generate(&FixedEntropy::new(&field("private-key")));
    assert_eq!(receiver.public_key()[..], field("public-key"));
    let context = HandoverContext {
        purpose: Purpose::WrappingKeys,
        keyspace_id: KEYSPACE,
        ceremony_id: KEY,
        member_id: 7,
        seal_generation: 2,
    };
    let opened = receiver.open(&context, &field("sealed")).unwrap();
    assert_eq!(*opened, field("payload"));
    let node = NodeKey::generate(&FixedEntropy::counting());
    assert_eq!(receiver.offer(&node, &context).signature[..], field("offer-signature"));
}

fn root() -> RootKey {
    RootKey::from_secret(SecretBytes::copy_from(&[0x11; 32])).unwrap()
}

fn wrapping_key() -> WrappingKey {
    WrappingKey::from_secret(2, SecretBytes::copy_from(&[0x22; 32])).unwrap()
}

fn material() -> KeyMaterial {
    let bytes = SecretBytes::copy_from(&[0x33; 32]);
    KeyMaterial::from_secret(Algorithm::Aes256GcmSiv, bytes).unwrap()
}

/// Lines of `name: value`.
#[derive(Default)]
struct Vectors(String);

impl Vectors {
    fn text(&mut self, name: &str, value: &str) {
        writeln!(self.0, "{}", format!("{name}: {value}").trim_end()).unwrap();
    }

    fn bytes(&mut self, name: &str, value: &[u8]) {
        let hex: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
        self.text(name, &hex);
    }

    fn compare(&self, golden: &str) {
        assert!(self.0 == golden, "seen:\n{}\ngolden:\n{golden}", self.0);
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
