//! Writing a key with all that is derived from it: the only place where tables beside `Keys` follow a
//! key.

use super::is_change;
use crate::ids::{KeyId, RingId};
use crate::lifecycle::KeyState;
use crate::model::{Counts, EventKind, KeyRecord, RingRecord, Tombstone};
use crate::mutants::Mutant;
use crate::records::Table;
use crate::state::StateMut;
use crate::step::Step;
use crate::timers;

/// Writes a changed key and what follows from the change at `at_ms`: registrations go when it is
/// destroyed, material when it is erased, and subscribers are told.
pub(super) fn change(step: &mut Step<'_, '_>, before: &KeyRecord, after: &KeyRecord, at_ms: u64) {
    let destroyed = |key: &KeyRecord| key.state == KeyState::Destroyed;
    let erased = |key: &KeyRecord| key.deletion.as_ref().is_some_and(|deletion| deletion.erased);
    if destroyed(after) && !destroyed(before) && before.registrations > 0 {
        remove_registrations(step.state, after);
    }
    if erased(after) && !erased(before) {
        erase(step, after, at_ms);
    }
    put(step.state, Some(before), after);
    if is_change(Some(before.state), Some(after.state)) {
        let kind = EventKind::StateChanged { from: Some(before.state), to: Some(after.state) };
        step.raise(after, at_ms, kind);
    }
}

fn remove_registrations(state: &mut StateMut<'_>, key: &KeyRecord) {
    for registration in state.read().registrations(key.id) {
        state.delete_registration(key.id, &registration.resource);
    }
}

/// The material of all versions goes; what they are called stays.
fn erase(step: &mut Step<'_, '_>, key: &KeyRecord, at_ms: u64) {
    if !Mutant::KeepMaterial.active() {
        for mut version in step.read().versions(key.id) {
            version.material = None;
            version.changed_at = step.context.index;
            step.state.put_version(key.id, &version);
        }
    }
    step.raise(key, at_ms, EventKind::MaterialErased);
}

/// Writes a key with what is looked up by its fields: next timer, next rotation, ring and counts.
pub(super) fn put(state: &mut StateMut<'_>, before: Option<&KeyRecord>, after: &KeyRecord) {
    state.put(Table::Keys, after.id.bytes(), after);
    index(state, after.id, before, Some(after));
}

fn index(
    state: &mut StateMut<'_>,
    id: KeyId,
    before: Option<&KeyRecord>,
    after: Option<&KeyRecord>,
) {
    let deadline = |key: &KeyRecord| timers::next(key).map(|(instant, _)| instant);
    let (was, is) = (before.and_then(deadline), after.and_then(deadline));
    state.move_instant(Table::Deadlines, id, was, is);
    let (was, is) =
        (before.and_then(timers::rotation_due_ms), after.and_then(timers::rotation_due_ms));
    state.move_instant(Table::Rotations, id, was, is);
    let ring = |key: &KeyRecord| (key.instance, key.ring);
    if before.map(ring) != after.map(ring) {
        for (key, member) in [(before, false), (after, true)] {
            if let Some(key) = key {
                join_ring(state, key, member);
            }
        }
    }
    count(state, before, after);
}

/// Moves a key whose ring is deleted.
pub(crate) fn move_to(step: &mut Step<'_, '_>, key: &KeyRecord, ring: RingId) {
    let mut moved = KeyRecord { ring, changed_at: step.context.index, ..key.clone() };
    moved.revision += 1;
    put(step.state, Some(key), &moved);
}

fn join_ring(state: &mut StateMut<'_>, key: &KeyRecord, member: bool) {
    state.set_member(Table::RingKeys, key.ring.bytes(), key.id, member);
    if let Some(ring) = state.read().ring(key.instance, key.ring) {
        let keys = if member { ring.keys + 1 } else { ring.keys.saturating_sub(1) };
        state.put_ring(&RingRecord { keys, ..ring });
    }
}

fn count(state: &mut StateMut<'_>, before: Option<&KeyRecord>, after: Option<&KeyRecord>) {
    let counted = |key: &KeyRecord| (key.instance, key.state, key.primary_version);
    if before.map(counted) == after.map(counted) {
        return;
    }
    let Some(instance) = before.or(after).map(|key| key.instance) else { return };
    let mut counts = state.read().counts(instance);
    let Counts { keys, versions } = &mut counts;
    if let Some(key) = before {
        let place = key.state as usize;
        keys[place] = keys[place].saturating_sub(1);
        versions[place] = versions[place].saturating_sub(u64::from(key.primary_version));
    }
    if let Some(key) = after {
        let place = key.state as usize;
        keys[place] += 1;
        versions[place] += u64::from(key.primary_version);
    }
    state.put_counts(instance, &counts);
}

/// A new key, where all of an instance are found.
pub(super) fn add(state: &mut StateMut<'_>, key: &KeyRecord) {
    for alias in &key.aliases {
        state.put_alias(key.instance, alias, key.id);
    }
    state.set_member(Table::InstanceKeys, key.instance.bytes(), key.id, true);
    put(state, None, key);
}

/// Removes everything of a key but a tombstone, and tells subscribers.
pub(crate) fn remove(step: &mut Step<'_, '_>, key: &KeyRecord, at_ms: u64) {
    let state = &mut *step.state;
    for alias in &key.aliases {
        state.delete_alias(key.instance, alias);
    }
    for version in state.read().versions(key.id) {
        state.delete_version(key.id, version.version);
    }
    for registration in state.read().registrations(key.id) {
        state.delete_registration(key.id, &registration.resource);
    }
    for number in Step::history_of(key) {
        state.delete_history(key.id, number);
    }
    index(state, key.id, Some(key), None);
    state.set_member(Table::InstanceKeys, key.instance.bytes(), key.id, false);
    state.0.delete(Table::Keys, key.id.bytes());
    let tombstone =
        Tombstone { instance: key.instance, index: step.context.index, purged_at_ms: at_ms };
    state.put_tombstone(key.id.0, &tombstone);
    let kind = EventKind::StateChanged { from: Some(key.state), to: None };
    step.raise(key, at_ms, kind);
}
