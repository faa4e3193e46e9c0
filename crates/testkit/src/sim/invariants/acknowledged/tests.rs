use conclave_core::records::MemoryRecords;

use super::*;
use crate::sim::history::Short;
use crate::sim::invariants::testing::{
    Script, change_audit, change_key, drop_key, drop_version, key_id, last_audit, unrevoke,
};

fn script() -> Script {
    let mut script = Script::unsealed();
    let asked = [
        Action::Create(0),
        Action::Create(1),
        Action::Rotate(0),
        Action::Update(1),
        Action::Disable(1),
        Action::Disable(1),
        Action::Enable(1),
        Action::Revoke(0),
        Action::Revoke(2),
        Action::Revoke(2),
        Action::BindSelf,
        Action::Seal,
    ];
    for action in asked {
        script.mutate(action);
    }
    script.unseal();
    script
}

/// What is found when the records of node 2 are changed.
fn after(change: impl FnOnce(&mut MemoryRecords)) -> Vec<String> {
    let mut evidence = script().evidence();
    change(&mut evidence.ends[1].records);
    check(&evidence).into_iter().map(|violation| violation.text).collect()
}

fn refuse(script: &mut Script, reason: &str, attempts: u32) {
    script.last().outcome = Outcome::Refused(reason.to_owned());
    script.last().attempts = attempts;
}

#[test]
fn what_the_state_machine_has_done_is_there() {
    assert_eq!(after(|_| {}), [""; 0]);
}

#[test]
fn a_repeat_is_answered_with_the_index_of_the_first() {
    let mut script = script();
    script.mutate(Action::Update(0));
    let first = script.last().clone();
    assert!(script.repeat(&first).done().is_some_and(|answer| answer.replayed));
    assert_eq!(check(&script.evidence()), []);
}

#[test]
fn a_command_that_is_nowhere_is_lost() {
    let changes = [
        Action::Create(0),
        Action::Enable(0),
        Action::Disable(0),
        Action::Rotate(0),
        Action::Update(0),
        Action::Delete(0),
        Action::Cancel(0),
        Action::Switch(0, 1, false),
        Action::Short(0, Short::Delete(true)),
        Action::Revoke(0),
        Action::BindSelf,
        Action::Seal,
    ];
    for action in changes {
        let mut script = script();
        script.pretend_done(action, script.index() + 1);
        let found = check(&script.evidence());
        assert!(!found.is_empty(), "{action:?}");
        assert!(found[0].text.contains("no command has this index here"), "{}", found[0]);
    }
}

#[test]
fn reads_and_shares_are_no_changes() {
    for action in [Action::Get(0), Action::Encrypt(0), Action::SubmitShare(1), Action::Show(1)] {
        let mut script = script();
        script.pretend_done(action, script.index() + 1);
        assert_eq!(check(&script.evidence()), [], "{action:?}");
    }
}

#[test]
fn another_command_in_its_place_is_seen() {
    let last = last_audit(&script().evidence().ends[1].records);
    // The place of the seal, before the four entries of the unseal.
    let seal = last - 4;
    type Change = fn(&mut AuditRecord);
    let cases: [(Change, &str); 4] = [
        (|record| record.request.0 = Uuid::nil(), "that is Seal of request 00000000"),
        (|record| record.action = "RevokeToken".to_owned(), "that is RevokeToken"),
        (|record| record.refused = Some("KEY_STATE".to_owned()), "it was refused here: KEY_STATE"),
        (|record| record.index += 100, "no command has this index here"),
    ];
    for (change, expected) in cases {
        let found = after(|records| change_audit(records, seal, change));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(expected) && found[0].starts_with("node 2:"), "{found:?}");
    }
}

#[test]
fn a_command_on_another_key_is_seen() {
    let mut evidence = script().evidence();
    evidence.keys.insert(0, key_id(1));
    assert!(check(&evidence)[0].text.contains("that is about another key"));
}

#[test]
fn what_was_made_and_is_gone_is_seen() {
    type Change = fn(&mut MemoryRecords);
    let cases: [(Change, &str); 5] = [
        (|records| drop_key(records, key_id(0)), "does not exist"),
        (|records| drop_version(records, key_id(0), 2), "has no version of this index"),
        (|records| drop_version(records, key_id(1), 1), "has no version of this index"),
        (|records| change_key(records, key_id(1), |key| key.changed_at = 1), "the last change of"),
        (|records| unrevoke(records, 2), "2 tokens were revoked, 1 are"),
    ];
    for (change, expected) in cases {
        let found = after(change);
        assert!(found.iter().any(|text| text.contains(expected)), "{expected}: {found:?}");
    }
}

