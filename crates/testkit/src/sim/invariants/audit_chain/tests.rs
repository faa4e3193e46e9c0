use conclave_core::records::{MemoryRecords, Records, Table};

use super::*;
use crate::sim::history::Action;
use crate::sim::invariants::testing::{Script, change_audit, change_machine, key_id, last_audit};

fn script() -> Script {
    let mut script = Script::unsealed();
    script.mutate(Action::Create(0));
    script.mutate(Action::Enable(0));
    script.mutate(Action::Rotate(0));
    script
}

/// What is found when the records of node 2 are changed.
fn after(change: impl FnOnce(&mut MemoryRecords)) -> Vec<String> {
    let mut evidence = script().evidence();
    change(&mut evidence.ends[1].records);
    check(&evidence).into_iter().map(|violation| violation.text).collect()
}

/// Recomputes the links from a record to the end, and the head.
fn link_anew(records: &mut MemoryRecords, from: u64) {
    let mut head = [0; 32];
    for seq in 0..=last_audit(records) {
        change_audit(records, seq, |record| {
            if seq >= from {
                record.prev = head;
            }
            head = hash(record);
        });
    }
    change_machine(records, |machine| machine.audit_head = head);
}

#[test]
fn the_chain_of_the_state_machine_verifies() {
    assert_eq!(after(|_| {}), [""; 0]);
}

#[test]
fn the_hash_is_the_one_of_the_records() {
    let evidence = script().evidence();
    for (_, bytes) in chain::stored(&evidence.ends[0]) {
        let record: AuditRecord = codec::decode(&bytes).unwrap();
        assert_eq!(hash(&record), record.hash());
    }
}

#[test]
fn each_field_of_a_record_is_covered() {
    let changes: [fn(&mut AuditRecord); 7] = [
        |record| record.at_ms += 1,
        |record| record.index += 1,
        |record| record.principal.0 = uuid::Uuid::from_u128(9),
        |record| record.action.push('!'),
        |record| record.key = Some(key_id(9)),
        |record| record.refused = Some("KEY_STATE".to_owned()),
        |record| record.request.0 = uuid::Uuid::from_u128(9),
    ];
    for change in changes {
        let found = after(|records| change_audit(records, 3, change));
        assert!(found[0].starts_with("node 2: record 4 does not follow"), "{found:?}");
    }
}

#[test]
fn links_and_head_are_covered() {
    let last = last_audit(&script().evidence().ends[0].records);
    let found = after(|records| change_audit(records, 5, |record| record.prev = [7; 32]));
    assert!(found[0].contains("record 5 does not follow"), "{found:?}");
    let found = after(|records| change_audit(records, last, |record| record.at_ms += 1));
    assert!(found[0].contains("its head is not the hash"), "{found:?}");
    let found = after(|records| change_machine(records, |machine| machine.audit_head[0] ^= 1));
    assert!(found[0].contains("its head is not the hash"), "{found:?}");
}

#[test]
fn records_that_are_missing_are_seen() {
    let last = last_audit(&script().evidence().ends[0].records);
    for seq in [0, 4, last] {
        let found = after(|records| records.delete(Table::Audit, &seq.to_be_bytes()));
        assert_eq!(found.len(), 1, "{found:?}");
        let expected = if seq == last {
            format!("it ends before record {last}, not before {}", last + 1)
        } else {
            format!("record {} stands where {seq} should be", seq + 1)
        };
        assert!(found[0].contains(&expected), "{found:?}");
    }
    let found = after(|records| change_machine(records, |machine| machine.next_audit += 1));
    assert!(found[0].contains("it ends before record"), "{found:?}");
}

#[test]
fn a_record_that_cannot_be_read_is_seen() {
    let found = after(|records| records.put(Table::Audit, &2u64.to_be_bytes(), vec![1, 2, 3]));
    assert!(found[0].contains("record 2 cannot be read"), "{found:?}");
}

#[test]
fn a_record_in_the_place_of_another_is_seen() {
    let found = after(|records| change_audit(records, 6, |record| record.seq = 5));
    assert!(found[0].contains("record 5 stands where 6 should be"), "{found:?}");
}

/// Each verifies by itself.
#[test]
fn members_with_different_chains_are_seen() {
    let found = after(|records| {
        change_audit(records, 3, |record| record.at_ms += 1);
        link_anew(records, 4);
    });
    let expected =
        ["record 3 of node 1 is not that of node 2", "record 3 of node 2 is not that of node 3"];
    assert_eq!(found, expected);
}

#[test]
fn a_member_that_is_behind_has_the_beginning_of_the_chain() {
    let mut script = script();
    let behind = script.evidence().ends.remove(1);
    script.mutate(Action::Disable(0));
    let mut evidence = script.evidence();
    evidence.ends[1] = behind;
    assert_eq!(check(&evidence), []);
}

/// Only the newest records of a very long chain are kept.
#[test]
fn a_chain_whose_beginning_was_dropped_verifies_from_there() {
    let mut end = script().evidence().ends.remove(0);
    let all = last_audit(&end.records) + 1;
    let mut drop = |seq: u64| end.records.delete(Table::Audit, &seq.to_be_bytes());
    (0..4).for_each(&mut drop);
    assert_eq!(broken(&end, all - 4), None);
    let missing = broken(&end, all - 3).unwrap();
    assert!(missing.contains("record 4 stands where 3 should be"), "{missing}");
    let too_many = broken(&end, all - 5).unwrap();
    assert!(too_many.contains("record 4 stands where 5 should be"), "{too_many}");
}
