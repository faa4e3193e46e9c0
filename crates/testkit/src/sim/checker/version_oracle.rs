//! Judges the answers about a key by the order in which its changes took effect. No search: with the
//! order given, each answer fits a range of states, and the earliest choice is the best.

use std::collections::BTreeMap;

use conclave_core::audit::AuditRecord;
use uuid::Uuid;

use super::key_model::KeyModel;
use super::timeline::{Interval, Timeline};
use super::{Subject, describe, is_telling};
use crate::sim::history::{Action, KeyNo, Operation, Outcome};
use crate::sim::trace::Micros;
use crate::sim::violation::Violation;

/// What the oracle holds of.
pub const INVARIANT: &str = "answers follow the order of the log";

/// A change of a key that took effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Log index of its entry.
    pub index: u64,
    /// Under which request id it was asked for.
    pub request: Uuid,
    /// What was asked.
    pub action: Action,
}

impl Effect {
    /// What a record of the audit chain says of a key; `None` if it changed no key. A record does not
    /// say which version it switched, so that is taken from what was `asked` under its request id.
    pub fn of(record: &AuditRecord, key: KeyNo, asked: Option<Action>) -> Option<Effect> {
        let action = match record.action.as_str() {
            "CreateKey" => Action::Create(key),
            "EnableKey" => Action::Enable(key),
            "DisableKey" => Action::Disable(key),
            "RotateKey" => Action::Rotate(key),
            "UpdateKey" => Action::Update(key),
            "DeleteKey" => Action::Delete(key),
            "CancelDeletion" => Action::Cancel(key),
            "SetVersionEnabled" => match asked {
                Some(switch @ Action::Switch(..)) => switch,
                // There is no such version, so this fits no state.
                _ => Action::Switch(key, 0, false),
            },
            _ => return None,
        };
        let took_effect = record.refused.is_none();
        took_effect.then_some(Effect { index: record.index, request: record.request.0, action })
    }
}

/// Judges the operations on one key by the order of its changes. Every change that took effect must
/// be among the operations.
pub fn check(order: &[Effect], operations: &[&Operation]) -> Vec<Violation> {
    let mut oracle = Oracle { order, texts: Vec::new() };
    oracle.check(operations);
    oracle.texts.into_iter().map(|text| Violation::new(INVARIANT, text)).collect()
}

struct Oracle<'a> {
    order: &'a [Effect],
    texts: Vec<String>,
}

/// An operation that was answered from a state.
struct Seen {
    returned: Micros,
    /// No operation that returned up to then was answered from a later state than this.
    newest: usize,
}

