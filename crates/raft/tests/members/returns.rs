//! Members that come back: a leader after an election, a directory from a cluster of the same name.

use crate::world::{PATIENCE, TestMember, World, barrier, digests, propose};
use conclave_core::replica::{NodeRole, Replica};
use std::time::Duration;
use uuid::Uuid;

/// A leader that died has a vote of an older term than its successor's, and that is no sign of an old
/// copy.
#[tokio::test(start_paused = true)]
async fn a_dead_leader_is_welcome_in_the_next_term() {
    let world = World::new(3);
    let mut members = world.form().await;
    let cluster = cluster_of(&members[0]).await;
    propose(&members[0].node, 1).await.unwrap();
    let mut leader = None;
    for (place, member) in members.iter().enumerate() {
        let report = member.node.report(None, Duration::ZERO).await;
        leader = leader.or((report.role == NodeRole::Leader).then_some(place));
    }
    let place = leader.expect("somebody leads");
    let id = place as u32 + 1;
    let disk = world.kill(id, members.remove(place), 7);
    for number in 2..10 {
        propose(&members[0].node, number).await.unwrap();
    }
    let back = world.start(id, disk, cluster).await;
    barrier(&back.node).await;
    assert_eq!(back.fatal.reason(), None);
    members.push(back);
    let all = digests(&members).await;
    assert!(all.iter().all(|digest| *digest == all[0]), "{all:?}");
}

/// What a leader had sent but not yet stored itself may lie in the logs of others, under its term: it
/// never goes on in that term after a restart, or other entries would stand at the same log ids.
#[tokio::test(start_paused = true)]
async fn the_death_of_all_with_proposals_in_flight_leaves_one_log() {
    for seed in 0..24 {
        let world = World::new(3);
        let mut members = world.form().await;
        let cluster = cluster_of(&members[0]).await;
        let term = members[0].node.report(None, Duration::ZERO).await.term;
        for number in 0..60 {
            let node = members[number % 3].node.clone();
            tokio::spawn(async move { propose(&node, number as u128).await });
            if number as u64 % 7 == seed % 7 {
                tokio::task::yield_now().await;
            }
        }
        for _ in 0..seed * 3 {
            tokio::task::yield_now().await;
        }
        let mut disks = Vec::new();
        for (at, member) in members.drain(..).enumerate() {
            disks.push(world.kill(at as u32 + 1, member, seed * 3 + at as u64));
        }
        for (at, disk) in disks.into_iter().enumerate() {
            members.push(world.start(at as u32 + 1, disk, cluster).await);
        }
        for number in 100..110 {
            propose(&members[number % 3].node, number as u128).await.unwrap();
        }
        let now = members[0].node.report(None, Duration::ZERO).await.term;
        assert!(now > term, "seed {seed}: still term {now}");
        let all = digests(&members).await;
        assert!(all.iter().all(|digest| *digest == all[0]), "seed {seed}: {all:?}");
    }
}

/// The directory's own cluster, of the same name, is gone: those whom the configuration names tell
/// that they are another one.
#[tokio::test(start_paused = true)]
async fn a_directory_of_a_namesake_is_refused() {
    let mut elsewhere = World::new(3);
    elsewhere.hosts = "elsewhere";
    let mut theirs = elsewhere.form().await;
    let their_id = cluster_of(&theirs[0]).await;
    let disk = elsewhere.kill(3, theirs.pop().unwrap(), 3);

    let mut world = World::new(3);
    world.member_ids = 1_000;
    let mut members = world.form().await;
    world.kill(3, members.pop().unwrap(), 4);
    let stranger = world.start_as(3, 333, disk, their_id).await;
    let why = tokio::time::timeout(PATIENCE, async {
        loop {
            match stranger.fatal.reason() {
                Some(why) => return why,
                None => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    });
    let why = why.await.expect("the stranger stops");
    assert!(why.contains("OTHER_CLUSTER"), "{why}");
    propose(&members[0].node, 1).await.unwrap();
}

async fn cluster_of(member: &TestMember) -> Option<Uuid> {
    member.node.report(None, Duration::ZERO).await.cluster_id
}
