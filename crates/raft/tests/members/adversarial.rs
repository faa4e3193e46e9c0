//! Members that meet what they should never meet: lost logs, replayed snapshots, old copies of data
//! directories, deaths in the middle of forming, entries that do not fit a frame.

use crate::world::{TestMember, World, barrier, propose};
use conclave_core::command::{Algorithm, Command, CreateKey, Proposal, WrappedMaterial};
use conclave_core::ids::{InstanceId, KeyId};
use conclave_core::replica::{NodeRole, Replica};
use conclave_raft::transport::Handler;
use conclave_storage::Disk;
use conclave_storage::snapshot::SNAPSHOT_DIRECTORY;
use conclave_testkit::SimDisk;
use futures::StreamExt;
use std::time::Duration;
use uuid::Uuid;

/// The log is gone, the file that names the member and the cluster is not: an empty voter under an
/// old member id would forget its votes and acknowledgements.
#[tokio::test(start_paused = true)]
async fn a_member_that_lost_its_log_does_not_take_part() {
    let world = World::new(3);
    let mut members = world.form().await;
    let cluster = cluster_of(&members[0]).await;
    for number in 0..10 {
        propose(&members[0].node, number).await.unwrap();
    }
    world.kill(3, members.pop().unwrap(), 1);
    let emptied = world.start(3, SimDisk::default(), cluster).await;
    let why = fatal_within(&emptied, 60).await;
    assert!(why.is_some(), "a voter that has forgotten everything takes part");
}

/// The same with a copy of the whole data directory that was made before the cluster was formed.
#[tokio::test(start_paused = true)]
async fn a_copy_from_before_the_cluster_was_formed_does_not_take_part() {
    let world = World::new(3);
    let third = world.start(3, SimDisk::default(), None).await;
    let old = third.disk.copy();
    let first = world.start(1, SimDisk::default(), None).await;
    let _second = world.start(2, SimDisk::default(), None).await;
    barrier(&third.node).await;
    for number in 0..10 {
        propose(&first.node, number).await.unwrap();
    }
    world.kill(3, third, 1);
    let emptied = world.start(3, old, None).await;
    let why = fatal_within(&emptied, 60).await;
    assert!(why.is_some(), "a voter that has forgotten everything takes part");
}

/// What it does if it takes part: it gives its vote to one that has not got what it acknowledged.
#[tokio::test(start_paused = true)]
async fn what_was_acknowledged_survives_a_copy_from_before_the_cluster_was_formed() {
    let world = World::new(3);
    let (mut members, mut empty) = (Vec::new(), Vec::new());
    for id in 1..=3 {
        let member = world.start(id, SimDisk::default(), None).await;
        empty.push(member.disk.copy());
        members.push(member);
    }
    for member in &members {
        barrier(&member.node).await;
    }
    let cluster = cluster_of(&members[0]).await;
    let lagging = follower(&members).await;
    world.cut(lagging as u32 + 1, true);
    let leader = leader(&members).await;
    for number in 0..10 {
        propose(&members[leader].node, number).await.unwrap();
    }
    let emptied = 3 - lagging - leader;
    let mut disks = Vec::new();
    for (place, member) in members.drain(..).enumerate() {
        disks.push(world.kill(place as u32 + 1, member, 1));
    }
    world.cut(lagging as u32 + 1, false);
    let id = |place: usize| place as u32 + 1;
    let emptied = world.start(id(emptied), empty[emptied].clone(), None).await;
    let lagging = world.start(id(lagging), disks[lagging].clone(), cluster).await;
    let _ = lagging.node.read_barrier(Duration::from_secs(30)).await;
    let _leader = world.start(id(leader), disks[leader].clone(), cluster).await;
    for number in 0..10 {
        let again = propose(&lagging.node, number).await.unwrap();
        assert!(again.replayed, "the acknowledged request {number} is lost");
    }
    drop(emptied);
}

