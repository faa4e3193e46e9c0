//! A request has one effect, however often it is sent; and what a key has become is what the log did
//! to it, once each.
//!
//! From docs/ARCHITECTURE.md ("request memory" of `core`: the same request id has one effect and one
//! answer, also across leader change, snapshot and restart) and the Raft paper, section 8 (the state
//! machine tracks serial numbers, so that a command that is sent again is not executed again). In
//! detail, on each member:
//!
//! * Of each (principal, request id) the audit chain has at most one record that settles its answer:
//!   one of a done command, or of a refusal that is remembered. Two are allowed only if the memory may
//!   have dropped the first one in between (`REQUEST_MEMORY_MS` of cluster time).
//! * Log indexes rise strictly along the chain, but for timers of a key, which run in the entry of the
//!   next command on it, before that.
//! * A key exists if and only if it was created, once, and not purged; its revision is the number of
//!   its changes, done commands and timers, its primary version one more than its rotations, and its
//!   last change that of the last of them.
//! * The seal generation is the number of inits and seals.
//!
//! Cannot see: an effect without a record in the chain that leaves revision and versions as they were;
//! `digests_equal` sees it, if it was not the same on all members.

use std::collections::{BTreeMap, BTreeSet};

use conclave_core::audit::AuditRecord;
use conclave_core::ids::KeyId;
use conclave_core::limits::REQUEST_MEMORY_MS;
use conclave_core::model::KeyRecord;

use super::chain::{self, Chain};
use crate::sim::evidence::{Evidence, MemberEnd};
use crate::sim::violation::Violation;

/// Name of the invariant.
pub const NAME: &str = "one effect a request";

/// Checks the invariant.
pub fn check(evidence: &Evidence) -> Vec<Violation> {
    evidence.ends.iter().flat_map(of_member).collect()
}

fn of_member(end: &MemberEnd) -> Vec<Violation> {
    let chain = Chain::of(end);
    let mut texts = repeated(&chain);
    texts.extend(out_of_order(&chain));
    if chain.is_whole() {
        texts.extend(miscounted_keys(end, &chain));
        texts.extend(miscounted_seals(end, &chain));
    }
    let of_node = |text| Violation::new(NAME, format!("node {}: {text}", end.node));
    texts.into_iter().map(of_node).collect()
}

/// Requests that were settled twice.
fn repeated(chain: &Chain) -> Vec<String> {
    let mut settled: BTreeMap<_, &AuditRecord> = BTreeMap::new();
    let mut texts = Vec::new();
    for record in chain.records().iter().filter(|record| chain::is_remembered(record)) {
        let Some(first) = settled.insert((record.principal, record.request), record) else {
            continue;
        };
        if record.at_ms < first.at_ms.saturating_add(REQUEST_MEMORY_MS) {
            texts.push(format!(
                "request {} was decided at log index {} ({}) and again at {} ({})",
                record.request,
                first.index,
                shown(first),
                record.index,
                shown(record),
            ));
        }
    }
    texts
}

fn shown(record: &AuditRecord) -> String {
    format!("{} {}", record.action, record.refused.as_deref().unwrap_or("done"))
}

fn out_of_order(chain: &Chain) -> Vec<String> {
    // Before a command works on a key, the entry runs the timers of that key.
    let is_one_entry =
        |pair: &[AuditRecord]| chain::is_timer(&pair[0]) && pair[0].index == pair[1].index;
    let neighbours = chain.records().windows(2);
    let neighbours =
        neighbours.filter(|pair| pair[0].index >= pair[1].index && !is_one_entry(pair));
    neighbours
        .map(|pair| {
            let (seq, after, index) = (pair[1].seq, pair[0].index, pair[1].index);
            format!("record {seq} is of log index {index} and comes after one of {after}")
        })
        .collect()
}

fn miscounted_keys(end: &MemberEnd, chain: &Chain) -> Vec<String> {
    let keys: BTreeMap<KeyId, KeyRecord> =
        chain::keys(end).into_iter().map(|key| (key.id, key)).collect();
    let changes = chain.changes_by_key();
    let all: BTreeSet<&KeyId> = keys.keys().chain(changes.keys()).collect();
    all.into_iter()
        .filter_map(|id| {
            let changes = changes.get(id).map_or(&[][..], Vec::as_slice);
            let why = match keys.get(id) {
                Some(key) => miscounted(key, changes)?,
                None if changes.last().is_some_and(|last| is_purge(last)) => return None,
                None => format!("does not exist, after {} changes", changes.len()),
            };
            Some(format!("key {id} {why}"))
        })
        .collect()
}

/// Whether a record says that nothing is left of its key.
fn is_purge(record: &AuditRecord) -> bool {
    ["PurgeKey", "AutoPurge"].contains(&record.action.as_str())
}

/// What does not fit between a key and its changes.
fn miscounted(key: &KeyRecord, changes: &[&AuditRecord]) -> Option<String> {
    let count = |action| changes.iter().filter(|record| record.action == action).count() as u64;
    let rotations = count("RotateKey") + count("ScheduledRotation");
    let expected = [
        ("creations", 1, count("CreateKey")),
        ("primary version", u64::from(key.primary_version), 1 + rotations),
        ("revision", key.revision, changes.len() as u64),
        ("index of the last change", key.changed_at, changes.last().map_or(0, |last| last.index)),
    ];
    let (what, is, should) = expected.into_iter().find(|(_, is, should)| is != should)?;
    Some(format!("has {what} {is}, by the log {should}"))
}

