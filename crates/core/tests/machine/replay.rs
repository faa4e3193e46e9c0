//! Equal log, equal bytes: one log through two implementations of the records.

use crate::layered::LayeredRecords;
use crate::machine::Machine;
use crate::random_log::Author;
use conclave_core::codec;
use conclave_core::command::{Command, Entry};
use conclave_core::outcome::{Applied, Outcome};
use conclave_core::records::{MemoryRecords, Records, RecordsRead, Table};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// How often states are compared as a whole and recomputed from nothing.
const COMPARED_EVERY: usize = 200;

pub fn log_of(seed: u64, length: usize) -> Vec<Entry> {
    let mut author = Author::new(seed);
    (0..length).map(|_| author.entry()).collect()
}

pub fn replay<R: Records + Default>(log: &[Entry]) -> (Machine<R>, Vec<Applied>) {
    let mut machine = Machine::<R>::default();
    let answers = log.iter().map(|entry| machine.step(entry).0).collect();
    (machine, answers)
}

fn assert_both_agree(seed: u64, length: usize) {
    let mut author = Author::new(seed);
    let mut memory = Machine::<MemoryRecords>::default();
    let mut layered = Machine::<LayeredRecords>::default();
    for n in 1..=length {
        let entry = author.entry();
        let decoded: Entry = codec::decode(&codec::encode(&entry)).unwrap();
        assert_eq!(memory.step(&entry), layered.step(&decoded), "entry {n}: {entry:?}");
        assert_eq!(memory.digest, layered.digest, "digest after entry {n}: {entry:?}");
        assert_eq!(memory.counters(), layered.counters(), "audit chain after entry {n}");
        if n % COMPARED_EVERY == 0 || n == length {
            assert_eq!(memory.dump(), layered.dump(), "records after entry {n}");
            memory.assert_recomputable();
            layered.assert_recomputable();
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "tests read their scale from the environment")]
fn cases() -> u32 {
    let scale = std::env::var("CONCLAVE_TEST_SCALE");
    if scale.as_deref() == Ok("full") { 200 } else { 6 }
}

proptest! {
    // A failure prints its seed and the shortest log of that seed that fails.
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..Default::default() })]

    #[test]
    fn one_log_two_records_equal_bytes(seed in any::<u64>().no_shrink(), length in 1usize..4_000) {
        assert_both_agree(seed, length);
    }

    /// What requests decide from is the state, after every single entry.
    #[test]
    fn the_view_is_the_state_after_every_entry(seed in any::<u64>().no_shrink(), length in 1usize..300) {
        let mut machine = Machine::<LayeredRecords>::default();
        for entry in log_of(seed, length) {
            machine.step(&entry);
            machine.assert_recomputable();
        }
    }
}

/// A change of records, or a look at some of them.
#[derive(Clone, Debug)]
enum Access {
    Put(u8, Vec<u8>, u8),
    Delete(u8, Vec<u8>),
    Range(u8, Bound<Vec<u8>>, Bound<Vec<u8>>, usize),
}

fn access() -> impl Strategy<Value = Access> {
    let key = || prop::collection::vec(0u8..4, 0..3);
    let bound = move || {
        prop_oneof![
            Just(Bound::Unbounded),
            key().prop_map(Bound::Included),
            key().prop_map(Bound::Excluded),
        ]
    };
    prop_oneof![
        (0u8..3, key(), any::<u8>()).prop_map(|(table, key, value)| Access::Put(table, key, value)),
        (0u8..3, key()).prop_map(|(table, key)| Access::Delete(table, key)),
        (0u8..3, bound(), bound(), 0usize..6)
            .prop_map(|(table, from, to, limit)| Access::Range(table, from, to, limit)),
    ]
}

proptest! {
    /// The two implementations mean the same by every range, empty and inverted ones included.
    #[test]
    fn both_records_answer_alike(accesses in prop::collection::vec(access(), 1..300)) {
        let (mut memory, mut layered) = (MemoryRecords::default(), LayeredRecords::default());
        for access in accesses {
            match access {
                Access::Put(table, key, value) => {
                    memory.put(Table::ALL[usize::from(table)], &key, vec![value]);
                    layered.put(Table::ALL[usize::from(table)], &key, vec![value]);
                }
                Access::Delete(table, key) => {
                    memory.delete(Table::ALL[usize::from(table)], &key);
                    layered.delete(Table::ALL[usize::from(table)], &key);
                }
                Access::Range(table, from, to, limit) => {
                    let table = Table::ALL[usize::from(table)];
                    let (from, to) = (from.as_ref().map(Vec::as_slice), to.as_ref().map(Vec::as_slice));
                    let seen = layered.range(table, from, to, limit);
                    prop_assert_eq!(memory.range(table, from, to, limit), seen);
                    let one: &[u8] = &[1];
                    prop_assert_eq!(memory.get(table, one), layered.get(table, one));
                }
            }
        }
    }
}

/// Otherwise the properties above would say little.
#[test]
fn the_random_log_reaches_what_can_be_reached() {
    let mut seen = Seen::default();
    for seed in 0..6 {
        let log = log_of(seed, 6_000);
        let (machine, answers) = replay::<MemoryRecords>(&log);
        log.iter().zip(&answers).for_each(|(entry, answer)| seen.note(entry, answer));
        assert!(machine.counters().memory_floor > 1_000, "requests were forgotten");
    }
    println!("{seen:#?}");
    let mut names: BTreeSet<_> = crate::examples::commands().iter().map(Command::name).collect();
    names.insert("RemoveAlias");
    assert_eq!(seen.done.keys().copied().collect::<BTreeSet<_>>(), names, "commands done");
    assert_eq!(seen.refused.keys().copied().collect::<BTreeSet<_>>(), names, "commands refused");
    assert!(seen.replayed > 500, "{} replays", seen.replayed);
    let missing: Vec<_> = crate::examples::refusals()
        .into_iter()
        .filter(|refusal| !seen.refusals.contains(&crate::examples::place_of_refusal(refusal)))
        .map(|refusal| format!("{refusal:?}"))
        .collect();
    // Applying never uses a version, and chance does not rotate one key a hundred times.
    assert_eq!(missing, ["VersionDisabled { version: 2 }", "VersionLimit"]);
}

/// What the commands of a log came to.
#[derive(Debug, Default)]
struct Seen {
    done: BTreeMap<&'static str, u32>,
    refused: BTreeMap<&'static str, u32>,
    refusals: BTreeSet<usize>,
    replayed: u32,
}

impl Seen {
    fn note(&mut self, entry: &Entry, answer: &Applied) {
        let name = entry.proposal.command.name();
        match &answer.outcome {
            _ if answer.replayed => self.replayed += 1,
            Outcome::Done(_) => *self.done.entry(name).or_default() += 1,
            Outcome::Refused(refusal) => {
                *self.refused.entry(name).or_default() += 1;
                self.refusals.insert(crate::examples::place_of_refusal(refusal));
            }
        }
    }
}
