//! The control-plane audit chain.

use crate::requests::pretend;
use crate::script::*;
use conclave_core::audit::AuditRecord;
use conclave_core::codec;
use conclave_core::command::Command;
use conclave_core::digest::Tracked;
use conclave_core::ids::{PrincipalId, RequestId};
use conclave_core::limits;
use conclave_core::records::{Records, Table};
use uuid::Uuid;

/// What an auditor does with the records and the head: the chain is whole, from `first` on.
fn verify(records: &[AuditRecord], next: u64, head: [u8; 32]) -> Result<(), String> {
    let last = records.last().ok_or("no records")?;
    if last.seq + 1 != next || last.hash() != head {
        return Err("the last record is not that of the head".into());
    }
    for pair in records.windows(2) {
        if pair[1].seq != pair[0].seq + 1 || pair[1].prev != pair[0].hash() {
            return Err(format!("the chain breaks between {} and {}", pair[0].seq, pair[1].seq));
        }
    }
    Ok(())
}

fn verify_script(script: &Script, records: &[AuditRecord]) -> Result<(), String> {
    let counters = script.machine.counters();
    verify(records, counters.next_audit, counters.audit_head)
}

fn some_history() -> Script {
    let mut script = Script::unsealed();
    script.admin().create_key("orders").unwrap();
    script.wait_ms(SECOND);
    script.admin().disable("orders").unwrap();
    script.admin().disable("orders").unwrap_err();
    script.by("nobody").create_key("stolen").unwrap_err();
    script.admin().enable("orders").unwrap();
    script
}

type Tamper = fn(&mut AuditRecord);

/// Every field of a record, changed.
fn tampers() -> [(&'static str, Tamper); 9] {
    [
        ("seq", |r| r.seq += 1),
        ("prev", |r| r.prev[31] ^= 1),
        ("at_ms", |r| r.at_ms -= 1),
        ("index", |r| r.index += 1),
        ("principal", |r| r.principal = PrincipalId::NOBODY),
        ("action", |r| r.action.push('!')),
        ("key", |r| r.key = if r.key.is_some() { None } else { Some(key_id("other")) }),
        ("refused", |r| {
            r.refused = if r.refused.is_some() { None } else { Some("KEY_STATE".into()) }
        }),
        ("request", |r| r.request = RequestId(Uuid::from_u128(r.request.0.as_u128() ^ 1))),
    ]
}

/// No field of any record can be changed, no record left out or swapped, without breaking the chain;
/// not even by somebody who links the next record to the changed one.
pub fn check_every_change_breaks_the_chain() -> Result<(), String> {
    let script = some_history();
    let good = script.audit();
    verify_script(&script, &good)?;
    let broken = |what: String, bad: Vec<AuditRecord>| match verify_script(&script, &bad) {
        Ok(()) => Err(format!("{what} was not noticed")),
        Err(_) => Ok(()),
    };
    for at in 0..good.len() {
        for (field, tamper) in tampers() {
            if field == "principal" && good[at].principal == PrincipalId::NOBODY {
                continue;
            }
            let mut bad = good.clone();
            tamper(&mut bad[at]);
            if at + 1 < bad.len() {
                broken(format!("{field} of record {at}"), bad.clone())?;
                bad[at + 1].prev = bad[at].hash();
            }
            broken(format!("{field} of record {at}, linked again"), bad)?;
        }
        let mut bad = good.clone();
        bad.remove(at);
        if at > 0 {
            broken(format!("record {at} left out"), bad)?;
        }
    }
    for at in 0..good.len() - 1 {
        let mut bad = good.clone();
        bad.swap(at, at + 1);
        broken(format!("records {at} and {} swapped", at + 1), bad)?;
    }
    Ok(())
}

#[test]
fn every_change_breaks_the_chain() {
    check_every_change_breaks_the_chain().unwrap();
}

#[test]
fn every_command_is_recorded_refused_ones_included() {
    let script = some_history();
    let mut table = String::new();
    for record in script.audit() {
        let who = ["admin", "nobody"].into_iter().find(|n| principal_id(n) == record.principal);
        let key = ["orders", "stolen"].into_iter().find(|n| Some(key_id(n)) == record.key);
        table.push_str(&format!(
            "{} index {:<2} +{:<4} ms {:<7} {:<14} {:<7} {}\n",
            record.seq,
            record.index,
            record.at_ms - START_MS,
            who.unwrap_or("-"),
            record.action,
            key.unwrap_or("-"),
            record.refused.as_deref().unwrap_or("done"),
        ));
    }
    insta::assert_snapshot!("audit", table);
}

#[test]
fn a_replay_is_not_recorded_again() {
    let mut script = Script::unsealed();
    script.admin().request(1_000).create_key("orders").unwrap();
    let before = script.audit();
    script.admin().request(1_000).create_key("orders").unwrap();
    assert_eq!(script.audit(), before);
    script.admin().request(1_000).send(Command::Seal).unwrap_err();
    let refused = script.audit().last().unwrap().refused.clone();
    assert_eq!(refused.as_deref(), Some("REQUEST_ID_REUSED"));
}

#[test]
fn the_state_keeps_the_newest_records() {
    let mut script = some_history();
    let held = script.audit();
    // As if 100 000 entries had gone by: the next record pushes out the one that falls behind.
    let next = limits::AUDIT_RECORDS + 2;
    let mut record = held.last().unwrap().clone();
    record.seq = next - 1;
    let mut touched = Vec::new();
    let machine = &mut script.machine;
    let mut tracked = Tracked::new(&mut machine.records, &mut machine.digest, &mut touched);
    tracked.put(Table::Audit, &record.seq.to_be_bytes(), codec::encode(&record));
    pretend(&mut script, |counters| {
        counters.next_audit = next;
        counters.audit_head = record.hash();
    });
    script.admin().create_key("bills").unwrap();
    let after = script.audit();
    let old: Vec<_> = after.iter().map(|record| record.seq).take_while(|seq| *seq < 10).collect();
    assert_eq!(old, [0, 1, 3, 4, 5, 6, 7, 8, 9], "2 has fallen out, 3 is the oldest to be kept");
    assert_eq!(after.last().unwrap().seq - 3 + 1, limits::AUDIT_RECORDS);
    verify_script(&script, &after[after.len() - 2..]).unwrap();
}

#[test]
fn the_record_names_a_key_by_id_and_holds_no_contents() {
    let mut script = Script::unsealed();
    script.admin().create_key("orders").unwrap();
    let change = update("orders", "a description that stays in the key");
    script.admin().send(Command::UpdateKey(change)).unwrap();
    for record in script.audit() {
        let text = format!("{record:?}");
        assert!(!text.contains("orders") && !text.contains("description"), "{text}");
    }
}
