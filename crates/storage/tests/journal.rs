//! The journal of uses: what is written is there after every kind of end, the chain holds, and the
//! bound is kept.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use conclave_core::ids::PrincipalId;
use conclave_core::journal::{
    Frame, JournalBlocked, LINK_BYTES, Operation, Use, UseJournal, Verdict, link, read_frame,
};
use conclave_storage::limits::AUDIT_SYNC_INTERVAL;
use conclave_storage::{AUDIT_DIRECTORY, Disk, Journal, JournalConfig, Journals, OpenError};
use conclave_testkit::{Dice, FatalLog, ManualClock, SimDisk};

use common::{run, scaled};

/// Bytes of a header.
const HEADER: usize = 180;
/// Bytes of a record without a reason.
const RECORD: usize = 120;
/// So little that a segment is full after nine records, and four fit.
const SMALL: u64 = 4 * 1_200;
const LARGE: u64 = 1 << 30;

/// A disk and what opens the journals on it.
struct World {
    disk: SimDisk,
    fatal: FatalLog,
    clock: Arc<ManualClock>,
    workers: u32,
    keep_bytes: u64,
}

impl World {
    fn new(keep_bytes: u64) -> World {
        let (disk, fatal, clock) = (SimDisk::default(), FatalLog::default(), Arc::default());
        World { disk, fatal, clock, workers: 1, keep_bytes }
    }

    fn try_open(&self) -> Result<Journals, OpenError> {
        let config = JournalConfig {
            cluster: "test".to_owned(),
            node: 3,
            member: 7,
            workers: self.workers,
            keep_bytes: self.keep_bytes,
        };
        let disk = Arc::new(self.disk.clone());
        Journals::open(disk, self.clock.clone(), config, self.fatal.hook())
    }

    fn open(&self) -> Journals {
        self.try_open().unwrap()
    }

    /// The journal of worker 1.
    fn first(&self) -> Arc<Journal> {
        self.open().all()[0].clone()
    }

    fn names(&self) -> Vec<String> {
        self.disk.list(AUDIT_DIRECTORY).unwrap()
    }

    fn bytes(&self, name: &str) -> Vec<u8> {
        self.disk.content(&path(name)).unwrap()
    }

    /// All records of a worker, and whether the chain holds from the first to the last segment.
    fn records(&self, worker: u32) -> (Vec<Frame>, bool) {
        let (mut frames, mut holds, mut head) = (Vec::new(), true, None::<[u8; LINK_BYTES]>);
        for name in
            self.names().iter().filter(|name| name.starts_with(&format!("uses-{worker:02}-")))
        {
            let bytes = self.bytes(name);
            let (prev, own) = links(&bytes);
            holds &= head.is_none_or(|head| head == prev);
            holds &= link(&bytes[..HEADER - LINK_BYTES]) == own;
            let mut at = HEADER;
            while let Ok(frame) = read_frame(&bytes[at - LINK_BYTES..]) {
                holds &= frames.last().is_none_or(|last: &Frame| last.seq + 1 == frame.seq);
                at += frame.bytes;
                frames.push(frame);
            }
            holds &= at == bytes.len();
            head = Some(bytes[at - LINK_BYTES..at].try_into().unwrap());
        }
        (frames, holds)
    }

    /// The sizes that the records of worker 1 name; the chain must hold.
    fn sizes(&self) -> Vec<u64> {
        let (frames, holds) = self.records(1);
        assert!(holds, "{:?}", self.names());
        frames.iter().map(|frame| frame.recorded.bytes).collect()
    }

    fn crash(&mut self, seed: u64) {
        self.disk = self.disk.crash(seed);
        self.fatal = FatalLog::default();
    }
}

fn path(name: &str) -> String {
    format!("{AUDIT_DIRECTORY}/{name}")
}

/// The two links of a header: the last of the segment before, and its own.
fn links(bytes: &[u8]) -> ([u8; LINK_BYTES], [u8; LINK_BYTES]) {
    let header = &bytes[..HEADER];
    let (rest, own) = header.split_last_chunk().unwrap();
    (*rest.last_chunk().unwrap(), *own)
}

