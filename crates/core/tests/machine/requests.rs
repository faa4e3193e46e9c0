//! The request memory: one request id, one effect, one answer.

use crate::examples;
use crate::machine::Machine;
use crate::replay::log_of;
use crate::script::*;
use conclave_core::codec;
use conclave_core::command::Caller;
use conclave_core::digest::Tracked;
use conclave_core::limits;
use conclave_core::model::MachineRecord;
use conclave_core::outcome::{Outcome, Refusal};
use conclave_core::records::{MemoryRecords, RecordsRead, Table};
use conclave_core::roles::Role;
use conclave_core::state::StateMut;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// A repeat of a request has no second effect and gets the first answer.
pub fn check_a_repeat_has_one_effect() -> Result<(), String> {
    let mut script = Script::unsealed();
    script.admin().create_key("orders").unwrap();
    let first = script.admin().request(7_000).submit(rotate("orders", 2, 1));
    let revision = script.key("orders").revision;
    script.wait_ms(HOUR);
    script.admin().disable("orders").unwrap();
    script.admin().enable("orders").unwrap();
    let again = script.admin().request(7_000).submit(rotate("orders", 2, 1));
    if script.key("orders").revision != revision + 2 {
        return Err("the repeat changed the key".into());
    }
    if !again.replayed || again.index != first.index || again.outcome != first.outcome {
        return Err(format!("the repeat got {again:?}, the first was {first:?}"));
    }
    Ok(())
}

#[test]
fn a_repeat_has_one_effect_and_the_first_answer() {
    check_a_repeat_has_one_effect().unwrap();
}

#[test]
fn a_refusal_is_remembered_too() {
    let mut script = Script::unsealed();
    let first = script.admin().request(1_000).submit(rotate("orders", 2, 1));
    assert!(matches!(first.outcome, Outcome::Refused(Refusal::NotFound { .. })));
    script.admin().create_key("orders").unwrap();
    let again = script.admin().request(1_000).submit(rotate("orders", 2, 1));
    assert!(again.replayed);
    assert_eq!((again.index, again.outcome), (first.index, first.outcome));
    assert_eq!(script.key("orders").primary_version, 1);
}

#[test]
fn another_body_under_the_same_id_is_refused() {
    let mut script = Script::unsealed();
    script.admin().request(1_000).create_key("orders").unwrap();
    let other = script.admin().request(1_000).create_key("bills");
    assert_eq!(other, Err(Refusal::RequestIdReused));
    assert_eq!(script.machine.state().key(key_id("bills")), None);
    let again = script.admin().request(1_000).submit(create_key("orders"));
    assert!(again.replayed, "the refusal did not replace what was remembered");
}

#[test]
fn each_principal_has_request_ids_of_its_own() {
    let mut script = Script::unsealed();
    script.add("bob", &[Role::Writer]);
    script.admin().request(1_000).create_key("orders").unwrap();
    script.by("bob").request(1_000).create_key("bills").unwrap();
}

#[test]
fn a_request_is_the_principals_whatever_credential_it_shows() {
    let mut script = Script::unsealed();
    script.admin().send(create_token("admin", "spare", DAY)).unwrap();
    script.admin().request(1_000).create_key("orders").unwrap();
    let again = script.by_token("admin", "spare").request(1_000).submit(create_key("orders"));
    assert!(again.replayed);
}

#[test]
fn what_depends_on_credential_or_preparation_is_decided_anew() {
    let mut script = Script::unsealed();
    script.admin().create_key("orders").unwrap();
    let superseded = script.admin().request(1_000).send(rotate("orders", 3, 1));
    assert_eq!(superseded, Err(Refusal::Superseded));
    script.admin().request(1_000).send(rotate("orders", 2, 1)).unwrap();

    let stranger = script.by_token("admin", "later").request(1_001).create_key("bills");
    assert_eq!(stranger, Err(Refusal::CredentialInvalid));
    script.admin().send(create_token("admin", "later", DAY)).unwrap();
    script.by_token("admin", "later").request(1_001).create_key("bills").unwrap();
}

/// The refusals that a request can get after it was done are those which say that they do not speak for
/// earlier attempts, and no others.
#[test]
fn only_a_refusal_that_does_not_speak_for_earlier_attempts_follows_a_done_one() {
    let mut follow = BTreeSet::new();
    for seed in 0..12 {
        follow.extend(refusals_after_done(seed));
    }
    let silent = examples::refusals();
    let silent = silent.iter().filter(|refusal| !refusal.speaks_for_earlier_attempts());
    assert_eq!(follow, silent.map(examples::place_of_refusal).collect());
}

/// By place in the order of precedence. What was forgotten is a new request, unless its client says what
/// it had seen.
fn refusals_after_done(seed: u64) -> BTreeSet<usize> {
    let mut machine = Machine::<MemoryRecords>::default();
    let mut done = BTreeMap::new();
    let mut refusals = BTreeSet::new();
    for entry in log_of(seed, 4_000) {
        let proposal = &entry.proposal;
        if proposal.caller == Caller::Cluster {
            // What the cluster does by itself is not remembered: it looks what is due, and asks anew.
            machine.step(&entry);
            continue;
        }
        let request = (proposal.caller.principal(), proposal.request, proposal.request_digest);
        let floor = machine.counters().memory_floor;
        let applied = machine.step(&entry).0;
        match (&applied.outcome, done.get(&request)) {
            (Outcome::Done(_), _) => {
                done.insert(request, applied.index);
            }
            (Outcome::Refused(refusal), Some(index))
                if *index > floor || matches!(refusal, Refusal::RequestTooOld { .. }) =>
            {
                refusals.insert(examples::place_of_refusal(refusal));
            }
            (Outcome::Refused(_), _) => {}
        }
    }
    refusals
}

