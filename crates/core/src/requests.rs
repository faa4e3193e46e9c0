//! The request memory: the same request id has one effect and one answer, also across leader
//! change, snapshot and restart.

use crate::command::Proposal;
use crate::ids::{PrincipalId, RequestId};
use crate::limits;
use crate::model::MachineRecord;
use crate::mutants::Mutant;
use crate::outcome::{Applied, Outcome, Refusal};
use crate::records::Table;
use crate::state::{State, StateMut};
use serde::{Deserialize, Serialize};
use std::ops::Bound;

/// What is remembered of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Remembered {
    digest: [u8; 32],
    index: u64,
    at_ms: u64,
    outcome: Outcome,
}

/// The first answer to a request with this id and body, if it is remembered.
pub fn first_answer(
    state: &State<'_>,
    principal: PrincipalId,
    request: RequestId,
    digest: [u8; 32],
) -> Option<Applied> {
    let first: Remembered = state.read(Table::Requests, &memory_key(principal, request))?;
    let outcome = first.outcome;
    (first.digest == digest).then_some(Applied { index: first.index, replayed: true, outcome })
}

/// Looks a proposal up: its first answer, a refusal, or `None` when it is new.
pub(crate) fn recall(
    state: &StateMut<'_>,
    machine: &MachineRecord,
    proposal: &Proposal,
) -> Option<Result<Applied, Refusal>> {
    if Mutant::ForgetRequests.active() {
        return None;
    }
    let key = memory_key(proposal.caller.principal(), proposal.request);
    let found: Option<Remembered> = state.read().read(Table::Requests, &key);
    match found {
        Some(first) if first.digest != proposal.request_digest => {
            Some(Err(Refusal::RequestIdReused))
        }
        Some(first) => {
            Some(Ok(Applied { index: first.index, replayed: true, outcome: first.outcome }))
        }
        None => match proposal.seen_index {
            Some(seen) if seen < machine.memory_floor => {
                Some(Err(Refusal::RequestTooOld { floor: machine.memory_floor }))
            }
            _ => None,
        },
    }
}

/// Remembers an answer and drops a bounded number of old ones.
pub(crate) fn remember(
    state: &mut StateMut<'_>,
    machine: &mut MachineRecord,
    proposal: &Proposal,
    index: u64,
    outcome: &Outcome,
) {
    let key = memory_key(proposal.caller.principal(), proposal.request);
    let remembered = Remembered {
        digest: proposal.request_digest,
        index,
        at_ms: machine.unscaled_ms,
        outcome: outcome.clone(),
    };
    // Neither is there: the request was looked up before, and an index is remembered once.
    match Mutant::ForgetRequests.active() {
        true => state.put(Table::Requests, &key, &remembered),
        false => state.insert(Table::Requests, &key, &remembered),
    }
    state.0.insert(Table::RequestOrder, &index.to_be_bytes(), key.to_vec());
    machine.remembered += 1;
    drop_old(state, machine);
}

/// Drops a bounded number of the oldest. Nothing is read while none is too old and there are not too many.
fn drop_old(state: &mut StateMut<'_>, machine: &mut MachineRecord) {
    for _ in 0..limits::REQUESTS_DROPPED_PER_ENTRY {
        if !has_too_many(machine) && !is_too_old(machine, machine.oldest_request_ms) {
            return;
        }
        let oldest = state.0.range(Table::RequestOrder, Bound::Unbounded, Bound::Unbounded, 1);
        let Some((order, key)) = oldest.into_iter().next() else { return };
        let found: Option<Remembered> = state.read().read(Table::Requests, &key);
        let at_ms = found.as_ref().map_or(0, |found| found.at_ms);
        machine.oldest_request_ms = at_ms;
        if !has_too_many(machine) && !is_too_old(machine, at_ms) {
            return;
        }
        state.0.delete(Table::Requests, &key);
        state.0.delete(Table::RequestOrder, &order);
        machine.remembered -= 1;
        if let Some(found) = found {
            machine.memory_floor = machine.memory_floor.max(found.index);
        }
    }
}

fn has_too_many(machine: &MachineRecord) -> bool {
    machine.remembered > limits::REQUEST_MEMORY_COUNT
}

fn is_too_old(machine: &MachineRecord, at_ms: u64) -> bool {
    machine.unscaled_ms >= at_ms.saturating_add(limits::REQUEST_MEMORY_MS)
}

fn memory_key(principal: PrincipalId, request: RequestId) -> [u8; 32] {
    let mut key = [0; 32];
    key[..16].copy_from_slice(principal.bytes());
    key[16..].copy_from_slice(request.bytes());
    key
}
