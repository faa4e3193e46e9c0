//! The state file: transactions, views, applied records, damage, crashes.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use common::{applied, apply_batch, commit_batch, dump, model, open_state, open_state_at, scaled};
use conclave_core::records::{MemoryRecords, Records, RecordsRead, Table};
use conclave_storage::limits::MAX_READ_AGE_MS;
use conclave_storage::{ApplyTxn, FsDisk, ReadTxn, STATE_FILE, StateFile};
use conclave_testkit::{Dice, FatalLog, ManualClock, SimDisk};

#[test]
fn handles_travel_between_threads() {
    fn travels<T: Send + Sync>() {}
    fn moves<T: Send>() {}
    travels::<StateFile>();
    travels::<ReadTxn>();
    moves::<ApplyTxn>();
    travels::<conclave_storage::LogFile>();
    travels::<conclave_storage::SnapshotStore>();
    travels::<conclave_storage::SnapshotFile>();
}

#[test]
fn a_transaction_reads_like_the_records_in_memory() {
    for seed in 0..scaled(20, 200) {
        let state = open_state(&SimDisk::default(), &FatalLog::default()).unwrap();
        let mut memory = MemoryRecords::default();
        let mut dice = Dice::new(seed);
        for batch in 1..=8 {
            let mut transaction = state.begin();
            for step in 0..3 {
                apply_batch(&mut transaction, seed * 100 + batch * 10 + step);
                apply_batch(&mut memory, seed * 100 + batch * 10 + step);
                compare(&transaction, &memory, &mut dice);
            }
            if dice.chance(20) {
                transaction.abort();
                memory = model_of(&state);
            } else {
                transaction.commit(&[]);
            }
            if dice.chance(40) {
                state.sync();
            }
            assert_eq!(dump(&state.read()), dump(&memory), "seed {seed}");
            compare(&state.read(), &memory, &mut dice);
        }
    }
}

fn model_of(state: &StateFile) -> MemoryRecords {
    let mut memory = MemoryRecords::default();
    for (table, key, value) in dump(&state.read()) {
        memory.put(table, &key, value);
    }
    memory
}

/// A queue: records leave at its front and come at its end, now and then before its front, and it is
/// asked for its first ones.
#[test]
fn a_queue_begins_where_its_first_record_is() {
    for seed in 0..scaled(20, 200) {
        let state = open_state(&SimDisk::default(), &FatalLog::default()).unwrap();
        let mut memory = MemoryRecords::default();
        let mut dice = Dice::new(seed);
        for batch in 0..60u64 {
            let mut transaction = state.begin();
            let mut changed = memory.clone();
            for step in 0..4 {
                let number =
                    if dice.chance(10) { dice.below(1_000) } else { 1_000 + batch * 4 + step };
                let key = number.to_be_bytes();
                transaction.put(Table::Deadlines, &key, Vec::new());
                changed.put(Table::Deadlines, &key, Vec::new());
                let (from, to) = (Bound::Unbounded, Bound::Unbounded);
                let limit = 1 + dice.below(5) as usize;
                let first = transaction.range(Table::Deadlines, from, to, limit);
                assert_eq!(first, changed.range(Table::Deadlines, from, to, limit), "seed {seed}");
                for (key, _) in first.iter().take(dice.below(4) as usize) {
                    transaction.delete(Table::Deadlines, key);
                    changed.delete(Table::Deadlines, key);
                }
            }
            if dice.chance(20) {
                transaction.abort();
            } else {
                transaction.commit(&[]);
                memory = changed;
            }
            if dice.chance(20) {
                state.sync();
            }
            assert_eq!(dump(&state.read()), dump(&memory), "seed {seed}");
        }
    }
}

#[test]
fn a_view_stays_as_it_is_though_what_it_shows_is_synced() {
    let state = open_state(&SimDisk::default(), &FatalLog::default()).unwrap();
    commit_batch(&state, 1);
    state.sync();
    assert_eq!(state.unsynced_records(), 0);
    commit_batch(&state, 2);
    let view = state.read();
    assert!(state.unsynced_records() > 0);
    state.sync();
    commit_batch(&state, 3);
    state.sync();
    assert_eq!(dump(&view), dump(&model(2)));
    assert_eq!(dump(&state.read()), dump(&model(3)));
}

