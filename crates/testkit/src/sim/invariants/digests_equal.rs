//! Members that have applied equally many entries have equal states, and what a member says of its
//! state is true of its records.
//!
//! From docs/ARCHITECTURE.md, invariant 6 ("Equal log, equal bytes: the state digest of every replica
//! agrees at every index"), and the Raft paper, figure 3, State Machine Safety. The digests are those
//! that members gave during the run and at its end; at the end all records are read and the digest is
//! computed from nothing, as the scrub of a node does (`STATE_DAMAGED`).
//!
//! Cannot see: a difference at an index at which no two members were asked, if it has gone by the
//! end; and records that were changed on all members alike.

use std::collections::{BTreeMap, BTreeSet};

use conclave_core::digest::StateDigest;

use crate::sim::evidence::{Evidence, MemberEnd};
use crate::sim::violation::Violation;

/// Name of the invariant.
pub const NAME: &str = "equal log, equal state";

/// Who gave which digest, by index.
type Digests = BTreeMap<u64, BTreeMap<String, BTreeSet<u32>>>;

/// Checks the invariant.
pub fn check(evidence: &Evidence) -> Vec<Violation> {
    let mut digests = evidence.digests.clone();
    let mut found = Vec::new();
    let reached_by_all = evidence.ends.iter().map(|end| end.applied).min();
    for end in &evidence.ends {
        let computed = StateDigest::of(&end.records).to_string();
        // What the others gave may be the digest of an older state than that of their records.
        if Some(end.applied) == reached_by_all {
            found.extend(damage(end, &computed));
        }
        digests.entry(end.applied).or_default().entry(computed).or_default().insert(end.node);
    }
    if evidence.ends.iter().all(|end| end.digest.is_none()) {
        found.push(Violation::new(NAME, "no member gave a digest at the end"));
    }
    found.extend(differences(&digests));
    found
}

/// Whether the records of a member add up to another digest than the one it gives.
fn damage(end: &MemberEnd, computed: &str) -> Option<Violation> {
    let given = end.digest.as_deref().filter(|given| *given != computed)?;
    let text = format!(
        "the records of node {} add up to {computed}, not to {given}, after log index {}",
        end.node, end.applied
    );
    Some(Violation::new(NAME, text))
}

fn differences(digests: &Digests) -> impl Iterator<Item = Violation> {
    digests.iter().filter(|(_, given)| given.len() > 1).map(|(index, given)| {
        let said: Vec<_> =
            given.iter().map(|(digest, nodes)| format!("{digest} by nodes {nodes:?}")).collect();
        Violation::new(NAME, format!("after log index {index}: {}", said.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::history::Action;
    use crate::sim::invariants::testing::{Script, change_key, key_id};

    fn script() -> Script {
        let mut script = Script::unsealed();
        script.mutate(Action::Create(0));
        script
    }

    #[test]
    fn members_agree_and_their_records_fit() {
        let mut evidence = script().evidence();
        let given = evidence.ends[0].digest.clone().unwrap();
        evidence.digests.insert(evidence.ends[0].applied, [(given, [1, 2].into())].into());
        evidence.digests.insert(3, [("ab".to_owned(), [1].into())].into());
        assert_eq!(check(&evidence), []);
    }

    #[test]
    fn a_difference_during_the_run_is_seen() {
        let mut evidence = script().evidence();
        let (a, b) = (("ab".to_owned(), [1, 3].into()), ("cd".to_owned(), [2].into()));
        evidence.digests.insert(3, [a, b].into());
        let text = "after log index 3: ab by nodes {1, 3}, cd by nodes {2}";
        assert_eq!(check(&evidence), [Violation::new(NAME, text)]);
    }

    #[test]
    fn a_member_that_says_something_else_at_the_end_is_seen() {
        let mut evidence = script().evidence();
        evidence.ends[2].digest = Some("00".to_owned());
        let found = check(&evidence);
        assert_eq!(found.len(), 1);
        assert!(found[0].text.contains("not to 00,"), "{}", found[0]);
    }

    #[test]
    fn a_record_that_was_changed_behind_the_digest_is_seen() {
        let mut evidence = script().evidence();
        change_key(&mut evidence.ends[1].records, key_id(0), |key| key.revision += 1);
        let found = check(&evidence);
        assert!(found[0].text.starts_with("the records of node 2 add up to"), "{}", found[0]);
    }

    /// Each with a digest that fits its records: only side by side they are wrong.
    #[test]
    fn members_with_other_records_and_digests_that_fit_them_are_seen() {
        let mut evidence = script().evidence();
        evidence.digests.clear();
        let other = &mut evidence.ends[1];
        change_key(&mut other.records, key_id(0), |key| key.revision += 1);
        other.digest = Some(StateDigest::of(&other.records).to_string());
        let found = check(&evidence);
        assert_eq!(found.len(), 1);
        assert!(found[0].text.contains("by nodes {1, 3}"), "{}", found[0]);
    }

    #[test]
    fn a_member_that_is_behind_is_compared_with_its_own_past_only() {
        let mut script = script();
        let behind = script.evidence().ends.remove(0);
        script.mutate(Action::Rotate(0));
        let mut evidence = script.evidence();
        let digest = behind.digest.clone();
        evidence.ends[0] = behind;
        // All were asked for their digest after the index that the first one has reached.
        evidence.ends.iter_mut().for_each(|end| end.digest.clone_from(&digest));
        assert_eq!(check(&evidence), []);
    }

    #[test]
    fn no_digest_and_no_member_are_seen() {
        let mut evidence = script().evidence();
        evidence.ends.iter_mut().for_each(|end| end.digest = None);
        assert_eq!(check(&evidence).len(), 1);
        evidence.ends.clear();
        assert_eq!(check(&evidence).len(), 1);
    }
}