#[test]
fn a_member_that_is_behind_is_excused_for_what_came_after_the_heal() {
    let mut script = script();
    let behind = script.evidence().ends.remove(0);
    let healed = script.now();
    script.mutate(Action::Create(2));
    let mut evidence = script.evidence();
    evidence.ends[0] = behind;
    evidence.healed = healed;
    assert_eq!(check(&evidence), []);
    // It has had the whole liveness phase for this.
    evidence.healed = script.now();
    let found = check(&evidence);
    assert_eq!(found.len(), 1);
    assert!(found[0].text.starts_with("node 1: Create(2)"), "{}", found[0]);
}

#[test]
fn what_all_members_are_behind_of_is_lost() {
    let mut script = script();
    script.pretend_done(Action::Update(0), script.index() + 1);
    let mut evidence = script.evidence();
    evidence.healed = 0;
    assert_eq!(check(&evidence).len(), 1);
}

#[test]
fn a_run_that_leaves_nobody_is_seen() {
    let mut evidence = script().evidence();
    evidence.ends.clear();
    assert_eq!(check(&evidence).len(), 1);
}

#[test]
fn an_unknown_outcome_may_be_anything() {
    let mut script = script();
    script.pretend(Action::Update(0), Outcome::Unknown);
    script.mutate(Action::Update(0));
    script.last().outcome = Outcome::Unknown;
    assert_eq!(check(&script.evidence()), []);
}

#[test]
fn a_request_that_was_refused_and_done_is_seen() {
    // (reason, attempts, whether it is certain that nothing was done)
    let cases = [
        ("KEY_STATE", 1, true),
        ("NO_QUORUM", 1, true),
        ("SEALED", 1, true),
        ("PERMISSION_DENIED", 1, true),
        // The state machine would have remembered.
        ("KEY_STATE", 3, true),
        ("ALREADY_EXISTS", 2, true),
        ("VERSION_LIMIT", 2, true),
        // A node that had heard nothing of the attempt before.
        ("NO_QUORUM", 2, false),
        ("SEALED", 2, false),
        ("NOT_FOUND", 2, false),
        ("PERMISSION_DENIED", 2, false),
        // The token was revoked between two entries of one attempt.
        ("UNAUTHENTICATED", 1, false),
        ("TOKEN_EXPIRED", 1, false),
        ("REQUEST_ID_REUSED", 1, false),
        ("REQUEST_TOO_OLD", 1, false),
        ("OUTCOME_UNKNOWN", 1, false),
        ("INTERNAL", 1, false),
        ("Cancelled: gone", 1, false),
    ];
    for (reason, attempts, is_certain) in cases {
        let mut script = script();
        script.mutate(Action::Update(0));
        refuse(&mut script, reason, attempts);
        let found = check(&script.evidence());
        let expected = if is_certain { 3 } else { 0 };
        assert_eq!(found.len(), expected, "{reason} after {attempts}: {found:?}");
    }
}

/// The claim behind the three that settle a request: the machine asks its memory first.
#[test]
fn what_was_refused_by_the_log_stays_refused() {
    let mut script = script();
    let changes = [
        (Action::Enable(1), Action::Disable(1)),
        (Action::Rotate(1), Action::Enable(1)),
        (Action::Disable(1), Action::Enable(1)),
    ];
    script.mutate(Action::Disable(1));
    script.mutate(Action::Enable(1));
    for (refused, makes_it_possible) in changes {
        if refused != Action::Enable(1) {
            script.mutate(Action::Disable(1));
        }
        let first = script.mutate(refused);
        assert_eq!(first, Outcome::Refused("KEY_STATE".to_owned()), "{refused:?}");
        let first = script.last().clone();
        script.mutate(makes_it_possible);
        assert_eq!(script.repeat(&first).outcome, first.outcome, "{refused:?}");
        script.mutate(Action::Enable(1));
    }
    assert_eq!(check(&script.evidence()), []);
}
