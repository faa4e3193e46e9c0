//! What was acknowledged is not lost, and what was refused did not happen.
//!
//! From docs/ARCHITECTURE.md, invariant 10 ("An acknowledged command survives the loss of any
//! minority, and kill -9 of all nodes"), and the Raft paper, figure 3: Leader Completeness and State
//! Machine Safety. That a refusal has no effect is what docs/errors says of each ("was anything
//! changed": no). In detail, for each member at the end of a run:
//!
//! * Each change that a client was told is done stands in the audit chain as done, at exactly the log
//!   index of the answer, under its request id, with the command and key that it was about.
//! * What it made is there: the key, the version, the revoked token.
//! * No request that was certainly refused stands in the chain as done.
//!
//! A member that is behind is excused for what was acknowledged after the heal, unless all are.
//!
//! **When a refusal is certain.** The state machine answers a repeat with the remembered answer, so a
//! refusal that it gives after it has looked into its memory (`DECIDED_BY_THE_LOG`) settles the
//! request for good, however often it was sent. A refusal that a node gives by itself says nothing of
//! attempts before it, so it counts only for a request that was sent once. A refusal because of the
//! credential or the request id itself comes *before* the memory: a node sends a proposal again when
//! it does not hear of it, and may be told that the token was revoked meanwhile. That counts never.
//!
//! Cannot see: the loss of what was never acknowledged (that is allowed), and of what is replaced by
//! later changes, such as a description. What became of short-lived keys, `deletion` sees.

use std::collections::{BTreeMap, BTreeSet};

use conclave_core::audit::AuditRecord;
use conclave_core::ids::KeyId;
use conclave_core::reason::Reason;
use conclave_core::state::State;
use uuid::Uuid;

use super::chain::{self, Chain};
use super::told;
use crate::sim::evidence::{Evidence, MemberEnd};
use crate::sim::history::{Action, Answer, Operation, Outcome};
use crate::sim::violation::Violation;

/// Name of the invariant.
pub const NAME: &str = "acknowledged is not lost";

/// Refusals that only the state machine gives, and only to a request that it does not remember.
const DECIDED_BY_THE_LOG: [Reason; 3] =
    [Reason::KeyState, Reason::AlreadyExists, Reason::VersionLimit];

/// Checks the invariant.
pub fn check(evidence: &Evidence) -> Vec<Violation> {
    let Some(longest) = chain::longest(evidence) else {
        let text = "nothing is left: no member is up at the end";
        return vec![Violation::new(NAME, text)];
    };
    let mut texts = Vec::new();
    for end in &evidence.ends {
        let chain = Chain::of(end);
        let member = Member { end, chain: &chain, by_index: chain.by_index() };
        let of_node = |text: String| format!("node {}: {text}", end.node);
        // To the one that has applied the most nothing can be on its way.
        let caught_up_by = if end.node == longest.node { u64::MAX } else { evidence.healed };
        texts.extend(member.lost(evidence, caught_up_by).into_iter().map(of_node));
        texts.extend(member.unrevoked(evidence).map(of_node));
        texts.extend(member.done_all_the_same(evidence).into_iter().map(of_node));
    }
    texts.into_iter().map(|text| Violation::new(NAME, text)).collect()
}

/// A change that was acknowledged: under its name in the chain, and the answer.
fn acknowledged(operation: &Operation) -> Option<(&'static str, &Answer)> {
    Some((chain::command_of(operation.action)?, operation.done()?))
}

struct Member<'a> {
    end: &'a MemberEnd,
    chain: &'a Chain,
    by_index: BTreeMap<u64, &'a AuditRecord>,
}