fn miscounted_seals(end: &MemberEnd, chain: &Chain) -> Option<String> {
    let generation = chain::seal(end).map_or(0, |seal| seal.generation);
    let raising = ["InitializeSeal", "Seal"];
    let count = chain.done().filter(|record| raising.contains(&record.action.as_str())).count();
    (generation != count as u64)
        .then(|| format!("the seal generation is {generation} after {count} inits and seals"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::history::Action;
    use crate::sim::invariants::testing::{
        Script, change_audit, change_key, change_seal, drop_key, key_id, last_audit,
    };
    use conclave_core::records::MemoryRecords;

    fn script() -> Script {
        let mut script = Script::unsealed();
        for action in [
            Action::Create(0),
            Action::Rotate(0),
            Action::Create(1),
            Action::Update(0),
            Action::Disable(0),
            // Refused: the key is disabled.
            Action::Rotate(0),
            Action::Enable(0),
            Action::Rotate(0),
        ] {
            script.mutate(action);
        }
        script.seal();
        script.unseal();
        script
    }

    /// What is found when the records of node 2 are changed.
    fn after(change: impl FnOnce(&mut MemoryRecords)) -> Vec<String> {
        let mut evidence = script().evidence();
        change(&mut evidence.ends[1].records);
        check(&evidence).into_iter().map(|violation| violation.text).collect()
    }

    #[test]
    fn what_the_log_did_is_what_the_keys_have_become() {
        assert_eq!(after(|_| {}), [""; 0]);
    }

    #[test]
    fn a_repeat_has_no_second_effect() {
        let mut script = script();
        script.mutate(Action::Update(1));
        let first = script.last().clone();
        assert!(script.repeat(&first).done().is_some_and(|answer| answer.replayed));
        assert_eq!(check(&script.evidence()), []);
    }

    #[test]
    fn a_request_that_was_done_twice_is_seen() {
        let mut script = script();
        script.mutate(Action::Update(1));
        let first = script.last().clone();
        script.forget_requests();
        script.repeat(&first);
        let found = check(&script.evidence());
        assert_eq!(found.len(), 3, "on each member: {found:?}");
        assert!(found[0].text.contains("(UpdateKey done) and again at"), "{}", found[0]);
    }

    /// It was told that it has no effect, and then it had one.
    #[test]
    fn a_request_that_was_done_after_a_remembered_refusal_is_seen() {
        let mut script = script();
        script.mutate(Action::Enable(1));
        let refused = script.last().clone();
        script.forget_requests();
        script.mutate(Action::Disable(1));
        script.repeat(&refused);
        let found = check(&script.evidence());
        assert_eq!(found.len(), 3, "on each member: {found:?}");
        assert!(found[0].text.contains("(EnableKey KEY_STATE) and again"), "{}", found[0]);
    }

    #[test]
    fn a_refusal_that_is_not_remembered_may_stand_before_the_effect() {
        let mut script = script();
        script.rotate_superseded(0);
        assert!(script.last().done().is_some());
        assert_eq!(check(&script.evidence()), []);
    }

    #[test]
    fn a_request_that_the_memory_may_have_dropped_may_be_done_again() {
        let mut script = script();
        script.mutate(Action::Update(1));
        let first = script.last().clone();
        script.wait_ms(REQUEST_MEMORY_MS);
        // Each entry drops a few of those that are too old.
        for _ in 0..10 {
            script.mutate(Action::Update(0));
        }
        assert!(script.repeat(&first).done().is_some_and(|answer| !answer.replayed));
        assert_eq!(check(&script.evidence()), []);
    }

    #[test]
    fn indexes_that_do_not_rise_are_seen() {
        let last = last_audit(&script().evidence().ends[1].records);
        let found = after(|records| change_audit(records, last, |record| record.index = 1));
        assert!(found[0].contains("is of log index 1 and comes after"), "{found:?}");
    }

    #[test]
    fn keys_that_do_not_fit_their_commands_are_seen() {
        type Change = fn(&mut KeyRecord);
        let cases: [(Change, &str); 3] = [
            (|key| key.primary_version = 2, "has primary version 2, by the log 3"),
            (|key| key.revision = 7, "has revision 7, by the log 6"),
            (|key| key.changed_at += 1, "has index of the last change"),
        ];
        for (change, expected) in cases {
            let found = after(|records| change_key(records, key_id(0), change));
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains(expected), "{found:?}");
        }
    }

    #[test]
    fn a_key_without_a_creation_and_a_creation_without_a_key_are_seen() {
        let found = after(|records| drop_key(records, key_id(1)));
        assert!(found[0].contains("does not exist, after 1 changes"), "{found:?}");
        let found = after(|records| {
            for seq in 0..=last_audit(records) {
                change_audit(records, seq, |record| {
                    if record.key == Some(key_id(1)) {
                        record.key = None;
                    }
                });
            }
        });
        assert!(found[0].contains("has creations 1, by the log 0"), "{found:?}");
    }

    #[test]
    fn a_seal_that_was_counted_twice_is_seen() {
        let found = after(|records| change_seal(records, |seal| seal.generation += 1));
        assert!(found[0].contains("seal generation is 3 after 2 inits and seals"), "{found:?}");
    }
}
