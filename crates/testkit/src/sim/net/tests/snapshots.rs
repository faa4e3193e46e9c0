//! Snapshots: whole or not at all, and slow enough to be struck in the middle.

use conclave_raft::transport::TransportError;
use conclave_raft::types::SnapshotMeta;
use conclave_raft::wire::{SnapshotAnswer, SnapshotHead};
use conclave_storage::{SnapshotFile, SnapshotStore, SnapshotStream, StateFile};

use super::side::vote;
use super::*;
use crate::{FatalLog, ManualClock, SimDisk};

const SNAPSHOT_IDLE: Duration = Duration::from_secs(10);

/// A snapshot of some 60 kB, and its bytes.
fn snapshot() -> (SnapshotFile, Vec<u8>) {
    let disk = Arc::new(SimDisk::default());
    let fatal = FatalLog::default();
    let clock = Arc::new(ManualClock::default());
    let state = StateFile::open(disk.clone(), clock, fatal.hook()).unwrap();
    let extra = vec![("filling".to_owned(), (0..60_000u32).map(|at| at as u8).collect())];
    let store = SnapshotStore::open(disk).unwrap();
    let file = store.build(SnapshotStream::new(state.read(), extra)).unwrap();
    let bytes = file.read_chunk(0, file.len() as usize).unwrap();
    (file, bytes)
}

impl World {
    async fn send(&self, file: SnapshotFile) -> Result<SnapshotAnswer, TransportError> {
        let head = SnapshotHead { vote: vote(3, member(1), true), meta: SnapshotMeta::default() };
        self.nodes[&1].transport.snapshot(target(2), head, file, SNAPSHOT_IDLE).await
    }
}

#[test]
fn a_snapshot_arrives_whole_and_takes_many_hops() {
    simulate(60, 2, |world| async move {
        let (file, bytes) = snapshot();
        let (took, answer) = timed(world.send(file)).await;
        assert_eq!(answer.unwrap().vote, vote(3, member(1), true));
        assert_eq!(world.side(2).snapshots(), [Ok(bytes)]);
        assert!(took > Duration::from_millis(15), "{took:?}");
        assert_eq!(world.net.leaders(), [(3, [member(1)].into())].into());
    });
}

#[test]
fn a_snapshot_survives_a_short_cut_in_the_middle() {
    simulate(61, 2, |world| async move {
        let (file, bytes) = snapshot();
        let cut = async {
            sleep(Duration::from_millis(10)).await;
            world.net.cut(1, 2);
            seconds(5).await;
            assert!(world.side(2).snapshots().is_empty());
            world.net.heal_all();
        };
        let (answer, ()) = futures::future::join(world.send(file), cut).await;
        assert!(answer.is_ok());
        assert_eq!(world.side(2).snapshots(), [Ok(bytes)]);
    });
}

#[test]
fn a_snapshot_that_does_not_move_fails_on_both_sides() {
    simulate(62, 2, |world| async move {
        let cut = async {
            sleep(Duration::from_millis(10)).await;
            world.net.one_way(1, 2);
        };
        let sent = futures::future::join(world.send(snapshot().0), cut);
        let (took, (answer, ())) = timed(sent).await;
        assert!(is_lost(&answer), "{answer:?}");
        assert!(took <= SNAPSHOT_IDLE + Duration::from_millis(20), "{took:?}");
        seconds(5).await;
        assert_eq!(world.side(2).snapshots(), [Err("the connection broke".to_owned())]);
    });
}

#[test]
fn a_snapshot_without_an_answer_is_not_confirmed() {
    simulate(63, 2, |world| async move {
        let (file, bytes) = snapshot();
        world.net.one_way(2, 1);
        let (took, answer) = timed(world.send(file)).await;
        assert_eq!(answer, Err(TransportError::Lost("the snapshot was not confirmed".to_owned())));
        assert!(took >= SNAPSHOT_IDLE, "{took:?}");
        assert_eq!(world.side(2).snapshots(), [Ok(bytes)]);
    });
}

#[test]
fn who_gives_a_snapshot_up_does_not_seem_to_have_finished_it() {
    simulate(64, 2, |world| async move {
        let sent = tokio::time::timeout(Duration::from_millis(10), world.send(snapshot().0)).await;
        assert!(sent.is_err());
        seconds(1).await;
        assert_eq!(world.side(2).snapshots(), [Err("the connection broke".to_owned())]);
    });
}

#[test]
fn a_snapshot_of_a_crashed_sender_is_not_whole() {
    simulate(65, 2, |world| async move {
        let crash = async {
            sleep(Duration::from_millis(10)).await;
            world.nodes[&1].alive.end();
        };
        let (answer, ()) = futures::future::join(world.send(snapshot().0), crash).await;
        assert!(is_lost(&answer));
        assert_eq!(world.side(2).snapshots(), [Err("the connection broke".to_owned())]);
    });
}

#[test]
fn a_receiver_that_crashes_takes_nothing() {
    simulate(66, 2, |world| async move {
        let crash = async {
            sleep(Duration::from_millis(10)).await;
            world.nodes[&2].alive.end();
        };
        let (answer, ()) = futures::future::join(world.send(snapshot().0), crash).await;
        assert!(is_lost(&answer));
        assert!(world.side(2).snapshots().is_empty());
    });
}
