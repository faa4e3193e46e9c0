//! The versions of a key are numbered 1, 2, … up to the primary one, without a gap, and no client was
//! ever answered with a version that the key does not have.
//!
//! From docs/formats.md (a version record per key and number, from 1) and the reference services, in
//! which a rotation makes the next version and the old ones stay for decryption (AWS KMS, "Rotate AWS
//! KMS keys"; Google Cloud KMS, "Key rotation"). A gap is a ciphertext that nobody decrypts any more.
//!
//! Cannot see: which version had to be answered at that moment; the checker of linearizability does.

use conclave_core::records::{RecordsRead, Table};
use conclave_core::state;
use std::collections::BTreeSet;
use std::ops::Bound;

use super::chain;
use super::told;
use crate::sim::evidence::{Evidence, MemberEnd};
use crate::sim::history::{Action, Operation};
use crate::sim::violation::Violation;

/// Name of the invariant.
pub const NAME: &str = "versions are contiguous";

/// Checks the invariant.
pub fn check(evidence: &Evidence) -> Vec<Violation> {
    let stored = evidence.ends.iter().flat_map(|end| {
        let texts = gaps(end).into_iter().chain(strays(end));
        texts.map(|text| format!("node {}: {text}", end.node)).collect::<Vec<_>>()
    });
    stored.chain(never_made(evidence)).map(|text| Violation::new(NAME, text)).collect()
}

fn gaps(end: &MemberEnd) -> Vec<String> {
    let keys = chain::keys(end).into_iter();
    keys.filter_map(|key| {
        let versions: Vec<_> =
            chain::versions(end, key.id).iter().map(|version| version.version).collect();
        let is_contiguous = versions.iter().copied().eq(1..=key.primary_version);
        (!is_contiguous).then(|| {
            format!("key {} has versions {versions:?}, primary {}", key.id, key.primary_version)
        })
    })
    .collect()
}

/// Versions of keys that do not exist.
fn strays(end: &MemberEnd) -> Vec<String> {
    let all = end.records.range(Table::Versions, Bound::Unbounded, Bound::Unbounded, usize::MAX);
    let owners: BTreeSet<_> = all.iter().filter_map(|(key, _)| state::key_id_of(key)).collect();
    let keyless = owners.into_iter().filter(|owner| chain::key(end, *owner).is_none());
    keyless.map(|owner| format!("key {owner} does not exist and has versions")).collect()
}

/// Answers with versions that the key does not have, by the member that has applied the most: versions
/// are never taken away, so it has all that there ever were.
fn never_made(evidence: &Evidence) -> Vec<String> {
    let Some(end) = chain::longest(evidence) else { return Vec::new() };
    let answered = evidence.history.operations.iter().filter_map(|op| Some((op, answered(op)?)));
    answered
        .filter_map(|(operation, version)| {
            let id = evidence.keys.get(&operation.action.key()?)?;
            let newest = chain::key(end, *id).map_or(0, |key| key.primary_version);
            let why = format!("answered with version {version}, the key has 1 to {newest}");
            (!(1..=newest).contains(&version)).then(|| format!("{}: {why}", told(operation)))
        })
        .collect()
}

/// The version that an answer names.
fn answered(operation: &Operation) -> Option<u32> {
    let names_version =
        matches!(operation.action, Action::Get(_) | Action::Encrypt(_) | Action::Decrypt(..));
    operation.done().filter(|_| names_version).map(|answer| answer.version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::invariants::testing::{Script, change_key, drop_key, drop_version, key_id};
    use conclave_core::records::MemoryRecords;

    fn script() -> Script {
        let mut script = Script::unsealed();
        script.mutate(Action::Create(0));
        script.mutate(Action::Rotate(0));
        script.mutate(Action::Rotate(0));
        script.mutate(Action::Create(1));
        script.encrypt(1, 0);
        script.get(0);
        script
    }

    fn after(change: impl FnOnce(&mut MemoryRecords)) -> Vec<String> {
        let mut evidence = script().evidence();
        change(&mut evidence.ends[1].records);
        check(&evidence).into_iter().map(|violation| violation.text).collect()
    }

    #[test]
    fn versions_from_one_to_the_primary_are_all_there() {
        assert_eq!(after(|_| {}), [""; 0]);
    }

    #[test]
    fn gaps_are_seen() {
        for (missing, left) in [(1, "[2, 3]"), (2, "[1, 3]"), (3, "[1, 2]")] {
            let found = after(|records| drop_version(records, key_id(0), missing));
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains(&format!("versions {left}, primary 3")), "{found:?}");
        }
    }

    #[test]
    fn a_version_beyond_the_primary_is_seen() {
        let found = after(|records| change_key(records, key_id(0), |key| key.primary_version = 2));
        assert!(found[0].contains("versions [1, 2, 3], primary 2"), "{found:?}");
    }

    #[test]
    fn versions_of_no_key_are_seen() {
        let found = after(|records| drop_key(records, key_id(1)));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("does not exist and has versions"), "{found:?}");
    }

    #[test]
    fn answers_with_versions_that_never_were_are_seen() {
        for (version, is_seen) in [(0, true), (1, false), (3, false), (4, true)] {
            for action in [Action::Encrypt(0), Action::Decrypt(0, version), Action::Get(0)] {
                let mut script = script();
                script.pretend_done(action, 0);
                script.last_answer().version = version;
                let found = check(&script.evidence());
                assert_eq!(!found.is_empty(), is_seen, "{action:?} {version}: {found:?}");
            }
        }
    }

    /// An answer to a change tells nothing of versions.
    #[test]
    fn changes_name_no_version() {
        let mut script = script();
        script.pretend_done(Action::Update(0), 9);
        assert_eq!(check(&script.evidence()), []);
    }
}
