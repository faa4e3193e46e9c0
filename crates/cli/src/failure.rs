//! Why a verb did not do what was asked.

use std::path::Path;

use conclave_client::{Error, Reason};

use crate::exit;

/// An error and whose fault it is.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Wrong usage or configuration, found before anything was sent.
    Usage(Box<Error>),
    /// A call, or a local file, failed.
    Call(Box<Error>),
}

impl Failure {
    /// Wrong usage: what is wrong, and how it is right.
    pub(crate) fn usage(message: impl Into<String>, next: impl Into<Box<str>>) -> Self {
        Failure::Usage(Box::new(Error::new(Reason::InvalidArgument, message, next)))
    }

    /// A local file that cannot be used.
    pub(crate) fn file(path: &Path, what: &str, why: &dyn std::fmt::Display) -> Self {
        Error::new(
            Reason::LocalFile,
            format!("{} cannot be {what}: {why}", path.display()),
            "check the path, its permissions and the space left",
        )
        .into()
    }

    pub(crate) fn error(&self) -> &Error {
        match self {
            Failure::Usage(error) | Failure::Call(error) => error,
        }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Failure::Usage(_) => exit::USAGE,
            Failure::Call(error) => exit::of(error),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Call(Box::new(error))
    }
}
