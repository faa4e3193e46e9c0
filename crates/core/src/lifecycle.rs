//! The lifecycle of a key: the one table that decides transitions, and what each state allows.

use serde::{Deserialize, Serialize};
use std::fmt;

/// State of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum KeyState {
    /// Every operation.
    Enabled,
    /// No cryptographic operation; reversible.
    Disabled,
}

impl KeyState {
    /// All states, in the order of the lifecycle.
    pub const ALL: [KeyState; 2] = [KeyState::Enabled, KeyState::Disabled];
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{self:?}"))
    }
}

/// What can be asked of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum KeyAction {
    /// Encrypt, also under a data key.
    Encrypt,
    /// Decrypt.
    Decrypt,
    /// Make a new primary version by hand.
    Rotate,
    /// Allow use again.
    Enable,
    /// Stop every use.
    Disable,
    /// Change description and labels.
    Update,
}

impl KeyAction {
    /// All actions.
    pub const ALL: [KeyAction; 6] = [
        KeyAction::Encrypt,
        KeyAction::Decrypt,
        KeyAction::Rotate,
        KeyAction::Enable,
        KeyAction::Disable,
        KeyAction::Update,
    ];
}

impl fmt::Display for KeyAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{self:?}"))
    }
}

/// The lifecycle table: the state after `action` in `state`, or `None` where it is refused.
pub fn transition(state: KeyState, action: KeyAction) -> Option<KeyState> {
    use KeyAction::{Decrypt, Disable, Enable, Encrypt, Rotate, Update};
    use KeyState::{Disabled, Enabled};
    match (state, action) {
        (Enabled, Encrypt | Decrypt | Rotate | Update) => Some(Enabled),
        (Enabled, Disable) => Some(Disabled),
        (Enabled, Enable) => None,
        (Disabled, Encrypt | Decrypt | Rotate | Disable) => None,
        (Disabled, Enable) => Some(Enabled),
        (Disabled, Update) => Some(Disabled),
    }
}

/// The actions that `state` allows, in the order of [`KeyAction::ALL`].
pub fn allowed(state: KeyState) -> impl Iterator<Item = KeyAction> {
    KeyAction::ALL.into_iter().filter(move |action| transition(state, *action).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_matrix() {
        let mut matrix = String::new();
        for state in KeyState::ALL {
            for action in KeyAction::ALL {
                let next = transition(state, action)
                    .map_or("refused".to_owned(), |next| format!("-> {next}"));
                matrix.push_str(&format!("{state:<9} {action:<8} {next}\n"));
            }
        }
        insta::assert_snapshot!(matrix, @r"
        Enabled   Encrypt  -> Enabled
        Enabled   Decrypt  -> Enabled
        Enabled   Rotate   -> Enabled
        Enabled   Enable   refused
        Enabled   Disable  -> Disabled
        Enabled   Update   -> Enabled
        Disabled  Encrypt  refused
        Disabled  Decrypt  refused
        Disabled  Rotate   refused
        Disabled  Enable   -> Enabled
        Disabled  Disable  refused
        Disabled  Update   -> Disabled
        ");
    }
}