#[test]
fn others_read_and_commit_while_a_sync_runs() {
    for seed in 0..scaled(20, 200) {
        let disk = SimDisk::default();
        let state = open_state(&disk, &FatalLog::default()).unwrap();
        let mut dice = Dice::new(seed);
        let (mut batch, mut synced) = (0, 0);
        let commit = |batch: &mut u64| {
            *batch += 1;
            commit_batch(&state, *batch);
        };
        for _ in 0..6 {
            (0..=dice.below(3)).for_each(|_| commit(&mut batch));
            let sync = state.begin_sync().expect("something was committed");
            synced = batch;
            (0..dice.below(4)).for_each(|_| commit(&mut batch));
            let memory = model(batch);
            assert_eq!(dump(&state.read()), dump(&memory), "seed {seed}");
            compare(&state.read(), &memory, &mut dice);
            compare(&state.begin(), &memory, &mut dice);
            drop(sync.finish());
            assert_eq!(dump(&state.read()), dump(&memory), "seed {seed}");
        }
        let reopened = open_state(&disk.crash(seed), &FatalLog::default()).unwrap();
        assert_eq!((applied(&reopened), dump(&reopened.read())), (synced, dump(&model(synced))));
    }
}

/// What a sync of the state costs the disk, in syncs, when so many records of 32 KiB were changed.
fn syncs_for(records: u8) -> u64 {
    let disk = SimDisk::default();
    let state = open_state(&disk, &FatalLog::default()).unwrap();
    let mut batch = state.begin();
    for number in 0..records {
        batch.put(Table::Keys, &[number], vec![number; 32 * 1024]);
    }
    batch.commit(&[]);
    let before = disk.syncs();
    state.sync();
    disk.syncs() - before
}

#[test]
fn a_large_sync_is_written_in_portions() {
    let (small, large) = (syncs_for(1), syncs_for(200));
    assert!(large >= small + 6, "6 MiB at 1 MiB each: {large} syncs, {small} for one record");
}

#[test]
fn a_sync_that_is_given_up_ends_all_commits() {
    let (disk, fatal) = (SimDisk::default(), FatalLog::default());
    let state = open_state(&disk, &fatal).unwrap();
    commit_batch(&state, 1);
    drop(state.begin_sync());
    assert!(catch_unwind(AssertUnwindSafe(|| commit_batch(&state, 2))).is_err());
    assert!(fatal.reason().unwrap().contains("could not be written"));
}

#[test]
fn what_was_not_synced_is_gone_when_the_file_is_closed() {
    let disk = SimDisk::default();
    let state = open_state(&disk, &FatalLog::default()).unwrap();
    commit_batch(&state, 1);
    state.sync();
    commit_batch(&state, 2);
    drop(state);
    let state = open_state(&disk, &FatalLog::default()).unwrap();
    assert_eq!((applied(&state), dump(&state.read())), (1, dump(&model(1))));
}

#[cfg(feature = "mutants")]
#[test]
fn known_bugs_of_reading_are_caught() {
    use conclave_core::mutants::{Mutant, with};
    let tests: [(Mutant, fn()); 2] = [
        (Mutant::StaleFront, a_queue_begins_where_its_first_record_is),
        (Mutant::BlindToSync, others_read_and_commit_while_a_sync_runs),
    ];
    for (mutant, test) in tests {
        assert!(with(mutant, || catch_unwind(test)).is_err(), "{mutant:?} was not caught");
    }
}

