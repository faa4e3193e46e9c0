//! The exit codes, part of the contract with scripts.

use conclave_client::Error;

/// Done.
pub const DONE: u8 = 0;
/// Refused or failed; nothing was changed.
pub const REFUSED: u8 = 1;
/// Wrong usage or configuration; nothing was sent.
pub const USAGE: u8 = 2;
/// Sealed, no quorum, unreachable, deadline over, or outcome unknown.
pub const UNAVAILABLE: u8 = 3;
/// Ctrl-C or SIGTERM.
pub const INTERRUPTED: u8 = 130;

/// The exit code of a call that failed.
pub fn of(error: &Error) -> u8 {
    if error.reason == conclave_client::Reason::Interrupted {
        INTERRUPTED
    } else if error.is_unavailable() {
        UNAVAILABLE
    } else {
        REFUSED
    }
}

#[cfg(test)]
mod tests {
    use conclave_client::Reason;

    use super::*;

    #[test]
    fn each_reason_has_its_code() {
        for reason in Reason::KNOWN {
            let expected = match reason.as_str() {
                "SEALED" | "NO_QUORUM" | "UNREACHABLE" | "DEADLINE_EXCEEDED"
                | "OUTCOME_UNKNOWN" | "AUDIT_BLOCKED" => 3,
                "INTERRUPTED" => 130,
                _ => 1,
            };
            assert_eq!(of(&Error::new(reason.clone(), "m", "n")), expected, "{reason}");
        }
    }
}
