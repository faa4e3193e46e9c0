//! A leader that stops hands its leadership on; and members that say whether they turn.

use crate::world::{TestMember, World, digests, propose};
use conclave_core::replica::{NodeRole, Replica};
use std::time::Duration;
use tokio::time::Instant;

/// Far more than an election takes when nobody has to be missed first.
const IN_TIME: Duration = Duration::from_secs(5);
/// The lower end of the election timeout of these worlds: who waits for one is not handed anything.
const ELECTION: Duration = Duration::from_millis(1_500);

#[tokio::test(start_paused = true)]
async fn a_successor_leads_before_anybody_would_miss_the_leader() {
    let world = World::new(3);
    let members = world.form().await;
    for number in 0..20 {
        let (leader, _) = leader_of(&members).await;
        let begun = Instant::now();
        let in_flight = propose(&members[number % 3].node, number as u128);
        let (successor, proposed) =
            tokio::join!(leader.node.hand_on_leadership(IN_TIME), in_flight);
        proposed.unwrap();
        assert!(begun.elapsed() < ELECTION, "hand-on {number} took {:?}", begun.elapsed());
        let (_, now) = leader_of(&members).await;
        assert_eq!(successor, Some(now), "hand-on {number}");
    }
    let all = digests(&members).await;
    assert!(all.iter().all(|digest| *digest == all[0]), "{all:?}");
}

#[tokio::test(start_paused = true)]
async fn a_successor_that_did_not_hear_of_it_is_told_again() {
    let world = World::new(3);
    let members = world.form().await;
    let (leader, _) = leader_of(&members).await;
    world.lose_next_transfer();
    let begun = Instant::now();
    let successor = leader.node.hand_on_leadership(IN_TIME).await;
    assert!(world.has_lost_transfer());
    assert_eq!(successor, Some(leader_of(&members).await.1));
    assert!(begun.elapsed() < ELECTION, "it took {:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_member_that_is_away_does_not_succeed() {
    for which in 0..2 {
        let world = World::new(3);
        let members = world.form().await;
        let (leader, id) = leader_of(&members).await;
        let followers: Vec<u32> = (1..=3).filter(|other| *other != id).collect();
        let (away, there) = (followers[which], followers[1 - which]);
        world.cut(away, true);
        // Nothing is added to the log: only by who was heard can the leader tell them apart.
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(leader.node.hand_on_leadership(IN_TIME).await, Some(there));
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_lead_or_has_nobody_to_follow_hands_nothing_on() {
    let world = World::new(3);
    let members = world.form().await;
    let (_, id) = leader_of(&members).await;
    for member in members.iter().filter(|member| member.id() != id) {
        assert_eq!(member.node.hand_on_leadership(IN_TIME).await, None);
    }
    assert_eq!(leader_of(&members).await.1, id, "nobody was disturbed");

    let alone = World::new(1).form().await;
    assert_eq!(alone[0].node.hand_on_leadership(IN_TIME).await, None);
    propose(&alone[0].node, 1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_member_turns_with_a_quorum_and_without_until_it_stops() {
    let world = World::new(3);
    let members = world.form().await;
    for id in 1..=2 {
        world.cut(id, true);
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    for member in &members {
        assert!(member.node.turns().await);
        member.node.shutdown().await.unwrap();
        assert!(!member.node.turns().await);
    }
}

impl TestMember {
    fn id(&self) -> u32 {
        let own = self.node.member_id().0;
        let members = self.node.members();
        members.iter().find(|member| member.member == own).unwrap().node_id
    }
}

/// The member that leads, and its node id.
async fn leader_of(members: &[TestMember]) -> (&TestMember, u32) {
    for member in members {
        if member.node.report(None, Duration::ZERO).await.role == NodeRole::Leader {
            return (member, member.id());
        }
    }
    panic!("nobody leads");
}
