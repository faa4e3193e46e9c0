//! The log file when the machine stops: at every call to the disk, with unsynced writes lost, torn or
//! kept. What is found afterwards is the outcome of some first part of what was asked for, and that
//! part holds all that was acknowledged.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{entry, open_log, run, scaled};
use conclave_storage::{LogFailure, LogFile, MetaKey};
use conclave_testkit::{Dice, FatalLog, SimDisk};

const VOTE: MetaKey = MetaKey::new("vote");
const PURGED_ID: MetaKey = MetaKey::new("purged-id");
const NOTE: MetaKey = MetaKey::new("note");

/// Something that is asked of the log.
#[derive(Clone, Debug)]
enum Step {
    Append(Vec<(u64, Arc<[u8]>)>),
    Vote(Vec<u8>),
    Note(Vec<u8>),
    Truncate(Option<u64>),
    Purge(u64),
}

/// What the log holds after some steps.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    entries: BTreeMap<u64, Arc<[u8]>>,
    purged: Option<u64>,
    meta: BTreeMap<&'static str, Vec<u8>>,
}

impl Model {
    fn perform(&mut self, step: &Step) {
        match step {
            Step::Append(entries) => self.entries.extend(entries.iter().cloned()),
            Step::Vote(value) => drop(self.meta.insert(VOTE.name(), value.clone())),
            Step::Note(value) => drop(self.meta.insert(NOTE.name(), value.clone())),
            Step::Truncate(last) => self.entries.retain(|index, _| Some(*index) <= *last),
            Step::Purge(last) => {
                self.entries.retain(|index, _| index > last);
                self.purged = Some(*last);
                self.meta.insert(PURGED_ID.name(), last.to_be_bytes().to_vec());
            }
        }
    }

    fn after(steps: &[Step]) -> Model {
        let mut model = Model::default();
        steps.iter().for_each(|step| model.perform(step));
        model
    }

    fn of(log: &LogFile) -> Model {
        let meta = [VOTE, PURGED_ID, NOTE].map(|key| (key.name(), log.meta(key)));
        Model {
            entries: log.entries(.., usize::MAX).into_iter().collect(),
            purged: log.purged_index(),
            meta: meta.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
        }
    }

    fn next_step(&self, dice: &mut Dice) -> Step {
        let last = self.entries.keys().next_back().copied().or(self.purged);
        let next = last.map_or(0, |last| last + 1);
        match dice.below(20) {
            0 => {
                let behind = dice.below(self.entries.len() as u64 + 1);
                Step::Truncate(last.and_then(|last| last.checked_sub(behind)))
            }
            1 if next > 0 => {
                let behind = dice.below(self.entries.len() as u64 + 1);
                Step::Purge(next - 1 + dice.below(3) - behind.min(next - 1))
            }
            2 | 3 => Step::Vote(dice.bytes(20)),
            4..8 => Step::Note(dice.bytes(8)),
            _ => {
                let indexes = next..next + 1 + dice.below(5);
                let bytes = |dice: &mut Dice| {
                    let length = if dice.chance(5) { 9_000 } else { dice.below(300) };
                    dice.bytes(length as usize)
                };
                Step::Append(indexes.map(|index| (index, bytes(dice).into())).collect())
            }
        }
    }
}

/// Steps that make sense one after the other.
fn steps(seed: u64, count: usize) -> Vec<Step> {
    let (mut dice, mut model) = (Dice::new(seed), Model::default());
    let mut steps = Vec::new();
    while steps.len() < count {
        let step = model.next_step(&mut dice);
        if matches!(step, Step::Purge(last) if Some(last) <= model.purged) {
            continue;
        }
        model.perform(&step);
        steps.push(step);
    }
    steps
}

