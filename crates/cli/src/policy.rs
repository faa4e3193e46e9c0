//! Deletion policies: as flags, in JSON, and for people.

mod args;

use conclave_client::v1;
use serde_json::{Value, json};

pub(crate) use args::{DeletionPolicyArgs, POLICY_FLAGS, WINDOW_FLAGS, WindowArgs};

use crate::values::{seconds_text, text_json, yes_no};

/// A policy in JSON, with the names of the protocol.
pub(crate) fn policy_json(policy: &v1::DeletionPolicy) -> Value {
    json!({
        "preset": text_json(&policy.preset),
        "grace_s": policy.grace_s,
        "restore_window_s": policy.restore_window_s,
        "purge_floor_s": policy.purge_floor_s,
        "auto_purge_s": policy.auto_purge_s,
        "delete_now": policy.delete_now,
        "rotate_while_disabled": policy.rotate_while_disabled,
        "rotate_while_pending": policy.rotate_while_pending,
        "restore_to": restore_to(policy),
        "disable_deactivated": policy.disable_deactivated,
        "enable_cooldown_s": policy.enable_cooldown_s,
        "restore_cooldown_s": policy.restore_cooldown_s,
        "rotate_cooldown_s": policy.rotate_cooldown_s,
        "rotation_restarts": policy.rotation_restarts,
    })
}

/// The windows of a policy in one line: `layered: grace 3d, restore window 30d, …`.
pub(crate) fn windows_text(policy: &v1::DeletionPolicy) -> String {
    format!(
        "{}: grace {}, restore window {}, purge floor {}, auto purge {}",
        policy.preset,
        seconds_text(policy.grace_s),
        seconds_text(policy.restore_window_s),
        seconds_text(policy.purge_floor_s),
        seconds_text(policy.auto_purge_s),
    )
}

/// A whole policy as fields, by the names of the flags that set them.
pub(crate) fn policy_fields(policy: &v1::DeletionPolicy) -> [(&'static str, String); 14] {
    let switch = |on| yes_no(on).to_owned();
    [
        ("preset", policy.preset.clone()),
        ("grace", seconds_text(policy.grace_s)),
        ("restore window", seconds_text(policy.restore_window_s)),
        ("purge floor", seconds_text(policy.purge_floor_s)),
        ("auto purge", seconds_text(policy.auto_purge_s)),
        ("delete now", switch(policy.delete_now)),
        ("rotate disabled", switch(policy.rotate_while_disabled)),
        ("rotate pending", switch(policy.rotate_while_pending)),
        ("restore to", restore_to(policy).unwrap_or_default().to_owned()),
        ("disable deactivated", switch(policy.disable_deactivated)),
        ("enable cooldown", seconds_text(policy.enable_cooldown_s)),
        ("restore cooldown", seconds_text(policy.restore_cooldown_s)),
        ("rotate cooldown", seconds_text(policy.rotate_cooldown_s)),
        ("rotation restarts", switch(policy.rotation_restarts)),
    ]
}

fn restore_to(policy: &v1::DeletionPolicy) -> Option<&'static str> {
    match policy.restore_to() {
        v1::RestoreTo::Prior => Some("prior"),
        v1::RestoreTo::Enabled => Some("enabled"),
        v1::RestoreTo::Unspecified => None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The preset `layered`.
    pub(crate) fn layered() -> v1::DeletionPolicy {
        v1::DeletionPolicy {
            preset: "layered".to_owned(),
            grace_s: 259_200,
            restore_window_s: 2_592_000,
            purge_floor_s: 14_400,
            auto_purge_s: 7_776_000,
            delete_now: true,
            rotate_while_disabled: true,
            rotate_while_pending: true,
            restore_to: v1::RestoreTo::Prior.into(),
            disable_deactivated: true,
            rotation_restarts: true,
            ..Default::default()
        }
    }

    /// It in JSON.
    pub(crate) fn layered_json() -> Value {
        json!({
            "preset": "layered", "grace_s": 259_200, "restore_window_s": 2_592_000,
            "purge_floor_s": 14_400, "auto_purge_s": 7_776_000, "delete_now": true,
            "rotate_while_disabled": true, "rotate_while_pending": true, "restore_to": "prior",
            "disable_deactivated": true, "enable_cooldown_s": 0, "restore_cooldown_s": 0,
            "rotate_cooldown_s": 0, "rotation_restarts": true,
        })
    }

    #[test]
    fn a_policy_has_all_fields_of_the_protocol() {
        assert_eq!(policy_json(&layered()), layered_json());
    }

    #[test]
    fn a_policy_for_people() {
        assert_eq!(
            windows_text(&layered()),
            "layered: grace 3d, restore window 30d, purge floor 4h, auto purge 90d"
        );
        assert_eq!(
            crate::table::fields(&policy_fields(&layered())),
            "preset               layered\n\
             grace                3d\n\
             restore window       30d\n\
             purge floor          4h\n\
             auto purge           90d\n\
             delete now           yes\n\
             rotate disabled      yes\n\
             rotate pending       yes\n\
             restore to           prior\n\
             disable deactivated  yes\n\
             enable cooldown      0s\n\
             restore cooldown     0s\n\
             rotate cooldown      0s\n\
             rotation restarts    yes\n"
        );
    }
}
