//! The lifecycle of a key: the one table that decides transitions, and what each state allows. By
//! preset it is that of NAVER Cloud KMS or of IBM Key Protect; see `docs/lifecycle.md`.

mod allowed;
mod policy;

pub use allowed::Allowed;
pub use policy::{DeletionPolicy, PolicyChange, PolicyProblem, Preset, RestoreTo};

#[cfg(feature = "mutants")]
use crate::mutants::{self, TableCell};
use serde::{Deserialize, Serialize};
use std::fmt;

/// State of a key. A purged key has none: there is nothing left of it but a tombstone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum KeyState {
    /// Every operation.
    Enabled,
    /// No cryptographic operation; reversible.
    Disabled,
    /// Past its expiry date: only what was protected can be read, never back to Enabled.
    Deactivated,
    /// Deletion was requested; waits out the grace period and can be cancelled.
    PendingDeletion,
    /// Deleted; readable, and restorable inside the restore window.
    Destroyed,
}

impl KeyState {
    /// All states, in the order of the lifecycle.
    pub const ALL: [KeyState; 5] = [
        KeyState::Enabled,
        KeyState::Disabled,
        KeyState::Deactivated,
        KeyState::PendingDeletion,
        KeyState::Destroyed,
    ];

    /// Whether anything at all can be decrypted: what a version inherits from its key.
    pub fn is_usable(self) -> bool {
        matches!(self, KeyState::Enabled | KeyState::Deactivated)
    }
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{self:?}"))
    }
}

/// What can be asked of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum KeyAction {
    /// Encrypt, also under a data key.
    Encrypt,
    /// Decrypt.
    Decrypt,
    /// Make a new primary version by hand.
    Rotate,
    /// Make a new primary version because the schedule says so.
    ScheduledRotation,
    /// Allow use again.
    Enable,
    /// Stop every use.
    Disable,
    /// Change description and labels.
    Update,
    /// Add or remove an alias.
    Alias,
    /// Change the rotation schedule or lengthen the key's own windows.
    SetPolicy,
    /// Move to another key ring.
    Move,
    /// Switch one version on or off.
    SwitchVersion,
    /// Register a resource that the key protects.
    Register,
    /// Remove a registration.
    Unregister,
    /// Request deletion.
    Delete,
    /// Take the request back.
    CancelDeletion,
    /// Skip the rest of the grace period.
    DeleteNow,
    /// Bring a destroyed key back.
    Restore,
    /// Remove everything but a tombstone.
    Purge,
    /// Read metadata, history and registrations.
    Read,
}

impl KeyAction {
    /// All actions.
    pub const ALL: [KeyAction; 19] = [
        KeyAction::Encrypt,
        KeyAction::Decrypt,
        KeyAction::Rotate,
        KeyAction::ScheduledRotation,
        KeyAction::Enable,
        KeyAction::Disable,
        KeyAction::Update,
        KeyAction::Alias,
        KeyAction::SetPolicy,
        KeyAction::Move,
        KeyAction::SwitchVersion,
        KeyAction::Register,
        KeyAction::Unregister,
        KeyAction::Delete,
        KeyAction::CancelDeletion,
        KeyAction::DeleteNow,
        KeyAction::Restore,
        KeyAction::Purge,
        KeyAction::Read,
    ];
}

impl fmt::Display for KeyAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{self:?}"))
    }
}

/// What time does to a key. In the order in which those of one instant run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Timer {
    /// The expiry date is reached.
    ExpiryReached,
    /// The grace period is over.
    GraceOver,
    /// The restore window is over.
    RestoreWindowOver,
    /// Automatic purge.
    AutoPurge,
}

impl Timer {
    /// All timers.
    pub const ALL: [Timer; 4] =
        [Timer::ExpiryReached, Timer::GraceOver, Timer::RestoreWindowOver, Timer::AutoPurge];

    /// The name under which it stands in audit records and in the history.
    pub const fn name(self) -> &'static str {
        match self {
            Timer::ExpiryReached => "ExpiryReached",
            Timer::GraceOver => "GraceOver",
            Timer::RestoreWindowOver => "RestoreWindowOver",
            Timer::AutoPurge => "AutoPurge",
        }
    }
}

impl fmt::Display for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What the table judges by, beside the policy of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Situation {
    /// The state.
    pub state: KeyState,
    /// Whether the expiry date is reached.
    pub expired: bool,
    /// The state that deletion was asked from; without a deletion it does not matter.
    pub asked_from: KeyState,
}

