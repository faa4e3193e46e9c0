//! Versions of a key: rotation by hand and by schedule, the switch of each version, and the key's own
//! policy.

use super::{accept_generation, decide, not_before, on_key, put_version};
use crate::command::{RotateKey, RotationChange, SetKeyPolicy};
use crate::ids::KeyId;
use crate::lifecycle::{DeletionPolicy, KeyAction, Next, PolicyProblem};
use crate::limits;
use crate::model::{EventKind, KeyRecord, Rotation};
use crate::outcome::{Effect, Refusal, Thing, VersionProblem};
use crate::seal;
use crate::step::Step;
use crate::timers;

/// Adds a primary version.
pub(crate) fn rotate(step: &mut Step<'_, '_>, command: &RotateKey) -> Result<Effect, Refusal> {
    let seal = seal::confirmed(step.state)?;
    on_key(step, command.key, "RotateKey", |step, key| {
        let now_ms = step.context.now_ms;
        let next = decide(key, KeyAction::Rotate, now_ms)?;
        if key.primary_version >= limits::VERSIONS_PER_KEY {
            return Err(Refusal::VersionLimit);
        }
        let cooldown_ms = key.policy.rotate_cooldown_ms;
        not_before(KeyAction::Rotate, key.rotated_at_ms, cooldown_ms, now_ms)?;
        is_next(key, command)?;
        accept_generation(&seal, &command.material)?;
        if let Some(rotation) = key.rotation.as_mut().filter(|_| key.policy.rotation_restarts) {
            rotation.next_at_ms = now_ms.saturating_add(rotation.every_ms);
        }
        add_version(step, key, command);
        Ok(next)
    })
}

/// Adds a primary version because it is due; at the limit the schedule turns itself off instead.
pub(crate) fn rotate_by_schedule(
    step: &mut Step<'_, '_>,
    command: &RotateKey,
) -> Result<Effect, Refusal> {
    let seal = seal::confirmed(step.state)?;
    on_key(step, command.key, "ScheduledRotation", |step, key| {
        let now_ms = step.context.now_ms;
        if timers::rotation_due_ms(key).is_none_or(|due_ms| now_ms < due_ms) {
            return Err(Refusal::NotDue);
        }
        let next = decide(key, KeyAction::ScheduledRotation, now_ms)?;
        let full = key.primary_version >= limits::VERSIONS_PER_KEY;
        if !full {
            is_next(key, command)?;
            accept_generation(&seal, &command.material)?;
        }
        let restarts = key.policy.rotation_restarts;
        if let Some(rotation) = &mut key.rotation {
            if full {
                rotation.on = false;
            } else {
                rotation.next_at_ms = following(rotation, restarts, now_ms);
            }
        }
        if full {
            step.raise(key, now_ms, EventKind::RotationStopped);
        } else {
            add_version(step, key, command);
        }
        Ok(next)
    })
}

/// The due date after the one that is worked off at `now_ms`. One that was missed by more than a period
/// is not made up for.
fn following(rotation: &Rotation, restarts: bool, now_ms: u64) -> u64 {
    if restarts {
        return now_ms.saturating_add(rotation.every_ms);
    }
    let missed = now_ms.saturating_sub(rotation.next_at_ms) / rotation.every_ms.max(1);
    let periods = rotation.every_ms.saturating_mul(missed.saturating_add(1));
    rotation.next_at_ms.saturating_add(periods)
}

/// The material is bound to a version number: another rotation in between makes it useless.
fn is_next(key: &KeyRecord, command: &RotateKey) -> Result<(), Refusal> {
    if command.version != key.primary_version + 1 {
        return Err(Refusal::Superseded);
    }
    Ok(())
}

fn add_version(step: &mut Step<'_, '_>, key: &mut KeyRecord, command: &RotateKey) {
    key.primary_version = command.version;
    key.rotated_at_ms = Some(step.context.now_ms);
    put_version(step, key.id, command.version, &command.material);
    if key.primary_version >= limits::VERSIONS_WARNED {
        let kind = EventKind::VersionsNearLimit { versions: key.primary_version };
        step.raise(key, step.context.now_ms, kind);
    }
}

/// Switches one version on or off.
pub(crate) fn switch_version(
    step: &mut Step<'_, '_>,
    id: KeyId,
    version: u32,
    enabled: bool,
) -> Result<Effect, Refusal> {
    on_key(step, id, "SetVersionEnabled", |step, key| {
        let next = decide(key, KeyAction::SwitchVersion, step.context.now_ms)?;
        let found = step.read().version(key.id, version);
        let mut record = found.ok_or(Refusal::NotFound { what: Thing::Version })?;
        let refused = |problem| Err(Refusal::VersionSwitch { version, problem });
        if version == key.primary_version && !enabled {
            return refused(VersionProblem::Newest);
        }
        if record.enabled == enabled {
            return refused(VersionProblem::AlreadySo);
        }
        record.enabled = enabled;
        record.changed_at = step.context.index;
        step.state.put_version(key.id, &record);
        Ok(next)
    })
}

/// Changes the schedule, and lengthens the key's own windows.
pub(crate) fn set_policy(
    step: &mut Step<'_, '_>,
    command: &SetKeyPolicy,
) -> Result<Effect, Refusal> {
    let floor_ms = step.machine.deletion_floor_ms;
    on_key(step, command.key, "SetKeyPolicy", |step, key| {
        let next = decide(key, KeyAction::SetPolicy, step.context.now_ms)?;
        let policy = command.windows.of(&key.policy);
        if policy != key.policy {
            check_longer(&key.policy, &policy).map_err(Refusal::PolicyInvalid)?;
            policy.check(floor_ms).map_err(Refusal::PolicyInvalid)?;
            key.policy = policy;
        }
        match command.rotation {
            None => {}
            Some(RotationChange::Off) => key.rotation = None,
            Some(RotationChange::Every(every_ms)) => {
                let every_ms = check_period(every_ms)?;
                key.rotation = Some(schedule(every_ms, step.context.now_ms));
            }
        }
        Ok::<Next, Refusal>(next)
    })
}

/// Only the four windows may differ, and none may be shorter: anything else needs an approval.
fn check_longer(present: &DeletionPolicy, new: &DeletionPolicy) -> Result<(), PolicyProblem> {
    let windows = |policy: &DeletionPolicy| {
        [policy.grace_ms, policy.restore_window_ms, policy.purge_floor_ms, policy.auto_purge_ms]
    };
    let [grace_ms, restore_window_ms, purge_floor_ms, auto_purge_ms] = windows(new);
    let lengthened = DeletionPolicy {
        grace_ms,
        restore_window_ms,
        purge_floor_ms,
        auto_purge_ms,
        ..present.clone()
    };
    let longer = windows(present).iter().zip(windows(new)).all(|(old, new)| *old <= new);
    if longer && lengthened == *new { Ok(()) } else { Err(PolicyProblem::Shortened) }
}

pub(super) fn check_period(every_ms: u64) -> Result<u64, Refusal> {
    if !limits::ROTATION_MS.contains(&every_ms) {
        return Err(Refusal::RotationPeriod);
    }
    Ok(every_ms)
}

pub(super) fn schedule(every_ms: u64, now_ms: u64) -> Rotation {
    Rotation { every_ms, next_at_ms: now_ms.saturating_add(every_ms), on: true }
}
