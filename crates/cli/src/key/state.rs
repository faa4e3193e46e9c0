//! The states of a key, as they are written everywhere.

use clap::ValueEnum;
use conclave_client::v1::KeyState;

/// All states, in the order of a key's life.
pub(crate) const STATES: [KeyState; 5] = [
    KeyState::Enabled,
    KeyState::Disabled,
    KeyState::Deactivated,
    KeyState::PendingDeletion,
    KeyState::Destroyed,
];

/// The name of a state; `None`: absent, or from a later release.
pub(crate) fn state_name(state: KeyState) -> Option<&'static str> {
    match state {
        KeyState::Enabled => Some("Enabled"),
        KeyState::Disabled => Some("Disabled"),
        KeyState::Deactivated => Some("Deactivated"),
        KeyState::PendingDeletion => Some("PendingDeletion"),
        KeyState::Destroyed => Some("Destroyed"),
        KeyState::Unspecified => None,
    }
}

/// A state on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub(super) enum State {
    Enabled,
    Disabled,
    Deactivated,
    PendingDeletion,
    Destroyed,
}

impl From<State> for KeyState {
    fn from(state: State) -> Self {
        match state {
            State::Enabled => KeyState::Enabled,
            State::Disabled => KeyState::Disabled,
            State::Deactivated => KeyState::Deactivated,
            State::PendingDeletion => KeyState::PendingDeletion,
            State::Destroyed => KeyState::Destroyed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_is_written_the_same_in_flags_and_results() {
        let flags: Vec<_> = State::value_variants().to_vec();
        assert_eq!(flags.iter().map(|flag| KeyState::from(*flag)).collect::<Vec<_>>(), STATES);
        for flag in flags {
            let written = flag.to_possible_value().unwrap();
            assert_eq!(state_name(flag.into()), Some(written.get_name()));
        }
    }
}
