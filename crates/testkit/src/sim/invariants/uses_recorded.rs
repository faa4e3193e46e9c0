//! No operation of the data plane is answered before its record has left the process.
//!
//! From docs/ARCHITECTURE.md, invariant 12: so a killed process loses no record of what it has
//! answered.
//!
//! Cannot see: what a record says, and records of calls that nobody waited for: each such record hides
//! one that is missing.

use crate::sim::evidence::Evidence;
use crate::sim::violation::Violation;

/// Name of the invariant.
pub const NAME: &str = "every use is recorded";

/// Checks the invariant.
pub fn check(evidence: &Evidence) -> Vec<Violation> {
    evidence.unrecorded.iter().map(|what| Violation::new(NAME, what.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::invariants::testing::Script;

    #[test]
    fn an_answer_without_a_record_is_seen() {
        let mut evidence = Script::unsealed().evidence();
        assert_eq!(check(&evidence), []);
        evidence.unrecorded.push("node 1: 2 operations were answered".to_owned());
        assert_eq!(check(&evidence), [Violation::new(NAME, "node 1: 2 operations were answered")]);
    }
}
