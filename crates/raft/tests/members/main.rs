//! Members in one process: forming, restarting, catching up, read barriers, refusals.

#![allow(clippy::unwrap_used, clippy::panic)]

mod adversarial;
mod durability;
mod hand_on;
mod leadership;
mod learner;
mod repeats;
mod returns;
mod snapshots;
mod world;

use conclave_core::records::{Records, Table};
use conclave_core::replica::{NodeRole, ProposeError, Replica, Unavailable};
use conclave_raft::leadership::Promise;
use conclave_raft::log_store::LogStore;
use conclave_raft::machine::{Applier, ApplierParts, Machine};
use conclave_raft::types::{Runtime, TypeConfig};
use conclave_storage::{LogFile, SnapshotStore, StateFile};
use conclave_testkit::{FatalLog, ManualClock, SimDisk, TaskSpawner};
use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use std::sync::Arc;
use std::time::Duration;
use world::{TestMember, World, barrier, digests, propose};

struct Builder;

impl StoreBuilder<TypeConfig, LogStore, Machine> for Builder {
    async fn build(&self) -> Result<((), LogStore, Machine), StorageError<TypeConfig>> {
        let fatal = FatalLog::default().hook();
        let disk = Arc::new(SimDisk::default());
        let log = LogFile::open(disk.clone(), &TaskSpawner, fatal.clone()).unwrap();
        let clock = Arc::new(ManualClock::default());
        let state = StateFile::open(disk.clone(), clock, fatal.clone()).unwrap();
        let snapshots = SnapshotStore::open(disk).unwrap();
        let observer = Arc::new(world::Nothing);
        let (state_of, log_of, spawner) = (state.clone(), log.clone(), Arc::new(TaskSpawner));
        let parts = ApplierParts { state: state_of, log: log_of, observer, spawner, fatal };
        let (applier, handle, _, _) = Applier::open(parts).unwrap();
        tokio::spawn(applier.run());
        let machine = Machine::new(state, handle.clone(), snapshots, Arc::new(TaskSpawner), 10);
        let promise = Promise::open(&log).unwrap();
        Ok(((), LogStore::new(log, handle, promise), machine))
    }
}

