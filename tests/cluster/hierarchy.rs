//! The key hierarchy of a stopped node, opened as `docs/formats.md` describes it and with none of the
//! product's own cryptography: so that a scan knows the bytes it must not find.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aes_siv::KeyInit;
use aes_siv::siv::Aes256Siv;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use conclave_core::seams::Clock;
use conclave_core::state::State;
use conclave_formats::share_text::ShareText;
use conclave_harness::{Failure, Result, require};
use conclave_storage::{FatalHook, FsDisk, StateFile};

/// A secret with its name.
pub type Secret = (String, Vec<u8>);

/// Root key, wrapping keys and key material of all versions, from a data directory and its shares.
pub fn secrets(data_dir: &Path, shares: &[ShareText]) -> Result<Vec<Secret>> {
    let root = root_key(shares)?;
    let fatal = FatalHook::new(|reason| eprintln!("the state file cannot be read: {reason}"));
    let disk = FsDisk::open(data_dir).map_err(|error| Failure::harness(error.to_string()))?;
    let file = StateFile::open(Arc::new(disk), Arc::new(Ticks::default()), fatal)
        .map_err(|error| Failure::harness(error.to_string()))?;
    let read = file.read();
    let state = State(&read);
    let seal = state.seal().ok_or_else(|| Failure::harness("the state has no seal"))?;
    let keyspace = seal.keyspace.0;

    let mut found = vec![("root key".to_owned(), root.clone())];
    let mut wrapping = Vec::new();
    for wrapped in &seal.wrapping_keys {
        let place = canonical(
            "conclave/wrapped-wrapping-key/v1",
            &[keyspace.as_bytes(), &seal.epoch.to_be_bytes(), &wrapped.generation.to_be_bytes()],
        );
        let key = unwrap("conclave/root-key/v1", &root, &place, &wrapped.wrapped)?;
        found.push((format!("wrapping key {}", wrapped.generation), key.clone()));
        wrapping.push((wrapped.generation, key));
    }
    for key in state.keys(None, 1_000) {
        for version in state.versions(key.id) {
            let Some(stored) = &version.material else { continue };
            let generation = stored.generation;
            let under = wrapping.iter().find(|(number, _)| *number == generation);
            let (_, under) = under.ok_or_else(|| Failure::harness("no such wrapping key"))?;
            let place = canonical(
                "conclave/wrapped-key-material/v1",
                &[
                    keyspace.as_bytes(),
                    key.id.bytes(),
                    &version.version.to_be_bytes(),
                    &[key.algorithm.number()],
                    &generation.to_be_bytes(),
                ],
            );
            let material = unwrap("conclave/wrapping-key/v1", under, &place, &stored.wrapped)?;
            found.push((
                format!("material of {} {}", key.aliases.join(","), version.version),
                material,
            ));
        }
    }
    Ok(found)
}

/// The root key, by the arithmetic of another implementation.
fn root_key(shares: &[ShareText]) -> Result<Vec<u8>> {
    let threshold = shares.first().map_or(0, |share| share.header().threshold);
    let shares: Vec<sharks::Share> = shares
        .iter()
        .take(threshold.into())
        .map(|share| sharks::Share::try_from(share.bytes()))
        .collect::<std::result::Result<_, _>>()
        .map_err(Failure::harness)?;
    let root = sharks::Sharks(threshold).recover(&shares).map_err(Failure::harness)?;
    require(root.len() == 32, || format!("a root key of {} bytes", root.len()))?;
    Ok(root)
}

/// AES-256-SIV under a key derived for this use; what opens is authentic in its place.
fn unwrap(label: &str, key: &[u8], place: &[u8], wrapped: &[u8]) -> Result<Vec<u8>> {
    let mut siv_key = [0; 64];
    let context = canonical("conclave/aes-256-siv/v1", &[]);
    Salt::new(HKDF_SHA256, label.as_bytes())
        .extract(key)
        .expand(&[&context], SivKey)
        .and_then(|okm| okm.fill(&mut siv_key))
        .map_err(|error| Failure::harness(error.to_string()))?;
    let mut cipher =
        Aes256Siv::new_from_slice(&siv_key).map_err(|error| Failure::harness(error.to_string()))?;
    cipher
        .decrypt([place], wrapped)
        .map_err(|_| Failure::harness("a wrapped key does not open as docs/formats.md says"))
}

/// A label, then each field as its length and its bytes.
fn canonical(label: &str, fields: &[&[u8]]) -> Vec<u8> {
    let all = std::iter::once(label.as_bytes()).chain(fields.iter().copied());
    all.flat_map(|field| [&(field.len() as u32).to_be_bytes()[..], field].concat()).collect()
}

struct SivKey;

impl KeyType for SivKey {
    fn len(&self) -> usize {
        64
    }
}

/// A clock for one short read.
#[derive(Default)]
struct Ticks(AtomicU64);

impl Clock for Ticks {
    fn wall_ms(&self) -> u64 {
        self.elapsed_ms()
    }

    fn elapsed_ms(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}
