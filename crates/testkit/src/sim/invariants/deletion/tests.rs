use conclave_core::records::{MemoryRecords, Records, RecordsRead, Table};
use conclave_core::state::{State as Records_, StateMut};

use super::*;
use crate::sim::history::Answer;
use crate::sim::invariants::testing::{
    Script, change_audit, change_key, change_version, drop_key, last_audit, short_id,
};

/// Four keys: purged by hand, purged by itself, restored, and destroyed without material.
fn script() -> Script {
    let mut script = Script::with_short_keys();
    for key in 0..4 {
        assert!(is_done(&script.short(key, Short::Create)));
        script.look(key, Short::Encrypt);
        script.short(key, Short::Register);
        script.short(key, Short::Delete(true));
        script.short(key, Short::Unregister);
        assert!(is_done(&script.short(key, Short::Delete(false))));
        script.look(key, Short::Get);
    }
    script.short(0, Short::DeleteNow);
    script.short(0, Short::Purge);
    script.wait_ms(2_000);
    // At its boundary.
    assert!(is_done(&script.short(2, Short::Cancel)));
    script.short(2, Short::Enable);
    script.short(2, Short::Delete(false));
    assert!(is_done(&script.short(0, Short::Purge)));
    script.wait_ms(1);
    script.tick();
    script.wait_ms(3_000);
    // Its timer runs in the same entry.
    assert!(is_done(&script.short(2, Short::Restore)));
    script.look(2, Short::Decrypt);
    script.wait_ms(3_001);
    script.tick();
    for key in 0..4 {
        script.look(key, Short::Get);
    }
    script
}

fn is_done(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Done(_))
}

fn found(evidence: &Evidence) -> Vec<String> {
    check(evidence).into_iter().map(|violation| violation.text).collect()
}

/// What is found when the records of node 2 are changed.
fn after(change: impl FnOnce(&mut MemoryRecords)) -> Vec<String> {
    let mut evidence = script().evidence();
    change(&mut evidence.ends[1].records);
    found(&evidence)
}

/// Changes the first records of this action about a key.
fn change_record(
    records: &mut MemoryRecords,
    (key, action): (KeyNo, &str),
    change: impl FnOnce(&mut AuditRecord),
) {
    let mut number = None;
    for seq in 0..=last_audit(records) {
        change_audit(records, seq, |record| {
            if record.key == Some(short_id(key)) && record.action == action && number.is_none() {
                number = Some(seq);
            }
        });
    }
    change_audit(records, number.unwrap(), change);
}

fn assert_seen(found: &[String], what: &str) {
    assert!(found.iter().any(|text| text.contains(what)), "{what:?}: {found:#?}");
}

#[test]
fn what_the_state_machine_does_is_a_course() {
    let evidence = script().evidence();
    assert_eq!(found(&evidence), [""; 0]);
    let state = Records_(&evidence.ends[0].records);
    let states = [0, 1, 2, 3].map(|key| state.key(short_id(key)).map(|key| key.state));
    let (restored, erased) = (KeyState::Enabled, KeyState::Destroyed);
    assert_eq!(states, [None, Some(erased), Some(restored), Some(erased)]);
}

#[test]
fn what_is_purged_by_itself_leaves_a_tombstone() {
    let mut script = script();
    script.wait_ms(60_000);
    script.tick();
    script.look(1, Short::Get);
    let evidence = script.evidence();
    assert_eq!(found(&evidence), [""; 0]);
    assert!(Records_(&evidence.ends[0].records).tombstone(short_id(1).0).is_some());
}

#[test]
fn records_that_come_too_early_or_too_late_are_seen() {
    type Change = fn(&mut AuditRecord);
    let table: [((KeyNo, &str), Change, &str); 9] = [
        ((0, "PurgeKey"), |record| record.refused = None, "it can be purged from"),
        ((3, "GraceOver"), |record| record.at_ms -= 3_000, "next is GraceOver, after"),
        ((3, "RestoreWindowOver"), |record| record.at_ms -= 7_000, "next is RestoreWindowOver"),
        ((3, "RestoreWindowOver"), |record| record.action = "AutoPurge".to_owned(), "next is"),
        ((2, "CancelDeletion"), |record| record.at_ms += 1, "GraceOver had to run before that"),
        ((2, "EnableKey"), |record| record.action = "GraceOver".to_owned(), "the key is"),
        ((1, "DeleteKey"), |record| record.refused = None, "a registration prevents"),
        ((1, "GraceOver"), |record| record.refused = Some("RETENTION".to_owned()), "held up"),
        ((2, "RestoreKey"), |record| record.action = "CancelDeletion".to_owned(), "the key is"),
    ];
    for (which, change, expected) in table {
        let found = after(|records| change_record(records, which, change));
        assert_seen(&found, expected);
    }
}

