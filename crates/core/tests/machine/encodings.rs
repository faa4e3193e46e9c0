//! The bytes of everything that is stored or replicated. A change here is a change of the format.

use crate::examples::*;
use crate::replay::{log_of, replay};
use crate::script::*;
use conclave_core::audit::AuditRecord;
use conclave_core::codec::{self, DecodeError, FORMAT};
use conclave_core::command::{Command, CreateKey, Entry};
use conclave_core::lifecycle::Preset;
use conclave_core::model::{KeyRecord, MachineRecord, SealRecord};
use conclave_core::outcome::{Applied, Outcome};
use conclave_core::records::{MemoryRecords, Table};
use conclave_core::roles::Role;
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Name and bytes, 32 to a line.
fn hex(table: &mut String, name: &str, bytes: &[u8]) {
    table.push_str(&format!("{name} ({} bytes)\n", bytes.len()));
    for line in bytes.chunks(32) {
        let line: String = line.iter().map(|byte| format!("{byte:02x}")).collect();
        table.push_str(&format!("    {line}\n"));
    }
}

#[test]
fn commands_as_bytes() {
    let mut table = String::new();
    for (place, command) in commands().iter().enumerate() {
        assert_eq!(place_of_command(command), place);
        let bytes = codec::encode(command);
        assert_eq!(bytes[..2], [FORMAT, place as u8], "{command}");
        hex(&mut table, command.name(), &bytes);
    }
    insta::assert_snapshot!("commands", table);
}

#[test]
fn entries_as_bytes() {
    let mut table = String::new();
    for caller in callers() {
        let bytes = codec::encode(&entry(caller.clone(), Command::Seal));
        hex(&mut table, &format!("{caller:?}"), &bytes);
    }
    insta::assert_snapshot!("entries", table);
}

#[test]
fn outcomes_as_bytes() {
    let mut table = String::new();
    for (place, effect) in effects().into_iter().enumerate() {
        assert_eq!(place_of_effect(&effect), place);
        hex(&mut table, &format!("{effect:?}"), &codec::encode(&Outcome::Done(effect)));
    }
    for refusal in refusals() {
        hex(&mut table, &format!("{refusal:?}"), &codec::encode(&Outcome::Refused(refusal)));
    }
    for outcome in outcomes() {
        let applied = Applied { index: 300, replayed: true, outcome };
        hex(&mut table, &format!("{applied:?}"), &codec::encode(&applied));
    }
    insta::assert_snapshot!("outcomes", table);
}

#[test]
fn records_as_bytes() {
    let mut table = String::new();
    hex(&mut table, "KeyRecord", &codec::encode(&key_record()));
    hex(&mut table, "VersionRecord", &codec::encode(&version_record()));
    hex(&mut table, "PrincipalRecord", &codec::encode(&principal_record()));
    hex(&mut table, "TokenRecord", &codec::encode(&token_record()));
    hex(&mut table, "BindingRecord", &codec::encode(&binding_record()));
    hex(&mut table, "SealRecord", &codec::encode(&seal_record()));
    hex(&mut table, "InstanceRecord", &codec::encode(&instance_record()));
    hex(&mut table, "RingRecord", &codec::encode(&ring_record()));
    hex(&mut table, "Counts", &codec::encode(&counts()));
    hex(&mut table, "RegistrationRecord", &codec::encode(&registration_record()));
    hex(&mut table, "HistoryRecord", &codec::encode(&history_record()));
    hex(&mut table, "Tombstone", &codec::encode(&tombstone()));
    for event in event_records() {
        hex(&mut table, &format!("EventRecord {:?}", event.kind), &codec::encode(&event));
    }
    hex(&mut table, "MachineRecord", &codec::encode(&machine_record()));
    hex(&mut table, "AuditRecord", &codec::encode(&audit_record()));
    hex(&mut table, "AuditRecord, its hash", &audit_record().hash());
    insta::assert_snapshot!("records", table);
}

