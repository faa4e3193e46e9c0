//! Commands on keys. All that change an existing key go through [`on_key`]: it brings the key up to
//! date, keeps its history and writes what follows from the change.

mod create;
mod deletion;
pub(crate) mod due;
mod names;
mod registrations;
mod rotation;
mod store;

pub(crate) use create::create;
pub(crate) use deletion::{cancel, delete_now, may_purge, purge, request, restore};
pub(crate) use names::{set_alias, update};
pub(crate) use registrations::{register, unregister};
pub(crate) use rotation::{rotate, rotate_by_schedule, set_policy, switch_version};
pub(crate) use store::{move_to, remove};

use crate::command::WrappedMaterial;
use crate::ids::KeyId;
use crate::lifecycle::{self, Denied, KeyAction, KeyState, Next};
use crate::limits;
use crate::model::{KeyRecord, SealRecord, VersionRecord};
use crate::outcome::{Bounded, Effect, Refusal, Thing};
use crate::step::Step;
use crate::timers;
use std::collections::BTreeMap;

/// Works on a key: `work` checks everything before it writes anything, and says where the key goes.
/// A refusal leaves an entry in the key's history, and nothing else.
pub(crate) fn on_key(
    step: &mut Step<'_, '_>,
    id: KeyId,
    name: &str,
    work: impl FnOnce(&mut Step<'_, '_>, &mut KeyRecord) -> Result<Next, Refusal>,
) -> Result<Effect, Refusal> {
    let before = step.settle(id).ok_or(Refusal::NotFound { what: Thing::Key })?;
    let mut after = before.clone();
    let next = match work(step, &mut after) {
        Ok(next) => next,
        Err(refusal) => {
            if refusal.is_remembered() {
                note_refusal(step, before, name, &refusal);
            }
            return Err(refusal);
        }
    };
    if next == Next::Purged {
        store::remove(step, &before, step.context.now_ms);
        return Ok(Effect::Purged { key: id });
    }
    timers::enter(&mut after, next, step.context.now_ms);
    after.revision += 1;
    after.changed_at = step.context.index;
    let mut entry = step.history(name);
    (entry.from, entry.to) = (Some(before.state), Some(after.state));
    entry.version = after.primary_version;
    step.note(&mut after, &entry);
    store::change(step, &before, &after, step.context.now_ms);
    Ok(effect(&after))
}

fn note_refusal(step: &mut Step<'_, '_>, before: KeyRecord, name: &str, refusal: &Refusal) {
    let mut noted = before.clone();
    let mut entry = step.history(name);
    entry.refused = Some(refusal.reason().as_str().to_owned());
    (entry.from, entry.to) = (Some(before.state), Some(before.state));
    entry.version = before.primary_version;
    step.note(&mut noted, &entry);
    store::put(step.state, Some(&before), &noted);
}

/// Disables or enables a key.
pub(crate) fn switch(
    step: &mut Step<'_, '_>,
    id: KeyId,
    action: KeyAction,
) -> Result<Effect, Refusal> {
    let name = if action == KeyAction::Enable { "EnableKey" } else { "DisableKey" };
    on_key(step, id, name, |step, key| {
        let now_ms = step.context.now_ms;
        let next = decide(key, action, now_ms)?;
        if action == KeyAction::Enable {
            not_before(action, key.disabled_at_ms, key.policy.enable_cooldown_ms, now_ms)?;
        } else {
            key.disabled_at_ms = Some(now_ms);
        }
        Ok(next)
    })
}

/// Asks the lifecycle table.
fn decide(key: &KeyRecord, action: KeyAction, now_ms: u64) -> Result<Next, Refusal> {
    let at = key.situation(now_ms);
    lifecycle::transition(&key.policy, at, action).map_err(|denied| match denied {
        Denied::State => {
            Refusal::KeyState { state: key.state, action, allowed: key.allowed(now_ms) }
        }
        Denied::Expired => Refusal::Expired,
    })
}

/// Refuses what comes sooner than `cooldown_ms` after `last_ms`; at exactly its end it is allowed.
fn not_before(
    action: KeyAction,
    last_ms: Option<u64>,
    cooldown_ms: u64,
    now_ms: u64,
) -> Result<(), Refusal> {
    match last_ms.map(|last| last.saturating_add(cooldown_ms)) {
        Some(from_ms) if now_ms < from_ms => Err(Refusal::TooEarly { action, from_ms }),
        _ => Ok(()),
    }
}

fn put_version(step: &mut Step<'_, '_>, key: KeyId, version: u32, material: &WrappedMaterial) {
    let version = VersionRecord {
        version,
        enabled: true,
        created_at_ms: step.context.now_ms,
        material: Some(material.clone()),
        changed_at: step.context.index,
    };
    step.state.put_version(key, &version);
}

/// Material must be wrapped under the newest generation, or it could not be rewrapped in time.
fn accept_generation(seal: &SealRecord, material: &WrappedMaterial) -> Result<(), Refusal> {
    if seal.wrapping_generation() != material.generation {
        return Err(Refusal::Superseded);
    }
    Ok(())
}

/// The front ends check texts as well, with rules on characters; these bounds hold below all of them.
fn check_texts(
    alias: Option<&str>,
    description: &str,
    labels: &BTreeMap<String, String>,
) -> Result<(), Refusal> {
    Bounded::NameBytes.check(alias.map_or(0, str::len), limits::NAME_BYTES)?;
    Bounded::DescriptionBytes.check(description.len(), limits::DESCRIPTION_BYTES)?;
    Bounded::Labels.check(labels.len(), limits::LABELS_PER_KEY)?;
    for (name, value) in labels {
        Bounded::LabelNameBytes.check(name.len(), limits::LABEL_NAME_BYTES)?;
        Bounded::LabelValueBytes.check(value.len(), limits::LABEL_VALUE_BYTES)?;
    }
    Ok(())
}

fn effect(key: &KeyRecord) -> Effect {
    Effect::Key {
        key: key.id,
        state: key.state,
        primary_version: key.primary_version,
        revision: key.revision,
    }
}

/// The states of a key before and after something, for those who are told of changes.
fn is_change(before: Option<KeyState>, after: Option<KeyState>) -> bool {
    before != after
}
