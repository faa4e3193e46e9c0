//! Timers of keys that are due: before a command on a key decides, and in ticks.

use super::store;
use crate::audit::{self, Draft};
use crate::ids::{PrincipalId, RequestId};
use crate::lifecycle::Next;
use crate::limits;
use crate::model::{EventKind, HistoryRecord, KeyRecord};
use crate::outcome::{Effect, Refusal};
use crate::step::Step;
use crate::timers::{self, Fired};

/// Runs all timers of a key that are due, each with its own records in audit and history. The key as
/// they leave it, if they leave it.
pub(crate) fn run(step: &mut Step<'_, '_>, key: &KeyRecord) -> Option<KeyRecord> {
    let mut present = key.clone();
    let mut after = present.clone();
    while let Some(fired) = timers::run_next(&mut after, step.context.now_ms) {
        audit_of(step, key, &fired);
        if fired.next == Next::Purged {
            store::remove(step, &present, fired.at_ms);
            return None;
        }
        after.revision += 1;
        after.changed_at = step.context.index;
        let entry = entry(step, &after, &fired);
        step.note(&mut after, &entry);
        store::change(step, &present, &after, fired.at_ms);
        if fired.held {
            step.raise(&after, fired.at_ms, EventKind::DeletionHeld);
        }
        present = after.clone();
    }
    Some(present)
}

fn entry(step: &Step<'_, '_>, after: &KeyRecord, fired: &Fired) -> HistoryRecord {
    HistoryRecord {
        at_ms: fired.at_ms,
        principal: PrincipalId::NOBODY,
        action: fired.timer.name().to_owned(),
        refused: fired.held.then(|| "RETENTION".to_owned()),
        from: Some(fired.from),
        to: Some(after.state),
        version: after.primary_version,
        request: RequestId::NONE,
        index: step.context.index,
    }
}

fn audit_of(step: &mut Step<'_, '_>, key: &KeyRecord, fired: &Fired) {
    let draft = Draft {
        index: step.context.index,
        principal: PrincipalId::NOBODY,
        action: fired.timer.name(),
        key: Some(key.id),
        refused: fired.held.then_some("RETENTION"),
        request: RequestId::NONE,
    };
    audit::append(step.state, step.machine, draft);
}

/// Works off timers that are due: a bounded number of keys, the earliest first.
pub(crate) fn tick(step: &mut Step<'_, '_>) -> Result<Effect, Refusal> {
    let due = step.read().due_timers(step.context.now_ms, limits::KEYS_PER_TICK);
    let (mut keys, mut records) = (0, 0);
    for (_, id) in due {
        if records >= limits::RECORDS_PER_TICK {
            break;
        }
        let Some(key) = step.read().key(id) else { continue };
        records += usize::try_from(key.history).unwrap_or(usize::MAX).min(1_000)
            + key.primary_version as usize
            + key.registrations as usize;
        run(step, &key);
        keys += 1;
    }
    Ok(Effect::Ticked { keys })
}
