//! Why `server` or `dev` did not do what was asked.

use std::fmt;

use conclave_storage::OpenError;

use crate::config::ConfigErrors;
use crate::exit;

/// A failure, with its exit code; shown as `error: …` and `next: …`.
#[derive(Debug)]
pub struct Failure {
    text: String,
    /// The exit code.
    pub code: u8,
}

impl Failure {
    /// Refused: what is wrong and what is allowed, and what to do.
    pub fn refused(message: impl fmt::Display, next: impl fmt::Display) -> Failure {
        Failure { text: format!("error: {message}\nnext: {next}"), code: exit::FAILED }
    }

    /// Wrong usage: as [`Failure::refused`].
    pub fn usage(message: impl fmt::Display, next: impl fmt::Display) -> Failure {
        Failure { code: exit::USAGE, ..Failure::refused(message, next) }
    }

    /// Something that no configuration can help.
    pub fn fatal(message: impl fmt::Display, next: impl fmt::Display) -> Failure {
        Failure { code: exit::FATAL, ..Failure::refused(message, next) }
    }

    /// The data directory cannot be opened.
    pub fn data_dir(error: &OpenError) -> Failure {
        Failure::refused(error, error.next())
    }
}

impl From<conclave_client::Error> for Failure {
    fn from(error: conclave_client::Error) -> Failure {
        let next =
            if error.next.is_empty() { String::new() } else { format!("\nnext: {}", error.next) };
        Failure {
            text: format!("error[{}]: {}{next}", error.reason, error.message),
            code: conclave_cli::exit::of(&error),
        }
    }
}

impl From<ConfigErrors> for Failure {
    fn from(errors: ConfigErrors) -> Failure {
        Failure { text: errors.to_string(), code: exit::USAGE }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Failure {}
