//! What must hold of every run, one file an invariant. Each file says where its invariant comes from,
//! and what it cannot see.
//!
//! An invariant never raises a false alarm, or nobody would believe it: where clients or members
//! cannot know something, it assumes what is best for the cluster.

pub mod acknowledged;
pub mod audit_chain;
mod chain;
pub mod deletion;
pub mod digests_equal;
pub mod live;
pub mod nobody_dies;
pub mod one_effect;
pub mod one_leader;
pub mod order;
pub mod overlap;
pub mod sealed_nodes;
pub mod self_grant;
#[cfg(test)]
mod testing;
pub mod uses_recorded;
pub mod versions_contiguous;

use std::collections::BTreeMap;

use super::checker;
use super::evidence::Evidence;
use super::history::Operation;
use super::violation::Violation;

/// Finds the violations of one invariant.
pub type Check = fn(&Evidence) -> Vec<Violation>;

/// All invariants but those of the checker, under their names.
pub const ALL: [(&str, Check); 13] = [
    (nobody_dies::NAME, nobody_dies::check),
    (acknowledged::NAME, acknowledged::check),
    (one_effect::NAME, one_effect::check),
    (versions_contiguous::NAME, versions_contiguous::check),
    (deletion::NAME, deletion::check),
    (digests_equal::NAME, digests_equal::check),
    (audit_chain::NAME, audit_chain::check),
    (one_leader::NAME, one_leader::check),
    (sealed_nodes::NAME, sealed_nodes::check),
    (self_grant::NAME, self_grant::check),
    (live::NAME, live::check),
    (overlap::NAME, overlap::check),
    (uses_recorded::NAME, uses_recorded::check),
];

/// Violations of one invariant that are reported; the others are counted.
const MOST: usize = 3;

/// Judges a run.
pub fn check_all(evidence: &Evidence) -> Vec<Violation> {
    let mut found: Vec<_> = ALL.iter().flat_map(|(_, check)| check(evidence)).collect();
    found.extend(checker::check_history(&evidence.history, order::orders(evidence).as_ref()));
    bounded(found)
}

/// The first of many: a cluster that is broken is broken all the time.
fn bounded(mut found: Vec<Violation>) -> Vec<Violation> {
    let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
    found.retain(|violation| {
        let count = counts.entry(violation.invariant).or_default();
        *count += 1;
        *count <= MOST
    });
    let more = counts.into_iter().filter(|(_, count)| *count > MOST);
    found.extend(
        more.map(|(name, count)| Violation::new(name, format!("and {} more", count - MOST))),
    );
    found
}

/// Who asked what, where and when, and was told what.
fn told(operation: &Operation) -> String {
    let Operation { client, node, invoked, returned, action, outcome, .. } = operation;
    format!(
        "{action:?} of client {client} at node {node} ({invoked} to {returned} µs): {outcome:?}"
    )
}

#[cfg(test)]
mod tests;
