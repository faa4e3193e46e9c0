//! Members that replicate without a vote: added, caught up, restarted, and never counted where voters
//! are.

use crate::world::{TestMember, World, barrier, digests, propose};
use conclave_core::replica::{NodeRole, Replica};
use conclave_raft::AddLearnerError;
use conclave_testkit::SimDisk;
use std::collections::BTreeMap;
use std::time::Duration;
use uuid::Uuid;

#[tokio::test(start_paused = true)]
async fn a_learner_catches_up_and_comes_back() {
    let world = World::new(3);
    let mut members = world.form().await;
    for number in 0..10 {
        propose(&members[0].node, number).await.unwrap();
    }
    leader(&members).await.node.add_learner(world.identity(4)).await.unwrap();
    members.push(world.start(4, SimDisk::default(), None).await);
    same_state_everywhere(&members).await;
    assert_eq!(role(&members[3]).await, NodeRole::Learner);
    let known = members[0].node.members();
    assert_eq!(
        known.iter().map(|m| (m.node_id, m.voter)).collect::<Vec<_>>(),
        [(1, true), (2, true), (3, true), (4, false)]
    );

    let cluster = cluster_of(&members[0]).await;
    let disk = world.kill(4, members.pop().unwrap(), 1);
    for number in 10..20 {
        propose(&members[0].node, number).await.unwrap();
    }
    members.push(world.start(4, disk, cluster).await);
    same_state_everywhere(&members).await;
    assert!(propose(&members[3].node, 5).await.unwrap().replayed, "it hands proposals on");
}

/// It waits until the membership names it, and is sent a snapshot because the log begins too late.
#[tokio::test(start_paused = true)]
async fn a_learner_that_starts_first_catches_up_by_a_snapshot() {
    let mut world = World::new(3);
    world.log_kept = 50;
    let mut members = world.form().await;
    for number in 0..400 {
        propose(&members[0].node, number).await.unwrap();
    }
    let learner = world.start(4, SimDisk::default(), None).await;
    assert!(!takes_part_within(&learner, 30).await, "it is not a member");
    leader(&members).await.node.add_learner(world.identity(4)).await.unwrap();
    members.push(learner);
    same_state_everywhere(&members).await;
    assert_eq!(world.sent_snapshot().map(|sent| sent.to), Some(4));
}

#[tokio::test(start_paused = true)]
async fn only_the_leader_adds_learners_and_a_voter_stays_one() {
    let world = World::new(3);
    let members = world.form().await;
    for member in &members {
        let added = member.node.add_learner(world.identity(4)).await;
        match role(member).await {
            NodeRole::Leader => assert_eq!(added, Ok(())),
            _ => assert_eq!(added, Err(AddLearnerError::NotLeader)),
        }
    }
    leader(&members).await.node.add_learner(world.identity(1)).await.unwrap();
    let known = members[0].node.members();
    assert_eq!(known.iter().filter(|member| member.voter).count(), 3);
}

/// Three voters and two learners were killed; some are started again, the last of them is looked at.
async fn takes_part(started: &[u32]) -> bool {
    let world = World::new(3);
    let mut members = world.form().await;
    for id in [4, 5] {
        leader(&members).await.node.add_learner(world.identity(id)).await.unwrap();
        members.push(world.start(id, SimDisk::default(), None).await);
    }
    same_state_everywhere(&members).await;
    // Until every state file holds the membership.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let cluster = cluster_of(&members[0]).await;
    let killed = (1..).zip(members);
    let mut disks: BTreeMap<u32, SimDisk> =
        killed.map(|(id, member)| (id, world.kill(id, member, u64::from(id)))).collect();
    let mut back = Vec::new();
    for id in started {
        back.push(world.start(*id, disks.remove(id).unwrap(), cluster).await);
    }
    let takes_part = takes_part_within(back.last().unwrap(), 60).await;
    assert!(back.iter().all(|member| member.fatal.reason().is_none()));
    takes_part
}

/// Who was started, the last of them looked at; whether it takes part; whether it would if learners
/// counted.
const RESTARTS: [(&[u32], bool, bool); 6] = [
    // A majority of the voters, although not of the members.
    (&[2, 1], true, false),
    (&[4, 1], false, false),
    (&[5, 4, 1], false, true),
    // A learner waits for the voters, and is none itself.
    (&[1, 4], false, false),
    (&[1, 5, 4], false, true),
    (&[1, 2, 4], true, true),
];

#[tokio::test(start_paused = true)]
async fn a_starting_member_waits_for_a_majority_of_the_voters() {
    for (started, expected, _) in RESTARTS {
        assert_eq!(takes_part(started).await, expected, "{started:?}");
    }
}

#[cfg(feature = "mutants")]
#[test]
fn the_mutant_that_counts_learners_is_caught() {
    use conclave_core::mutants::Mutant;
    for (started, _, expected) in RESTARTS {
        let seen = crate::world::under(Mutant::LearnerCountsAsVoter, takes_part(started));
        assert_eq!(seen, expected, "{started:?}");
    }
}

async fn takes_part_within(member: &TestMember, seconds: u64) -> bool {
    for _ in 0..seconds * 10 {
        // Consensus has no term before it is started.
        if member.node.report(None, Duration::ZERO).await.term > 0 {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    false
}

async fn same_state_everywhere(members: &[TestMember]) {
    barrier(&members[0].node).await;
    let all = digests(members).await;
    assert!(all.iter().all(|digest| *digest == all[0]), "{all:?}");
}

async fn leader(members: &[TestMember]) -> &TestMember {
    for member in members {
        if role(member).await == NodeRole::Leader {
            return member;
        }
    }
    panic!("nobody leads");
}

async fn role(member: &TestMember) -> NodeRole {
    member.node.report(None, Duration::ZERO).await.role
}

async fn cluster_of(member: &TestMember) -> Option<Uuid> {
    member.node.report(None, Duration::ZERO).await.cluster_id
}
