//! Judges what clients were answered: is it what one key, one token would have answered, had it been
//! asked one thing at a time?
//!
//! Two judges, and neither trusts the other. The search ([`wgl`]) knows only what clients saw. The
//! oracle ([`version_oracle`]) is also told in which order the changes of a key took effect, and needs
//! no search. Both go by time: what returned before something else was asked came before it; what
//! meets in one microsecond was concurrent.
//!
//! Source: invariants 8 and 9 of `docs/ARCHITECTURE.md`; `crates/core/src/lifecycle.rs`.

mod describe;
mod entries;
pub mod key_model;
pub mod overlap;
mod timeline;
pub mod token_model;
pub mod version_oracle;
pub mod wgl;

use std::collections::BTreeMap;

use super::history::{Action, History, KeyNo, Operation, Outcome, TokenNo};
use super::violation::Violation;
use key_model::KeyModel;
use token_model::TokenModel;
use version_oracle::Effect;
use wgl::{Call, Model, Stuck, Verdict};

/// Steps that the search may take for one key or token: seconds. A history that a cluster has made
/// takes about as many as it has operations.
pub const BUDGET: u64 = 2_000_000;

/// The invariant of a search that came to no end.
pub const UNDECIDED: &str = "linearizability within the budget";

/// Of each key, the changes that took effect, in the order of the log.
pub type Orders = BTreeMap<KeyNo, Vec<Effect>>;

/// Something of which a history has many.
pub trait Subject: Model<Op = (Action, Outcome)> {
    /// What holds of it.
    const INVARIANT: &'static str;

    /// Whether being refused for this reason says anything about its state.
    fn is_telling(action: Action, reason: &str) -> bool;

    /// Its state in words.
    fn show(state: &Self::State) -> String;
}

/// Judges a history, key by key and token by token. Nothing may have changed a key or token that is
/// not in the history. A key without an order is judged by what clients saw alone.
pub fn check_history(history: &History, orders: Option<&Orders>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (key, operations) in by(history, Action::key) {
        violations.extend(search::<KeyModel>(&format!("key {key}"), &operations, BUDGET));
        if let Some(order) = orders.and_then(|orders| orders.get(&key)) {
            violations.extend(version_oracle::check(order, &operations));
        }
    }
    for (token, operations) in by(history, token_of) {
        violations.extend(search::<TokenModel>(&format!("token {token}"), &operations, BUDGET));
    }
    violations
}

fn by<K: Ord>(history: &History, of: fn(Action) -> Option<K>) -> BTreeMap<K, Vec<&Operation>> {
    let mut parts: BTreeMap<K, Vec<&Operation>> = BTreeMap::new();
    for operation in &history.operations {
        if let Some(part) = of(operation.action) {
            parts.entry(part).or_default().push(operation);
        }
    }
    parts
}

fn token_of(action: Action) -> Option<TokenNo> {
    match action {
        Action::Revoke(token) | Action::Show(token) => Some(token),
        _ => None,
    }
}

/// Whether an operation says anything: a read of unknown outcome does not, nor does a refusal that is
/// about something else.
fn is_telling<S: Subject>(operation: &Operation) -> bool {
    match &operation.outcome {
        Outcome::Done(_) => true,
        Outcome::Refused(reason) => S::is_telling(operation.action, reason),
        Outcome::Unknown => operation.action.is_mutation(),
    }
}

/// The log has the last word on the order of changes, so an acknowledged one has its index as rank.
fn call(operation: &Operation) -> Call<(Action, Outcome)> {
    let is_known = operation.outcome != Outcome::Unknown;
    let change = operation.done().filter(|_| operation.action.is_mutation());
    Call {
        op: (operation.action, operation.outcome.clone()),
        invoked: operation.invoked,
        returned: is_known.then_some(operation.returned),
        rank: change.map(|answer| answer.index),
    }
}

fn search<S: Subject>(name: &str, operations: &[&Operation], budget: u64) -> Option<Violation> {
    let mut telling = operations.to_vec();
    telling.retain(|operation| is_telling::<S>(operation));
    let calls: Vec<_> = telling.iter().map(|operation| call(operation)).collect();
    match wgl::check::<S>(&calls, budget) {
        Verdict::Linearizable => None,
        Verdict::Violation(stuck) => {
            Some(Violation::new(S::INVARIANT, explain::<S>(name, &telling, &stuck)))
        }
        Verdict::Undecided => {
            let text = format!("{name}: nothing is proven of {} operations", calls.len());
            Some(Violation::new(UNDECIDED, text))
        }
    }
}

fn explain<S: Subject>(name: &str, of: &[&Operation], stuck: &Stuck<S::State>) -> String {
    let lines = |calls: &[usize]| -> String {
        calls.iter().map(|call| format!("\n    {}", describe::operation(of[*call]))).collect()
    };
    let mut text = format!(
        "{name}: no order explains the answers. At best {} of {} operations have a place, the last:{}\
         \n  Then it is {}, and one of these had to be next:{}",
        stuck.placed,
        of.len(),
        lines(&stuck.last),
        S::show(&stuck.state),
        lines(&stuck.unplaced),
    );
    if let Some(past) = stuck.past {
        text += &format!("\n  With any of them next, this one comes too late:{}", lines(&[past]));
    }
    text
}

#[cfg(test)]
mod tests;
