//! What happens to a key between the request to delete it and its purge: one pipeline, four durations,
//! and what else the two reference services do differently.

use crate::limits;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600 * SECOND;
const DAY: u64 = 24 * HOUR;

/// Which key a restored one becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RestoreTo {
    /// In the state that deletion was asked from, Enabled or Disabled.
    AskedFrom,
    /// Enabled.
    Enabled,
}

/// The policy of an instance; a key copies it at creation. All durations are in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletionPolicy {
    /// Time in PendingDeletion; 0: a request destroys at once.
    pub grace_ms: u64,
    /// From destruction: how long a key can be restored; then its material is erased. 0: never.
    pub restore_window_ms: u64,
    /// From destruction: the earliest purge by a user.
    pub purge_floor_ms: u64,
    /// From destruction: purge by itself; 0: destruction purges at once.
    pub auto_purge_ms: u64,
    /// Whether the rest of the grace period may be skipped.
    pub delete_now: bool,
    /// Whether scheduled rotations go on while the key is Disabled.
    pub rotate_while_disabled: bool,
    /// Whether scheduled rotations go on while the key is PendingDeletion.
    pub rotate_while_pending: bool,
    /// What a restored key becomes.
    pub restore_to: RestoreTo,
    /// Whether a Deactivated key can be disabled.
    pub disable_deactivated: bool,
    /// Enable is refused for so long after a disable.
    pub enable_cooldown_ms: u64,
    /// Restore is refused for so long after destruction.
    pub restore_cooldown_ms: u64,
    /// Rotation by hand is refused for so long after the last rotation.
    pub rotate_cooldown_ms: u64,
    /// Whether the schedule counts from the last rotation, so that one by hand restarts it; otherwise it
    /// counts from the due date.
    pub rotation_restarts: bool,
}

/// A policy with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Preset {
    /// Both safety nets: a grace period, then a restore window.
    Layered,
    /// As NAVER Cloud KMS: 72 hours of grace, then nothing is left.
    Scheduled,
    /// As IBM Key Protect: destroyed at once, restorable for 30 days, purged after 90.
    SoftDelete,
}

impl Preset {
    /// All presets.
    pub const ALL: [Preset; 3] = [Preset::Layered, Preset::Scheduled, Preset::SoftDelete];

    /// The name on the wire and the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Preset::Layered => "layered",
            Preset::Scheduled => "scheduled",
            Preset::SoftDelete => "soft-delete",
        }
    }

    /// The policy.
    pub const fn policy(self) -> DeletionPolicy {
        match self {
            Preset::Layered => DeletionPolicy {
                grace_ms: 72 * HOUR,
                restore_window_ms: 30 * DAY,
                purge_floor_ms: 4 * HOUR,
                auto_purge_ms: 90 * DAY,
                delete_now: true,
                rotate_while_disabled: true,
                rotate_while_pending: true,
                restore_to: RestoreTo::AskedFrom,
                disable_deactivated: true,
                enable_cooldown_ms: 0,
                restore_cooldown_ms: 0,
                rotate_cooldown_ms: 0,
                rotation_restarts: true,
            },
            // Service documentation: request, 72 h, zeroised; rotation goes on in every state.
            Preset::Scheduled => DeletionPolicy {
                restore_window_ms: 0,
                purge_floor_ms: 0,
                auto_purge_ms: 0,
                disable_deactivated: false,
                rotation_restarts: false,
                ..Preset::Layered.policy()
            },
            // Service documentation: restore within 30 days and not before 30 s, purge from 4 h on, by
            // itself after 90 days; one rotation an hour.
            Preset::SoftDelete => DeletionPolicy {
                grace_ms: 0,
                delete_now: false,
                rotate_while_disabled: false,
                rotate_while_pending: false,
                restore_to: RestoreTo::Enabled,
                disable_deactivated: false,
                enable_cooldown_ms: 30 * SECOND,
                restore_cooldown_ms: 30 * SECOND,
                rotate_cooldown_ms: HOUR,
                ..Preset::Layered.policy()
            },
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that stands for no preset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no preset {0:?}; the presets are layered, scheduled, soft-delete")]
pub struct UnknownPreset(pub String);

impl FromStr for Preset {
    type Err = UnknownPreset;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Preset::ALL.into_iter().find(|preset| preset.name() == name);
        found.ok_or_else(|| UnknownPreset(name.to_owned()))
    }
}

impl Default for DeletionPolicy {
    fn default() -> Self {
        Preset::Layered.policy()
    }
}

/// Why a policy is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum PolicyProblem {
    /// A key could be restored after it was purged.
    #[error("the restore window is longer than the time to the automatic purge")]
    RestoreAfterPurge,
    /// A user could never purge.
    #[error("the purge floor is longer than the time to the automatic purge")]
    FloorAfterPurge,
    /// Longer than any window may be.
    #[error("a window is longer than {} days", limits::LONGEST_WINDOW_MS / DAY)]
    TooLong,
    /// Material would be out of reach sooner than the cluster allows.
    #[error("grace and restore window together are shorter than the floor of the cluster, {} s", floor_ms / SECOND)]
    UnderFloor {
        /// The floor, in milliseconds.
        floor_ms: u64,
    },
    /// The windows of a key are only lengthened; shortening them needs an approval.
    #[error("a window of a key can be lengthened, and nothing else of its policy changed")]
    Shortened,
}

