//! A leader that died comes back after the others have elected another one.

#![allow(clippy::unwrap_used, clippy::panic)]

#[allow(dead_code, reason = "shared with the other tests of members")]
mod world;

use conclave_core::replica::{NodeRole, Replica};
use std::time::Duration;
use world::{World, barrier, digests, propose};

/// Its vote is of an older term than its successor's, and that is no sign of an old copy.
#[tokio::test(start_paused = true)]
async fn a_dead_leader_is_welcome_in_the_next_term() {
    let world = World::new(3);
    let mut members = world.form().await;
    let cluster = members[0].node.report(None, Duration::ZERO).await.cluster_id;
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