#[tokio::test]
async fn the_storage_passes_the_suite_of_the_consensus_library() {
    Runtime::scope(1, Suite::test_all(Builder)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn three_members_agree_and_each_serves() {
    let world = World::new(3);
    let members = world.form().await;
    for (number, member) in members.iter().cycle().take(30).enumerate() {
        let applied = propose(&member.node, number as u128).await.unwrap();
        assert!(!applied.replayed);
        assert!(barrier(&member.node).await >= applied.index);
    }
    let repeat = propose(&members[1].node, 3).await.unwrap();
    assert!(repeat.replayed);
    let all = digests(&members).await;
    assert!(all.iter().all(|digest| *digest == all[0]), "{all:?}");
    let leaders = futures::future::join_all(
        members.iter().map(|m| m.node.report(None, Duration::from_secs(1))),
    )
    .await;
    assert_eq!(leaders.iter().filter(|report| report.role == NodeRole::Leader).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn everything_acknowledged_survives_the_death_of_all() {
    for seed in 0..8 {
        let world = World::new(3);
        let mut members = world.form().await;
        let cluster = members[0].node.report(None, Duration::ZERO).await.cluster_id;
        for number in 0..20 {
            propose(&members[number % 3].node, number as u128).await.unwrap();
        }
        let mut disks = Vec::new();
        for (at, member) in members.drain(..).enumerate() {
            disks.push(world.kill(at as u32 + 1, member, seed * 3 + at as u64));
        }
        for (at, disk) in disks.into_iter().enumerate() {
            members.push(world.start(at as u32 + 1, disk, cluster).await);
        }
        for number in 0..20 {
            let again = propose(&members[number % 3].node, number as u128).await.unwrap();
            assert!(again.replayed, "seed {seed}: request {number} was lost");
        }
        let all = digests(&members).await;
        assert!(all.iter().all(|digest| *digest == all[0]), "seed {seed}: {all:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_old_copy_of_a_data_directory_is_refused() {
    let world = World::new(3);
    let mut members = world.form().await;
    let cluster = members[0].node.report(None, Duration::ZERO).await.cluster_id;
    propose(&members[0].node, 1).await.unwrap();
    let old = members[2].disk.copy();
    for number in 2..40 {
        propose(&members[0].node, number).await.unwrap();
    }
    // A proper restart first: the newest directory is welcome.
    let third = members.pop().unwrap();
    let newest = world.kill(3, third, 1);
    let third = world.start(3, newest, cluster).await;
    barrier(&third.node).await;
    world.kill(3, third, 2);
    let amnesiac = world.start(3, old, cluster).await;
    let why = wait_for_fatal(&amnesiac.fatal).await;
    assert!(why.contains("OLD_DATA_DIRECTORY"), "{why}");
    propose(&members[0].node, 99).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_new_directory_does_not_take_an_old_members_place() {
    let world = World::new(3);
    let mut members = world.form().await;
    world.kill(2, members.remove(1), 5);
    let wiped = world.start_as(2, 999, SimDisk::default(), None).await;
    let why = wait_for_fatal(&wiped.fatal).await;
    assert!(why.contains("NOT_A_MEMBER"), "{why}");
}

/// Changes a member's state behind everybody's back while it is down, and starts it again.
async fn restart_changed(
    world: &World,
    members: &mut Vec<TestMember>,
    change: impl FnOnce(&mut conclave_storage::ApplyTxn),
) -> TestMember {
    let cluster = members[0].node.report(None, Duration::ZERO).await.cluster_id;
    let disk = world.kill(3, members.pop().unwrap(), 1);
    let clock = Arc::new(ManualClock::default());
    let state = StateFile::open(Arc::new(disk.clone()), clock, FatalLog::default().hook()).unwrap();
    let mut transaction = state.begin();
    change(&mut transaction);
    transaction.commit(&[]);
    state.sync();
    drop(state);
    world.start(3, disk, cluster).await
}

/// A record that is gone has no check that could fail: the sum over all records misses it. The others
/// go on.
#[tokio::test(start_paused = true)]
async fn a_lost_record_is_found_by_the_scrub() {
    let world = World::new(3);
    let mut members = world.form().await;
    for number in 0..5 {
        propose(&members[0].node, number).await.unwrap();
    }
    // Until the state file itself holds the records.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let odd = restart_changed(&world, &mut members, |transaction| {
        transaction.delete(Table::Audit, &0u64.to_be_bytes());
    })
    .await;
    let why = wait_for_fatal(&odd.fatal).await;
    assert!(why.contains("STATE_DAMAGED"), "{why}");
    propose(&members[0].node, 9).await.unwrap();
    assert!(members.iter().all(|member| member.fatal.reason().is_none()));
}

#[tokio::test(start_paused = true)]
async fn without_a_quorum_nothing_enters_and_nothing_is_read() {
    let world = World::new(3);
    let members = world.form().await;
    let survivor = (0..3).find(|at| !is_leader(&members[*at])).unwrap();
    for other in (0..3).filter(|at| *at != survivor) {
        world.cut(other as u32 + 1, true);
    }
    let timeout = Duration::from_secs(5);
    let node = &members[survivor].node;
    let refused = node.propose(world::proposal(1), timeout).await;
    assert_eq!(refused, Err(ProposeError::Unavailable(Unavailable::NoQuorum)));
    assert_eq!(node.read_barrier(timeout).await, Err(Unavailable::NoQuorum));
    for other in 1..=3 {
        world.cut(other, false);
    }
    propose(node, 1).await.unwrap();
}

/// The ordinary check: a request that arrives while a round is out gets a read index of its own.
async fn late_arrival_gets_a_new_round() -> bool {
    let world = World::new(3);
    let members = world.form().await;
    let follower = members.iter().find(|member| !is_leader(member)).unwrap();
    let before = world.read_index_asked();
    world.gate_read_index();
    let first = tokio::spawn({
        let node = follower.node.clone();
        async move { barrier(&node).await }
    });
    while world.read_index_asked() == before {
        tokio::task::yield_now().await;
    }
    // Let the round be answered up to the gate.
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    let late = tokio::spawn({
        let node = follower.node.clone();
        async move { barrier(&node).await }
    });
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    world.open_gate();
    first.await.unwrap();
    late.await.unwrap();
    world.read_index_asked() >= before + 2
}

#[tokio::test(start_paused = true)]
async fn a_request_never_joins_a_round_that_was_sent() {
    assert!(late_arrival_gets_a_new_round().await);
}

#[cfg(feature = "mutants")]
#[tokio::test(start_paused = true)]
async fn the_mutant_that_joins_a_sent_round_is_caught() {
    // The choice holds for the process, so this test runs in one of its own.
    if std::env::var_os("IN_OWN_PROCESS").is_none() {
        let test = "the_mutant_that_joins_a_sent_round_is_caught";
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let status = child.args(["--exact", test]).env("IN_OWN_PROCESS", "1").status().unwrap();
        assert!(status.success());
        return;
    }
    conclave_core::mutants::choose("join_sent_round").unwrap();
    assert!(!late_arrival_gets_a_new_round().await);
}

fn is_leader(member: &TestMember) -> bool {
    use futures::FutureExt;
    let report = member.node.report(None, Duration::ZERO).now_or_never();
    report.is_some_and(|report| report.role == NodeRole::Leader)
}

/// Waits until something is so.
async fn wait_until(is_so: impl Fn() -> bool) {
    for _ in 0..600 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it did not come about");
}

async fn wait_for_fatal(fatal: &FatalLog) -> String {
    for _ in 0..600 {
        if let Some(reason) = fatal.reason() {
            return reason;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the member was not stopped");
}
