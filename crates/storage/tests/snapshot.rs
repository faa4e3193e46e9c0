//! Snapshots: built while writes go on, carried in chunks, refused when damaged, installed whole or
//! not at all.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use common::{applied, commit_batch, dump, model, open_state, open_state_at, scaled};
use conclave_core::records::{Records, Table};
use conclave_storage::limits::MAX_READ_AGE_MS;
use conclave_storage::snapshot::{SNAPSHOT_DIRECTORY, SnapshotItem};
use conclave_storage::{
    Disk, SnapshotError, SnapshotFile, SnapshotStore, SnapshotStream, StateFile,
};
use conclave_testkit::{Dice, FatalLog, ManualClock, SimDisk};

fn store(disk: &SimDisk) -> SnapshotStore {
    SnapshotStore::open(Arc::new(disk.clone())).unwrap()
}

fn state_with(batches: u64) -> (SimDisk, StateFile) {
    let disk = SimDisk::default();
    let state = open_state(&disk, &FatalLog::default()).unwrap();
    (1..=batches).for_each(|batch| commit_batch(&state, batch));
    (disk, state)
}

fn stream(state: &StateFile) -> SnapshotStream {
    SnapshotStream::new(state.read(), vec![("id".to_owned(), b"snapshot-1".to_vec())])
}

fn bytes_of(stream: SnapshotStream) -> Vec<u8> {
    stream.flat_map(|chunk| chunk.unwrap()).collect()
}

fn receive(
    store: &SnapshotStore,
    bytes: &[u8],
    piece: usize,
) -> Result<SnapshotFile, SnapshotError> {
    let mut writer = store.begin()?;
    for chunk in bytes.chunks(piece) {
        writer.write_chunk(chunk)?;
    }
    assert_eq!(writer.len(), bytes.len() as u64);
    writer.finish()
}

#[test]
fn a_snapshot_is_one_state_though_writes_go_on() {
    let (disk, state) = state_with(30);
    let mut bulk = state.begin();
    for at in 0..1_000u32 {
        bulk.put(Table::Audit, &at.to_be_bytes(), vec![at as u8; 300]);
    }
    bulk.commit(&[]);
    let expected = dump(&state.read());
    let mut stream = stream(&state);
    let mut bytes = stream.next().unwrap().unwrap();
    let mut next = 31;
    for chunk in stream {
        commit_batch(&state, next);
        next += 1;
        bytes.extend(chunk.unwrap());
    }
    assert!(next > 33, "writes went on between the chunks");
    let snapshot = receive(&store(&disk), &bytes, 1000).unwrap();
    assert_eq!(snapshot.applied("applied"), Some(30u64.to_be_bytes().as_slice()));
    assert_eq!(snapshot.extra("id"), Some(b"snapshot-1".as_slice()));

    let (_, other) = state_with(3);
    other.install(&snapshot).unwrap();
    assert_eq!(applied(&other), 30);
    assert_eq!(dump(&other.read()), expected);
    assert_eq!(other.read().meta("id"), None, "extra records are not part of the state");
}

#[test]
fn equal_states_give_equal_snapshots_in_bounded_chunks() {
    let (_, one) = state_with(50);
    let (_, other) = state_with(50);
    let mut large = one.begin();
    large.put(Table::Audit, b"x", vec![1; 300_000]);
    large.abort();
    assert!(bytes_of(stream(&one)) == bytes_of(stream(&other)));

    let mut transaction = one.begin();
    for at in 0..2_000u32 {
        transaction.put(Table::Audit, &at.to_be_bytes(), vec![at as u8; 300]);
    }
    transaction.commit(&[]);
    let sizes: Vec<usize> = stream(&one).map(|chunk| chunk.unwrap().len()).collect();
    assert!(sizes.len() > 5 && sizes.iter().all(|size| *size < 80_000), "{sizes:?}");
}

/// The tables of which a snapshot holds a record, of a state with one in each.
fn tables_in_a_snapshot() -> Vec<Table> {
    let (disk, state) = state_with(0);
    let mut transaction = state.begin();
    for table in Table::ALL {
        transaction.put(table, b"key", b"value".to_vec());
    }
    transaction.commit(&[]);
    let snapshot = store(&disk).build(stream(&state)).unwrap();
    let (_, other) = state_with(0);
    other.install(&snapshot).unwrap();
    dump(&other.read()).into_iter().map(|(table, _, _)| table).collect()
}

#[test]
fn a_snapshot_holds_every_table() {
    assert_eq!(tables_in_a_snapshot(), Table::ALL);
}

#[cfg(feature = "mutants")]
#[test]
fn the_mutant_that_leaves_the_request_memory_out_is_caught() {
    use conclave_core::mutants::{Mutant, with};
    let found = with(Mutant::MemoryLostInSnapshot, tables_in_a_snapshot);
    let memory = [Table::Requests, Table::RequestOrder];
    let expected: Vec<Table> = Table::ALL.into_iter().filter(|t| !memory.contains(t)).collect();
    assert_eq!(found, expected);
}

