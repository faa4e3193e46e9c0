//! What must not be, and was.

use std::fmt;

/// An invariant that a run has broken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// Which.
    pub invariant: &'static str,
    /// How, for people: what was seen, and why it cannot be.
    pub text: String,
}

impl Violation {
    /// A broken invariant and how it was broken.
    pub fn new(invariant: &'static str, text: impl Into<String>) -> Violation {
        Violation { invariant, text: text.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.text)
    }
}
