//! The word of a majority, without which nothing is read.

use crate::world::{TestMember, World, barrier, propose};
use conclave_core::replica::{NodeRole, Replica};
use conclave_raft::transport::Handler;
use conclave_raft::wire::{Answer, Header, Leadership, Request};
use std::time::Duration;
use tokio::time::Instant;

/// The leader's place and the leadership that it claims.
async fn leader_of(members: &[TestMember]) -> (usize, Leadership) {
    loop {
        for (at, member) in members.iter().enumerate() {
            let report = member.node.report(None, Duration::from_secs(1)).await;
            if report.role == NodeRole::Leader {
                let leader = member.node.member_id().0;
                return (at, Leadership { term: report.term, leader });
            }
        }
        tokio::task::yield_now().await;
    }
}

/// The header with which a member of the cluster speaks.
async fn header(world: &World, members: &[TestMember], at: usize) -> Header {
    let node = &members[at].node;
    let (header, _) = world.side(at as u32 + 1);
    let cluster_id = node.report(None, Duration::ZERO).await.cluster_id;
    Header { cluster_id, incarnation: node.incarnation(), ..header }
}

/// Whether a follower says that nobody has surpassed the first leader, before and after it has helped
/// another one to lead.
async fn confirmed_before_and_after() -> (bool, bool) {
    let world = World::new(3);
    let members = world.form().await;
    let (old, leadership) = leader_of(&members).await;
    let from = header(&world, &members, old).await;
    let voter = (old + 1) % 3;
    let (_, side) = world.side(voter as u32 + 1);
    let ask = async || match side.call(from.clone(), Request::Confirm(leadership)).await {
        Ok(Answer::Confirmed(confirmed)) => confirmed,
        other => panic!("{other:?}"),
    };
    let before = ask().await;
    world.cut(old as u32 + 1, true);
    // Whoever leads now was elected by both that are left.
    propose(&members[voter].node, 1).await.unwrap();
    (before, ask().await)
}

#[tokio::test(start_paused = true)]
async fn who_has_helped_another_to_lead_does_not_confirm() {
    assert_eq!(confirmed_before_and_after().await, (true, false));
}

#[cfg(feature = "mutants")]
#[test]
fn the_mutant_that_confirms_blindly_is_caught() {
    use conclave_core::mutants::Mutant;
    let confirmed = crate::world::under(Mutant::ConfirmBlindly, confirmed_before_and_after());
    assert_eq!(confirmed, (true, true));
}

#[tokio::test(start_paused = true)]
async fn a_member_asks_for_nobody_else() {
    let world = World::new(3);
    let members = world.form().await;
    let (leader, leadership) = leader_of(&members).await;
    let other = header(&world, &members, (leader + 1) % 3).await;
    let (_, side) = world.side(((leader + 2) % 3) as u32 + 1);
    let answer = side.call(other, Request::Confirm(leadership)).await;
    assert!(answer.is_err(), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn as_many_are_asked_as_a_majority_lacks() {
    for (size, lacking) in [(3, 1), (5, 2)] {
        let world = World::new(size);
        let members = world.form().await;
        let (leader, _) = leader_of(&members).await;
        let before: u64 = world.confirm_asked().values().sum();
        for _ in 0..10 {
            barrier(&members[leader].node).await;
        }
        let after: u64 = world.confirm_asked().values().sum();
        assert_eq!(after - before, 10 * lacking, "of {size}");
        // A follower brings its own word.
        barrier(&members[(leader + 1) % 3].node).await;
        let asked: u64 = world.confirm_asked().values().sum();
        assert_eq!(asked - after, lacking - 1, "of {size}");
    }
}

/// A voter that hangs costs one round a few milliseconds; then another one is asked first.
#[tokio::test(start_paused = true)]
async fn a_voter_that_is_silent_is_not_waited_for() {
    let world = World::new(3);
    let members = world.form().await;
    let (leader, _) = leader_of(&members).await;
    let node = &members[leader].node;
    for _ in 0..2 {
        let before = world.confirm_asked();
        barrier(node).await;
        let asked = world.confirm_asked();
        let first = *asked.iter().find(|(id, count)| before.get(id) != Some(count)).unwrap().0;
        world.silence(first, true);
        let begun = Instant::now();
        barrier(node).await;
        assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
        let begun = Instant::now();
        barrier(node).await;
        assert!(begun.elapsed() < Duration::from_millis(5), "{:?}", begun.elapsed());
        world.silence(first, false);
    }
}
