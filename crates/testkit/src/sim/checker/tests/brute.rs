//! The same questions answered by trying everything. For few operations.

use crate::sim::checker::key_model::{KeyModel, KeyState, ask};
use crate::sim::checker::version_oracle::Effect;
use crate::sim::checker::wgl::{Call, Model};
use crate::sim::checker::{call, is_telling};
use crate::sim::history::{Action, Operation, Outcome};
use crate::sim::trace::Micros;

/// Whether any permutation of the calls, with any of those of unknown outcome left out, fits.
pub fn is_linearizable<M: Model>(calls: &[Call<M::Op>]) -> bool {
    let mut all: Vec<&Call<M::Op>> = calls.iter().collect();
    all.sort_by_key(|call| call.rank);
    permute::<M>(&all, &M::initial())
}

fn permute<M: Model>(left: &[&Call<M::Op>], state: &M::State) -> bool {
    left.iter().all(|call| call.returned.is_none())
        || (0..left.len()).any(|number| {
            let call = left[number];
            let in_time = left
                .iter()
                .all(|other| other.returned.is_none_or(|returned| returned >= call.invoked));
            let in_turn =
                call.rank.is_none() || left.iter().take(number).all(|other| other.rank.is_none());
            in_time
                && in_turn
                && M::step(state, &call.op)
                    .is_some_and(|after| permute::<M>(&without(left, number), &after))
        })
}

fn without<T: Copy>(all: &[T], number: usize) -> Vec<T> {
    all.iter().enumerate().filter(|(other, _)| *other != number).map(|(_, one)| *one).collect()
}

/// Whether any permutation fits in which the changes stand in this order, and no others.
pub fn follows(order: &[Effect], operations: &[&Operation]) -> bool {
    let by_request = |effect: &Effect| {
        operations.iter().find(|operation| operation.request == Some(effect.request))
    };
    let changes: Option<Vec<Item>> = order
        .iter()
        .map(|effect| {
            let operation = by_request(effect)?;
            let (invoked, returned) = (operation.invoked, call(operation).returned);
            let told_so = match &operation.outcome {
                Outcome::Done(answer) => answer.index == effect.index,
                Outcome::Unknown => true,
                Outcome::Refused(_) => false,
            };
            let is_it = told_so && operation.action == effect.action;
            is_it.then_some(Item { invoked, returned, op: None, read_at: None })
        })
        .collect();
    let Some(changes) = changes else { return false };
    if !order.windows(2).all(|pair| pair[0].index < pair[1].index) {
        return false;
    }
    let in_order = |operation: &Operation| {
        order.iter().any(|effect| operation.request == Some(effect.request))
    };
    let acknowledged =
        operations.iter().filter(|operation| operation.action.is_mutation() && is_done(operation));
    if !acknowledged.into_iter().all(|operation| in_order(operation)) {
        return false;
    }
    let observations: Vec<Item> = operations
        .iter()
        .filter(|operation| is_telling::<KeyModel>(operation) && !in_order(operation))
        .filter_map(|operation| {
            let Call { op, invoked, returned, .. } = call(operation);
            let is_read = matches!(operation.action, Action::Get(_));
            let read_at = operation.done().filter(|_| is_read).map(|answer| answer.index);
            returned.is_some().then_some(Item { invoked, returned, op: Some(op), read_at })
        })
        .collect();
    let search = InOrder { order, changes: &changes };
    search.permute(0, KeyModel::initial(), &observations.iter().collect::<Vec<_>>())
}

fn is_done(operation: &Operation) -> bool {
    operation.done().is_some()
}

struct Item {
    invoked: Micros,
    returned: Option<Micros>,
    /// What was observed; `None` for a change.
    op: Option<(Action, Outcome)>,
    /// Of a read: the log index that it named.
    read_at: Option<u64>,
}

struct InOrder<'a> {
    order: &'a [Effect],
    changes: &'a [Item],
}

impl InOrder<'_> {
    fn permute(&self, next: usize, state: KeyState, left: &[&Item]) -> bool {
        let is_free = |item: &Item| {
            let others = left.iter().copied().chain(&self.changes[next..]);
            others.into_iter().all(|other| other.returned.is_none_or(|at| at >= item.invoked))
        };
        if next == self.changes.len() && left.is_empty() {
            return true;
        }
        if let Some(change) = self.changes.get(next)
            && is_free(change)
            && let Ok(after) = ask(state, self.order[next].action)
            && self.permute(next + 1, after, left)
        {
            return true;
        }
        (0..left.len()).any(|number| {
            is_free(left[number])
                && self.fits(next, state, left[number])
                && self.permute(next, state, &without(left, number))
        })
    }

    fn fits(&self, next: usize, state: KeyState, item: &Item) -> bool {
        let is_at_index = |index: u64| {
            self.order[..next].iter().all(|effect| effect.index <= index)
                && self.order[next..].iter().all(|effect| effect.index > index)
        };
        let Some(op) = &item.op else { return false };
        KeyModel::step(&state, op) == Some(state) && item.read_at.is_none_or(is_at_index)
    }
}