/// Runs the steps until one fails. Returns how many were asked for and how many acknowledged.
async fn perform(log: &LogFile, steps: &[Step], first: usize) -> (usize, usize) {
    let acknowledged = Arc::new(AtomicUsize::new(first));
    for (at, step) in steps.iter().enumerate().skip(first) {
        let result = match step.clone() {
            Step::Append(entries) => {
                let acknowledged = acknowledged.clone();
                let done = move |result: Result<(), LogFailure>| {
                    if result.is_ok() {
                        acknowledged.fetch_max(at + 1, Ordering::SeqCst);
                    }
                };
                log.append(entries, Box::new(done))
            }
            Step::Note(value) => log.note_meta(NOTE, value),
            Step::Vote(value) => log.write_meta(vec![(VOTE, Some(value))]).await,
            Step::Truncate(last) => log.truncate_after(last).await,
            Step::Purge(last) => {
                let id = last.to_be_bytes().to_vec();
                log.purge_to(last, vec![(PURGED_ID, Some(id))]).await
            }
        };
        if at % 3 == 0 {
            // Lets the writer commit now and then, so that groups differ.
            tokio::task::yield_now().await;
        }
        let durable = !matches!(step, Step::Append(_) | Step::Note(_));
        match result {
            Ok(()) if durable => drop(acknowledged.fetch_max(at + 1, Ordering::SeqCst)),
            Ok(()) => {}
            Err(_) => return (at + 1, acknowledged.load(Ordering::SeqCst)),
        }
    }
    (steps.len(), acknowledged.load(Ordering::SeqCst))
}

/// The number of steps whose outcome the log holds: at least `acknowledged`, at most `asked`.
fn found(log: &LogFile, steps: &[Step], asked: usize, acknowledged: usize, context: &str) -> usize {
    let found = Model::of(log);
    let mut model = Model::after(&steps[..acknowledged]);
    for at in acknowledged..=asked {
        if at > acknowledged {
            model.perform(&steps[at - 1]);
        }
        if model == found {
            return at;
        }
    }
    panic!("{context}: not a state between step {acknowledged} and {asked}: {found:?}");
}

#[test]
fn whatever_the_crash_leaves_is_a_prefix_with_all_that_was_acknowledged() {
    let (seed, count) = (2026, 120);
    let steps = steps(seed, count);
    let whole = run(async {
        let disk = SimDisk::default();
        let log = open_log(&disk, &FatalLog::default()).unwrap();
        assert_eq!(perform(&log, &steps, 0).await.0, count);
        log.close().await.unwrap();
        disk.calls()
    });
    assert!(whole > 300, "only {whole} calls: the sweep would be short");
    let mut partial = 0;
    for stop in 1..=whole {
        for variant in 0..scaled(1, 8) {
            let context = format!("seed {seed}, stop at call {stop}, variant {variant}");
            run(async {
                let (disk, fatal) = (SimDisk::default(), FatalLog::default());
                disk.stop_at_call(stop);
                let (asked, acknowledged) = match open_log(&disk, &fatal) {
                    Ok(log) => perform(&log, &steps, 0).await,
                    Err(_) => (0, 0),
                };
                let disk = disk.crash(stop * 1_000 + variant);
                let log = open_log(&disk, &FatalLog::default())
                    .unwrap_or_else(|error| panic!("{context}: {error}"));
                let kept = found(&log, &steps, asked, acknowledged, &context);
                partial += usize::from(kept < asked);
                // The reopened log goes on from there.
                assert_eq!(perform(&log, &steps, kept).await.0, count, "{context}");
                log.close().await.unwrap();
                let log = open_log(&disk, &FatalLog::default()).unwrap();
                assert_eq!(Model::of(&log), Model::after(&steps), "{context}");
            });
        }
    }
    assert!(partial > 10, "the sweep lost next to nothing: {partial}");
}