/// Compares point reads and ranges with all kinds of bounds.
fn compare(records: &impl RecordsRead, memory: &MemoryRecords, dice: &mut Dice) {
    let key = |dice: &mut Dice| format!("key-{}", dice.below(30)).into_bytes();
    for table in Table::ALL {
        let (one, other) = (key(dice), key(dice));
        assert_eq!(records.get(table, &one), memory.get(table, &one));
        let bound = |dice: &mut Dice, key| match dice.below(3) {
            0 => Bound::Included(key),
            1 => Bound::Excluded(key),
            _ => Bound::Unbounded,
        };
        let (from, to) = (bound(dice, one.as_slice()), bound(dice, other.as_slice()));
        let backward = matches!((from, to), (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b)) if a >= b);
        let limit = [1, 3, usize::MAX][dice.below(3) as usize];
        let found = records.range(table, from, to, limit);
        if backward {
            // Only `a..=a` can hold a record; the map in memory refuses the others.
            assert!(found.len() <= 1);
        } else {
            assert_eq!(found, memory.range(table, from, to, limit), "{table:?} {from:?} {to:?}");
        }
    }
}

#[test]
fn a_view_keeps_its_state_and_its_applied_records() {
    let state = open_state(&SimDisk::default(), &FatalLog::default()).unwrap();
    commit_batch(&state, 1);
    let view = state.read();
    commit_batch(&state, 2);
    let mut open = state.begin();
    apply_batch(&mut open, 3);

    assert_eq!(dump(&view), dump(&model(1)));
    assert_eq!(view.meta("applied"), Some(1u64.to_be_bytes().to_vec()));
    assert_eq!(dump(&state.read()), dump(&model(2)), "an open transaction is not seen");
    assert_eq!(open.meta("applied"), Some(2u64.to_be_bytes().to_vec()));
    assert_eq!(dump(&open), dump(&model(3)));
    open.abort();
    assert_eq!(dump(&state.read()), dump(&model(2)));
    assert_eq!(view.meta("unknown"), None);
    assert_eq!(view.all_meta(), [("applied".to_owned(), 1u64.to_be_bytes().to_vec())]);
}

#[test]
fn a_transaction_lists_what_it_changed() {
    let state = open_state(&SimDisk::default(), &FatalLog::default()).unwrap();
    let mut transaction = state.begin();
    transaction.put(Table::Versions, b"b", vec![1]);
    transaction.put(Table::Keys, b"a", vec![2]);
    transaction.delete(Table::Versions, b"b");
    let changes: Vec<_> = transaction.changes().collect();
    assert_eq!(
        changes,
        [(Table::Keys, b"a".as_slice(), &Some(vec![2])), (Table::Versions, b"b".as_slice(), &None)]
    );
}

#[test]
fn a_view_knows_when_it_is_too_old() {
    let clock = Arc::new(ManualClock::default());
    let state = open_state_at(&SimDisk::default(), &FatalLog::default(), clock.clone()).unwrap();
    clock.advance_ms(5);
    let view = state.read();
    clock.advance_ms(MAX_READ_AGE_MS);
    assert_eq!((view.age_ms(), view.is_too_old()), (MAX_READ_AGE_MS, false));
    clock.advance_ms(1);
    assert!(view.is_too_old());
    assert!(!state.read().is_too_old());
}

#[test]
fn a_damaged_record_stops_the_node_by_name() {
    use redb::{Database, TableDefinition};
    const TOKENS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("tokens");
    let directory = tempfile::tempdir().unwrap();
    let disk = Arc::new(FsDisk::open(directory.path().join("data")).unwrap());
    let fatal = FatalLog::default();
    let open =
        || StateFile::open(disk.clone(), Arc::new(ManualClock::default()), fatal.hook()).unwrap();
    let state = open();
    let mut transaction = state.begin();
    transaction.put(Table::Tokens, &[0xAB; 16], b"enabled".to_vec());
    transaction.put(Table::Tokens, &[0xCD; 16], b"disabled".to_vec());
    transaction.commit(&[]);
    state.sync();
    drop(state);

    let database = Database::open(disk.root().join(STATE_FILE)).unwrap();
    let write = database.begin_write().unwrap();
    let mut table = write.open_table(TOKENS).unwrap();
    let mut stored = table.remove([0xAB; 16].as_slice()).unwrap().unwrap().value().to_vec();
    stored[10] ^= 0x20;
    table.insert([0xAB; 16].as_slice(), stored.as_slice()).unwrap();
    drop(table);
    write.commit().unwrap();
    drop(database);

    let state = open();
    let view = state.read();
    assert_eq!(view.get(Table::Tokens, &[0xCD; 16]), Some(b"disabled".to_vec()));
    assert_eq!(fatal.reason(), None);
    let read = catch_unwind(AssertUnwindSafe(|| view.get(Table::Tokens, &[0xAB; 16])));
    assert!(read.is_err(), "a damaged record must not be given out");
    let reason = fatal.reason().unwrap();
    assert!(reason.contains("`tokens`") && reason.contains("0xabababab"), "{reason}");
    let range = catch_unwind(AssertUnwindSafe(|| dump(&view)));
    assert!(range.is_err(), "nor by a range");
}

