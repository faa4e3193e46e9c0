//! The policies of the model, from the table of the design text.

const SECOND: u64 = 1_000;
const HOUR: u64 = 3_600 * SECOND;
const DAY: u64 = 24 * HOUR;

/// The deletion policy a key copies when it is created. The model takes it as valid: checking it
/// belongs to the instance that holds it.
#[derive(Clone, Debug)]
pub struct Policy {
    /// How long a requested deletion waits before it destroys.
    pub grace_ms: u64,
    /// How long after destruction a restore works; the material is erased after it.
    pub restore_window_ms: u64,
    /// How long after destruction a user's purge is still too early.
    pub purge_floor_ms: u64,
    /// How long after destruction the key purges itself.
    pub auto_purge_ms: u64,
    /// Whether "delete now" may skip the rest of the grace.
    pub delete_now: bool,
    /// Whether scheduled rotation also runs while the key is disabled.
    pub rotate_while_disabled: bool,
    /// Whether scheduled rotation also runs while a deletion is pending.
    pub rotate_while_pending: bool,
    /// Whether a restored key is always enabled; if not, it returns to where deletion was asked.
    pub restore_to_enabled: bool,
    /// Whether a deactivated key may be disabled.
    pub disable_deactivated: bool,
    /// How long after a disable an enable is still too early.
    pub enable_cooldown_ms: u64,
    /// How long after the destruction a restore is still too early.
    pub restore_cooldown_ms: u64,
    /// How long after any rotation a manual one is still too early.
    pub rotate_cooldown_ms: u64,
    /// Whether the schedule counts from the last rotation, manual ones included, or from its own
    /// due dates.
    pub manual_rotation_restarts: bool,
}

impl Policy {
    /// The default: a grace period first, then a restore window.
    pub fn layered() -> Self {
        Self {
            grace_ms: 72 * HOUR,
            restore_window_ms: 30 * DAY,
            purge_floor_ms: 4 * HOUR,
            auto_purge_ms: 90 * DAY,
            delete_now: true,
            rotate_while_disabled: true,
            rotate_while_pending: true,
            restore_to_enabled: false,
            disable_deactivated: true,
            enable_cooldown_ms: 0,
            restore_cooldown_ms: 0,
            rotate_cooldown_ms: 0,
            manual_rotation_restarts: true,
        }
    }

    /// As NAVER Cloud KMS: a grace period, and nothing left after it.
    pub fn scheduled() -> Self {
        Self {
            restore_window_ms: 0,
            purge_floor_ms: 0,
            auto_purge_ms: 0,
            disable_deactivated: false,
            manual_rotation_restarts: false,
            ..Self::layered()
        }
    }

    /// As IBM Key Protect: no grace, but a restore window.
    pub fn soft_delete() -> Self {
        Self {
            grace_ms: 0,
            delete_now: false,
            rotate_while_disabled: false,
            rotate_while_pending: false,
            restore_to_enabled: true,
            disable_deactivated: false,
            enable_cooldown_ms: 30 * SECOND,
            restore_cooldown_ms: 30 * SECOND,
            rotate_cooldown_ms: HOUR,
            ..Self::layered()
        }
    }
}
