//! There are never two leaders in a term.
//!
//! From the Raft paper (Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm",
//! 2014), figure 3: "Election Safety: at most one leader can be elected in a given term." Who leads is
//! taken from the append requests and snapshots that members send, so a member counts that acts as a
//! leader, whatever it thinks it is.
//!
//! Cannot see: a leader that was elected and never sent anything.

use crate::sim::evidence::Evidence;
use crate::sim::violation::Violation;

/// Name of the invariant.
pub const NAME: &str = "one leader a term";

/// Checks the invariant.
pub fn check(evidence: &Evidence) -> Vec<Violation> {
    let several = evidence.leaders.iter().filter(|(_, leaders)| leaders.len() > 1);
    several
        .map(|(term, leaders)| {
            let leaders: Vec<_> = leaders.iter().map(|member| format!("{member:016x}")).collect();
            Violation::new(NAME, format!("term {term} has {}", leaders.join(" and ")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::invariants::testing::Script;

    #[test]
    fn one_member_leads_in_a_term_and_another_in_the_next() {
        let mut evidence = Script::unsealed().evidence();
        evidence.leaders = [(1, [11].into()), (2, [12].into()), (4, [11].into())].into();
        assert_eq!(check(&evidence), []);
    }

    #[test]
    fn two_leaders_of_a_term_are_seen() {
        let mut evidence = Script::unsealed().evidence();
        evidence.leaders = [(1, [11].into()), (3, [11, 12].into())].into();
        let found = check(&evidence);
        assert_eq!(found.len(), 1);
        assert!(found[0].text.starts_with("term 3 has"), "{}", found[0]);
    }
}
