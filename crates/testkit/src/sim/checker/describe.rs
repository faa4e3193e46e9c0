//! Operations in words.

use crate::sim::history::{Action, Operation, Outcome, State, Versions};
use crate::sim::trace::Micros;

/// Who asked what, where and when, and was told what.
pub(super) fn operation(operation: &Operation) -> String {
    let Operation { client, node, action, invoked, returned, .. } = operation;
    let (from, to) = (seconds(*invoked), seconds(*returned));
    format!("client {client} at node {node}, {from} to {to}: {action:?} -> {}", answer(operation))
}

/// A time as the trace shows it.
pub(super) fn seconds(at: Micros) -> String {
    format!("{}.{:06} s", at / 1_000_000, at % 1_000_000)
}

fn answer(operation: &Operation) -> String {
    let answer = match &operation.outcome {
        Outcome::Unknown => return "unknown".to_owned(),
        Outcome::Refused(reason) => return reason.clone(),
        Outcome::Done(answer) => answer,
    };
    match operation.action {
        Action::Encrypt(_) | Action::Decrypt(..) => format!("version {}", answer.version),
        Action::Get(_) => format!(
            "{} at version {}{}, revision {}, log index {}",
            state(answer.state),
            answer.version,
            off(answer.off),
            answer.revision,
            answer.index
        ),
        Action::Show(_) => "done".to_owned(),
        _ => format!("done at log index {}", answer.index),
    }
}

/// A state of a key.
pub(super) fn state(state: State) -> &'static str {
    match state {
        State::Enabled => "enabled",
        State::Disabled => "disabled",
        State::PendingDeletion => "pending deletion",
        State::Destroyed => "destroyed",
        State::Purged => "purged",
    }
}

/// The versions that are switched off, if there are any.
pub(super) fn off(off: Versions) -> String {
    if off.is_empty() { String::new() } else { format!(" without {off:?}") }
}
