//! Whether a key may be used: decided from one view of the state, shown by a [`UsePermit`].

use crate::access::{Authorized, Resource};
use crate::ids::KeyId;
use crate::lifecycle::{self, KeyAction, KeyState, Situation};
use crate::model::{KeyRecord, VersionRecord};
use crate::mutants::Mutant;
use crate::outcome::Refusal;
use crate::roles::Action;

/// Proof that a caller may use one version of a key for one operation, as of one view. The store of
/// unwrapped keys is asked only with such a permit. Only [`permit_use`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsePermit {
    key: KeyId,
    version: u32,
    changed_at: u64,
}

impl UsePermit {
    /// The key.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// The version.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Log index at which the version last changed.
    pub fn changed_at(&self) -> u64 {
        self.changed_at
    }
}

/// Decides whether `version` of `key` may be used at `now_ms`, in milliseconds since the Unix epoch. The
/// record is one that shows all timers that have run by then, see [`crate::timers::as_of`]. The
/// caller's permission comes as proof; only one for Encrypt or Decrypt on this key will do.
///
/// # Errors
/// [`Refusal::PermissionDenied`], [`Refusal::KeyState`] or [`Refusal::VersionDisabled`].
pub fn permit_use(
    authorized: Authorized,
    key: &KeyRecord,
    version: &VersionRecord,
    now_ms: u64,
) -> Result<UsePermit, Refusal> {
    let action = match authorized.action() {
        Action::Encrypt => KeyAction::Encrypt,
        Action::Decrypt => KeyAction::Decrypt,
        // Permission for something else says nothing about the use of a key.
        _ => return Err(Refusal::PermissionDenied { action: Action::Encrypt }),
    };
    if authorized.on() != Resource::of_key(key) {
        return Err(Refusal::PermissionDenied { action: authorized.action() });
    }
    let at = key.situation(now_ms);
    let state = if Mutant::IgnoreDisabled.active() { KeyState::Enabled } else { at.state };
    if lifecycle::transition(&key.policy, Situation { state, ..at }, action).is_err() {
        return Err(Refusal::KeyState { state, action, allowed: key.allowed(now_ms) });
    }
    // Inheritance is computed, never stored: usable = key usable and own switch on.
    if !version.enabled {
        return Err(Refusal::VersionDisabled { version: version.version });
    }
    Ok(UsePermit { key: key.id, version: version.version, changed_at: version.changed_at })
}
