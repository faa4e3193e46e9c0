//! Findings are told apart from a harness that could not do its work.

use std::fmt;

/// Why a run did not end well.
pub enum Failure {
    /// The product broke a promise: this is what the runs look for.
    Violation(String),
    /// The run itself could not be made (a tool is missing, a fault had no effect): it says nothing
    /// about the product, and it is never taken for a pass.
    Harness(String),
}

/// The result of every step of a run.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// The product did something it must not do.
    pub fn violation(text: impl Into<String>) -> Failure {
        Failure::Violation(text.into())
    }

    /// The run could not be made.
    pub fn harness(text: impl Into<String>) -> Failure {
        Failure::Harness(text.into())
    }

    /// The same failure with `context` before its text.
    pub fn context(self, context: impl fmt::Display) -> Failure {
        match self {
            Failure::Violation(text) => Failure::Violation(format!("{context}: {text}")),
            Failure::Harness(text) => Failure::Harness(format!("{context}: {text}")),
        }
    }

    /// True for a broken promise of the product.
    pub fn is_violation(&self) -> bool {
        matches!(self, Failure::Violation(_))
    }
}

/// A violation with the text of `what` unless `holds`.
pub fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(Failure::Violation(what())) }
}

/// A harness failure with the text of `what` unless `holds`.
pub fn require(holds: bool, what: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(Failure::Harness(what())) }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Violation(text) => write!(f, "VIOLATION: {text}"),
            Failure::Harness(text) => write!(f, "HARNESS: {text}"),
        }
    }
}

// Tests return a `Result`, and cargo prints its error with `Debug`.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Failure {}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Failure::Harness(format!("I/O: {error}"))
    }
}

impl From<rustix::io::Errno> for Failure {
    fn from(error: rustix::io::Errno) -> Failure {
        Failure::Harness(format!("system call: {error}"))
    }
}
