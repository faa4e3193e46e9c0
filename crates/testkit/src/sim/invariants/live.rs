//! Once faults have ended, everything works again.
//!
//! From the Raft paper (Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm",
//! 2014), section 2: consensus systems are available "as long as any majority of the servers are
//! operational and can communicate with each other and with clients". All other invariants hold of a
//! cluster that never answers, so a run that proves no life proves nothing.
//!
//! Cannot see: what nobody tried.

use crate::sim::evidence::Evidence;
use crate::sim::violation::Violation;

/// Name of the invariant.
pub const NAME: &str = "it works after the heal";

/// Checks the invariant.
pub fn check(evidence: &Evidence) -> Vec<Violation> {
    if evidence.probes.is_empty() {
        return vec![Violation::new(NAME, "nothing was tried after the heal")];
    }
    let failures = evidence.probes.iter().filter_map(|probe| {
        let failure = probe.failure.as_ref()?;
        Some(Violation::new(NAME, format!("{}: {failure}", probe.what)))
    });
    failures.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::evidence::Probe;
    use crate::sim::invariants::testing::Script;

    #[test]
    fn what_works_is_no_violation() {
        assert_eq!(check(&Script::unsealed().evidence()), []);
    }

    #[test]
    fn what_does_not_work_is_seen() {
        let mut evidence = Script::unsealed().evidence();
        let failure = Some("NO_QUORUM".to_owned());
        evidence.probes.push(Probe { what: "node 3 changes a key".to_owned(), failure });
        let text = "node 3 changes a key: NO_QUORUM";
        assert_eq!(check(&evidence), [Violation::new(NAME, text)]);
    }

    #[test]
    fn trying_nothing_is_seen() {
        let mut evidence = Script::unsealed().evidence();
        evidence.probes.clear();
        assert_eq!(check(&evidence).len(), 1);
    }
}
