//! Bytes that change on the disk: never a wrong record, whatever else happens.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod common;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use common::{applied, commit_batch, dump, model, open_log, open_state, run, scaled};
use conclave_storage::{LOG_FILE, MetaKey, STATE_FILE};
use conclave_testkit::{Dice, FatalLog, SimDisk};

const VOTE: MetaKey = MetaKey::new("vote");

/// A log with 60 entries and a vote; closed, or as a crash leaves it.
fn log_disk(closed: bool) -> SimDisk {
    let disk = SimDisk::default();
    run(async {
        let log = open_log(&disk, &FatalLog::default()).unwrap();
        for index in 0..60u64 {
            let bytes = Dice::new(index).bytes(200);
            log.append_synced(vec![(index, bytes.into())]).await.unwrap();
        }
        log.write_meta(vec![(VOTE, Some(vec![7; 40]))]).await.unwrap();
        if closed {
            log.close().await.unwrap();
        }
    });
    disk.crash(0)
}

/// A state with 20 batches, closed.
fn state_disk() -> SimDisk {
    let disk = SimDisk::default();
    let state = open_state(&disk, &FatalLog::default()).unwrap();
    (1..=20).for_each(|batch| commit_batch(&state, batch));
    state.sync();
    drop(state);
    disk.crash(0)
}

/// Flips a bit in a byte that is in use.
fn flip(disk: &SimDisk, file: &str, dice: &mut Dice) -> usize {
    let mut at = 0;
    disk.tamper(file, |bytes| {
        at = loop {
            let at = dice.below(bytes.len() as u64) as usize;
            if bytes[at] != 0 || at < 4096 && dice.chance(5) {
                break at;
            }
        };
        bytes[at] ^= 1 << dice.below(8);
    });
    at
}

/// Damage is refused by name or does no harm; both must have happened. (Most bytes that are in use
/// lie in pages that redb has freed.)
fn judge(what: &str, outcomes: &BTreeMap<&str, u64>) {
    println!("{what}: {outcomes:?}");
    let allowed = ["refused", "harmless", "fatal"];
    assert!(outcomes.keys().all(|outcome| allowed.contains(outcome)), "{what}: {outcomes:?}");
    assert!(outcomes["refused"] > 10 && outcomes["harmless"] > 10, "{what}: {outcomes:?}");
}

#[test]
fn a_flipped_bit_in_the_log_is_refused_or_harmless() {
    for closed in [true, false] {
        let (mut outcomes, mut dice) = (BTreeMap::new(), Dice::new(5));
        let whole = log_disk(closed);
        for _ in 0..scaled(1_000, 10_000) {
            let disk = whole.copy();
            let at = flip(&disk, LOG_FILE, &mut dice);
            let outcome = run(async {
                let opened =
                    catch_unwind(AssertUnwindSafe(|| open_log(&disk, &FatalLog::default())));
                let Ok(opened) = opened else { return "panic" };
                let Ok(log) = opened else { return "refused" };
                let count = log.entries(.., usize::MAX).len();
                for (index, bytes) in log.entries(.., usize::MAX) {
                    assert!(*bytes == *Dice::new(index).bytes(200), "byte {at}, entry {index}");
                }
                match (count, log.meta(VOTE)) {
                    (60, Some(_)) => "harmless",
                    _ => "rolled back",
                }
            });
            *outcomes.entry(outcome).or_default() += 1;
        }
        judge(if closed { "log, closed" } else { "log, crashed" }, &outcomes);
    }
}

#[test]
fn a_flipped_bit_in_the_state_is_refused_stops_the_node_or_is_harmless() {
    let (mut outcomes, mut dice) = (BTreeMap::new(), Dice::new(6));
    let whole = state_disk();
    for _ in 0..scaled(1_000, 10_000) {
        let (disk, fatal) = (whole.copy(), FatalLog::default());
        let at = flip(&disk, STATE_FILE, &mut dice);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let Ok(state) = open_state(&disk, &fatal) else { return "refused" };
            let found = applied(&state);
            assert!(dump(&state.read()) == dump(&model(found)), "byte {at}: not a state");
            if found == 20 { "harmless" } else { "rolled back" }
        }));
        let outcome =
            outcome.unwrap_or_else(|_| if fatal.reason().is_some() { "fatal" } else { "panic" });
        *outcomes.entry(outcome).or_default() += 1;
    }
    judge("state", &outcomes);
}