#[test]
fn a_member_that_has_something_else_than_the_log_says_is_seen() {
    type Change = fn(&mut MemoryRecords);
    let table: [(Change, &str); 6] = [
        (|records| drop_key(records, short_id(3)), "is gone, by the log it is Destroyed"),
        (
            |records| change_key(records, short_id(2), |key| key.state = KeyState::Disabled),
            "is Disabled with tombstone None, by the log Enabled",
        ),
        (
            |records| {
                let material = Records_(records).version(short_id(2), 1).unwrap().material;
                change_version(records, short_id(3), 1, |version| version.material = material);
            },
            "has material: true, although erased: true",
        ),
        (
            |records| change_version(records, short_id(2), 1, |version| version.material = None),
            "has material: false, although erased: false",
        ),
        (
            |records| {
                let mut stone = Records_(records).tombstone(short_id(0).0).unwrap();
                stone.purged_at_ms += 1;
                StateMut(records).put_tombstone(short_id(0).0, &stone);
            },
            "its tombstone says",
        ),
        (
            |records| {
                let history = records.get(Table::History, &history_key(2, 0)).unwrap();
                records.put(Table::History, &history_key(0, 0), history);
            },
            "has left more than a tombstone",
        ),
    ];
    for (change, expected) in table {
        assert_seen(&after(change), expected);
    }
}

fn history_key(key: KeyNo, number: u64) -> Vec<u8> {
    [&short_id(key).bytes()[..], &number.to_be_bytes()].concat()
}

#[test]
fn a_timer_that_does_not_run_is_seen() {
    let mut script = script();
    script.wait_ms(3_600_000);
    script.mutate(Action::Create(0));
    assert_seen(&found(&script.evidence()), "is still Destroyed at");
}

/// A key that is destroyed, or purged, and what is done with it after that.
#[test]
fn what_clients_see_after_the_end_is_judged() {
    let table = [
        (0, Short::Get, true),
        (0, Short::Restore, true),
        (0, Short::Decrypt, true),
        (3, Short::Get, false),
        (3, Short::Decrypt, true),
        (3, Short::Cancel, true),
        (3, Short::Purge, false),
        (2, Short::Decrypt, false),
    ];
    for (key, what, is_seen) in table {
        let mut evidence = script().evidence();
        let last = evidence.history.operations.last().unwrap().clone();
        let invoked = last.returned + 1;
        evidence.history.operations.push(Operation {
            action: Action::Short(key, what),
            outcome: Outcome::Done(Answer { state: State::Purged, ..Answer::default() }),
            request: None,
            invoked,
            returned: invoked + 1,
            ..last
        });
        assert_eq!(!found(&evidence).is_empty(), is_seen, "{key} {what:?}: {:?}", found(&evidence));
    }
}

/// A deletion that is over when a use is asked for, and an enabling that may come in between.
#[test]
fn a_use_after_a_deletion_needs_an_enabling() {
    let operation = |what, (invoked, returned), outcome| Operation {
        client: 1,
        node: 1,
        invoked,
        returned,
        request: None,
        attempts: 1,
        action: Action::Short(0, what),
        outcome,
    };
    let done = |state| Outcome::Done(Answer { state, ..Answer::default() });
    let pending = operation(Short::Delete(false), (10, 20), done(State::PendingDeletion));
    let refused = Outcome::Refused("KEY_STATE".to_owned());
    let enabled = done(State::Enabled);
    let table = [
        (None, (21, 30), true),
        (None, (20, 30), false),
        (Some(operation(Short::Enable, (12, 15), enabled.clone())), (21, 30), false),
        (Some(operation(Short::Enable, (5, 9), enabled.clone())), (21, 30), true),
        (Some(operation(Short::Enable, (5, 9), Outcome::Unknown)), (21, 30), false),
        (Some(operation(Short::Enable, (30, 50), enabled.clone())), (21, 30), false),
        (Some(operation(Short::Enable, (31, 50), enabled.clone())), (21, 30), true),
        (Some(operation(Short::Enable, (22, 25), refused)), (21, 30), true),
        (Some(operation(Short::Restore, (22, 25), enabled.clone())), (21, 30), false),
        (Some(operation(Short::Cancel, (22, 25), done(State::Disabled))), (21, 30), true),
    ];
    for (other, interval, is_seen) in table {
        let mut evidence = Script::unsealed().evidence();
        let used = operation(Short::Encrypt, interval, done(State::Disabled));
        let all = [Some(pending.clone()), other.clone(), Some(used)];
        evidence.history.operations = all.into_iter().flatten().collect();
        assert_eq!(!found(&evidence).is_empty(), is_seen, "{other:?} {interval:?}");
    }
}