/// Where an allowed action leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// To this state, perhaps the one that it was in.
    State(KeyState),
    /// Nothing is left but a tombstone.
    Purged,
}

/// Why the table refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The state, or the policy in this state, does not allow it.
    State,
    /// The key has expired, and what has expired is not restored.
    Expired,
}

/// The lifecycle table: where `action` leads in a situation, under a policy.
///
/// # Errors
/// [`Denied`].
pub fn transition(
    policy: &DeletionPolicy,
    at: Situation,
    action: KeyAction,
) -> Result<Next, Denied> {
    let cell = table(policy, at, action);
    #[cfg(feature = "mutants")]
    if mutants::is_flipped(TableCell::Action(at.state, action)) {
        return if cell.is_ok() { Err(Denied::State) } else { Ok(Next::State(at.state)) };
    }
    cell
}

fn table(policy: &DeletionPolicy, at: Situation, action: KeyAction) -> Result<Next, Denied> {
    use KeyAction as A;
    use KeyState::{Deactivated, Destroyed, Disabled, Enabled, PendingDeletion};
    let next = match (at.state, action) {
        (_, A::Read) => at.state,
        (Enabled | Disabled | Deactivated, A::Update | A::Alias | A::SetPolicy | A::Move) => {
            at.state
        }
        (Enabled | Disabled | Deactivated, A::Delete) => return Ok(after_request(policy)),
        (Enabled, A::Encrypt | A::ScheduledRotation | A::Register) => Enabled,
        (Enabled | Deactivated, A::Decrypt | A::Rotate | A::SwitchVersion) => at.state,
        (Enabled | Disabled | Deactivated | PendingDeletion, A::Unregister) => at.state,
        (Enabled, A::Disable) => Disabled,
        (Deactivated, A::Disable) if policy.disable_deactivated => Disabled,
        (Disabled, A::Enable) if at.expired => Deactivated,
        (Disabled, A::Enable) => Enabled,
        (Disabled, A::ScheduledRotation) if policy.rotate_while_disabled => Disabled,
        (PendingDeletion, A::ScheduledRotation) if policy.rotate_while_pending => PendingDeletion,
        (PendingDeletion, A::CancelDeletion) => back_from_deletion(at),
        (PendingDeletion, A::DeleteNow) if policy.delete_now => return Ok(destroyed(policy)),
        (Destroyed, A::Restore) if policy.restore_window_ms == 0 => return Err(Denied::State),
        (Destroyed, A::Restore) if at.expired => return Err(Denied::Expired),
        (Destroyed, A::Restore) => match (policy.restore_to, at.asked_from) {
            (RestoreTo::AskedFrom, Disabled) => Disabled,
            _ => Enabled,
        },
        (Destroyed, A::Purge) => return Ok(Next::Purged),
        _ => return Err(Denied::State),
    };
    Ok(Next::State(next))
}

/// What a timer does in a situation; `None`: nothing. At the end of the restore window the state stays
/// and the material goes.
pub fn on_timer(policy: &DeletionPolicy, at: Situation, timer: Timer) -> Option<Next> {
    #[cfg(feature = "mutants")]
    if mutants::is_flipped(TableCell::Timer(at.state, timer)) {
        return None;
    }
    match (at.state, timer) {
        (KeyState::Enabled, Timer::ExpiryReached) => Some(Next::State(KeyState::Deactivated)),
        (KeyState::PendingDeletion, Timer::GraceOver) => Some(destroyed(policy)),
        (KeyState::Destroyed, Timer::RestoreWindowOver) => Some(Next::State(KeyState::Destroyed)),
        (KeyState::Destroyed, Timer::AutoPurge) => Some(Next::Purged),
        _ => None,
    }
}

/// Where a key goes whose deletion is taken back, or forbidden at the last moment.
pub fn back_from_deletion(at: Situation) -> KeyState {
    if at.expired { KeyState::Deactivated } else { KeyState::Disabled }
}

/// A step that takes no time leads straight on to the next.
fn after_request(policy: &DeletionPolicy) -> Next {
    match policy.grace_ms {
        0 => destroyed(policy),
        _ => Next::State(KeyState::PendingDeletion),
    }
}

fn destroyed(policy: &DeletionPolicy) -> Next {
    match policy.auto_purge_ms {
        0 => Next::Purged,
        _ => Next::State(KeyState::Destroyed),
    }
}

/// The actions that a situation allows.
pub fn allowed(policy: &DeletionPolicy, at: Situation) -> Allowed {
    KeyAction::ALL.into_iter().filter(|action| transition(policy, at, *action).is_ok()).collect()
}
