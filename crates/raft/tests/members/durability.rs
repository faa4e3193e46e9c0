//! What is durable before what: a member that dies at any moment comes back with a state, a log and a
//! request memory that fit each other and what it has told the others.

use crate::world::{TestMember, World, barrier, digests, propose};
use conclave_core::replica::{NodeRole, Replica};
use std::time::Duration;

/// So many entries stay in the log …
const LOG_KEPT: u64 = 50;
/// … and the log is purged several times.
const PROPOSALS: u128 = 200;

/// How long a commit of the follower takes, and how long after the last proposal it dies.
type Death = (Duration, Duration);

/// In no time at all: hundreds of entries come between two syncs of the state.
const AT_ONCE: [Death; 1] = [(Duration::ZERO, Duration::ZERO)];

/// A commit takes five milliseconds: some of these come while one waits.
const DURING_A_COMMIT: [Death; 4] = [
    (COMMIT, Duration::ZERO),
    (COMMIT, Duration::from_millis(4)),
    (COMMIT, Duration::from_millis(8)),
    (COMMIT, Duration::from_millis(12)),
];
const COMMIT: Duration = Duration::from_millis(5);

/// A follower dies while entries are appended and the log is purged. What keeps it from coming back?
async fn stops_after_its_death((commit, pause): Death) -> Option<String> {
    let mut world = World::new(3);
    world.log_kept = LOG_KEPT;
    let mut members = world.form().await;
    let follower = follower(&members).await;
    members[follower].disk.set_commit_delay(commit);
    let serving = (follower + 1) % 3;
    for number in 0..PROPOSALS {
        propose(&members[serving].node, number).await.unwrap();
    }
    barrier(&members[follower].node).await;
    propose(&members[serving].node, PROPOSALS).await.unwrap();
    tokio::time::sleep(pause).await;
    restart(&world, &mut members, follower).await;
    comes_back(&members[follower]).await
}

#[tokio::test(start_paused = true)]
async fn a_member_that_died_comes_back() {
    for death in AT_ONCE.into_iter().chain(DURING_A_COMMIT) {
        assert_eq!(stops_after_its_death(death).await, None, "{death:?}");
    }
}

#[cfg(feature = "mutants")]
#[test]
fn mutants_do_not_come_back() {
    use conclave_core::mutants::Mutant;
    let cases: [(Mutant, &[Death], &str); 3] = [
        (Mutant::AckBeforeSync, &DURING_A_COMMIT, "OLD_DATA_DIRECTORY"),
        (Mutant::AppliedOutsideTransaction, &AT_ONCE, "STATE_DAMAGED"),
        (Mutant::PurgeAhead, &AT_ONCE, "Cannot re-apply logs"),
    ];
    for (mutant, deaths, expected) in cases {
        let die = |death: &Death| crate::world::under(mutant, stops_after_its_death(*death));
        let why: Vec<String> = deaths.iter().filter_map(die).collect();
        let found = why.iter().any(|why| why.contains(expected));
        assert!(found, "{}: {why:?}", mutant.name());
    }
}

/// All die while a commit takes its time. Is what was acknowledged still known?
async fn acknowledged_survives() -> bool {
    let world = World::new(1);
    let mut members = world.form().await;
    members[0].disk.set_commit_delay(COMMIT);
    propose(&members[0].node, 1).await.unwrap();
    restart(&world, &mut members, 0).await;
    propose(&members[0].node, 1).await.unwrap().replayed
}

#[tokio::test(start_paused = true)]
async fn an_answer_leaves_after_the_commit() {
    assert!(acknowledged_survives().await);
}

#[cfg(feature = "mutants")]
#[test]
fn the_mutant_that_answers_before_the_commit_is_caught() {
    use conclave_core::mutants::Mutant;
    assert!(!crate::world::under(Mutant::AckBeforeSync, acknowledged_survives()));
}

/// What a repeated request does to a member that was sent a snapshot.
#[derive(Debug, PartialEq, Eq)]
struct Repeat {
    /// All replicas have one state afterwards.
    same_state: bool,
    /// What stops the member at its next start.
    stopped: Option<String>,
}

async fn repeat_after_a_snapshot() -> Repeat {
    let mut world = World::new(3);
    world.log_kept = LOG_KEPT;
    let mut members = world.form().await;
    let lagging = follower(&members).await;
    let id = lagging as u32 + 1;
    world.cut(id, true);
    let serving = (lagging + 1) % 3;
    for number in 0..PROPOSALS * 2 {
        propose(&members[serving].node, number).await.unwrap();
    }
    world.cut(id, false);
    barrier(&members[lagging].node).await;
    assert_eq!(world.sent_snapshot().map(|sent| sent.to), Some(id));
    propose(&members[serving].node, 7).await.unwrap();
    let all = digests(&members).await;
    restart(&world, &mut members, lagging).await;
    let stopped = comes_back(&members[lagging]).await;
    Repeat { same_state: all.iter().all(|digest| *digest == all[0]), stopped }
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_holds_the_request_memory() {
    let expected = Repeat { same_state: true, stopped: None };
    assert_eq!(repeat_after_a_snapshot().await, expected);
}

#[cfg(feature = "mutants")]
#[test]
fn the_mutant_that_leaves_the_memory_out_is_caught() {
    use conclave_core::mutants::Mutant;
    let seen = crate::world::under(Mutant::MemoryLostInSnapshot, repeat_after_a_snapshot());
    assert!(!seen.same_state);
    assert!(seen.stopped.is_some_and(|why| why.contains("STATE_DAMAGED")));
}

/// Kills a member, which loses what it has not synced, and starts it again at once.
async fn restart(world: &World, members: &mut Vec<TestMember>, place: usize) {
    let id = place as u32 + 1;
    let member = members.remove(place);
    let cluster = member.node.report(None, Duration::ZERO).await.cluster_id;
    let disk = world.kill(id, member, 1);
    members.insert(place, world.start(id, disk, cluster).await);
}

/// Why a member stopped within a minute, if it did; otherwise it must serve.
async fn comes_back(member: &TestMember) -> Option<String> {
    let reached = member.node.read_barrier(Duration::from_secs(60)).await;
    // The scrub of the state, in the background.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let why = member.fatal.reason();
    assert!(why.is_some() || reached.is_ok(), "{reached:?}");
    why
}

async fn follower(members: &[TestMember]) -> usize {
    for (place, member) in members.iter().enumerate() {
        if member.node.report(None, Duration::ZERO).await.role == NodeRole::Follower {
            return place;
        }
    }
    panic!("nobody follows");
}
