//! The flags that describe a change of a deletion policy.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use conclave_client::v1;

use crate::values::parse_seconds;

/// Names of the flags of [`WindowArgs`], for a group of which one is required.
pub(crate) const WINDOW_FLAGS: [&str; 4] = ["grace", "restore_window", "purge_floor", "auto_purge"];

/// Names of the flags of [`DeletionPolicyArgs`], without those of [`WindowArgs`].
pub(crate) const POLICY_FLAGS: [&str; 10] = [
    "preset",
    "delete_now",
    "rotate_disabled",
    "rotate_pending",
    "restore_to",
    "disable_deactivated",
    "enable_cooldown",
    "restore_cooldown",
    "rotate_cooldown",
    "rotation_restarts",
];

/// The four windows of a policy.
#[derive(Debug, Args)]
pub(crate) struct WindowArgs {
    /// Time from the request to delete until destruction; 0s: at once
    #[arg(long, value_name = "DURATION", value_parser = parse_seconds)]
    grace: Option<u64>,
    /// How long after destruction a key can be restored; 0s: never
    #[arg(long, value_name = "DURATION", value_parser = parse_seconds)]
    restore_window: Option<u64>,
    /// How long after destruction nobody can purge
    #[arg(long, value_name = "DURATION", value_parser = parse_seconds)]
    purge_floor: Option<u64>,
    /// How long after destruction a key is purged by itself; 0s: at once
    #[arg(long, value_name = "DURATION", value_parser = parse_seconds)]
    auto_purge: Option<u64>,
}

/// A whole policy.
#[derive(Debug, Args)]
pub(crate) struct DeletionPolicyArgs {
    /// Start from this preset
    #[arg(long, value_parser = PossibleValuesParser::new(["layered", "scheduled", "soft-delete"]))]
    preset: Option<String>,
    #[command(flatten)]
    windows: WindowArgs,
    /// Whether the rest of the grace period can be skipped
    #[arg(long, value_name = "yes|no", value_parser = switch())]
    delete_now: Option<bool>,
    /// Whether scheduled rotations go on while a key is Disabled
    #[arg(long, value_name = "yes|no", value_parser = switch())]
    rotate_disabled: Option<bool>,
    /// Whether scheduled rotations go on while a key is PendingDeletion
    #[arg(long, value_name = "yes|no", value_parser = switch())]
    rotate_pending: Option<bool>,
    /// What a restored key becomes: as it was when deletion was requested, or Enabled
    #[arg(long, value_enum)]
    restore_to: Option<RestoreTo>,
    /// Whether a Deactivated key can be disabled
    #[arg(long, value_name = "yes|no", value_parser = switch())]
    disable_deactivated: Option<bool>,
    /// How long after a disable a key cannot be enabled
    #[arg(long, value_name = "DURATION", value_parser = parse_seconds)]
    enable_cooldown: Option<u64>,
    /// How long after destruction a key cannot be restored
    #[arg(long, value_name = "DURATION", value_parser = parse_seconds)]
    restore_cooldown: Option<u64>,
    /// How long after a rotation a key cannot be rotated by hand
    #[arg(long, value_name = "DURATION", value_parser = parse_seconds)]
    rotate_cooldown: Option<u64>,
    /// Whether a rotation by hand restarts the schedule
    #[arg(long, value_name = "yes|no", value_parser = switch())]
    rotation_restarts: Option<bool>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RestoreTo {
    Prior,
    Enabled,
}

impl WindowArgs {
    /// The change that the flags ask for; `None`: no flag was given.
    pub(crate) fn change(&self) -> Option<v1::PolicyChange> {
        let change = v1::PolicyChange {
            grace_s: self.grace,
            restore_window_s: self.restore_window,
            purge_floor_s: self.purge_floor,
            auto_purge_s: self.auto_purge,
            ..Default::default()
        };
        (change != v1::PolicyChange::default()).then_some(change)
    }
}

impl DeletionPolicyArgs {
    /// The change that the flags ask for; `None`: no flag was given.
    pub(crate) fn change(self) -> Option<v1::PolicyChange> {
        let restore_to = self.restore_to.map(|state| match state {
            RestoreTo::Prior => v1::RestoreTo::Prior.into(),
            RestoreTo::Enabled => v1::RestoreTo::Enabled.into(),
        });
        let change = v1::PolicyChange {
            preset: self.preset.unwrap_or_default(),
            delete_now: self.delete_now,
            rotate_while_disabled: self.rotate_disabled,
            rotate_while_pending: self.rotate_pending,
            restore_to,
            disable_deactivated: self.disable_deactivated,
            enable_cooldown_s: self.enable_cooldown,
            restore_cooldown_s: self.restore_cooldown,
            rotate_cooldown_s: self.rotate_cooldown,
            rotation_restarts: self.rotation_restarts,
            ..self.windows.change().unwrap_or_default()
        };
        (change != v1::PolicyChange::default()).then_some(change)
    }
}

fn switch() -> impl TypedValueParser<Value = bool> {
    PossibleValuesParser::new(["yes", "no"]).map(|text| text == "yes")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        policy: DeletionPolicyArgs,
    }

    fn change(line: &str) -> Option<v1::PolicyChange> {
        let words = std::iter::once("x").chain(line.split_ascii_whitespace());
        Line::try_parse_from(words).unwrap().policy.change()
    }

    #[test]
    fn no_flag_is_no_change() {
        assert_eq!(change(""), None);
    }

    #[test]
    fn each_flag_reaches_its_field() {
        let all = "--preset scheduled --grace 1s --restore-window 2s --purge-floor 3s \
            --auto-purge 4s --delete-now no --rotate-disabled yes --rotate-pending no \
            --restore-to enabled --disable-deactivated yes --enable-cooldown 5s \
            --restore-cooldown 6s --rotate-cooldown 7s --rotation-restarts no";
        let expected = v1::PolicyChange {
            preset: "scheduled".to_owned(),
            grace_s: Some(1),
            restore_window_s: Some(2),
            purge_floor_s: Some(3),
            auto_purge_s: Some(4),
            delete_now: Some(false),
            rotate_while_disabled: Some(true),
            rotate_while_pending: Some(false),
            restore_to: Some(v1::RestoreTo::Enabled.into()),
            disable_deactivated: Some(true),
            enable_cooldown_s: Some(5),
            restore_cooldown_s: Some(6),
            rotate_cooldown_s: Some(7),
            rotation_restarts: Some(false),
        };
        assert_eq!(change(all), Some(expected));
        assert_eq!(change("--grace 0s").unwrap().grace_s, Some(0));
        assert_eq!(change("--restore-to prior").unwrap().restore_to(), v1::RestoreTo::Prior);
    }
}
