//! The order in which the changes of each key took effect, as the log has it: what the oracle of the
//! checker is told.
//!
//! It is read from the audit chain of the member that has applied the most. That the other members
//! have the same chain is an invariant of its own, see `audit_chain`.

use std::collections::{BTreeMap, BTreeSet};

use conclave_core::audit::AuditRecord;
use conclave_core::ids::KeyId;
use uuid::Uuid;

use super::chain::{self, Chain};
use crate::sim::checker::Orders;
use crate::sim::checker::version_oracle::Effect;
use crate::sim::evidence::Evidence;
use crate::sim::history::{Action, KeyNo};

/// The changes of each key that is in the history. `None` if no member is up, or if the chain no
/// longer begins at the beginning.
pub fn orders(evidence: &Evidence) -> Option<Orders> {
    let chain = Chain::of(chain::longest(evidence)?);
    let changes = chain.is_whole().then(|| chain.changes_by_key())?;
    let operations = evidence.history.operations.iter();
    let asked: BTreeMap<Uuid, Action> =
        operations.filter_map(|operation| Some((operation.request?, operation.action))).collect();
    let effect =
        |record: &AuditRecord, key| Effect::of(record, key, asked.get(&record.request.0).copied());
    let orders = ids(evidence, &chain).into_iter().map(|(key, ids)| {
        let mut effects: Vec<_> = ids
            .iter()
            .filter_map(|id| changes.get(id))
            .flat_map(|changes| changes.iter().filter_map(|record| effect(record, key)))
            .collect();
        effects.sort_by_key(|effect| effect.index);
        (key, effects)
    });
    Some(orders.collect())
}

/// The ids of each key of the history: those that clients have learned, and those of the commands that
/// their requests became. More than one would be a violation, which the oracle then sees; none means
/// that nobody has ever changed it.
fn ids(evidence: &Evidence, chain: &Chain) -> BTreeMap<KeyNo, BTreeSet<KeyId>> {
    let became: BTreeMap<Uuid, KeyId> =
        chain.done().filter_map(|record| Some((record.request.0, record.key?))).collect();
    let mut ids: BTreeMap<KeyNo, BTreeSet<KeyId>> = BTreeMap::new();
    for (key, id) in &evidence.keys {
        ids.entry(*key).or_default().insert(*id);
    }
    for operation in &evidence.history.operations {
        if let Some(key) = operation.action.key() {
            let id = operation.request.and_then(|request| became.get(&request));
            ids.entry(key).or_default().extend(id);
        }
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::history::Outcome;
    use crate::sim::invariants::testing::{Script, change_audit, last_audit};

    fn actions(evidence: &Evidence, key: KeyNo) -> Vec<Action> {
        orders(evidence).unwrap()[&key].iter().map(|effect| effect.action).collect()
    }

    #[test]
    fn refused_commands_are_no_changes() {
        let mut script = Script::unsealed();
        let asked = [
            Action::Create(0),
            Action::Disable(0),
            Action::Rotate(0),
            Action::Create(1),
            Action::Enable(0),
            Action::Update(0),
        ];
        for action in asked {
            script.mutate(action);
        }
        let evidence = script.evidence();
        let expected =
            [Action::Create(0), Action::Disable(0), Action::Enable(0), Action::Update(0)];
        assert_eq!(actions(&evidence, 0), expected);
        assert_eq!(actions(&evidence, 1), [Action::Create(1)]);
        let last = orders(&evidence).unwrap().remove(&0).unwrap().pop().unwrap();
        assert_eq!(Some(last.index), script.last().done().map(|answer| answer.index));
        assert_eq!(Some(last.request), script.last().request);
    }

    /// Nobody has learned the id of a key whose creation was never answered.
    #[test]
    fn a_change_of_unknown_outcome_is_found_by_its_request() {
        let mut script = Script::unsealed();
        script.mutate(Action::Create(0));
        script.last().outcome = Outcome::Unknown;
        script.pretend(Action::Create(1), Outcome::Unknown);
        let mut evidence = script.evidence();
        evidence.keys.clear();
        assert_eq!(actions(&evidence, 0), [Action::Create(0)]);
        assert_eq!(actions(&evidence, 1), []);
    }

    #[test]
    fn the_member_that_has_applied_the_most_is_asked() {
        let mut script = Script::unsealed();
        script.mutate(Action::Create(0));
        let behind = script.evidence().ends.remove(0);
        script.mutate(Action::Rotate(0));
        let mut evidence = script.evidence();
        evidence.ends[0] = behind;
        assert_eq!(actions(&evidence, 0), [Action::Create(0), Action::Rotate(0)]);
    }

    #[test]
    fn without_a_whole_chain_there_is_no_order() {
        let mut evidence = Script::unsealed().evidence();
        for end in &mut evidence.ends {
            for seq in 0..=last_audit(&end.records) {
                change_audit(&mut end.records, seq, |record| record.seq += 7);
            }
        }
        assert_eq!(orders(&evidence), None);
        evidence.ends.clear();
        assert_eq!(orders(&evidence), None);
    }
}