impl DeletionPolicy {
    /// The preset that this policy is, if it is one unchanged.
    pub fn preset(&self) -> Option<Preset> {
        Preset::ALL.into_iter().find(|preset| preset.policy() == *self)
    }

    /// The name on the wire: that of the preset, or `custom`.
    pub fn preset_name(&self) -> &'static str {
        self.preset().map_or("custom", Preset::name)
    }

    /// Checks the policy by itself and against the floor of the cluster: the least time from a request
    /// until the material is out of reach.
    ///
    /// # Errors
    /// [`PolicyProblem`].
    pub fn check(&self, floor_ms: u64) -> Result<(), PolicyProblem> {
        let windows = [
            self.grace_ms,
            self.restore_window_ms,
            self.purge_floor_ms,
            self.auto_purge_ms,
            self.enable_cooldown_ms,
            self.restore_cooldown_ms,
            self.rotate_cooldown_ms,
        ];
        if windows.iter().any(|window| *window > limits::LONGEST_WINDOW_MS) {
            return Err(PolicyProblem::TooLong);
        }
        if self.restore_window_ms > self.auto_purge_ms {
            return Err(PolicyProblem::RestoreAfterPurge);
        }
        if self.purge_floor_ms > self.auto_purge_ms {
            return Err(PolicyProblem::FloorAfterPurge);
        }
        if self.grace_ms + self.restore_window_ms < floor_ms {
            return Err(PolicyProblem::UnderFloor { floor_ms });
        }
        Ok(())
    }
}

/// What is changed of a policy; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyChange {
    /// Start from this preset instead of the present policy.
    pub preset: Option<Preset>,
    /// See [`DeletionPolicy::grace_ms`].
    pub grace_ms: Option<u64>,
    /// See [`DeletionPolicy::restore_window_ms`].
    pub restore_window_ms: Option<u64>,
    /// See [`DeletionPolicy::purge_floor_ms`].
    pub purge_floor_ms: Option<u64>,
    /// See [`DeletionPolicy::auto_purge_ms`].
    pub auto_purge_ms: Option<u64>,
    /// See [`DeletionPolicy::delete_now`].
    pub delete_now: Option<bool>,
    /// See [`DeletionPolicy::rotate_while_disabled`].
    pub rotate_while_disabled: Option<bool>,
    /// See [`DeletionPolicy::rotate_while_pending`].
    pub rotate_while_pending: Option<bool>,
    /// See [`DeletionPolicy::restore_to`].
    pub restore_to: Option<RestoreTo>,
    /// See [`DeletionPolicy::disable_deactivated`].
    pub disable_deactivated: Option<bool>,
    /// See [`DeletionPolicy::enable_cooldown_ms`].
    pub enable_cooldown_ms: Option<u64>,
    /// See [`DeletionPolicy::restore_cooldown_ms`].
    pub restore_cooldown_ms: Option<u64>,
    /// See [`DeletionPolicy::rotate_cooldown_ms`].
    pub rotate_cooldown_ms: Option<u64>,
    /// See [`DeletionPolicy::rotation_restarts`].
    pub rotation_restarts: Option<bool>,
}

impl PolicyChange {
    /// The policy after the change.
    pub fn of(&self, present: &DeletionPolicy) -> DeletionPolicy {
        let base = self.preset.map_or_else(|| present.clone(), Preset::policy);
        DeletionPolicy {
            grace_ms: self.grace_ms.unwrap_or(base.grace_ms),
            restore_window_ms: self.restore_window_ms.unwrap_or(base.restore_window_ms),
            purge_floor_ms: self.purge_floor_ms.unwrap_or(base.purge_floor_ms),
            auto_purge_ms: self.auto_purge_ms.unwrap_or(base.auto_purge_ms),
            delete_now: self.delete_now.unwrap_or(base.delete_now),
            rotate_while_disabled: self.rotate_while_disabled.unwrap_or(base.rotate_while_disabled),
            rotate_while_pending: self.rotate_while_pending.unwrap_or(base.rotate_while_pending),
            restore_to: self.restore_to.unwrap_or(base.restore_to),
            disable_deactivated: self.disable_deactivated.unwrap_or(base.disable_deactivated),
            enable_cooldown_ms: self.enable_cooldown_ms.unwrap_or(base.enable_cooldown_ms),
            restore_cooldown_ms: self.restore_cooldown_ms.unwrap_or(base.restore_cooldown_ms),
            rotate_cooldown_ms: self.rotate_cooldown_ms.unwrap_or(base.rotate_cooldown_ms),
            rotation_restarts: self.rotation_restarts.unwrap_or(base.rotation_restarts),
        }
    }
}
