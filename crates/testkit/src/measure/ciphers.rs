//! Key material under its wrapping key, data under its key, and the envelope around it.

use conclave_crypto::data_plane::DataKey;
use conclave_crypto::wrap::{MaterialContext, unwrap_material, wrap_material};
use conclave_crypto::{Algorithm, KeyMaterial, WrappingKey};
use conclave_formats::ciphertext::Envelope;
use uuid::Uuid;

use super::Meter;
use crate::sim::entropy::SeededEntropy;

const KEY: Uuid = Uuid::from_u128(2);
const VERSION: u32 = 1;
const GENERATION: u32 = 1;
const ALGORITHM: Algorithm = Algorithm::Aes256GcmSiv;

pub(super) fn wrap(meter: &mut impl Meter) {
    let (wrapping, material) = keys();
    let wrap = |()| wrap_material(&wrapping, &context(), &material).expect("they belong together");
    meter.meter(|| (), wrap);
}

pub(super) fn unwrap(meter: &mut impl Meter) {
    let (wrapping, material) = keys();
    let wrapped = wrap_material(&wrapping, &context(), &material).expect("they belong together");
    let unwrap = |()| unwrap_material(&wrapping, &context(), &wrapped).expect("it is unchanged");
    meter.meter(|| (), unwrap);
}

pub(super) fn encrypt(length: usize, meter: &mut impl Meter) {
    let (entropy, plaintext) = (SeededEntropy::new(2), vec![7; length]);
    let key = DataKey::new(&keys().1);
    let encrypt = |()| key.encrypt(&entropy, KEY, VERSION, &plaintext, b"").expect("within limits");
    meter.meter(|| (), encrypt);
}

pub(super) fn decrypt(length: usize, meter: &mut impl Meter) {
    let key = DataKey::new(&keys().1);
    let envelope = Envelope::decode(&sealed(&key, length)).expect("just made");
    meter.meter(|| (), |()| key.decrypt(&envelope, b"").expect("it is unchanged"));
}

pub(super) fn encode(meter: &mut impl Meter) {
    let envelope = Envelope::decode(&sealed(&DataKey::new(&keys().1), 64)).expect("just made");
    meter.meter(|| (), |()| envelope.encode());
}

pub(super) fn decode(meter: &mut impl Meter) {
    let bytes = sealed(&DataKey::new(&keys().1), 64);
    meter.meter(|| (), |()| Envelope::decode(&bytes).expect("just made"));
}

fn keys() -> (WrappingKey, KeyMaterial) {
    let entropy = SeededEntropy::new(1);
    let wrapping = WrappingKey::generate(&entropy, GENERATION);
    (wrapping, KeyMaterial::generate(&entropy, ALGORITHM))
}

fn context() -> MaterialContext {
    MaterialContext {
        keyspace_id: Uuid::from_u128(1),
        key_id: KEY,
        version: VERSION,
        algorithm: ALGORITHM,
        generation: GENERATION,
    }
}

fn sealed(key: &DataKey, length: usize) -> Vec<u8> {
    let made = key.encrypt(&SeededEntropy::new(2), KEY, VERSION, &vec![7; length], b"");
    made.expect("within limits")
}
