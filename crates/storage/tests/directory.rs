//! The data directory on a real file system: modes, refusals, small files, the thread of the writer.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use common::{entry, run, scaled};
use conclave_storage::{
    Disk, FsDisk, LogFile, OpenError, OpenMode, SnapshotStore, StateFile, ThreadSpawner,
    read_small_file, write_small_file_atomically,
};
use conclave_testkit::{FatalLog, ManualClock, SimDisk};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn all_files_are_for_the_owner_alone() {
    let parent = tempfile::tempdir().unwrap();
    let root = parent.path().join("data");
    let disk = Arc::new(FsDisk::open(&root).unwrap());
    let fatal = FatalLog::default();
    let log = LogFile::open(disk.clone(), &ThreadSpawner, fatal.hook()).unwrap();
    let clock = Arc::new(ManualClock::default());
    let state = StateFile::open(disk.clone(), clock, fatal.hook()).unwrap();
    let snapshots = SnapshotStore::open(disk.clone()).unwrap();
    let stream = conclave_storage::SnapshotStream::new(state.read(), Vec::new());
    let _snapshot = snapshots.build(stream).unwrap();
    write_small_file_atomically(&*disk, "node.json", b"{}").unwrap();
    run(log.append_synced(vec![(0, entry("first"))])).unwrap();

    assert_eq!(mode(&root), 0o700);
    assert_eq!(mode(&root.join("snapshots")), 0o700);
    assert_eq!(disk.list("").unwrap(), ["node.json", "raft.redb", "state.redb"]);
    let names = disk.list("").unwrap().into_iter();
    let snapshots = disk.list("snapshots").unwrap();
    assert_eq!(snapshots.len(), 1);
    for name in names.chain(snapshots.iter().map(|name| format!("snapshots/{name}"))) {
        assert_eq!(mode(&root.join(&name)), 0o600, "{name}");
    }
    FsDisk::open(&root).unwrap();
}

#[test]
fn what_others_can_reach_is_refused_with_the_chmod_to_run() {
    let parent = tempfile::tempdir().unwrap();
    let root = parent.path().join("data");
    let disk = FsDisk::open(&root).unwrap();
    disk.make_directory("snapshots").unwrap();
    write_small_file_atomically(&disk, "snapshots/file", b"x").unwrap();
    for (name, bad, good) in
        [("", 0o750, 0o700), ("snapshots", 0o701, 0o700), ("snapshots/file", 0o640, 0o600)]
    {
        let path = if name.is_empty() { root.clone() } else { root.join(name) };
        fs::set_permissions(&path, Permissions::from_mode(bad)).unwrap();
        let error = FsDisk::open(&root).unwrap_err();
        assert!(matches!(error, OpenError::Permissions { mode, .. } if mode == bad), "{error}");
        let advice = format!("chmod {good:o} '{}'", path.display());
        assert!(error.next().contains(&advice), "{error}");
        fs::set_permissions(&path, Permissions::from_mode(good)).unwrap();
        FsDisk::open(&root).unwrap();
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let parent = tempfile::tempdir().unwrap();
    let error = FsDisk::open(parent.path().join("no/such/parent")).unwrap_err().to_string();
    assert!(error.contains("no/such/parent") && error.contains("cannot create it"), "{error}");
}

#[test]
fn an_open_file_is_locked_and_a_foreign_or_empty_one_refused() {
    let parent = tempfile::tempdir().unwrap();
    let disk = Arc::new(FsDisk::open(parent.path().join("data")).unwrap());
    let fatal = FatalLog::default();
    let open = || LogFile::open(disk.clone(), &ThreadSpawner, fatal.hook());
    let log = open().unwrap();
    let error = open().unwrap_err().to_string();
    assert!(error.contains("raft.redb") && error.contains("already open"), "{error}");
    run(log.close()).unwrap();
    for content in [&b""[..], b"this is not a database", &[0; 5000]] {
        fs::write(disk.root().join("raft.redb"), content).unwrap();
        let error = open().unwrap_err().to_string();
        assert!(error.contains("raft.redb"), "{error}");
        assert_eq!(fs::read(disk.root().join("raft.redb")).unwrap(), content, "left as it was");
    }
}

#[test]
fn names_behave_on_both_disks_alike() {
    let parent = tempfile::tempdir().unwrap();
    let real = FsDisk::open(parent.path().join("data")).unwrap();
    for disk in [&real as &dyn Disk, &SimDisk::default()] {
        disk.make_directory("sub").unwrap();
        disk.make_directory("sub").unwrap();
        let kind = |result: io::Result<_>| result.map(drop).unwrap_err().kind();
        assert_eq!(kind(disk.open("a", OpenMode::Existing)), io::ErrorKind::NotFound);
        disk.open("a", OpenMode::New).unwrap().write(0, b"one").unwrap();
        assert_eq!(kind(disk.open("a", OpenMode::New)), io::ErrorKind::AlreadyExists);
        disk.open("b", OpenMode::New).unwrap().write(2, b"two").unwrap();
        let open = disk.open("a", OpenMode::Existing).unwrap();
        disk.rename("b", "a").unwrap();
        assert_eq!(disk.list("").unwrap(), ["a"]);
        assert_eq!((open.len().unwrap(), disk.exists("b").unwrap()), (3, false));
        assert_eq!(read_small_file(disk, "a").unwrap().unwrap(), b"\0\0two");
        let mut bytes = [0; 3];
        open.read(0, &mut bytes).unwrap();
        assert_eq!(&bytes, b"one", "an open file outlives its name");
        assert!(open.read(1, &mut bytes).is_err());
        disk.open("sub/c", OpenMode::New).unwrap().set_len(4).unwrap();
        assert_eq!(disk.list("sub").unwrap(), ["c"]);
        disk.remove("a").unwrap();
        assert_eq!(kind(disk.remove("a").map(|()| unreachable!())), io::ErrorKind::NotFound);
        assert_eq!(read_small_file(disk, "a").unwrap(), None);
        disk.sync_dir("").unwrap();
        disk.sync_dir("sub").unwrap();
    }
}

#[test]
fn a_small_file_is_old_or_new_after_any_crash() {
    let work = |disk: &SimDisk| -> u64 {
        let mut written = 0;
        for version in 1..=4u64 {
            let content = vec![version as u8; 700 * version as usize];
            if write_small_file_atomically(disk, "node.json", &content).is_err() {
                break;
            }
            written = version;
        }
        written
    };
    let disk = SimDisk::default();
    assert_eq!(work(&disk), 4);
    for stop in 1..=disk.calls() {
        for variant in 0..scaled(20, 100) {
            let disk = SimDisk::default();
            disk.stop_at_call(stop);
            let written = work(&disk);
            let disk = disk.crash(stop * 1_000 + variant);
            let content = read_small_file(&disk, "node.json").unwrap().unwrap_or_default();
            let found = content.first().copied().map_or(0, u64::from);
            let whole = content == vec![found as u8; 700 * found as usize];
            assert!(whole && (written..=written + 1).contains(&found), "{stop} {variant}: {found}");
            assert_eq!(work(&disk), 4, "a leftover temporary file is no obstacle");
        }
    }
}
