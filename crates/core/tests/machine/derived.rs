//! Tables that follow from others: what the state machine keeps step by step, computed from the keys
//! alone.

use conclave_core::ids::KeyId;
use conclave_core::lifecycle::KeyState;
use conclave_core::limits;
use conclave_core::model::{Counts, KeyRecord};
use conclave_core::records::{RecordsRead, Table};
use conclave_core::state::State;
use conclave_core::timers;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

pub fn assert_follow_from_the_keys(records: &dyn RecordsRead) {
    let state = State(records);
    let keys = state.keys(None, usize::MAX);
    let all = |table| -> BTreeSet<Vec<u8>> {
        let found = records.range(table, Bound::Unbounded, Bound::Unbounded, usize::MAX);
        found.into_iter().map(|(key, _)| key).collect()
    };
    for (table, expected) in expected(&keys) {
        assert_eq!(all(table), expected, "{}", table.name());
    }
    let versions: u64 = keys.iter().map(|key| u64::from(key.primary_version)).sum();
    assert_eq!(all(Table::Versions).len() as u64, versions);
    let registrations: u64 = keys.iter().map(|key| u64::from(key.registrations)).sum();
    assert_eq!(all(Table::Registrations).len() as u64, registrations);
    keys.iter().for_each(|key| assert_whole(&state, key));
    assert_instances_and_rings(&state, &keys);
}

/// Tables of which the places say everything.
fn expected(keys: &[KeyRecord]) -> BTreeMap<Table, BTreeSet<Vec<u8>>> {
    let instant = |at_ms: u64, id: KeyId| [&at_ms.to_be_bytes()[..], id.bytes()].concat();
    let mut tables = BTreeMap::from(
        [
            Table::Deadlines,
            Table::Rotations,
            Table::InstanceKeys,
            Table::RingKeys,
            Table::Aliases,
            Table::History,
        ]
        .map(|table| (table, BTreeSet::new())),
    );
    let mut add = |table, place| {
        tables.entry(table).or_default().insert(place);
    };
    for key in keys {
        if let Some((at_ms, _)) = timers::next(key) {
            add(Table::Deadlines, instant(at_ms, key.id));
        }
        if let Some(at_ms) = timers::rotation_due_ms(key) {
            add(Table::Rotations, instant(at_ms, key.id));
        }
        add(Table::InstanceKeys, [key.instance.bytes(), &key.id.bytes()[..]].concat());
        add(Table::RingKeys, [key.ring.bytes(), &key.id.bytes()[..]].concat());
        for alias in &key.aliases {
            add(Table::Aliases, [key.instance.bytes(), alias.as_bytes()].concat());
        }
        for number in key.history.saturating_sub(limits::HISTORY_PER_KEY)..key.history {
            add(Table::History, [key.id.bytes(), &number.to_be_bytes()[..]].concat());
        }
    }
    tables
}

fn assert_whole(state: &State<'_>, key: &KeyRecord) {
    let erased = key.deletion.as_ref().is_some_and(|deletion| deletion.erased);
    for (number, version) in (1..=key.primary_version).zip(state.versions(key.id)) {
        assert_eq!(version.version, number, "versions are contiguous: {key:?}");
        assert_eq!(version.material.is_none(), erased, "{key:?} {version:?}");
    }
    let found = state.registrations(key.id);
    let protecting = found.iter().filter(|registration| registration.prevent_deletion).count();
    assert_eq!((key.registrations as usize, key.protecting as usize), (found.len(), protecting));
    for alias in &key.aliases {
        assert_eq!(state.alias(key.instance, alias), Some(key.id));
    }
    let in_deletion = [KeyState::PendingDeletion, KeyState::Destroyed].contains(&key.state);
    assert_eq!(key.deletion.is_some(), in_deletion, "{key:?}");
    let destroyed =
        key.deletion.as_ref().is_some_and(|deletion| deletion.destroyed_at_ms.is_some());
    assert_eq!(destroyed, key.state == KeyState::Destroyed, "{key:?}");
    assert_eq!(state.tombstone(key.id.0), None, "{key:?}");
}

fn assert_instances_and_rings(state: &State<'_>, keys: &[KeyRecord]) {
    for instance in state.instances() {
        let of_instance = || keys.iter().filter(|key| key.instance == instance.id);
        let mut counts = Counts::default();
        for key in of_instance() {
            counts.keys[key.state as usize] += 1;
            counts.versions[key.state as usize] += u64::from(key.primary_version);
        }
        assert_eq!(state.counts(instance.id), counts, "{instance:?}");
        let rings = state.rings(instance.id);
        assert_eq!(rings.len(), instance.rings as usize);
        for ring in &rings {
            let in_ring = of_instance().filter(|key| key.ring == ring.id).count();
            assert_eq!(ring.keys, in_ring as u64, "{ring:?}");
            assert_eq!(state.ring_named(instance.id, &ring.name), Some(ring.id));
        }
        for key in of_instance() {
            assert!(rings.iter().any(|ring| ring.id == key.ring), "{key:?} lies in no ring");
        }
        assert_eq!(state.instance_named(&instance.name), Some(instance.id));
    }
    let instances: BTreeSet<_> = state.instances().into_iter().map(|found| found.id).collect();
    assert!(keys.iter().all(|key| instances.contains(&key.instance)), "a key without instance");
}