/// The same for the member that founded the cluster: it must not found it again.
#[tokio::test(start_paused = true)]
async fn a_founder_that_lost_its_log_does_not_found_again() {
    let world = World::new(3);
    let mut members = world.form().await;
    let cluster = cluster_of(&members[1]).await;
    for number in 0..10 {
        propose(&members[0].node, number).await.unwrap();
    }
    world.kill(1, members.remove(0), 1);
    let emptied = world.start(1, SimDisk::default(), cluster).await;
    let why = fatal_within(&emptied, 60).await;
    assert!(why.is_some(), "a founder that has forgotten everything takes part");
}

/// A member dies after it has introduced itself and before it has heard of the membership.
#[tokio::test(start_paused = true)]
async fn a_member_that_dies_while_the_cluster_forms_can_come_back() {
    let world = World::new(3);
    world.deafen(2, true);
    let first = world.start(1, SimDisk::default(), None).await;
    let second = world.start(2, SimDisk::default(), None).await;
    let third = world.start(3, SimDisk::default(), None).await;
    barrier(&first.node).await;
    barrier(&third.node).await;
    let cluster = cluster_of(&second).await;
    assert!(cluster.is_some(), "it has adopted the id of the cluster");
    let disk = world.kill(2, second, 1);
    let second = world.start(2, disk, cluster).await;
    world.deafen(2, false);
    propose(&first.node, 1).await.unwrap();
    let reached = second.node.read_barrier(Duration::from_secs(120)).await;
    assert_eq!(second.fatal.reason(), None);
    assert!(reached.is_ok(), "the others' messages are refused for good: {reached:?}");
}

/// Peers saw another start of the member than the one that its directory knows of.
#[tokio::test(start_paused = true)]
async fn an_old_copy_is_refused_although_its_peers_have_restarted() {
    let world = World::new(3);
    let mut members = world.form().await;
    let cluster = cluster_of(&members[0]).await;
    propose(&members[0].node, 1).await.unwrap();
    let third = members.pop().unwrap();
    let newest = world.kill(3, third, 1);
    let old = newest.copy();
    let third = world.start(3, newest, cluster).await;
    barrier(&third.node).await;
    for number in 2..40 {
        propose(&members[0].node, number).await.unwrap();
    }
    barrier(&third.node).await;
    world.kill(3, third, 2);
    let second = world.kill(2, members.pop().unwrap(), 3);
    let first = world.kill(1, members.pop().unwrap(), 4);
    let _first = world.start(1, first, cluster).await;
    let _second = world.start(2, second, cluster).await;
    let amnesiac = world.start(3, old, cluster).await;
    let why = fatal_within(&amnesiac, 60).await;
    assert!(why.is_some_and(|why| why.contains("OLD_DATA_DIRECTORY")), "an old copy takes part");
}

/// The copy was made while the member ran, so that no later start betrays it.
#[tokio::test(start_paused = true)]
async fn what_was_seen_of_a_member_outlives_a_restart_of_those_who_saw_it() {
    let world = World::new(3);
    let mut members = world.form().await;
    let cluster = cluster_of(&members[0]).await;
    propose(&members[0].node, 1).await.unwrap();
    barrier(&members[2].node).await;
    let old = members[2].disk.copy();
    for number in 2..40 {
        propose(&members[0].node, number).await.unwrap();
    }
    barrier(&members[2].node).await;
    let mut disks = Vec::new();
    for (at, member) in members.drain(..).enumerate() {
        disks.push(world.kill(at as u32 + 1, member, at as u64));
    }
    disks[2] = old;
    let mut disks = disks.into_iter();
    let _first = world.start(1, disks.next().unwrap(), cluster).await;
    let _second = world.start(2, disks.next().unwrap(), cluster).await;
    let amnesiac = world.start(3, disks.next().unwrap(), cluster).await;
    let why = fatal_within(&amnesiac, 60).await;
    assert!(why.is_some_and(|why| why.contains("OLD_DATA_DIRECTORY")), "an old copy takes part");
}

