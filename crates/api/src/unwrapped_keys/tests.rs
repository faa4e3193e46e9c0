use super::*;
use crate::seal_state::SealState;
use crate::testing::{SeededEntropy, permit};
use conclave_crypto::{Algorithm, KeyMaterial};
use uuid::Uuid;

const KEY: KeyId = KeyId(Uuid::from_u128(1));
/// In the same shard as `KEY`.
const NEIGHBOUR: KeyId = KeyId(Uuid::from_u128(1 << 64 | 1));

fn data_key() -> DataKey {
    DataKey::new(&KeyMaterial::generate(&SeededEntropy::new(1), Algorithm::Aes256GcmSiv))
}

fn keyring(generation: u64) -> (SealState, UnwrappedKeys) {
    let seal = SealState::default();
    seal.raise(generation);
    let keys = UnwrappedKeys::new(seal.generation());
    (seal, keys)
}

fn is_held(keys: &UnwrappedKeys, permit: &UsePermit, generation: u64) -> bool {
    keys.with(permit, generation, |_| ()).is_ok()
}

/// What may happen between the decision (view at 10, seal generation 3) and the insert.
#[test]
fn an_insert_is_refused_when_anything_has_moved_on() {
    type Event = fn(&SealState, &UnwrappedKeys);
    let events: [(&str, Event, bool); 8] = [
        ("nothing", |_, _| {}, true),
        ("key changed before the view", |_, keys| keys.evict(KEY, 9), true),
        ("key changed with the view", |_, keys| keys.evict(KEY, 10), true),
        ("key changed after the view", |_, keys| keys.evict(KEY, 11), false),
        ("neighbour changed after the view", |_, keys| keys.evict(NEIGHBOUR, 11), false),
        ("snapshot installed", |_, keys| keys.clear(11), false),
        ("sealed, not emptied yet", |seal, _| assert!(seal.raise(4)), false),
        (
            "sealed",
            |seal, keys| {
                seal.raise(4);
                keys.clear(10);
            },
            false,
        ),
    ];
    for (what, event, kept) in events {
        let (seal, keys) = keyring(3);
        let permit = permit(KEY, 1, 5);
        event(&seal, &keys);
        assert_eq!(keys.insert(&permit, 10, 3, data_key()), kept, "{what}");
        assert_eq!(is_held(&keys, &permit, 3), kept, "{what}");
        assert_eq!(keys.len(), usize::from(kept), "{what}");
    }
}

#[cfg(feature = "mutants")]
#[test]
fn the_mutant_that_inserts_late_keeps_what_was_evicted() {
    conclave_core::mutants::with(conclave_core::mutants::Mutant::InsertAfterEvict, || {
        let (_, keys) = keyring(3);
        keys.evict(KEY, 11);
        assert!(keys.insert(&permit(KEY, 1, 5), 10, 3, data_key()));
        assert!(is_held(&keys, &permit(KEY, 1, 5), 3));
    });
}

#[test]
fn a_key_serves_only_a_permit_of_the_same_change_and_generation() {
    let (_, keys) = keyring(3);
    assert!(keys.insert(&permit(KEY, 1, 5), 10, 3, data_key()));
    let cases = [
        (permit(KEY, 1, 5), 3, true),
        (permit(KEY, 1, 6), 3, false),
        (permit(KEY, 1, 4), 3, false),
        (permit(KEY, 2, 5), 3, false),
        (permit(NEIGHBOUR, 1, 5), 3, false),
        (permit(KEY, 1, 5), 2, false),
        (permit(KEY, 1, 5), 4, false),
    ];
    for (permit, generation, serves) in cases {
        assert_eq!(is_held(&keys, &permit, generation), serves, "{permit:?} {generation}");
    }
}

#[test]
fn an_eviction_takes_all_versions_of_one_key() {
    let (_, keys) = keyring(1);
    for permit in [permit(KEY, 1, 5), permit(KEY, 2, 6), permit(NEIGHBOUR, 1, 5)] {
        assert!(keys.insert(&permit, 10, 1, data_key()));
    }
    keys.evict(KEY, 11);
    assert_eq!(keys.len(), 1);
    assert!(is_held(&keys, &permit(NEIGHBOUR, 1, 5), 1));
}

#[test]
fn a_full_shard_starts_anew() {
    let (_, keys) = keyring(1);
    for number in 0..=u128::try_from(KEYS_PER_SHARD).unwrap() {
        let key = KeyId(Uuid::from_u128(number << 16 | 1));
        assert!(keys.insert(&permit(key, 1, 5), 10, 1, data_key()));
    }
    assert_eq!(keys.len(), 1);
}

#[test]
fn work_that_finds_no_key_comes_back() {
    let (_, keys) = keyring(1);
    let work = keys.with(&permit(KEY, 1, 5), 1, |_| 7).unwrap_err();
    assert_eq!(work(&data_key()), 7);
}