impl Oracle<'_> {
    fn check(&mut self, operations: &[&Operation]) {
        self.check_order();
        let asked = self.match_effects(operations);
        self.check_time(&asked);
        let change = |(effect, asked): (&Effect, &Option<&Operation>)| {
            let interval: Interval = asked.map_or((0, None), |operation| {
                (operation.invoked, operation.done().map(|_| operation.returned))
            });
            (effect.action, interval)
        };
        let changes: Vec<_> = self.order.iter().zip(&asked).map(change).collect();
        match Timeline::new(&changes) {
            Ok(timeline) => self.check_answers(&timeline, operations),
            Err((place, reason)) => {
                let text = format!("{}: the state before it says {reason}", self.named(place));
                self.texts.push(text);
            }
        }
    }

    /// One effect an index, and one a request.
    fn check_order(&mut self) {
        let mut by_request: BTreeMap<Uuid, usize> = BTreeMap::new();
        for (place, effect) in self.order.iter().enumerate() {
            if place > 0 && self.order[place - 1].index >= effect.index {
                self.texts.push(format!("{} stands behind a later entry", self.named(place)));
            }
            if let Some(first) = by_request.insert(effect.request, place) {
                let (first, second) = (self.named(first), self.named(place));
                self.texts.push(format!("one request had two effects: {first}, then {second}"));
            }
        }
    }

    /// Of each effect, the operation that asked for it.
    fn match_effects<'o>(&mut self, operations: &[&'o Operation]) -> Vec<Option<&'o Operation>> {
        let mut places: BTreeMap<Uuid, usize> = BTreeMap::new();
        for (place, effect) in self.order.iter().enumerate() {
            places.entry(effect.request).or_insert(place);
        }
        let mut asked = vec![None; self.order.len()];
        for operation in operations.iter().filter(|operation| operation.action.is_mutation()) {
            let place = operation.request.and_then(|request| places.get(&request).copied());
            self.check_outcome(operation, place);
            if let Some(place) = place {
                asked[place] = Some(*operation);
            }
        }
        for (place, operation) in asked.iter().enumerate() {
            let is_first = places[&self.order[place].request] == place;
            if operation.is_none() && is_first {
                self.texts.push(format!("nobody asked for {}", self.named(place)));
            }
        }
        asked
    }

    /// Whether a mutation was told the truth about its effect.
    fn check_outcome(&mut self, operation: &Operation, place: Option<usize>) {
        let wrong = match (&operation.outcome, place) {
            (_, Some(place)) if self.order[place].action != operation.action => {
                format!("it became {}", self.named(place))
            }
            (Outcome::Done(_), None) => "it was acknowledged, and had no effect".to_owned(),
            (Outcome::Done(answer), Some(place)) if self.order[place].index != answer.index => {
                format!("its effect is elsewhere: {}", self.named(place))
            }
            (Outcome::Refused(_), Some(place)) => {
                format!("it was refused, and had an effect: {}", self.named(place))
            }
            _ => return,
        };
        self.texts.push(format!("{}: {wrong}", describe::operation(operation)));
    }

    /// What was acknowledged before something else was asked for stands before it.
    fn check_time(&mut self, asked: &[Option<&Operation>]) {
        let mut latest: Option<&Operation> = None;
        for operation in asked.iter().flatten() {
            if let Some(latest) = latest
                && operation.done().is_some()
                && operation.returned < latest.invoked
            {
                let (early, late) = (describe::operation(operation), describe::operation(latest));
                self.texts.push(format!("stands behind what came after it: {early}; {late}"));
            }
            if latest.is_none_or(|latest| latest.invoked < operation.invoked) {
                latest = Some(operation);
            }
        }
    }

    /// Each answer is that of a state that the key was in meanwhile, and no answer goes back behind
    /// one that was there before it was asked for. The earliest possible state leaves the most room
    /// to the answers after it.
    fn check_answers(&mut self, timeline: &Timeline, operations: &[&Operation]) {
        let mut answers = operations.to_vec();
        answers.retain(|operation| is_observation(operation));
        answers.sort_by_key(|operation| operation.returned);
        let mut seen: Vec<Seen> = Vec::new();
        for operation in answers {
            let before = seen.partition_point(|seen| seen.returned < operation.invoked);
            let known = before.checked_sub(1).map_or(0, |last| seen[last].newest);
            match self.place(timeline, operation, known) {
                Ok(state) => {
                    let newest = seen.last().map_or(state, |last| last.newest.max(state));
                    seen.push(Seen { returned: operation.returned, newest });
                }
                Err(why) => self.texts.push(format!("{}: {why}", describe::operation(operation))),
            }
        }
    }

    /// The first state from which an operation can have been answered, not before `known`.
    fn place(
        &self,
        timeline: &Timeline,
        operation: &Operation,
        known: usize,
    ) -> Result<usize, String> {
        let op = (operation.action, operation.outcome.clone());
        let first = timeline.first_at(operation.invoked);
        let last = timeline.last_at(operation.returned);
        let fit = |start| timeline.first_fit(start, last, &op);
        let state = fit(first.max(known)).ok_or_else(|| {
            let span = self.span(timeline, first.min(last), last);
            match fit(first) {
                Some(older) => format!(
                    "fits {}, but an earlier answer has shown {}; meanwhile {span}",
                    self.after(timeline, older),
                    self.after(timeline, known)
                ),
                None => format!("fits no state that the key was in meanwhile: {span}"),
            }
        })?;
        self.check_index(operation, state)?;
        Ok(state)
    }

    /// A read names the index of the state that it has read.
    fn check_index(&self, operation: &Operation, state: usize) -> Result<(), String> {
        let (Action::Get(_), Outcome::Done(answer)) = (operation.action, &operation.outcome) else {
            return Ok(());
        };
        let at_index = self.order.partition_point(|effect| effect.index <= answer.index);
        if at_index == state {
            return Ok(());
        }
        Err(format!("at log index {} the key was at revision {at_index}", answer.index))
    }

    fn span(&self, timeline: &Timeline, first: usize, last: usize) -> String {
        let (from, to) = (self.after(timeline, first), self.after(timeline, last));
        if first == last { from } else { format!("{from}, up to {to}") }
    }

    /// A state, and the change that has led to it.
    fn after(&self, timeline: &Timeline, state: usize) -> String {
        let shown = KeyModel::show(timeline.state(state));
        match state.checked_sub(1) {
            Some(place) => format!("{shown} (after {})", self.named(place)),
            None => shown,
        }
    }

    fn named(&self, place: usize) -> String {
        let Effect { index, request, action } = &self.order[place];
        format!("{action:?} at log index {index} (request {request})")
    }
}

/// Whether it was answered from a state that it left as it was.
fn is_observation(operation: &Operation) -> bool {
    let refused = matches!(operation.outcome, Outcome::Refused(_));
    is_telling::<KeyModel>(operation) && (refused || !operation.action.is_mutation())
}

#[cfg(test)]
mod tests;
