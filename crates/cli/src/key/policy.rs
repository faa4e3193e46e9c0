//! `conclave key policy`.

use clap::Args;
use conclave_client::v1;

use crate::globals::Globals;
use crate::policy::{WINDOW_FLAGS, WindowArgs};
use crate::values::parse_duration;

/// Arguments of `key policy`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true).arg("rotate_every").args(WINDOW_FLAGS))]
pub struct PolicyArgs {
    /// Key id (UUID) or alias
    key: String,
    /// Rotate by schedule after each such period, 1d to 730d; off: no schedule
    #[arg(long, value_name = "DURATION|off", value_parser = parse_period)]
    rotate_every: Option<u64>,
    #[command(flatten)]
    windows: WindowArgs,
}

impl PolicyArgs {
    pub(super) fn request(self, globals: &Globals) -> v1::SetKeyPolicyRequest {
        v1::SetKeyPolicyRequest {
            request_id: globals.request_id(),
            key: self.key,
            rotate_every_s: self.rotate_every,
            windows: self.windows.change(),
        }
    }
}

/// A period in seconds, or 0 for `off`.
fn parse_period(text: &str) -> Result<u64, String> {
    if text == "off" {
        return Ok(0);
    }
    let period = parse_duration(text).map_err(|wrong| format!("{wrong}; off ends the schedule"))?;
    Ok(period.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_or_off() {
        assert_eq!(parse_period("90d"), Ok(7_776_000));
        assert_eq!(parse_period("off"), Ok(0));
        for text in ["", "0s", "never", "Off"] {
            let wrong = parse_period(text).unwrap_err();
            assert!(wrong.ends_with("off ends the schedule"), "{wrong}");
        }
    }
}