/// A use that is told by its size.
fn sized(bytes: u64) -> Use {
    Use {
        at_ms: 5,
        index: 9,
        principal: PrincipalId::NOBODY,
        operation: Operation::Encrypt,
        key: None,
        version: Some(1),
        verdict: Verdict::Ok,
        reason: None,
        request: None,
        bytes,
    }
}

fn write(journal: &Journal, sizes: impl IntoIterator<Item = u64>) {
    sizes.into_iter().for_each(|size| journal.append(&[sized(size)]).unwrap());
}

fn numbers(range: std::ops::Range<u64>) -> Vec<u64> {
    range.collect()
}

#[test]
fn a_batch_is_one_write_and_comes_back() {
    let world = World::new(LARGE);
    let journal = world.first();
    let before = world.disk.writes();
    let refused = Use { verdict: Verdict::Refused, reason: Some("KEY_STATE".into()), ..sized(1) };
    let uses = [sized(0), refused, sized(2)];
    journal.append(&uses).unwrap();
    assert_eq!(world.disk.writes(), before + 1);
    let (frames, holds) = world.records(1);
    assert!(holds);
    let found: Vec<_> = frames.iter().map(|frame| frame.recorded.clone()).collect();
    assert_eq!(found, uses);
    assert_eq!(frames.iter().map(|frame| frame.seq).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(world.names(), ["uses-01-0000000001"]);
}

/// What is stored: a change of it is a change of the format. The link was made by another implementation
/// of BLAKE3.
#[test]
fn the_form_of_a_header_is_golden() {
    let world = World::new(LARGE);
    world.clock.advance_ms(1_000);
    drop(world.open());
    let fields = concat!(
        "434e434c55534553",
        "01000000",
        "03000000",
        "01000000",
        "0700000000000000",
        "0100000000000000",
        "e803000000000000",
        "0000000000000000",
        "74657374",
    );
    let link = "df926cf8ba405d82aab8d7da410a5e8cdeb3b3c824d1dd1c807cc0e3f62ffe98";
    let expected = format!("{fields}{}{link}", "00".repeat(60 + LINK_BYTES));
    let hex: String =
        world.bytes("uses-01-0000000001").iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, expected);
}

#[test]
fn the_chain_goes_on_over_restarts() {
    let world = World::new(LARGE);
    for life in 0..3 {
        write(&world.first(), numbers(life * 4..life * 4 + 4));
    }
    assert_eq!(world.sizes(), numbers(0..12));
    assert_eq!(world.names(), ["uses-01-0000000001"]);
}

/// `kill -9` in the middle of a write, at every byte: what was whole stays, the rest goes, the chain
/// goes on.
#[test]
fn a_write_that_was_cut_off_anywhere_is_cut_away() {
    let world = World::new(LARGE);
    let name = "uses-01-0000000001";
    write(&world.first(), 0..3);
    let whole = world.bytes(name);
    for length in HEADER..whole.len() {
        world.disk.tamper(&path(name), |bytes| *bytes = whole[..length].to_vec());
        let kept = ((length - HEADER) / RECORD) as u64;
        let journal = world.first();
        assert_eq!(world.sizes(), numbers(0..kept), "{length} bytes");
        write(&journal, [77]);
        assert_eq!(world.sizes(), [numbers(0..kept), vec![77]].concat(), "{length} bytes");
        assert_eq!(world.names(), [name]);
    }
}

/// What is not simply cut off is no torn write: the file is evidence and stays as it is.
#[test]
fn what_is_damaged_stays_and_the_journal_goes_on_behind_it() {
    let world = World::new(LARGE);
    let (first, second) = ("uses-01-0000000001", "uses-01-0000000002");
    write(&world.first(), 0..4);
    let whole = world.bytes(first);
    // Of the header, of the first and of the third record: every byte.
    let middle = (0..HEADER + RECORD).chain(HEADER + 2 * RECORD..HEADER + 3 * RECORD);
    for at in middle {
        let disk = SimDisk::default();
        let world = World { disk: disk.clone(), ..World::new(LARGE) };
        write(&world.first(), 0..4);
        disk.tamper(&path(first), |bytes| bytes[at] ^= 0x40);
        let damaged = world.bytes(first);
        if (8..12).contains(&at) {
            assert!(matches!(world.try_open(), Err(OpenError::NewerFormat { .. })), "byte {at}");
            continue;
        }
        let journal = world.first();
        assert_eq!(world.names(), [first, second], "byte {at}");
        assert_eq!(world.bytes(first), damaged, "byte {at}");
        write(&journal, [9]);
        let bytes = world.bytes(second);
        let next = read_frame(&bytes[HEADER - LINK_BYTES..]).unwrap();
        // Without the link of the record before the last one, the last one cannot be told either.
        let linked = at < HEADER + 3 * RECORD - LINK_BYTES;
        let (seq, end) = if linked { (4, whole.len()) } else { (2, HEADER + 2 * RECORD) };
        assert_eq!((next.seq, next.recorded.bytes), (seq, 9), "byte {at}");
        assert_eq!(links(&bytes).0[..], whole[end - LINK_BYTES..end], "byte {at}");
    }
}

