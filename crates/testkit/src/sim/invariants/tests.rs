use std::collections::BTreeSet;

use super::testing::{STEP, Script, change_audit, last_audit};
use super::*;
use crate::sim::history::{Action, Answer, Outcome, Short, State};

/// A small run in which nothing goes wrong and each operation meets the one before it.
fn script() -> Script {
    let mut script = Script::unsealed();
    script.mutate(Action::Create(0));
    script.mutate(Action::Create(1));
    for key in [0, 1] {
        let deletion = [Action::Delete(key), Action::Cancel(key), Action::Enable(key)];
        let changes = [Action::Update(key), Action::Rotate(key), Action::Switch(key, 1, false)];
        for action in changes.into_iter().chain(deletion).chain([Action::Disable(key)]) {
            script.mutate(action);
            script.get(key);
        }
        script.mutate(Action::Enable(key));
        script.encrypt(2, key);
    }
    script.mutate(Action::BindSelf);
    script.mutate(Action::Revoke(0));
    script
}

fn evidence() -> Evidence {
    overlapping(script().evidence())
}

fn overlapping(mut evidence: Evidence) -> Evidence {
    for operation in &mut evidence.history.operations {
        operation.returned += 2 * STEP;
    }
    evidence
}

fn names(evidence: &Evidence) -> BTreeSet<&'static str> {
    check_all(evidence).iter().map(|violation| violation.invariant).collect()
}

#[test]
fn a_sound_run_has_no_violations() {
    assert_eq!(check_all(&evidence()), []);
}

#[test]
fn every_invariant_has_a_name_of_its_own() {
    let names: BTreeSet<_> = ALL.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), ALL.len());
}

/// For each invariant a break that it reports under its name, through the door that runs use.
#[test]
fn every_invariant_is_asked() {
    type Break = fn(&mut Evidence);
    let breaks: [(&str, Break); 13] = [
        (nobody_dies::NAME, |evidence| evidence.panics.push("a panic".to_owned())),
        (acknowledged::NAME, |evidence| evidence.ends.clear()),
        (one_effect::NAME, |evidence| {
            change_audit(&mut evidence.ends[0].records, 1, |record| record.index = 1);
        }),
        (versions_contiguous::NAME, |evidence| {
            testing::drop_version(&mut evidence.ends[0].records, testing::key_id(0), 1);
        }),
        (deletion::NAME, |evidence| {
            let action = Action::Short(0, Short::Purge);
            let purged = Answer { state: State::Purged, ..Answer::default() };
            let all = &mut evidence.history.operations;
            let first = Operation { action, outcome: Outcome::Done(purged), ..all[0].clone() };
            let action = Action::Short(0, Short::Get);
            let invoked = first.returned + 1;
            let last = Operation { action, invoked, returned: invoked, ..first.clone() };
            all.extend([first, last]);
        }),
        (digests_equal::NAME, |evidence| evidence.ends[0].digest = Some("00".to_owned())),
        (audit_chain::NAME, |evidence| {
            let last = last_audit(&evidence.ends[0].records);
            change_audit(&mut evidence.ends[0].records, last, |record| record.at_ms += 1);
        }),
        (one_leader::NAME, |evidence| {
            evidence.leaders.insert(2, [11, 12].into());
        }),
        (sealed_nodes::NAME, |evidence| {
            evidence.history.operations.retain(|op| !matches!(op.action, Action::SubmitShare(_)));
        }),
        (self_grant::NAME, |evidence| {
            let all = &mut evidence.history.operations;
            let bind = all.iter_mut().find(|op| op.action == Action::BindSelf).unwrap();
            bind.outcome = Outcome::Done(Default::default());
        }),
        (live::NAME, |evidence| evidence.probes.clear()),
        (overlap::NAME, |evidence| {
            for operation in &mut evidence.history.operations {
                operation.returned = operation.invoked;
            }
        }),
        (uses_recorded::NAME, |evidence| evidence.unrecorded.push("an answer".to_owned())),
    ];
    assert_eq!(breaks.map(|(name, _)| name), ALL.map(|(name, _)| name));
    for (name, break_it) in breaks {
        let mut evidence = evidence();
        break_it(&mut evidence);
        assert!(names(&evidence).contains(name), "{name}: {:?}", check_all(&evidence));
    }
}

/// Only the log says what the key was like at an index.
#[test]
fn the_checker_is_asked_with_the_order_of_the_log() {
    let mut script = script();
    script.get(0);
    script.last_answer().index -= 20;
    let names = names(&overlapping(script.evidence()));
    assert_eq!(names, [checker::version_oracle::INVARIANT].into());
}

/// A disabled key was used, as the search sees.
#[test]
fn the_checker_is_asked_for_what_clients_saw() {
    let mut script = script();
    script.mutate(Action::Disable(0));
    script.get(0);
    script.encrypt(3, 0);
    let names = names(&overlapping(script.evidence()));
    assert!(names.contains(<checker::key_model::KeyModel as checker::Subject>::INVARIANT));
}

#[test]
fn many_violations_of_one_invariant_are_counted() {
    let mut evidence = evidence();
    evidence.panics = (0..30).map(|number| format!("panic {number}")).collect();
    let found = check_all(&evidence);
    assert_eq!(found.len(), MOST + 1);
    assert_eq!(found[MOST], Violation::new(nobody_dies::NAME, "and 27 more"));
}

/// One disabled key that is used again and again; the first use may be older than the change.
#[test]
fn many_violations_that_the_checker_finds_are_counted() {
    let mut script = script();
    script.mutate(Action::Disable(0));
    for _ in 0..10 {
        script.encrypt(3, 0);
    }
    let found = check_all(&overlapping(script.evidence()));
    let by_order: Vec<_> = found
        .iter()
        .filter(|violation| violation.invariant == checker::version_oracle::INVARIANT)
        .map(|violation| violation.text.as_str())
        .collect();
    assert_eq!(by_order.len(), MOST + 1, "{found:?}");
    assert_eq!(by_order[MOST], "and 6 more");
}