/// The machine stops at the very moment of an acknowledgement: what is found then.
async fn crash_at_an_acknowledgement(commit_delay: Duration) -> (Option<u64>, Option<Vec<u8>>) {
    let disk = SimDisk::default();
    disk.set_commit_delay(commit_delay);
    let log = open_log(&disk, &FatalLog::default()).unwrap();
    log.append_synced(vec![(1, entry("one"))]).await.unwrap();
    assert_eq!(log.synced_index(), Some(1));
    log.write_meta(vec![(VOTE, Some(vec![9]))]).await.unwrap();
    assert_eq!(log.meta(VOTE), Some(vec![9]));
    let log = open_log(&disk.crash(1), &FatalLog::default()).unwrap();
    (log.last_index(), log.meta(VOTE))
}

const DELAYS: [Duration; 2] = [Duration::ZERO, Duration::from_millis(5)];

#[test]
fn an_acknowledgement_comes_after_the_commit() {
    for delay in DELAYS {
        let found = run(crash_at_an_acknowledgement(delay));
        assert_eq!(found, (Some(1), Some(vec![9])), "{delay:?}");
    }
}

#[cfg(feature = "mutants")]
#[test]
fn the_mutant_that_acknowledges_before_the_commit_is_caught() {
    use conclave_core::mutants::{Mutant, with};
    for delay in DELAYS {
        let found = with(Mutant::AckBeforeSync, || run(crash_at_an_acknowledgement(delay)));
        assert_eq!(found, (Some(1), None), "{delay:?}: the first commit came, the second did not");
    }
}

#[test]
fn a_second_crash_while_recovering_loses_nothing_either() {
    for seed in 0..scaled(30, 300) {
        run(async {
            let steps = steps(seed, 80);
            let mut dice = Dice::new(seed);
            let mut disk = SimDisk::default();
            let (mut asked, mut acknowledged) = (0, 0);
            for round in 0..6 {
                disk.stop_at_call(1 + dice.below(120));
                if let Ok(log) = open_log(&disk, &FatalLog::default()) {
                    let context = format!("seed {seed}, round {round}");
                    let kept = found(&log, &steps, asked, acknowledged, &context);
                    (asked, acknowledged) = perform(&log, &steps, kept).await;
                }
                disk = disk.crash(dice.roll());
            }
            let log = open_log(&disk, &FatalLog::default()).unwrap();
            found(&log, &steps, asked, acknowledged, &format!("seed {seed}, end"));
        });
    }
}

#[test]
fn a_failed_sync_stops_the_node_and_acknowledges_nothing_it_should_not() {
    let steps = steps(7, 120);
    let syncs = run(async {
        let disk = SimDisk::default();
        let log = open_log(&disk, &FatalLog::default()).unwrap();
        perform(&log, &steps, 0).await;
        disk.syncs()
    });
    assert!(syncs > 50, "{syncs}");
    for first in 0..syncs {
        run(async {
            let context = format!("sync {first} fails");
            let (disk, fatal) = (SimDisk::default(), FatalLog::default());
            disk.fail_syncs_from(first);
            let Ok(log) = open_log(&disk, &fatal) else {
                assert!(first < 10, "{context}: only the creation syncs before the writer runs");
                return;
            };
            let (asked, acknowledged) = perform(&log, &steps, 0).await;
            let later = log.write_meta(vec![(VOTE, Some(vec![1]))]).await;
            assert!(matches!(later, Err(LogFailure::Failed(_))), "{context}: {later:?}");
            let reason = fatal.reason().unwrap_or_else(|| panic!("{context}: nobody was told"));
            assert!(reason.contains("simulated I/O error in sync"), "{context}: {reason}");
            let log = open_log(&disk.crash(first), &FatalLog::default()).unwrap();
            found(&log, &steps, asked, acknowledged, &context);
        });
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let bytes = || {
        run(async {
            let disk = SimDisk::default();
            let log = open_log(&disk, &FatalLog::default()).unwrap();
            perform(&log, &steps(3, 60), 0).await;
            disk.crash(3).content("raft.redb").unwrap()
        })
    };
    assert!(bytes() == bytes(), "redb and the simulated disk are deterministic");
}
