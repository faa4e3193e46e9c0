//! The log file: order, visibility, group commit, refusals, reopening.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::sync::{Arc, Mutex};

use common::{entry, open_log, run};
use conclave_storage::{LOG_FILE, LogFailure, LogFile, MetaKey, OpenError};
use conclave_testkit::{FatalLog, SimDisk};

const VOTE: MetaKey = MetaKey::new("vote");
const COMMITTED: MetaKey = MetaKey::new("committed");

fn fresh() -> (SimDisk, FatalLog, LogFile) {
    let (disk, fatal) = (SimDisk::default(), FatalLog::default());
    let log = open_log(&disk, &fatal).unwrap();
    (disk, fatal, log)
}

fn numbered(indexes: std::ops::Range<u64>) -> Vec<(u64, Arc<[u8]>)> {
    indexes.map(|index| (index, entry(&format!("entry {index}")))).collect()
}

fn indexes(log: &LogFile) -> Vec<u64> {
    log.entries(.., usize::MAX).iter().map(|(index, _)| *index).collect()
}

#[test]
fn entries_are_readable_at_once_and_done_after_the_sync_in_order() {
    run(async {
        let (disk, _, log) = fresh();
        let before = disk.syncs();
        let order = Arc::new(Mutex::new(Vec::new()));
        for index in 0..64 {
            let order = order.clone();
            let done = move |result: Result<(), _>| order.lock().unwrap().push((index, result));
            log.append(numbered(index..index + 1), Box::new(done)).unwrap();
        }
        assert_eq!(log.last_index(), Some(63));
        assert_eq!(log.entry(63), Some(entry("entry 63")));
        assert_eq!(log.synced_index(), None);
        assert!(order.lock().unwrap().is_empty());

        log.write_meta(vec![(VOTE, Some(b"v1".to_vec()))]).await.unwrap();
        let expected: Vec<_> = (0..64).map(|index| (index, Ok(()))).collect();
        assert_eq!(*order.lock().unwrap(), expected);
        assert_eq!(log.synced_index(), Some(63));
        assert_eq!(disk.syncs() - before, 1, "all that waited goes into one synced commit");
    });
}

#[test]
fn a_batch_is_bounded() {
    run(async {
        let (disk, _, log) = fresh();
        let large: Arc<[u8]> = vec![7; 600 * 1024].into();
        let fill = || {
            let append = |index| log.append(vec![(index, large.clone())], Box::new(drop));
            (0..3).for_each(|index| append(index).unwrap());
        };
        // Lets the file grow first, which costs a sync of its own.
        fill();
        log.truncate_after(None).await.unwrap();
        let before = disk.syncs();
        fill();
        log.append_synced(numbered(3..4)).await.unwrap();
        assert_eq!(disk.syncs() - before, 3, "600 KiB and 600 KiB exceed one batch of 1 MiB");
    });
}

#[test]
fn an_append_leaves_no_hole_and_overwrites_nothing() {
    run(async {
        let (_, _, log) = fresh();
        log.append_synced(numbered(5..8)).await.unwrap();
        for bad in [numbered(9..10), numbered(7..8), numbered(0..1)] {
            let found = bad[0].0;
            let refused = log.append(bad, Box::new(|_| panic!("must not be called")));
            assert_eq!(refused, Err(LogFailure::NotContiguous { expected: 8, found }));
        }
        let gap = vec![(8, entry("a")), (10, entry("b"))];
        let refused = log.append_synced(gap).await;
        assert_eq!(refused, Err(LogFailure::NotContiguous { expected: 9, found: 10 }));
        assert_eq!(indexes(&log), [5, 6, 7]);
    });
}