#[test]
fn a_full_segment_is_followed_by_the_next_and_the_chain_goes_through() {
    let world = World::new(SMALL);
    let journal = world.first();
    write(&journal, 0..25);
    assert_eq!(world.names().len(), 3);
    assert_eq!(world.sizes(), numbers(0..25));
    drop(journal);
    write(&world.first(), 25..27);
    assert_eq!(world.sizes(), numbers(0..27));
}

#[test]
fn the_oldest_records_go_when_the_bound_is_reached() {
    let world = World::new(SMALL);
    let journal = world.first();
    for size in 0..500 {
        world.clock.advance_ms(1_000);
        write(&journal, [size]);
        let bytes: usize = world.names().iter().map(|name| world.bytes(name).len()).sum();
        assert!(bytes as u64 <= SMALL + RECORD as u64, "{bytes} bytes after {size} records");
    }
    let kept = world.sizes();
    assert_eq!(kept, numbers(500 - kept.len() as u64..500));
    assert!(kept.len() > 20, "{kept:?}");
}

/// A node that is given fewer workers does not keep for ever what the others wrote.
#[test]
fn what_former_workers_have_written_counts_and_goes_too() {
    let mut world = World { workers: 4, ..World::new(4 * SMALL) };
    world.open().all().iter().for_each(|journal| write(journal, 0..9));
    world.clock.advance_ms(1_000);
    world.workers = 1;
    let journal = world.first();
    for size in 9..400 {
        write(&journal, [size]);
    }
    let mut of_worker: BTreeMap<String, usize> = BTreeMap::new();
    world.names().iter().for_each(|name| *of_worker.entry(name[5..7].to_owned()).or_default() += 1);
    assert_eq!(of_worker.keys().collect::<Vec<_>>(), ["01"], "{:?}", world.names());
}

/// Nothing is promised while the disk is full, everything when it is not; the chain has no gap and no
/// torn record in it.
#[test]
fn a_full_disk_blocks_and_room_unblocks() {
    let world = World::new(LARGE);
    let journal = world.first();
    let mut done = Vec::new();
    let mut refused = 0;
    for size in 0..600 {
        match size {
            100 => world.disk.set_full(true),
            400 => world.disk.set_full(false),
            _ => {}
        }
        match journal.append(&[sized(size)]) {
            Ok(()) => done.push(size),
            Err(JournalBlocked) => {
                refused += 1;
                assert!(journal.is_blocked());
            }
        }
    }
    assert!(refused > 200, "{refused}");
    assert!(!journal.is_blocked());
    assert_eq!(world.sizes(), done);
}

#[test]
fn a_blocked_journal_notices_by_itself_that_there_is_room() {
    run(async {
        let world = World::new(LARGE);
        let journals = Arc::new(world.open());
        let journal = journals.all()[0].clone();
        let keeping = journals.clone();
        let task = tokio::spawn(async move { keeping.keep_synced().await });
        world.disk.set_full(true);
        while journal.append(&[sized(1)]).is_ok() {}
        tokio::time::sleep(4 * AUDIT_SYNC_INTERVAL).await;
        assert!(journal.is_blocked());
        world.disk.set_full(false);
        tokio::time::sleep(4 * AUDIT_SYNC_INTERVAL).await;
        assert!(!journal.is_blocked());
        write(&journal, [2]);
        assert_eq!(world.sizes().last(), Some(&2));
        task.abort();
    });
}