#[test]
fn an_empty_state_has_a_snapshot_too() {
    let (disk, state) = state_with(0);
    let snapshot = store(&disk).build(stream(&state)).unwrap();
    let (_, other) = state_with(5);
    other.install(&snapshot).unwrap();
    assert_eq!(dump(&other.read()), []);
    assert_eq!(applied(&other), 0);
}

#[test]
fn the_layout_is_golden() {
    let (_, state) = state_with(0);
    let mut transaction = state.begin();
    transaction.put(Table::Keys, b"key", b"value".to_vec());
    transaction.put(Table::Meta, b"m", Vec::new());
    transaction.commit(&[("applied", vec![9])]);
    let bytes = bytes_of(stream(&state));
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, GOLDEN.split_whitespace().collect::<String>());
}

/// Header; applied "applied" = 09; extra "id"; record meta "m" = ""; record keys "key" = "value";
/// trailer.
const GOLDEN: &str = "
    434e434c534e4150 01000000
    0b000000 9335639f 01 0700 6170706c696564 09
    0f000000 b4ef86d7 02 0200 6964 736e617073686f742d31
    07000000 b6f1e7a2 03 00 01000000 6d
    0e000000 e67ba5a4 03 01 03000000 6b6579 76616c7565
    29000000 94b2c0b6 04 0200000000000000 402902bc7f322769d015db6189c1cd12f139c36c32abf7cc819fe75b689ca37f
";