#[test]
fn ranges_are_cut_by_bytes_but_never_empty() {
    run(async {
        let (_, _, log) = fresh();
        log.append_synced((0..10).map(|i| (i, entry("0123456789"))).collect()).await.unwrap();
        let count = |range: std::ops::Range<u64>, bytes| log.entries(range, bytes).len();
        assert_eq!(count(0..10, 35), 3);
        assert_eq!(count(2..10, 1), 1);
        assert_eq!(count(8..20, 1000), 2);
        #[allow(clippy::reversed_empty_ranges)]
        let backward = count(7..3, 1000);
        assert_eq!(backward, 0);
        assert_eq!(
            log.entries((std::ops::Bound::Excluded(3), std::ops::Bound::Included(5)), 99).len(),
            2
        );
    });
}

#[test]
fn truncation_and_purge_survive_reopening() {
    run(async {
        let (disk, fatal, log) = fresh();
        log.append_synced(numbered(0..10)).await.unwrap();
        log.truncate_after(Some(6)).await.unwrap();
        log.purge_to(2, vec![(VOTE, Some(b"v2".to_vec()))]).await.unwrap();
        log.append_synced(vec![(7, entry("other 7"))]).await.unwrap();
        log.close().await.unwrap();

        let log = open_log(&disk, &fatal).unwrap();
        assert_eq!(indexes(&log), [3, 4, 5, 6, 7]);
        assert_eq!(log.entry(7), Some(entry("other 7")));
        assert_eq!((log.purged_index(), log.synced_index()), (Some(2), Some(7)));
        assert_eq!(log.meta(VOTE).as_deref(), Some(b"v2".as_slice()));
        assert_eq!(fatal.reason(), None);
    });
}

#[test]
fn a_purge_past_the_end_moves_the_log() {
    run(async {
        let (disk, fatal, log) = fresh();
        log.append_synced(numbered(0..3)).await.unwrap();
        log.purge_to(100, Vec::new()).await.unwrap();
        assert_eq!((log.first_index(), log.last_index()), (None, None));
        assert_eq!(log.synced_index(), Some(100));
        drop(log);
        tokio::task::yield_now().await;

        let log = open_log(&disk, &fatal).unwrap();
        let refused = log.append_synced(numbered(3..4)).await;
        assert_eq!(refused, Err(LogFailure::NotContiguous { expected: 101, found: 3 }));
        log.append_synced(numbered(101..102)).await.unwrap();
        // A purge that came too late does not move it back.
        log.purge_to(50, Vec::new()).await.unwrap();
        log.truncate_after(None).await.unwrap();
        assert_eq!((log.purged_index(), log.synced_index()), (Some(100), Some(100)));
    });
}

#[test]
fn what_was_synced_before_a_truncation_does_not_vouch_for_what_came_after() {
    run(async {
        let (_, _, log) = fresh();
        log.append(numbered(0..10), Box::new(drop)).unwrap();
        let truncation = log.truncate_after(Some(4));
        let rewritten = async {
            // Queued after the truncation, before anything is on disk.
            log.append((5..8).map(|i| (i, entry("new"))).collect(), Box::new(drop)).unwrap();
            assert_eq!(log.synced_index(), None);
        };
        let (truncated, ()) = tokio::join!(biased; truncation, rewritten);
        truncated.unwrap();
        assert_eq!(log.synced_index(), Some(7));

        log.append(numbered(8..9), Box::new(drop)).unwrap();
        let (truncated, ()) = tokio::join!(biased; log.truncate_after(Some(20)), async {
            log.append(numbered(9..12), Box::new(drop)).unwrap();
        });
        truncated.unwrap();
        assert!(log.synced_index() >= Some(8));
    });
}

