//! What time does to a key. Pure: the effects of all timers that are due are worked out on a copy of
//! the record, by the entries that bring a key up to date and by whoever reads it in between.
//!
//! A timer takes effect at its own instant, however late it is noticed: what is counted from it is
//! counted from there. So the state of a key depends on commands and their times alone, and not on when
//! somebody looked.

use crate::lifecycle::{self, KeyAction, KeyState, Next, Timer};
use crate::model::{Deletion, KeyRecord};
use crate::mutants::Mutant;

/// A timer that has run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fired {
    /// Which.
    pub timer: Timer,
    /// At which instant, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// State before.
    pub from: KeyState,
    /// Where it led.
    pub next: Next,
    /// Whether the deletion was called off because something protects the key.
    pub held: bool,
}

/// The next timer of a key and the first instant at which it has run. Permissions include their
/// boundary: what destroys, runs strictly after it.
pub fn next(key: &KeyRecord) -> Option<(u64, Timer)> {
    let timers = Timer::ALL.into_iter();
    timers.filter_map(|timer| Some((instant(key, timer)?, timer))).min()
}

fn instant(key: &KeyRecord, timer: Timer) -> Option<u64> {
    lifecycle::on_timer(&key.policy, key.situation(0), timer)?;
    let boundary = boundary(key, timer)?;
    let strictly_after = u64::from(timer != Timer::ExpiryReached);
    // An instant beyond the end of time never comes.
    boundary.checked_add(strictly_after).filter(|_| !Mutant::TimersSleep.active())
}

fn boundary(key: &KeyRecord, timer: Timer) -> Option<u64> {
    let policy = &key.policy;
    let deletion = key.deletion.as_ref();
    let destroyed = deletion.and_then(|deletion| deletion.destroyed_at_ms);
    match timer {
        Timer::ExpiryReached => key.expires_at_ms,
        Timer::GraceOver => deletion?.requested_at_ms.checked_add(policy.grace_ms),
        Timer::RestoreWindowOver if deletion?.erased => None,
        Timer::RestoreWindowOver => destroyed?.checked_add(policy.restore_window_ms),
        Timer::AutoPurge => destroyed?.checked_add(policy.auto_purge_ms),
    }
}

/// Runs the next timer, if it is due by `now_ms`. After one that purges, nothing of the record means
/// anything.
pub fn run_next(key: &mut KeyRecord, now_ms: u64) -> Option<Fired> {
    let (_, timer) = next(key).filter(|(instant, _)| *instant <= now_ms)?;
    let at_ms = boundary(key, timer)?;
    Some(fire(key, timer, at_ms))
}

fn fire(key: &mut KeyRecord, timer: Timer, at_ms: u64) -> Fired {
    let (from, at) = (key.state, key.situation(at_ms));
    let held = timer == Timer::GraceOver && is_protected(key);
    let next = match held {
        true => Next::State(lifecycle::back_from_deletion(at)),
        false => lifecycle::on_timer(&key.policy, at, timer).unwrap_or(Next::State(from)),
    };
    match timer {
        Timer::RestoreWindowOver => {
            if let Some(deletion) = &mut key.deletion {
                deletion.erased = true;
            }
        }
        _ => enter(key, next, at_ms),
    }
    Fired { timer, at_ms, from, next, held }
}

/// Checked again before a key is destroyed: what forbids its deletion. Without retention, registrations
/// hold a deletion up unless it was forced.
pub fn is_protected(key: &KeyRecord) -> bool {
    let forced = key.deletion.as_ref().is_some_and(|deletion| deletion.force);
    key.protecting > 0 || (key.registrations > 0 && !forced)
}

/// Moves a key to where the table has sent it.
pub(crate) fn enter(key: &mut KeyRecord, next: Next, at_ms: u64) {
    let Next::State(state) = next else { return };
    key.state = state;
    match state {
        KeyState::PendingDeletion => {}
        KeyState::Destroyed => {
            let erased = key.policy.restore_window_ms == 0;
            if let Some(deletion) = &mut key.deletion {
                (deletion.destroyed_at_ms, deletion.erased) = (Some(at_ms), erased);
            }
            // What it protected has been let go, by force or before.
            (key.registrations, key.protecting) = (0, 0);
        }
        // Taken back or restored: a second deletion restarts every clock.
        KeyState::Enabled | KeyState::Disabled | KeyState::Deactivated => key.deletion = None,
    }
}

/// The key as time has left it by `now_ms`; `None`: purged.
pub fn as_of(key: &KeyRecord, now_ms: u64) -> Option<KeyRecord> {
    let mut key = key.clone();
    while let Some(fired) = run_next(&mut key, now_ms) {
        if fired.next == Next::Purged {
            return None;
        }
    }
    Some(key)
}

/// Whether a timer of the key has run by `now_ms` that its record does not show yet.
pub fn is_behind(key: &KeyRecord, now_ms: u64) -> bool {
    next(key).is_some_and(|(instant, _)| instant <= now_ms)
}

/// When the next rotation by schedule is due, if the state lets it run.
pub fn rotation_due_ms(key: &KeyRecord) -> Option<u64> {
    let rotation = key.rotation.filter(|rotation| rotation.on)?;
    let at = key.situation(0);
    let runs = lifecycle::transition(&key.policy, at, KeyAction::ScheduledRotation).is_ok();
    runs.then_some(rotation.next_at_ms)
}

/// When a deletion leads where, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeletionTimes {
    /// When the grace period is over.
    pub destroys_at_ms: Option<u64>,
    /// Until when the key can be restored.
    pub restore_until_ms: Option<u64>,
    /// From when on it can be purged.
    pub purge_from_ms: Option<u64>,
    /// When it purges itself.
    pub purge_at_ms: Option<u64>,
}

impl DeletionTimes {
    /// The times of a key in a deletion.
    pub fn of(key: &KeyRecord, deletion: &Deletion) -> DeletionTimes {
        let policy = &key.policy;
        let pending = key.state == KeyState::PendingDeletion;
        let after = |ms: u64| deletion.destroyed_at_ms.map(|at| at.saturating_add(ms));
        DeletionTimes {
            destroys_at_ms: pending
                .then(|| deletion.requested_at_ms.saturating_add(policy.grace_ms)),
            restore_until_ms: after(policy.restore_window_ms),
            purge_from_ms: after(policy.purge_floor_ms),
            purge_at_ms: after(policy.auto_purge_ms),
        }
    }
}