/// A snapshot that arrives a second time, late, must not take the state back: the log between has been
/// purged.
#[tokio::test(start_paused = true)]
async fn a_late_snapshot_does_not_take_the_state_back() {
    let mut world = World::new(3);
    world.log_kept = 50;
    let mut members = world.form().await;
    let cluster = cluster_of(&members[0]).await;
    let lagging = follower(&members).await;
    let id = lagging as u32 + 1;
    world.cut(id, true);
    let serving = (lagging + 1) % 3;
    for number in 0..400 {
        propose(&members[serving].node, number).await.unwrap();
    }
    world.cut(id, false);
    barrier(&members[lagging].node).await;
    for number in 400..600 {
        propose(&members[serving].node, number).await.unwrap();
    }
    let reached = barrier(&members[lagging].node).await;
    let sent = world.sent_snapshot().expect("it caught up by a snapshot");
    assert_eq!(sent.to, id);
    let chunks = sent.chunks.clone().into_iter().map(Ok);
    let late = futures::stream::iter(chunks).boxed();
    world.side(id).1.snapshot(sent.from, sent.head, late).await.unwrap();
    let report = members[lagging].node.report(None, Duration::ZERO).await;
    assert!(report.applied_index >= reached, "{report:?}");
    let disk = world.kill(id, members.remove(lagging), 1);
    assert_eq!(disk.list(SNAPSHOT_DIRECTORY).unwrap(), [""; 0], "what was refused is gone");
    let again = world.start(id, disk, cluster).await;
    assert!(barrier(&again.node).await >= reached);
}

/// Entries of the size that an API call may have do not keep a member from catching up.
#[tokio::test(start_paused = true)]
async fn a_member_catches_up_on_long_entries() {
    let world = World::new(3);
    let members = world.form().await;
    let lagging = follower(&members).await;
    world.cut(lagging as u32 + 1, true);
    let serving = &members[leader(&members).await].node;
    for number in 0..20 {
        serving.propose(long_proposal(number), crate::world::PATIENCE).await.unwrap();
    }
    world.cut(lagging as u32 + 1, false);
    let reached = members[lagging].node.read_barrier(Duration::from_secs(300)).await;
    assert!(reached.is_ok(), "it does not catch up: {reached:?}");
}

/// Refused when it is applied, but an entry of the log all the same.
fn long_proposal(number: u128) -> Proposal {
    let command = Command::CreateKey(CreateKey {
        key: KeyId(Uuid::from_u128(number)),
        instance: InstanceId(Uuid::from_u128(1)),
        ring: InstanceId(Uuid::from_u128(1)).default_ring(),
        alias: None,
        algorithm: Algorithm::Aes256GcmSiv,
        description: "x".repeat(1_000_000),
        labels: std::collections::BTreeMap::new(),
        expires_at_ms: None,
        rotate_every_ms: None,
        material: WrappedMaterial { generation: 1, wrapped: vec![0; 48] },
    });
    Proposal { command, ..crate::world::proposal(number) }
}

async fn cluster_of(member: &TestMember) -> Option<Uuid> {
    member.node.report(None, Duration::ZERO).await.cluster_id
}

async fn leader(members: &[TestMember]) -> usize {
    for (at, member) in members.iter().enumerate() {
        if member.node.report(None, Duration::ZERO).await.role == NodeRole::Leader {
            return at;
        }
    }
    panic!("nobody leads");
}

async fn follower(members: &[TestMember]) -> usize {
    for (at, member) in members.iter().enumerate() {
        if member.node.report(None, Duration::ZERO).await.role == NodeRole::Follower {
            return at;
        }
    }
    panic!("nobody follows");
}

async fn fatal_within(member: &TestMember, seconds: u64) -> Option<String> {
    for _ in 0..seconds * 10 {
        if let Some(why) = member.fatal.reason() {
            return Some(why);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    None
}
