//! Nobody binds a role to themselves, whoever they are and whatever else happens.
//!
//! From docs/errors/SAME_PRINCIPAL.md ("Nobody changes their own roles or groups"): a principal that
//! may bind roles could otherwise give itself every right without a second person.
//!
//! Cannot see: ways around it that no client of a run takes, such as a group of one's own; the tests
//! of `core` walk through those.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::chain::{self, Chain};
use super::told;
use crate::sim::evidence::Evidence;
use crate::sim::history::Action;
use crate::sim::violation::Violation;

/// Name of the invariant.
pub const NAME: &str = "nobody grants to themselves";

/// Checks the invariant.
pub fn check(evidence: &Evidence) -> Vec<Violation> {
    let done = requests_done(evidence);
    let attempts = evidence.history.operations.iter().filter(|op| op.action == Action::BindSelf);
    attempts
        .filter(|attempt| {
            let has_effect = attempt.request.is_some_and(|request| done.contains(&request));
            attempt.done().is_some() || has_effect
        })
        .map(|attempt| Violation::new(NAME, format!("{} was done", told(attempt))))
        .collect()
}

/// The requests that had an effect, whatever the clients were told.
fn requests_done(evidence: &Evidence) -> BTreeSet<Uuid> {
    let chains = chain::longest(evidence).into_iter().map(Chain::of);
    chains
        .flat_map(|chain| chain.done().map(|record| record.request.0).collect::<Vec<_>>())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::history::Outcome;
    use crate::sim::invariants::testing::Script;

    #[test]
    fn the_state_machine_refuses_it() {
        let mut script = Script::unsealed();
        let answer = script.mutate(Action::BindSelf);
        assert_eq!(answer, Outcome::Refused("SAME_PRINCIPAL".to_owned()));
        assert_eq!(check(&script.evidence()), []);
    }

    #[test]
    fn one_that_was_done_is_seen() {
        let mut script = Script::unsealed();
        script.mutate(Action::BindSelf);
        script.pretend_done(Action::BindSelf, 9);
        let found = check(&script.evidence());
        assert_eq!(found.len(), 1);
        assert!(found[0].text.ends_with("was done"), "{}", found[0]);
    }

    #[test]
    fn one_of_unknown_outcome_that_was_done_is_seen() {
        let mut script = Script::unsealed();
        script.pretend(Action::BindSelf, Outcome::Unknown);
        assert_eq!(check(&script.evidence()), []);
        // As if the state machine had let it pass.
        script.mutate(Action::Create(0));
        script.last().action = Action::BindSelf;
        script.last().outcome = Outcome::Unknown;
        assert_eq!(check(&script.evidence()).len(), 1);
    }
}
