use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};

use conclave_core::records::{Records, Table};
use conclave_storage::StateFile;

use super::sparse::BLOCK;
use super::*;
use crate::{FatalLog, ManualClock};

const FILE: &str = "file";

/// A disk with one empty file whose name is durable.
fn disk_with_file() -> (SimDisk, Box<dyn StorageBackend>) {
    let disk = SimDisk::default();
    let file = disk.open(FILE, OpenMode::New).unwrap();
    disk.sync_dir("").unwrap();
    (disk, file)
}

fn kind<T>(result: io::Result<T>) -> ErrorKind {
    result.err().unwrap().kind()
}

/// The contract in its plainest form: flat bytes, every version a copy.
#[derive(Default)]
struct FlatFile {
    current: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<(usize, Option<Vec<u8>>)>,
}

impl FlatFile {
    fn write(&mut self, offset: usize, data: Vec<u8>) {
        put(&mut self.current, offset, &data);
        self.pending.push((offset, Some(data)));
    }

    fn set_len(&mut self, length: usize) {
        self.current.resize(length, 0);
        self.pending.push((length, None));
    }

    fn sync(&mut self) {
        self.pending.clear();
        self.durable = self.current.clone();
    }

    fn crash(&mut self, seed: u64) {
        let mut dice = Dice::new(seed);
        assert_eq!(dice.below(1), 0, "the roll for the names, all of which are durable");
        let percent = [0, 50, 90, 100][dice.below(4) as usize];
        for (offset, data) in self.pending.drain(..) {
            if !dice.chance(percent) {
                continue;
            }
            match data {
                None => self.durable.resize(offset, 0),
                Some(data) if dice.chance(25) => {
                    for (number, sector) in data.chunks(512).enumerate() {
                        if dice.chance(50) {
                            put(&mut self.durable, offset + number * 512, sector);
                        }
                    }
                }
                Some(data) => put(&mut self.durable, offset, &data),
            }
        }
        self.current = self.durable.clone();
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    bytes.resize(bytes.len().max(offset + data.len()), 0);
    bytes[offset..][..data.len()].copy_from_slice(data);
}

/// Offsets and lengths around the bounds of blocks.
fn odd_size(dice: &mut Dice, blocks: u64) -> usize {
    let size = dice.below(blocks) as usize * BLOCK;
    match dice.below(3) {
        0 => size,
        1 => size + dice.below(BLOCK as u64) as usize,
        _ => (size + BLOCK).saturating_sub(1 + dice.below(3) as usize),
    }
}

#[test]
fn the_next_process_finds_everything_and_the_last_one_writes_no_more() {
    let (disk, file) = disk_with_file();
    file.set_len(4).unwrap();
    file.write(0, b"kept").unwrap();
    let next = disk.hand_over();
    assert!(file.write(0, b"lost").is_err());
    assert!(file.sync_data().is_err());
    assert!(disk.remove(FILE).is_err());
    assert_eq!(
        next.content(FILE).unwrap(),
        b"kept",
        "unsynced bytes are the system's, not the process's"
    );
    let found = next.open(FILE, OpenMode::Existing).unwrap();
    found.write(0, b"more").unwrap();
    assert_eq!(next.content(FILE).unwrap(), b"more");
}

#[test]
fn blocks_that_are_shared_and_bytes_that_are_copied_make_the_same_file() {
    let (mut torn, mut lost) = (0, 0);
    for seed in 0..200 {
        let mut dice = Dice::new(seed);
        let (mut disk, mut file) = disk_with_file();
        let mut flat = FlatFile::default();
        for step in 0..120 {
            match dice.below(20) {
                0..12 => {
                    let (offset, length) = (odd_size(&mut dice, 6), odd_size(&mut dice, 4).max(1));
                    let data = dice.bytes(length);
                    file.write(offset as u64, &data).unwrap();
                    flat.write(offset, data);
                }
                12..14 => {
                    let length = odd_size(&mut dice, 10);
                    file.set_len(length as u64).unwrap();
                    flat.set_len(length);
                }
                14..18 => {
                    file.sync_data().unwrap();
                    flat.sync();
                }
                _ => {
                    let (before, crash) = (flat.current.clone(), dice.roll());
                    disk = disk.crash(crash);
                    file = disk.open(FILE, OpenMode::Existing).unwrap();
                    let durable = flat.durable.clone();
                    flat.crash(crash);
                    lost += u64::from(flat.current == durable && durable != before);
                    torn += u64::from(flat.current != durable && flat.current != before);
                }
            }
            assert_eq!(disk.content(FILE).unwrap(), flat.current, "seed {seed}, step {step}");
            assert_eq!(file.len().unwrap(), flat.current.len() as u64);
            let start = dice.below(flat.current.len() as u64 + 1) as usize;
            let mut read = vec![0xEE; dice.below((flat.current.len() - start) as u64 + 1) as usize];
            file.read(start as u64, &mut read).unwrap();
            assert_eq!(read, flat.current[start..][..read.len()], "seed {seed}, step {step}");
        }
    }
    assert!(torn > 100 && lost > 100, "next to nothing was lost: {torn} {lost}");
}

#[test]
fn a_read_beyond_the_end_fails() {
    let (_disk, file) = disk_with_file();
    file.write(0, &[7; 100]).unwrap();
    assert_eq!(kind(file.read(90, &mut [0; 11])), ErrorKind::UnexpectedEof);
    assert_eq!(kind(file.read(u64::MAX, &mut [0; 11])), ErrorKind::UnexpectedEof);
}

#[test]
fn a_dead_process_changes_nothing() {
    let (disk, file) = disk_with_file();
    disk.stop_at_call(disk.calls() + 1);
    file.write(0, b"under way").unwrap_err();
    file.write(0, b"too late!").unwrap_err();
    assert_eq!(disk.content(FILE).unwrap(), b"under way");
    let found = disk.crash(1);
    file.write(0, b"too late!").unwrap_err();
    file.sync_data().unwrap_err();
    disk.remove(FILE).unwrap_err();
    assert!(found.exists(FILE).unwrap());
    let survivors = (0..100).map(|seed| disk.copy().crash(seed).content(FILE).unwrap());
    let (whole, none) = survivors.partition::<Vec<_>, _>(|bytes| bytes == b"under way");
    assert!(whole.len() > 20 && none.len() > 20);
    assert!(none.iter().all(Vec::is_empty));
}

#[test]
fn a_failed_write_changes_nothing_and_all_later_ones_fail() {
    let (disk, file) = disk_with_file();
    file.write(0, b"old").unwrap();
    disk.fail_writes_from(disk.writes() + 1);
    file.write(0, b"OLD").unwrap();
    for _ in 0..2 {
        let error = file.write(0, b"new").unwrap_err();
        assert_eq!(error.to_string(), "simulated I/O error in write");
    }
    file.set_len(2).unwrap();
    file.sync_data().unwrap();
    assert_eq!(disk.content(FILE).unwrap(), b"OL");

    let disk = disk.crash(1);
    let file = disk.open(FILE, OpenMode::Existing).unwrap();
    file.write(0, b"new").unwrap();
    assert_eq!(disk.content(FILE).unwrap(), b"new", "the next process has a disk without errors");
}

#[test]
fn what_a_failed_sync_left_can_still_be_lost() {
    let (disk, file) = disk_with_file();
    file.write(0, b"old").unwrap();
    file.sync_data().unwrap();
    file.write(0, b"new").unwrap();
    assert_eq!(disk.unsynced(FILE), Some(1));
    disk.fail_syncs_from(disk.syncs());
    file.sync_data().unwrap_err();
    file.sync_data().unwrap_err();
    assert_eq!(disk.unsynced(FILE), Some(1), "a second sync does not make it good");
    let survivors = (0..40).map(|seed| disk.copy().crash(seed).content(FILE).unwrap());
    let (old, new) = survivors.partition::<Vec<_>, _>(|bytes| bytes == b"old");
    assert!(old.len() > 5 && new.len() > 5);
    assert_eq!(disk.unsynced("nobody"), None);
}

#[test]
fn a_full_disk_takes_only_what_has_its_blocks() {
    let (disk, file) = disk_with_file();
    file.write(0, &[1; 2 * BLOCK]).unwrap();
    disk.set_full(true);
    file.write(100, &[2; BLOCK]).unwrap();
    file.set_len(4 * BLOCK as u64).unwrap();
    assert_eq!(kind(file.write(3 * BLOCK as u64, &[3; 1])), ErrorKind::StorageFull, "a hole");
    assert_eq!(kind(file.write(9 * BLOCK as u64, &[3; 1])), ErrorKind::StorageFull, "the end");
    assert_eq!(kind(file.write(BLOCK as u64, &[4; 2 * BLOCK])), ErrorKind::StorageFull);
    file.sync_data().unwrap();
    let expected = [[1; 100].as_slice(), &[2; BLOCK - 100], &[4; BLOCK], &[0; 2 * BLOCK]].concat();
    assert_eq!(disk.content(FILE).unwrap(), expected);

    // What was cut off is not this file's any more; what lies behind the end in its last block is.
    file.set_len(1).unwrap();
    assert_eq!(kind(file.write(BLOCK as u64, &[5; 1])), ErrorKind::StorageFull);
    file.write(0, &[5; BLOCK]).unwrap();

    disk.rename(FILE, "other").unwrap();
    let new = disk.open(FILE, OpenMode::New).unwrap();
    assert_eq!(kind(new.write(0, b"x")), ErrorKind::StorageFull, "a name needs no block, bytes do");
    disk.set_full(false);
    new.write(0, b"x").unwrap();
}

#[test]
fn a_crash_takes_the_faults_away_and_keeps_the_slowness() {
    let (disk, _file) = disk_with_file();
    disk.set_full(true);
    disk.fail_syncs_from(0);
    disk.fail_writes_from(0);
    disk.set_commit_delay(Duration::from_millis(9));
    let disk = disk.crash(1);
    let file = disk.open(FILE, OpenMode::Existing).unwrap();
    file.write(0, b"x").unwrap();
    file.sync_data().unwrap();
    assert_eq!(disk.commit_delay(), Duration::from_millis(9));
}

/// What happens to a watched disk in the tests of the trace: steps that can each be left out.
fn watched(left_out: Option<usize>, node: u32, data: &[u8], seed: u64) -> (u64, blake3::Hash) {
    let trace = Trace::new(false);
    let (disk, file) = disk_with_file();
    disk.watch(trace.clone(), node);
    disk.fail_syncs_from(1);
    type Step<'a> = &'a dyn Fn() -> bool;
    let steps: [Step<'_>; 8] = [
        &|| file.write(5, data).is_ok(),
        &|| file.set_len(4000).is_ok(),
        &|| file.sync_data().is_ok(),
        &|| disk.open("second", OpenMode::New).is_ok(),
        &|| disk.rename(FILE, "renamed").is_ok(),
        &|| disk.remove("renamed").is_ok(),
        &|| disk.sync_dir("").is_ok(),
        &|| file.write(5, data).is_ok(),
    ];
    for (number, step) in steps.iter().enumerate() {
        if Some(number) != left_out {
            step();
        }
    }
    let next = disk.crash(seed);
    file.write(0, b"by the dead").unwrap_err();
    next.open("third", OpenMode::New).unwrap();
    (trace.events(), trace.hash())
}

#[tokio::test(start_paused = true)]
async fn each_writing_call_is_in_the_trace() {
    let (events, hash) = watched(None, 1, b"data", 1);
    assert_eq!(events, 8 + 2, "the steps, the crash, and a call after it");
    assert_eq!(watched(None, 1, b"data", 1), (events, hash));
    for left_out in 0..8 {
        assert_ne!(watched(Some(left_out), 1, b"data", 1).1, hash, "step {left_out}");
    }
    assert_ne!(watched(None, 2, b"data", 1).1, hash, "the node");
    assert_ne!(watched(None, 1, b"Data", 1).1, hash, "the bytes");
}

/// The hash of one write, to a file with this number, that does or does not succeed.
fn traced_write(number: usize, offset: u64, length: usize, full: bool) -> blake3::Hash {
    let disk = SimDisk::default();
    let files: Vec<_> =
        (0..2).map(|file| disk.open(&file.to_string(), OpenMode::New).unwrap()).collect();
    disk.set_full(full);
    let trace = Trace::new(false);
    disk.watch(trace.clone(), 1);
    assert_eq!(files[number].write(offset, &[0; 10][..length]).is_err(), full);
    trace.hash()
}

#[tokio::test(start_paused = true)]
async fn file_offset_length_and_outcome_of_a_write_are_in_the_trace() {
    let hash = traced_write(0, 0, 10, false);
    assert_eq!(traced_write(0, 0, 10, false), hash);
    assert_ne!(traced_write(1, 0, 10, false), hash, "the file");
    assert_ne!(traced_write(0, 1, 10, false), hash, "the offset");
    assert_ne!(traced_write(0, 0, 9, false), hash, "the length");
    assert_ne!(traced_write(0, 0, 10, true), hash, "the outcome");
}

#[tokio::test(start_paused = true)]
async fn the_outcome_of_a_sync_is_in_the_trace() {
    let hash = |fails: bool| {
        let trace = Trace::new(false);
        let (disk, file) = disk_with_file();
        disk.watch(trace.clone(), 1);
        disk.fail_syncs_from(u64::from(!fails));
        assert_eq!(file.sync_data().is_err(), fails);
        trace.hash()
    };
    assert_ne!(hash(true), hash(false));
}

#[tokio::test(start_paused = true)]
async fn what_survives_a_crash_is_in_the_trace() {
    let after_crash = |seed| {
        let trace = Trace::new(false);
        let (disk, file) = disk_with_file();
        disk.watch(trace.clone(), 1);
        file.write(0, &[1; BLOCK]).unwrap();
        let kept =
            disk.crash(seed).content(FILE).unwrap().iter().filter(|byte| **byte == 1).count();
        (kept, trace.hash())
    };
    let outcomes: Vec<_> = (0..50).map(after_crash).collect();
    for (kept, hash) in &outcomes {
        let (same, other) =
            outcomes.iter().partition::<Vec<_>, _>(|(other_kept, _)| other_kept == kept);
        assert!(same.iter().all(|(_, same)| same == hash), "{kept}");
        assert!(other.iter().all(|(_, other)| other != hash), "{kept}");
    }
    assert!(outcomes.iter().any(|(kept, _)| *kept == 0));
    assert!(outcomes.iter().any(|(kept, _)| *kept == BLOCK));
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_not_watched() {
    let trace = Trace::new(false);
    let (disk, _file) = disk_with_file();
    disk.watch(trace.clone(), 1);
    disk.copy().sync_dir("").unwrap();
    assert_eq!(trace.events(), 0);
    disk.sync_dir("").unwrap();
    assert_eq!(trace.events(), 1);
}

#[test]
fn a_file_keeps_its_bytes_through_a_rename_and_a_crash_and_loses_them_with_its_last_name() {
    let (disk, file) = disk_with_file();
    file.write(0, b"bytes").unwrap();
    file.sync_data().unwrap();
    disk.rename(FILE, "renamed").unwrap();
    disk.sync_dir("").unwrap();
    let disk = disk.crash(1);
    assert_eq!(disk.content("renamed").unwrap(), b"bytes");
    disk.remove("renamed").unwrap();
    disk.sync_dir("").unwrap();
    let disk = disk.crash(1);
    assert_eq!(disk.content("renamed"), None);
    assert!(disk.state().files.iter().all(|file| file.current.len() == 0));
}

/// More batches than any of the faults lets through.
const BATCHES: u64 = 150;

/// Commits and syncs batch after batch, each with a new key, until the disk fails; gives the number of
/// the last batch that is known to be durable.
fn commit_until_it_stops(state: &StateFile) -> u64 {
    let mut synced = 0;
    let _the_stop = catch_unwind(AssertUnwindSafe(|| {
        for number in 1..=BATCHES {
            let mut transaction = state.begin();
            transaction.put(Table::Keys, &number.to_be_bytes(), vec![7; 900]);
            transaction.commit(&[("batch", number.to_be_bytes().to_vec())]);
            state.sync();
            synced = number;
        }
    }));
    synced
}

#[test]
fn a_state_file_stops_at_each_fault_and_opens_again_with_all_that_was_synced() {
    type Strike = fn(&SimDisk);
    let faults: [(&str, &str, Strike); 3] = [
        ("full", "no storage space", |disk| disk.set_full(true)),
        ("write", "I/O error in write", |disk| disk.fail_writes_from(disk.writes() + 40)),
        ("sync", "I/O error in sync", |disk| disk.fail_syncs_from(disk.syncs() + 20)),
    ];
    for (name, reason, strike) in faults {
        for seed in 0..10 {
            let open = |disk: &SimDisk, fatal: &FatalLog| {
                StateFile::open(Arc::new(disk.clone()), Arc::<ManualClock>::default(), fatal.hook())
            };
            let (disk, fatal) = (SimDisk::default(), FatalLog::default());
            let state = open(&disk, &fatal).unwrap();
            strike(&disk);
            let synced = commit_until_it_stops(&state);
            assert!(synced < BATCHES, "{name}: the fault was not noticed");
            let told = fatal.reason().unwrap();
            assert!(told.contains(reason), "{name}: {told}");

            let (disk, fatal) = (disk.crash(seed), FatalLog::default());
            let state = open(&disk, &fatal).unwrap();
            let batch = state.read().meta("batch");
            let found = batch.map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().unwrap()));
            assert!(
                (synced..=synced + 1).contains(&found),
                "{name}, seed {seed}: {synced} {found}"
            );
            assert_eq!(commit_until_it_stops(&state), BATCHES, "{name}: the fault is over");
        }
    }
}