#[test]
fn a_note_rides_along_and_costs_no_sync() {
    run(async {
        let (disk, fatal, log) = fresh();
        log.append_synced(numbered(0..1)).await.unwrap();
        let before = disk.syncs();
        for value in 0..100u8 {
            log.note_meta(COMMITTED, vec![value]).unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(disk.syncs(), before);
        assert_eq!(log.meta(COMMITTED), Some(vec![99]));
        let lost = open_log(&disk.crash(1), &fatal).unwrap();
        assert_eq!(lost.meta(COMMITTED), None, "a note alone is not durable");

        let (disk, fatal, log) = fresh();
        log.note_meta(COMMITTED, vec![7]).unwrap();
        log.append_synced(numbered(0..1)).await.unwrap();
        log.note_meta(COMMITTED, vec![8]).unwrap();
        let disk = disk.crash(1);
        let kept = open_log(&disk, &fatal).unwrap();
        assert_eq!(kept.meta(COMMITTED), Some(vec![7]));
        kept.note_meta(COMMITTED, vec![9]).unwrap();
        kept.close().await.unwrap();
        assert_eq!(open_log(&disk, &fatal).unwrap().meta(COMMITTED), Some(vec![9]));
    });
}

#[test]
fn written_meta_is_visible_once_durable_and_can_be_removed() {
    run(async {
        let (_, _, log) = fresh();
        let write = log.write_meta(vec![(VOTE, Some(b"v".to_vec()))]);
        let (result, seen) = tokio::join!(biased; write, async { log.meta(VOTE) });
        assert_eq!((result, seen), (Ok(()), None));
        assert_eq!(log.meta(VOTE), Some(b"v".to_vec()));
        log.write_meta(vec![(VOTE, None)]).await.unwrap();
        assert_eq!(log.meta(VOTE), None);
    });
}

#[test]
fn a_closed_log_refuses_changes_and_still_reads() {
    run(async {
        let (_, _, log) = fresh();
        let other = log.clone();
        log.append(numbered(0..3), Box::new(|result| assert_eq!(result, Ok(())))).unwrap();
        log.close().await.unwrap();
        assert_eq!(other.append_synced(numbered(3..4)).await, Err(LogFailure::Closed));
        assert_eq!(other.close().await, Err(LogFailure::Closed));
        assert_eq!((other.last_index(), other.synced_index()), (Some(2), Some(2)));
    });
}

#[test]
fn a_writer_that_was_torn_down_keeps_nobody_waiting() {
    let (_, fatal, log) = run(async { fresh() });
    // The runtime is gone, and the writer with it.
    let result = run(log.append_synced(numbered(0..1)));
    assert!(matches!(result, Err(LogFailure::Failed(_))), "{result:?}");
    assert_eq!(fatal.reason(), None);
}

#[test]
fn a_damaged_or_missing_entry_is_found_at_open() {
    use redb::{Database, TableDefinition};
    const ENTRIES: TableDefinition<u64, &[u8]> = TableDefinition::new("entries");
    for (what, expected) in [("damage", "0x0000000000000003"), ("hole", "entry 3 is missing")] {
        let directory = tempfile::tempdir().unwrap();
        let disk = Arc::new(conclave_storage::FsDisk::open(directory.path().join("data")).unwrap());
        let fatal = FatalLog::default();
        let open = || LogFile::open(disk.clone(), &conclave_testkit::TaskSpawner, fatal.hook());
        run(async {
            let log = open().unwrap();
            log.append_synced(numbered(0..6)).await.unwrap();
            log.close().await.unwrap();
            // A valid database with a record that this program did not write.
            let database = Database::open(disk.root().join(LOG_FILE)).unwrap();
            let write = database.begin_write().unwrap();
            let mut table = write.open_table(ENTRIES).unwrap();
            let mut stored = table.remove(3).unwrap().unwrap().value().to_vec();
            if what == "damage" {
                *stored.last_mut().unwrap() ^= 1;
                table.insert(3, stored.as_slice()).unwrap();
            }
            drop(table);
            write.commit().unwrap();
            drop(database);
            let error = open().unwrap_err();
            assert!(matches!(error, OpenError::Damaged(_)), "{error}");
            assert!(error.to_string().contains(expected), "{error}");
        });
    }
}
