//! A set of actions, as compact as refusals need it.

use super::KeyAction;
use serde::{Deserialize, Serialize};

/// The actions that a key allowed when another one was refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowed(u32);

const _: () = assert!(KeyAction::ALL.len() <= 32);

impl Allowed {
    /// The actions, in the order of [`KeyAction::ALL`].
    pub fn actions(self) -> impl Iterator<Item = KeyAction> {
        KeyAction::ALL.into_iter().filter(move |action| self.0 & bit(*action) != 0)
    }

    /// Their names, separated. Reading is always possible and not worth mentioning, and no caller gives
    /// a scheduled rotation.
    pub fn list(self, separator: &str) -> String {
        let told =
            |action: &KeyAction| !matches!(action, KeyAction::Read | KeyAction::ScheduledRotation);
        let names: Vec<_> = self.actions().filter(told).map(|action| action.to_string()).collect();
        names.join(separator)
    }
}

impl FromIterator<KeyAction> for Allowed {
    fn from_iter<T: IntoIterator<Item = KeyAction>>(actions: T) -> Self {
        Allowed(actions.into_iter().fold(0, |set, action| set | bit(action)))
    }
}

fn bit(action: KeyAction) -> u32 {
    1 << action as u32
}
