//! Deleting keys, and bringing them back.

use super::{decide, not_before, on_key};
use crate::ids::KeyId;
use crate::lifecycle::{KeyAction, Next};
use crate::model::{Deletion, KeyRecord};
use crate::mutants::Mutant;
use crate::outcome::{Effect, Refusal};
use crate::step::Step;

/// Requests deletion.
pub(crate) fn request(step: &mut Step<'_, '_>, id: KeyId, force: bool) -> Result<Effect, Refusal> {
    on_key(step, id, "DeleteKey", |step, key| {
        let now_ms = step.context.now_ms;
        let next = decide(key, KeyAction::Delete, now_ms)?;
        unprotected(key, force)?;
        key.deletion = Some(Deletion {
            requested_at_ms: now_ms,
            requested_by: step.context.principal,
            asked_from: key.state,
            force,
            destroyed_at_ms: None,
            erased: false,
        });
        Ok(next)
    })
}

/// Takes a requested deletion back.
pub(crate) fn cancel(step: &mut Step<'_, '_>, id: KeyId) -> Result<Effect, Refusal> {
    on_key(step, id, "CancelDeletion", |step, key| {
        decide(key, KeyAction::CancelDeletion, step.context.now_ms)
    })
}

/// Skips the rest of the grace period. Whether something protects the key is asked again.
pub(crate) fn delete_now(step: &mut Step<'_, '_>, id: KeyId) -> Result<Effect, Refusal> {
    on_key(step, id, "DeleteNow", |step, key| {
        let next = decide(key, KeyAction::DeleteNow, step.context.now_ms)?;
        unprotected(key, key.deletion.as_ref().is_some_and(|deletion| deletion.force))?;
        Ok(next)
    })
}

/// What must not stand in the way of a deletion: retention, which nothing passes, and registrations,
/// which force does.
fn unprotected(key: &KeyRecord, force: bool) -> Result<(), Refusal> {
    if key.protecting > 0 && !Mutant::ForceRetention.active() {
        return Err(Refusal::Retention { registrations: key.protecting });
    }
    if key.registrations > 0 && !force {
        return Err(Refusal::Registered { registrations: key.registrations });
    }
    Ok(())
}

/// Brings a destroyed key back.
pub(crate) fn restore(step: &mut Step<'_, '_>, id: KeyId) -> Result<Effect, Refusal> {
    on_key(step, id, "RestoreKey", |step, key| {
        let now_ms = step.context.now_ms;
        let next = decide(key, KeyAction::Restore, now_ms)?;
        let deletion = key.deletion.as_ref();
        let destroyed_at_ms = deletion.and_then(|deletion| deletion.destroyed_at_ms);
        if deletion.is_some_and(|deletion| deletion.erased) {
            let over_ms =
                destroyed_at_ms.map_or(0, |at| at.saturating_add(key.policy.restore_window_ms));
            return Err(Refusal::WindowOver { over_ms });
        }
        let cooldown_ms = key.policy.restore_cooldown_ms;
        not_before(KeyAction::Restore, destroyed_at_ms, cooldown_ms, now_ms)?;
        Ok(next)
    })
}

/// Removes everything of a destroyed key but a tombstone.
pub(crate) fn purge(step: &mut Step<'_, '_>, id: KeyId) -> Result<Effect, Refusal> {
    on_key(step, id, "PurgeKey", |step, key| {
        let next = decide(key, KeyAction::Purge, step.context.now_ms)?;
        may_purge(key, step.context.now_ms)?;
        Ok(next)
    })
}

/// Whether the purge floor of a destroyed key is passed.
pub(crate) fn may_purge(key: &KeyRecord, now_ms: u64) -> Result<Next, Refusal> {
    let destroyed_at_ms = key.deletion.as_ref().and_then(|deletion| deletion.destroyed_at_ms);
    let floor_ms = if Mutant::PurgeEarly.active() { 0 } else { key.policy.purge_floor_ms };
    not_before(KeyAction::Purge, destroyed_at_ms, floor_ms, now_ms)?;
    Ok(Next::Purged)
}
