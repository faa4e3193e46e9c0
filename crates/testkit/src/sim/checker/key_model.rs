//! What one key answers, in whatever order it is asked. Written after the documents of the lifecycle,
//! without the code that it judges.

use super::wgl::Model;
use super::{Subject, describe};
use crate::sim::history::{Action, Answer, Outcome, State, Versions};

/// Versions that a key can have.
pub const MOST_VERSIONS: u32 = 100;

/// One key.
#[derive(Debug)]
pub struct KeyModel;

/// A key that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyFacts {
    /// Where in its lifecycle.
    pub state: State,
    /// The version that protects new data.
    pub primary: u32,
    /// How many changes it has had, its creation included.
    pub revision: u64,
    /// Its versions that are switched off.
    pub off: Versions,
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
            (Action::Switch(_, version, _), Outcome::Refused(reason)) => {
                reason == "NOT_FOUND" && (1..=floor.primary).contains(version)
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
            Some(KeyFacts { state, primary, revision, off }) => {
                let state = describe::state(*state);
                let off = describe::off(*off);
                format!("{state} at version {primary}{off}, revision {revision}")
            }
        }
    }
}

/// The state of a key after `action`, or why it is refused.
pub fn ask(state: KeyState, action: Action) -> Result<KeyState, &'static str> {
    let Some(key) = state else {
        return match action {
            Action::Create(_) => Ok(Some(KeyFacts {
                state: State::Enabled,
                primary: 1,
                revision: 1,
                off: Versions::default(),
            })),
            _ => Err("NOT_FOUND"),
        };
    };
    let changed = KeyFacts { revision: key.revision + 1, ..key };
    let moved = |state| Ok(Some(KeyFacts { state, ..changed }));
    match action {
        Action::Create(_) => Err("ALREADY_EXISTS"),
        Action::Decrypt(_, version) if !(1..=key.primary).contains(&version) => {
            Err("CIPHERTEXT_INVALID")
        }
        _ if !allows(key.state, action) => Err("KEY_STATE"),
        Action::Enable(_) => moved(State::Enabled),
        Action::Disable(_) | Action::Cancel(_) => moved(State::Disabled),
        Action::Delete(_) => moved(State::PendingDeletion),
        Action::Rotate(_) if key.primary >= MOST_VERSIONS => Err("VERSION_LIMIT"),
        Action::Rotate(_) => Ok(Some(KeyFacts { primary: key.primary + 1, ..changed })),
        Action::Switch(_, version, on) => {
            let off = switched(&key, version, on)?;
            Ok(Some(KeyFacts { off, ..changed }))
        }
        Action::Decrypt(_, version) if key.off.has(version) => Err("VERSION_STATE"),
        Action::Update(_) => Ok(Some(changed)),
        _ => Ok(state),
    }
}

/// What a key in this state can be asked for.
fn allows(state: State, action: Action) -> bool {
    match action {
        Action::Enable(_) => state == State::Disabled,
        Action::Cancel(_) => state == State::PendingDeletion,
        Action::Update(_) | Action::Delete(_) => state != State::PendingDeletion,
        Action::Disable(_)
        | Action::Rotate(_)
        | Action::Switch(..)
        | Action::Encrypt(_)
        | Action::Decrypt(..) => state == State::Enabled,
        _ => true,
    }
}

/// The versions that are off after a switch. The newest one always stays on.
fn switched(key: &KeyFacts, version: u32, on: bool) -> Result<Versions, &'static str> {
    if !(1..=key.primary).contains(&version) {
        return Err("NOT_FOUND");
    }
    let is_so = key.off.has(version) != on;
    let is_newest = version == key.primary;
    if is_so || (is_newest && !on) {
        return Err("VERSION_STATE");
    }
    Ok(key.off.set(version, !on))
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
                state: answer.state,
                primary: answer.version,
                revision: answer.revision,
                off: answer.off,
            };
            seen == key
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests;
