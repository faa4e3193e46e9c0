//! What one key answers, in whatever order it is asked. Written after the documents of the lifecycle,
//! without the code that it judges.

use super::Subject;
use super::wgl::Model;
use crate::sim::history::{Action, Answer, Outcome};

/// Versions that a key can have.
pub const MOST_VERSIONS: u32 = 100;

/// One key.
#[derive(Debug)]
pub struct KeyModel;

/// A key that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyFacts {
    /// Whether it can be used.
    pub enabled: bool,
    /// The version that protects new data.
    pub primary: u32,
    /// How many changes it has had, its creation included.
    pub revision: u64,
}

/// What never goes back: zeros of a key that does not exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Floor {
    /// Its primary version.
    pub primary: u32,
    /// Its revision.
    pub revision: u64,
}

/// A key, or none yet.
pub type KeyState = Option<KeyFacts>;

/// Refusals that say something about a key. All others are about the caller or the cluster.
const TELLING: [&str; 6] = [
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "KEY_STATE",
    "VERSION_LIMIT",
    // No command switches a version off: there is no state in which this is the answer.
    "VERSION_STATE",
    // A ciphertext that a node has made is good, so this says that the node knows no such version.
    "CIPHERTEXT_INVALID",
];

impl Model for KeyModel {
    type State = KeyState;
    type Op = (Action, Outcome);
    type Floor = Floor;

    fn initial() -> KeyState {
        None
    }

    fn step(state: &KeyState, (action, outcome): &(Action, Outcome)) -> Option<KeyState> {
        let after = ask(*state, *action);
        match outcome {
            Outcome::Refused(reason) => (after == Err(reason)).then_some(*state),
            Outcome::Unknown => after.ok(),
            Outcome::Done(answer) => after.ok().filter(|_| fits(*state, *action, answer)),
        }
    }

    fn floor(state: &KeyState) -> Floor {
        state.map_or(Floor::default(), |key| Floor { primary: key.primary, revision: key.revision })
    }

    fn raise(floor: &mut Floor, (action, outcome): &Self::Op) {
        if action.is_mutation() && matches!(outcome, Outcome::Done(_)) {
            floor.revision += 1;
            floor.primary += u32::from(matches!(action, Action::Create(_) | Action::Rotate(_)));
        }
    }

    fn is_past(floor: &Floor, (action, outcome): &Self::Op) -> bool {
        match (action, outcome) {
            (Action::Create(_), Outcome::Done(_)) => floor.revision > 0,
            (Action::Encrypt(_), Outcome::Done(answer)) => answer.version < floor.primary,
            (Action::Get(_), Outcome::Done(answer)) => {
                answer.revision < floor.revision || answer.version < floor.primary
            }
            (Action::Decrypt(_, version), Outcome::Refused(reason)) => {
                reason == "CIPHERTEXT_INVALID" && (1..=floor.primary).contains(version)
            }
            (_, Outcome::Refused(reason)) => reason == "NOT_FOUND" && floor.revision > 0,
            _ => false,
        }
    }
}

impl Subject for KeyModel {
    const INVARIANT: &'static str = "linearizability of a key";

    fn is_telling(_: Action, reason: &str) -> bool {
        TELLING.contains(&reason)
    }

    fn show(state: &KeyState) -> String {
        match state {
            None => "absent".to_owned(),
            Some(KeyFacts { enabled, primary, revision }) => {
                let enabled = if *enabled { "enabled" } else { "disabled" };
                format!("{enabled} at version {primary}, revision {revision}")
            }
        }
    }
}

/// The state of a key after `action`, or why it is refused.
pub fn ask(state: KeyState, action: Action) -> Result<KeyState, &'static str> {
    let Some(key) = state else {
        return match action {
            Action::Create(_) => Ok(Some(KeyFacts { enabled: true, primary: 1, revision: 1 })),
            _ => Err("NOT_FOUND"),
        };
    };
    let changed = KeyFacts { revision: key.revision + 1, ..key };
    match action {
        Action::Create(_) => Err("ALREADY_EXISTS"),
        Action::Decrypt(_, version) if !(1..=key.primary).contains(&version) => {
            Err("CIPHERTEXT_INVALID")
        }
        Action::Enable(_) if key.enabled => Err("KEY_STATE"),
        Action::Disable(_) | Action::Rotate(_) | Action::Encrypt(_) | Action::Decrypt(..)
            if !key.enabled =>
        {
            Err("KEY_STATE")
        }
        Action::Rotate(_) if key.primary >= MOST_VERSIONS => Err("VERSION_LIMIT"),
        Action::Enable(_) => Ok(Some(KeyFacts { enabled: true, ..changed })),
        Action::Disable(_) => Ok(Some(KeyFacts { enabled: false, ..changed })),
        Action::Rotate(_) => Ok(Some(KeyFacts { primary: key.primary + 1, ..changed })),
        Action::Update(_) => Ok(Some(changed)),
        _ => Ok(state),
    }
}

/// Whether an answer tells what is so. The answer to a change is rendered from a later state, so only
/// its effect counts.
fn fits(state: KeyState, action: Action, answer: &Answer) -> bool {
    let Some(key) = state else { return true };
    match action {
        Action::Encrypt(_) => answer.version == key.primary,
        Action::Decrypt(_, version) => answer.version == version,
        Action::Get(_) => {
            let seen = KeyFacts {
                enabled: answer.enabled,
                primary: answer.version,
                revision: answer.revision,
            };
            seen == key
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests;
