//! What one token is good for: everything until it is revoked, nothing afterwards.

use super::Subject;
use super::wgl::Model;
use crate::sim::history::{Action, Outcome};

/// One token. It exists from the start.
#[derive(Debug)]
pub struct TokenModel;

/// Whether a token is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Revoked(pub bool);

impl Model for TokenModel {
    type State = Revoked;
    type Op = (Action, Outcome);
    type Floor = Revoked;

    fn initial() -> Revoked {
        Revoked(false)
    }

    fn step(state: &Revoked, (action, outcome): &(Action, Outcome)) -> Option<Revoked> {
        match (action, outcome) {
            // Who revokes what is revoked gets what they want.
            (Action::Revoke(_), Outcome::Done(_) | Outcome::Unknown) => Some(Revoked(true)),
            (Action::Show(_), Outcome::Done(_)) => (!state.0).then_some(*state),
            (Action::Show(_), Outcome::Refused(_)) => state.0.then_some(*state),
            // A token that exists is found.
            _ => None,
        }
    }

    fn floor(state: &Revoked) -> Revoked {
        *state
    }

    fn raise(floor: &mut Revoked, (action, outcome): &Self::Op) {
        floor.0 |= matches!((action, outcome), (Action::Revoke(_), Outcome::Done(_)));
    }

    fn is_past(floor: &Revoked, (action, outcome): &Self::Op) -> bool {
        floor.0 && matches!((action, outcome), (Action::Show(_), Outcome::Done(_)))
    }
}

impl Subject for TokenModel {
    const INVARIANT: &'static str = "linearizability of a token";

    /// Who revokes shows a credential of their own, so its rejection says nothing about the token.
    fn is_telling(action: Action, reason: &str) -> bool {
        match action {
            Action::Show(_) => reason == "UNAUTHENTICATED",
            _ => reason == "NOT_FOUND",
        }
    }

    fn show(Revoked(revoked): &Revoked) -> String {
        if *revoked { "revoked" } else { "good" }.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::history::Answer;

    #[test]
    fn a_token_is_good_until_it_is_revoked() {
        let done = || Outcome::Done(Answer::default());
        let refused = |reason: &str| Outcome::Refused(reason.to_owned());
        let (good, revoked) = (Some(Revoked(false)), Some(Revoked(true)));
        let table = [
            (Action::Show(0), done(), good, None),
            (Action::Show(0), refused("UNAUTHENTICATED"), None, revoked),
            (Action::Revoke(0), done(), revoked, revoked),
            (Action::Revoke(0), Outcome::Unknown, revoked, revoked),
            (Action::Revoke(0), refused("NOT_FOUND"), None, None),
        ];
        for (action, outcome, from_good, from_revoked) in table {
            let op = (action, outcome);
            assert_eq!(TokenModel::step(&Revoked(false), &op), from_good, "{op:?} of a good one");
            assert_eq!(TokenModel::step(&Revoked(true), &op), from_revoked, "{op:?} of a revoked");
            // Nothing that is past comes again; what revokes raises the floor.
            assert!(!TokenModel::is_past(&Revoked(false), &op));
            assert!(!TokenModel::is_past(&Revoked(true), &op) || from_revoked.is_none(), "{op:?}");
            let mut floor = Revoked(false);
            TokenModel::raise(&mut floor, &op);
            assert_eq!(floor.0, op == (Action::Revoke(0), done()), "{op:?}");
        }
    }

    #[test]
    fn a_rejection_tells_of_the_token_that_was_shown() {
        assert!(TokenModel::is_telling(Action::Show(0), "UNAUTHENTICATED"));
        assert!(!TokenModel::is_telling(Action::Revoke(0), "UNAUTHENTICATED"));
        assert!(!TokenModel::is_telling(Action::Show(0), "NO_QUORUM"));
        assert!(TokenModel::is_telling(Action::Revoke(0), "NOT_FOUND"));
    }
}