/// Commits batches, syncing after each `period`. Returns the last batch that may be there, and the
/// last that must be.
fn work(disk: &SimDisk, fatal: &FatalLog, batches: u64, period: u64) -> (u64, u64) {
    let Ok(state) = open_state(disk, fatal) else { return (0, 0) };
    let (mut asked, mut synced) = (applied(&state), applied(&state));
    let stopped = catch_unwind(AssertUnwindSafe(|| {
        while asked < batches {
            asked += 1;
            commit_batch(&state, asked);
            if asked % period == 0 {
                state.sync();
                synced = asked;
            }
        }
        state.sync();
        synced = asked;
    }));
    assert_eq!(stopped.is_err(), fatal.reason().is_some());
    (asked, synced)
}

#[test]
fn after_a_crash_the_state_is_that_of_one_sync() {
    let (batches, period) = (40, 6);
    let calls = {
        let disk = SimDisk::default();
        work(&disk, &FatalLog::default(), batches, period);
        disk.calls()
    };
    assert!(calls > 100, "{calls}");
    let (mut behind, mut beyond) = (0, 0);
    for stop in 1..=calls {
        for variant in 0..scaled(1, 8) {
            let context = format!("stop at call {stop}, variant {variant}");
            let (disk, fatal) = (SimDisk::default(), FatalLog::default());
            disk.stop_at_call(stop);
            let (asked, synced) = work(&disk, &fatal, batches, period);
            let disk = disk.crash(stop * 1_000 + variant);
            let state = open_state(&disk, &FatalLog::default())
                .unwrap_or_else(|error| panic!("{context}: {error}"));
            let found = applied(&state);
            assert!((synced..=asked).contains(&found), "{context}: {synced} {found} {asked}");
            assert_eq!(dump(&state.read()), dump(&model(found)), "{context}");
            behind += u64::from(found < asked);
            beyond += u64::from(found > synced);
            drop(state);
            assert_eq!(work(&disk, &FatalLog::default(), batches, period).0, batches);
            let state = open_state(&disk, &FatalLog::default()).unwrap();
            assert_eq!(dump(&state.read()), dump(&model(batches)), "{context}");
        }
    }
    assert!(behind > 10, "the sweep lost next to nothing");
    assert!(beyond > 0, "no crash came between a commit point and its acknowledgement");
}

#[test]
fn a_failed_sync_stops_the_node() {
    let (disk, fatal) = (SimDisk::default(), FatalLog::default());
    let state = open_state(&disk, &fatal).unwrap();
    commit_batch(&state, 1);
    state.sync();
    disk.fail_syncs_from(disk.syncs());
    commit_batch(&state, 2);
    assert_eq!(fatal.reason(), None, "an unsynced commit needs no disk");
    assert!(catch_unwind(AssertUnwindSafe(|| state.sync())).is_err());
    let reason = fatal.reason().unwrap();
    assert!(reason.contains("state.redb: the sync failed"), "{reason}");
    assert!(catch_unwind(AssertUnwindSafe(|| commit_batch(&state, 3))).is_err());

    let state = open_state(&disk.crash(1), &FatalLog::default()).unwrap();
    let found = applied(&state);
    assert!((1..=2).contains(&found));
    assert_eq!(dump(&state.read()), dump(&model(found)));
}