#[test]
fn what_is_superseded_once_never_happens() {
    let mut script = Script::unsealed();
    script.admin().create_key("orders").unwrap();
    for version in 2..6 {
        script.admin().rotate("orders").unwrap();
        let late = script.admin().request(1_000).send(rotate("orders", 2, 1));
        assert_eq!(late, Err(Refusal::Superseded), "at version {version}");
    }
}

#[test]
fn after_24_hours_a_request_is_forgotten_and_the_floor_rises() {
    let mut script = Script::unsealed();
    let first = script.admin().request(1_000).submit(create_key("orders"));
    script.wait_ms(limits::REQUEST_MEMORY_MS - 1);
    script.admin().create_key("keeps").unwrap();
    assert!(script.admin().request(1_000).submit(create_key("orders")).replayed);

    script.wait_ms(1);
    script.admin().create_key("forgets").unwrap();
    assert_eq!(script.machine.counters().memory_floor, first.index);
    let again = script.admin().request(1_000).send(create_key("orders"));
    assert!(
        matches!(again, Err(Refusal::AlreadyExists { .. })),
        "it is a new request now: {again:?}"
    );
}

#[test]
fn below_the_floor_a_request_is_refused_rather_than_perhaps_run_twice() {
    let mut script = Script::unsealed();
    let seen = script.machine.index;
    let index = script.admin().request(1_000).seen(seen).submit(create_key("orders")).index;
    script.wait_ms(limits::REQUEST_MEMORY_MS);
    script.admin().create_key("forgets").unwrap();
    let floor = script.machine.counters().memory_floor;
    assert_eq!(floor, index);
    let again = script.admin().request(1_000).seen(seen).send(create_key("orders"));
    assert_eq!(again, Err(Refusal::RequestTooOld { floor }));
    let below = script.admin().seen(floor - 1).create_key("bills");
    assert_eq!(below, Err(Refusal::RequestTooOld { floor }));
    script.admin().seen(floor).create_key("bills").unwrap();
    script.admin().create_key("who does not say is not asked").unwrap();
}

#[test]
fn a_remembered_request_is_answered_even_below_the_floor() {
    let mut script = Script::unsealed();
    let old = script.admin().submit(create_key("old")).index;
    script.wait_ms(limits::REQUEST_MEMORY_MS / 2);
    script.admin().request(1_000).seen(0).create_key("orders").unwrap();
    script.wait_ms(limits::REQUEST_MEMORY_MS / 2);
    script.admin().create_key("forgets").unwrap();
    assert!(script.machine.counters().memory_floor >= old);
    assert!(script.admin().request(1_000).seen(0).submit(create_key("orders")).replayed);
}

#[test]
fn at_capacity_the_oldest_is_forgotten_and_only_it() {
    let mut script = Script::initialized();
    script.unseal();
    let held = remembered_requests(&script);
    pretend(&mut script, |machine| machine.remembered = limits::REQUEST_MEMORY_COUNT - 1);
    script.admin().create_key("fills").unwrap();
    assert_eq!(remembered_requests(&script), held + 1, "as many as fit are kept");
    script.admin().create_key("one too many").unwrap();
    assert_eq!(remembered_requests(&script), held + 1);
    let counters = script.machine.counters();
    assert_eq!(counters.remembered, limits::REQUEST_MEMORY_COUNT);
    assert_eq!(counters.memory_floor, 1, "the first entry of the log is the one forgotten");
}

#[test]
fn a_backlog_is_dropped_a_few_at_a_time() {
    let mut script = Script::unsealed();
    for n in 0..20 {
        script.admin().create_key(&format!("key-{n}")).unwrap();
    }
    let held = remembered_requests(&script);
    script.wait_ms(limits::REQUEST_MEMORY_MS);
    let mut dropped = 0;
    for n in 0..3 {
        script.admin().create_key(&format!("late-{n}")).unwrap();
        dropped += limits::REQUESTS_DROPPED_PER_ENTRY;
        assert_eq!(remembered_requests(&script), held + n + 1 - dropped);
    }
    assert_eq!(script.machine.counters().remembered as usize, remembered_requests(&script));
}

fn remembered_requests(script: &Script) -> usize {
    let count = |table| {
        script.machine.records.range(table, Bound::Unbounded, Bound::Unbounded, usize::MAX).len()
    };
    assert_eq!(count(Table::Requests), count(Table::RequestOrder));
    count(Table::Requests)
}

/// Sets counters as if a long log had been applied before.
pub fn pretend(script: &mut Script, change: impl FnOnce(&mut MachineRecord)) {
    let mut counters = script.machine.counters();
    change(&mut counters);
    let mut touched = Vec::new();
    let machine = &mut script.machine;
    let mut tracked = Tracked::new(&mut machine.records, &mut machine.digest, &mut touched);
    StateMut(&mut tracked).put_machine(&counters);
    assert_eq!(codec::encode(&machine.counters()), codec::encode(&counters));
}