/// Keys of all tables, the remembered request, and what a whole state comes to.
#[test]
fn a_state_as_bytes() {
    let mut script = Script::unsealed();
    script.add("bob", &[Role::Writer]);
    script.admin().send(join("shop", "bob")).unwrap();
    let certified = create_principal_with_certificate("eve", "conclave://test/principal/eve");
    script.admin().send(certified).unwrap();
    script.admin().send(create_instance("shop", preset(Preset::SoftDelete))).unwrap();
    script.admin().send(create_ring("shop", "till")).unwrap();
    let in_ring = CreateKey { ring: ring_id("till"), ..create_in("shop", "gone") };
    script.admin().send(Command::CreateKey(in_ring)).unwrap();
    script.admin().register("gone", "urn:bucket", false).unwrap();
    script.admin().force_delete("gone").unwrap();
    let due = CreateKey { rotate_every_ms: Some(DAY), ..create_of("orders") };
    script.admin().request(0x9999).send(Command::CreateKey(due)).unwrap();
    script.admin().register("orders", "urn:table", true).unwrap();
    let mut table = String::new();
    for (of, (key, value)) in script.machine.dump() {
        let last = ![Table::Requests, Table::RequestOrder, Table::Audit].contains(&of);
        if last || is_last(&script, of, &key) {
            let key: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
            hex(&mut table, &format!("{} {key}", of.name()), &value);
        }
    }
    table.push_str(&format!("digest {}\n", script.machine.digest));
    insta::assert_snapshot!("state", table);
}

/// Of the tables with a record for each entry, one is enough to see.
fn is_last(script: &Script, table: Table, key: &[u8]) -> bool {
    let mut of_table = script.machine.dump().into_iter().filter(|(of, _)| *of == table);
    of_table.next_back().is_some_and(|(_, (last, _))| last == key)
}

/// A long log, in two numbers: whoever changes them changes what old logs come to.
#[test]
fn what_a_long_log_comes_to() {
    let machine = replay::<MemoryRecords>(&log_of(1, 2_000)).0;
    let head: String =
        machine.counters().audit_head.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = format!("digest     {}\naudit head {head}\n", machine.digest);
    insta::assert_snapshot!("long_log", text);
}

#[test]
fn other_formats_and_trailing_bytes_are_refused() {
    let good = codec::encode(&key_record());
    assert_eq!(codec::decode::<KeyRecord>(&good), Ok(key_record()));
    assert_eq!(codec::decode::<KeyRecord>(&[]), Err(DecodeError::Format(None)));
    let mut other = good.clone();
    other[0] = FORMAT + 1;
    assert_eq!(codec::decode::<KeyRecord>(&other), Err(DecodeError::Format(Some(FORMAT + 1))));
    let mut longer = good.clone();
    longer.push(0);
    assert_eq!(codec::decode::<KeyRecord>(&longer), Err(DecodeError::Damaged));
    for end in 1..good.len() {
        assert_eq!(codec::decode::<KeyRecord>(&good[..end]), Err(DecodeError::Damaged), "{end}");
    }
}

#[test]
fn every_example_comes_back() {
    commands().iter().for_each(comes_back);
    callers().into_iter().for_each(|caller| comes_back(&entry(caller, Command::Seal)));
    effects().into_iter().map(Outcome::Done).for_each(|outcome| comes_back(&outcome));
    refusals().into_iter().map(Outcome::Refused).for_each(|outcome| comes_back(&outcome));
    comes_back(&key_record());
    comes_back(&version_record());
    comes_back(&principal_record());
    comes_back(&token_record());
    comes_back(&binding_record());
    comes_back(&seal_record());
    comes_back(&instance_record());
    comes_back(&ring_record());
    comes_back(&counts());
    comes_back(&registration_record());
    comes_back(&history_record());
    comes_back(&tombstone());
    event_records().iter().for_each(comes_back);
    comes_back(&machine_record());
    comes_back(&audit_record());
}

fn comes_back<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T) {
    assert_eq!(codec::decode::<T>(&codec::encode(value)).as_ref(), Ok(value));
}

/// Whatever bytes decode to is a value that encodes and comes back.
fn total<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    if let Ok(value) = codec::decode::<T>(bytes) {
        comes_back(&value);
    }
}

proptest! {
    #[test]
    fn decoding_is_total(mut bytes in prop::collection::vec(any::<u8>(), 1..200)) {
        bytes[0] = FORMAT;
        total::<Entry>(&bytes);
        total::<Command>(&bytes);
        total::<Applied>(&bytes);
        total::<SealRecord>(&bytes);
        total::<MachineRecord>(&bytes);
        total::<AuditRecord>(&bytes);
    }

    #[test]
    fn flipped_bytes_never_panic(
        which in 0usize..34,
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..4),
    ) {
        let mut bytes = codec::encode(&entry(callers()[which % 5].clone(), commands()[which].clone()));
        for (at, flip) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
        }
        total::<Entry>(&bytes);
    }
}
