//! Policies as callers give them.

use crate::error::ApiError;
use conclave_core::lifecycle::{PolicyChange, Preset, RestoreTo};
use conclave_proto::v1;

/// Seconds as milliseconds.
pub(crate) fn millis(field: &str, seconds: u64) -> Result<u64, ApiError> {
    seconds
        .checked_mul(1_000)
        .ok_or_else(|| ApiError::field(field, "a number of seconds that fits a window is needed"))
}

pub(crate) fn policy_change(given: Option<&v1::PolicyChange>) -> Result<PolicyChange, ApiError> {
    let Some(given) = given else { return Ok(PolicyChange::default()) };
    let window =
        |name: &str, seconds: Option<u64>| seconds.map(|seconds| millis(name, seconds)).transpose();
    Ok(PolicyChange {
        preset: preset(&given.preset)?,
        grace_ms: window("grace_s", given.grace_s)?,
        restore_window_ms: window("restore_window_s", given.restore_window_s)?,
        purge_floor_ms: window("purge_floor_s", given.purge_floor_s)?,
        auto_purge_ms: window("auto_purge_s", given.auto_purge_s)?,
        delete_now: given.delete_now,
        rotate_while_disabled: given.rotate_while_disabled,
        rotate_while_pending: given.rotate_while_pending,
        restore_to: given.restore_to.map(restore_to).transpose()?,
        disable_deactivated: given.disable_deactivated,
        enable_cooldown_ms: window("enable_cooldown_s", given.enable_cooldown_s)?,
        restore_cooldown_ms: window("restore_cooldown_s", given.restore_cooldown_s)?,
        rotate_cooldown_ms: window("rotate_cooldown_s", given.rotate_cooldown_s)?,
        rotation_restarts: given.rotation_restarts,
    })
}

fn preset(text: &str) -> Result<Option<Preset>, ApiError> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error| ApiError::field("preset", error))
}

fn restore_to(number: i32) -> Result<RestoreTo, ApiError> {
    match v1::RestoreTo::try_from(number) {
        Ok(v1::RestoreTo::Prior) => Ok(RestoreTo::AskedFrom),
        Ok(v1::RestoreTo::Enabled) => Ok(RestoreTo::Enabled),
        _ => Err(ApiError::field(
            "restore_to",
            "allowed are RESTORE_TO_PRIOR and RESTORE_TO_ENABLED",
        )),
    }
}