#[test]
fn what_was_written_is_synced_in_time() {
    run(async {
        let world = World::new(LARGE);
        let journals = Arc::new(world.open());
        let keeping = journals.clone();
        let task = tokio::spawn(async move { keeping.keep_synced().await });
        let name = path("uses-01-0000000001");
        for size in 0..3 {
            write(&journals.all()[0], [size]);
            assert_eq!(world.disk.unsynced(&name), Some(1));
            tokio::time::sleep(2 * AUDIT_SYNC_INTERVAL).await;
            assert_eq!(world.disk.unsynced(&name), Some(0));
        }
        let syncs = world.disk.syncs();
        tokio::time::sleep(100 * AUDIT_SYNC_INTERVAL).await;
        assert_eq!(world.disk.syncs(), syncs, "nothing to sync");
        task.abort();
    });
}

/// What a failed sync has lost cannot be told, so the node ends.
#[test]
fn a_sync_that_fails_is_fatal() {
    let world = World::new(LARGE);
    let journals = world.open();
    write(&journals.all()[0], [1]);
    world.disk.fail_syncs_from(world.disk.syncs());
    journals.sync();
    assert!(world.fatal.reason().unwrap().contains("a sync failed"));
}

#[test]
fn a_sync_that_fails_between_two_segments_is_fatal() {
    let world = World::new(SMALL);
    let journal = world.first();
    write(&journal, 0..9);
    world.disk.fail_syncs_from(world.disk.syncs());
    assert_eq!(journal.append(&[sized(9)]), Err(JournalBlocked));
    assert!(world.fatal.reason().unwrap().contains("a sync failed"));
}

/// Power cuts at any moment: everything synced is there, the journal opens and goes on.
#[test]
fn what_was_synced_survives_power_cuts() {
    for seed in 0..scaled(300, 10_000) {
        let mut dice = Dice::new(seed);
        let mut world = World::new(SMALL * 100);
        let mut synced = Vec::new();
        for _ in 0..3 {
            let journals = world.open();
            let journal = &journals.all()[0];
            for _ in 0..dice.below(60) {
                let size = dice.roll();
                journal.append(&[sized(size)]).unwrap();
                if dice.chance(20) {
                    journals.sync();
                    synced = all_sizes(&world);
                }
            }
            world.crash(dice.roll());
            drop(world.open());
            let there = all_sizes(&world);
            assert!(synced.iter().all(|size| there.contains(size)), "seed {seed}");
            synced = there;
        }
    }
}

/// The sizes of all whole records of worker 1, also of those behind a gap.
fn all_sizes(world: &World) -> Vec<u64> {
    let mut sizes = Vec::new();
    for name in world.names() {
        let bytes = world.bytes(&name);
        let mut at = HEADER;
        while at < bytes.len() {
            match read_frame(&bytes[at - LINK_BYTES..]) {
                Ok(frame) => {
                    sizes.push(frame.recorded.bytes);
                    at += frame.bytes;
                }
                Err(_) => at += 1,
            }
        }
    }
    sizes
}

/// A crash while the next segment is made leaves the old one or both, never a file without a header.
#[test]
fn a_crash_at_every_call_of_a_change_of_segments_is_survived() {
    let calls = |world: &World| {
        let journal = world.first();
        write(&journal, 0..9);
        let before = world.disk.calls();
        let _ = journal.append(&[sized(9)]);
        (before, world.disk.calls())
    };
    let (before, after) = calls(&World::new(SMALL));
    assert!(after - before > 5, "the change of segments is not in these calls");
    for stop in before + 1..=after {
        for seed in 0..20 {
            let mut world = World::new(SMALL);
            let journal = world.first();
            write(&journal, 0..9);
            world.disk.stop_at_call(stop);
            let told = journal.append(&[sized(9)]);
            world.crash(seed);
            let journal = world.first();
            write(&journal, [10]);
            let sizes = all_sizes(&world);
            // Those before the change were synced by it, if it came so far.
            assert_eq!(sizes.last(), Some(&10), "call {stop}, seed {seed}");
            assert!(told.is_err() || stop == after, "call {stop}");
            assert!(world.names().iter().all(|name| !name.ends_with(".new")));
        }
    }
}
