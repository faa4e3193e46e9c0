//! A run shows something: enough operations met others on the same key.
//!
//! From the criterion of the simulator itself: answers that are given one at a time are linearizable
//! whatever the cluster does, so a run in which fewer than a fifth of the operations overlap is an
//! error and no evidence (Kingsbury, "Jepsen": a history without concurrency tests nothing).
//!
//! Cannot see: whether the operations that met were those that matter.

use crate::sim::checker::overlap::Overlap;
use crate::sim::evidence::Evidence;
use crate::sim::violation::Violation;

/// Name of the invariant.
pub const NAME: &str = "operations overlap";

/// The smallest share of overlapping operations, in percent.
pub const LEAST_PERCENT: f64 = 20.0;

/// Checks the invariant.
pub fn check(evidence: &Evidence) -> Vec<Violation> {
    let overlap = Overlap::of(&evidence.history);
    if overlap.overlap_percent() >= LEAST_PERCENT {
        return Vec::new();
    }
    vec![Violation::new(NAME, format!("only {overlap}; {LEAST_PERCENT} % are the least"))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::history::Action;
    use crate::sim::invariants::testing::Script;

    /// Ten reads one after the other, of which `pairs` times two are moved onto each other.
    fn evidence(pairs: usize) -> Evidence {
        let mut script = Script::unsealed();
        for _ in 0..10 {
            script.get(0);
        }
        let mut evidence = script.evidence();
        let reads = &mut evidence.history.operations;
        reads.retain(|operation| operation.action == Action::Get(0));
        for pair in reads.chunks_mut(2).take(pairs) {
            pair[1].invoked = pair[0].invoked;
        }
        evidence
    }

    #[test]
    fn a_fifth_is_enough() {
        assert_eq!(check(&evidence(1)), []);
        assert_eq!(check(&evidence(5)), []);
    }

    #[test]
    fn a_run_of_single_operations_is_seen() {
        let found = check(&evidence(0));
        assert_eq!(found.len(), 1);
        assert!(found[0].text.starts_with("only 10 operations, 0.0 % overlap"), "{}", found[0]);
    }

    #[test]
    fn a_run_without_operations_is_seen() {
        let mut evidence = evidence(5);
        evidence.history.operations.clear();
        assert_eq!(check(&evidence).len(), 1);
    }
}