#[test]
fn any_cut_and_any_flipped_byte_is_refused() {
    let (disk, state) = state_with(12);
    let bytes = bytes_of(stream(&state));
    let store = store(&disk);
    let kept = receive(&store, &bytes, 4096).unwrap();
    let step = scaled(37, 1) as usize;
    for length in (0..bytes.len()).step_by(step) {
        let error = receive(&store, &bytes[..length], 4096).unwrap_err();
        assert!(matches!(error, SnapshotError::Damaged { .. }), "{length}: {error}");
    }
    for at in (0..bytes.len()).step_by(step) {
        let mut bad = bytes.clone();
        bad[at] ^= 1 << (at % 8);
        let error = receive(&store, &bad, 4096).unwrap_err();
        let named =
            matches!(error, SnapshotError::Damaged { .. } | SnapshotError::NewerFormat { .. });
        assert!(named, "byte {at}: {error}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    let error = receive(&store, &longer, 4096).unwrap_err().to_string();
    assert!(error.contains("bytes after the trailer"), "{error}");
    let left = disk.list(SNAPSHOT_DIRECTORY).unwrap();
    assert_eq!(left, [kept.name().rsplit('/').next().unwrap()], "refused ones leave nothing");
}

#[test]
fn well_formed_frames_that_do_not_belong_together_are_refused() {
    let (disk, state) = state_with(0);
    let mut transaction = state.begin();
    for key in [b"a", b"b"] {
        transaction.put(Table::Keys, key, b"v".to_vec());
    }
    transaction.commit(&[]);
    let bytes = bytes_of(SnapshotStream::new(state.read(), Vec::new()));
    let frame = 8 + 1 + 1 + 4 + 1 + 1;
    let (head, rest) = bytes.split_at(12);
    let (a, rest) = rest.split_at(frame);
    let b = &rest[..frame];
    let forge = |frames: [&[u8]; 2], count: u64, digest: Option<blake3::Hash>| {
        let body = [head, frames[0], frames[1]].concat();
        let digest = digest.unwrap_or_else(|| blake3::hash(&body));
        let payload = [&[4][..], &count.to_le_bytes(), digest.as_bytes()].concat();
        let length = (payload.len() as u32).to_le_bytes();
        let crc = crc32fast::hash(&payload).to_le_bytes();
        let forged = [&body[..], &length, &crc, &payload].concat();
        receive(&store(&disk), &forged, 4096).map(|snapshot| snapshot.len())
    };
    assert!(forge([a, b], 2, None).is_ok());
    let other = Some(blake3::hash(b"another snapshot"));
    for (frames, count, digest, expected) in [
        ([b, a], 2, None, "an item out of order"),
        ([a, a], 2, None, "an item out of order"),
        ([a, b], 3, None, "a trailer that counts other records"),
        ([a, b], 2, other, "a trailer whose digest does not match"),
    ] {
        let error = forge(frames, count, digest).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn rot_after_the_snapshot_was_complete_is_found_at_installation() {
    let (disk, state) = state_with(12);
    let snapshot = store(&disk).build(stream(&state)).unwrap();
    disk.tamper(snapshot.name(), |bytes| {
        let at = bytes.len() / 2;
        bytes[at] ^= 4;
    });
    let (target_disk, target) = state_with(4);
    let error = target.install(&snapshot).unwrap_err();
    assert!(matches!(error, SnapshotError::Damaged { .. }), "{error}");
    assert_eq!(dump(&target.read()), dump(&model(4)), "the old state is untouched");
    assert_eq!(target_disk.list("").unwrap(), ["state.redb"]);
    commit_batch(&target, 5);
    assert_eq!(dump(&target.read()), dump(&model(5)));
}

#[test]
fn a_file_is_there_as_long_as_somebody_holds_it() {
    let (disk, state) = state_with(5);
    let snapshots = store(&disk);
    let count = || disk.list(SNAPSHOT_DIRECTORY).unwrap().len();
    let snapshot = snapshots.build(stream(&state)).unwrap();
    let unfinished = snapshots.begin().unwrap();
    commit_batch(&state, 6);
    assert_eq!(count(), 2);
    drop(unfinished);
    assert_eq!(count(), 1);

    let mut copy = Vec::new();
    while let chunk @ [_, ..] = snapshot.read_chunk(copy.len() as u64, 777).unwrap().as_slice() {
        copy.extend_from_slice(chunk);
    }
    let copied = receive(&store(&SimDisk::default()), &copy, 10).unwrap();
    assert_eq!(copied.applied("applied"), Some(5u64.to_be_bytes().as_slice()));
    assert_eq!(copied.extra("id"), Some(b"snapshot-1".as_slice()));
    let held = snapshot.clone();
    drop(snapshot);
    assert_eq!(held.reader().unwrap().filter(is_record).count(), dump(&model(5)).len());
    drop(held);
    assert_eq!(count(), 0);

    std::mem::forget(snapshots.build(stream(&state)).unwrap());
    store(&disk);
    assert_eq!(count(), 0, "what a crash left is gone after the next start");
}

fn is_record(item: &Result<SnapshotItem, SnapshotError>) -> bool {
    matches!(item, Ok(SnapshotItem::Record { .. }))
}

#[test]
fn an_export_that_takes_too_long_ends_with_an_error() {
    let clock = Arc::new(ManualClock::default());
    let disk = SimDisk::default();
    let state = open_state_at(&disk, &FatalLog::default(), clock.clone()).unwrap();
    commit_batch(&state, 1);
    let slow = stream(&state);
    clock.advance_ms(MAX_READ_AGE_MS + 1);
    let error = store(&disk).build(slow).unwrap_err();
    assert!(matches!(error, SnapshotError::TooSlow { .. }), "{error}");
    assert_eq!(disk.list(SNAPSHOT_DIRECTORY).unwrap(), [""; 0]);
}

#[test]
fn views_of_the_old_file_stay_valid_after_an_installation() {
    let (_, source) = state_with(9);
    let (disk, target) = state_with(4);
    let view = target.read();
    let snapshot = store(&disk).build(stream(&source)).unwrap();
    target.install(&snapshot).unwrap();
    commit_batch(&target, 10);
    assert_eq!(dump(&view), dump(&model(4)));
    assert_eq!(dump(&target.read()), dump(&model(10)));
    drop(view);
    target.sync();
    let reopened = open_state(&disk.crash(0), &FatalLog::default()).unwrap();
    assert_eq!(dump(&reopened.read()), dump(&model(10)));
}

#[test]
fn a_crash_during_building_or_installing_leaves_the_old_or_the_new() {
    // Returns whether the installation was acknowledged.
    let work = |disk: &SimDisk, source: &StateFile| -> bool {
        let fatal = FatalLog::default();
        let done = catch_unwind(AssertUnwindSafe(|| {
            let target = open_state(disk, &fatal).ok()?;
            let snapshots = SnapshotStore::open(Arc::new(disk.clone())).ok()?;
            let snapshot = snapshots.build(stream(source)).ok()?;
            target.install(&snapshot).ok()
        }));
        matches!(done, Ok(Some(())))
    };
    let prepared = || {
        let (disk, state) = state_with(4);
        state.sync();
        drop(state);
        disk.crash(0)
    };
    let (_, source) = state_with(25);
    let disk = prepared();
    assert!(work(&disk, &source));
    let calls = disk.calls();
    assert!(calls > 30, "{calls}");
    let mut outcomes = [0, 0];
    for stop in 1..=calls {
        for variant in 0..scaled(4, 30) {
            let context = format!("stop at call {stop}, variant {variant}");
            let disk = prepared();
            disk.stop_at_call(stop);
            let acknowledged = work(&disk, &source);
            let disk = disk.crash(Dice::new(stop * 1_000 + variant).roll());
            let state = open_state(&disk, &FatalLog::default())
                .unwrap_or_else(|error| panic!("{context}: {error}"));
            let found = applied(&state);
            assert!(found == 25 || (found == 4 && !acknowledged), "{context}: {found}");
            assert_eq!(dump(&state.read()), dump(&model(found)), "{context}");
            outcomes[usize::from(found == 25)] += 1;
            drop(state);
            assert!(work(&disk, &source), "{context}: the next attempt succeeds");
            let names = disk.list("").unwrap();
            assert_eq!(names, ["state.redb"], "{context}: nothing is left behind");
        }
    }
    assert!(outcomes.iter().all(|count| *count > 5), "{outcomes:?}");
}