impl Member<'_> {
    /// What was acknowledged and is not here.
    fn lost(&self, evidence: &Evidence, caught_up_by: u64) -> Vec<String> {
        let operations = evidence.history.operations.iter();
        operations
            .filter_map(|operation| {
                let (command, answer) = acknowledged(operation)?;
                let is_on_its_way =
                    answer.index > self.end.applied && operation.returned > caught_up_by;
                if is_on_its_way || self.is_dropped(answer.index) {
                    return None;
                }
                let why = self
                    .misrecorded(evidence, operation, command, answer)
                    .or_else(|| self.unmade(operation.action, answer))?;
                Some(format!("{}, index {}: {why}", told(operation), answer.index))
            })
            .collect()
    }

    /// Whether the record of this index may have been dropped from a very long chain.
    fn is_dropped(&self, index: u64) -> bool {
        let oldest = self.chain.records().first().map_or(0, |record| record.index);
        !self.chain.is_whole() && index < oldest
    }

    /// How the chain contradicts an answer.
    fn misrecorded(
        &self,
        evidence: &Evidence,
        operation: &Operation,
        command: &str,
        answer: &Answer,
    ) -> Option<String> {
        let Some(record) = self.by_index.get(&answer.index) else {
            let applied = self.end.applied;
            return Some(format!("no command has this index here (applied up to {applied})"));
        };
        if operation.request.is_some_and(|request| request != record.request.0) {
            return Some(format!("that is {} of request {}", record.action, record.request));
        }
        if record.action != command {
            return Some(format!("that is {}", record.action));
        }
        if let Some(reason) = &record.refused {
            return Some(format!("it was refused here: {reason}"));
        }
        let key = match operation.action {
            Action::Short(key, _) => evidence.short.get(&key),
            action => action.key().and_then(|key| evidence.keys.get(&key)),
        };
        let is_of_another_key = key.is_some_and(|key| record.key != Some(*key));
        is_of_another_key.then(|| format!("that is about another key: {:?}", record.key))
    }

    /// What a command has made and is not here.
    fn unmade(&self, action: Action, answer: &Answer) -> Option<String> {
        action.key()?;
        let id = self.by_index.get(&answer.index)?.key?;
        let Some(key) = chain::key(self.end, id) else {
            return Some(format!("key {id} does not exist"));
        };
        if key.changed_at < answer.index {
            return Some(format!("the last change of key {id} is of index {}", key.changed_at));
        }
        let makes_version = matches!(action, Action::Create(_) | Action::Rotate(_));
        let is_there = || {
            let number = self.version_made(id, answer.index);
            let versions = chain::versions(self.end, id);
            versions.iter().any(|version| {
                let is_it = number.is_none_or(|number| version.version == number);
                is_it && version.changed_at >= answer.index
            })
        };
        (makes_version && !is_there()).then(|| format!("key {id} has no version of this index"))
    }

    /// The number of the version that the command at this index has made. Not known of a chain whose
    /// beginning was dropped.
    fn version_made(&self, id: KeyId, index: u64) -> Option<u32> {
        let makes = ["CreateKey", "RotateKey", "ScheduledRotation"];
        let made = self.chain.done().filter(|record| {
            let is_before = record.key == Some(id) && record.index <= index;
            is_before && makes.contains(&record.action.as_str())
        });
        if self.chain.is_whole() { u32::try_from(made.count()).ok() } else { None }
    }

    /// Whether fewer tokens are revoked than clients know of. Which token has which number only the
    /// clients know.
    fn unrevoked(&self, evidence: &Evidence) -> Option<String> {
        let revoked = evidence.history.operations.iter().filter_map(|operation| {
            let Action::Revoke(token) = operation.action else { return None };
            let is_here = operation.done()?.index <= self.end.applied;
            is_here.then_some(token)
        });
        let revoked: BTreeSet<_> = revoked.collect();
        let here = State(&self.end.records).tokens(None, usize::MAX);
        let here = here.iter().filter(|token| token.revoked).count();
        (here < revoked.len()).then(|| format!("{} tokens were revoked, {here} are", revoked.len()))
    }

    /// Requests that were certainly refused, and had an effect.
    fn done_all_the_same(&self, evidence: &Evidence) -> Vec<String> {
        let done: BTreeMap<Uuid, u64> =
            self.chain.done().map(|record| (record.request.0, record.index)).collect();
        let refused = evidence.history.operations.iter().filter(|op| is_certainly_refused(op));
        refused
            .filter_map(|operation| {
                let index = done.get(&operation.request?)?;
                Some(format!("{} was done at log index {index}", told(operation)))
            })
            .collect()
    }
}

/// Whether an operation was refused and cannot have had, nor ever get, an effect.
fn is_certainly_refused(operation: &Operation) -> bool {
    let Outcome::Refused(text) = &operation.outcome else { return false };
    // Anything else than a stable reason promises nothing.
    let reason = Reason::ALL.iter().find(|reason| reason.as_str() == text);
    reason.is_some_and(|reason| {
        let is_of_all_attempts = operation.attempts == 1 || DECIDED_BY_THE_LOG.contains(reason);
        is_of_all_attempts && !chain::is_about_this_attempt_only(*reason)
    })
}

#[cfg(test)]
mod tests;
