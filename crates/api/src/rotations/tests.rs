use super::*;
use crate::testing::{Actor, DAY, FakeCluster, request_id, time};
use conclave_proto::v1;
use futures::future::join_all;
use std::sync::Arc;

/// An administrator and a key `orders` that rotates every day; nobody looks for what is due yet.
async fn scheduled(nodes: u32) -> (Arc<FakeCluster>, Actor, Vec<String>) {
    let (cluster, admin, shares) = FakeCluster::unsealed(nodes).await;
    daily(&admin, "orders").await;
    (cluster, admin, shares)
}

async fn daily(actor: &Actor, alias: &str) -> KeyId {
    let request = v1::CreateKeyRequest {
        request_id: request_id(),
        alias: alias.to_owned(),
        rotate_every_s: DAY / 1_000,
        ..Default::default()
    };
    KeyId(actor.create_key(request).await.unwrap().key_id.parse().unwrap())
}

/// All nodes look for what is due, for so long on every clock.
async fn run_for(cluster: &FakeCluster, ms: u64) {
    let step = LOOK_EVERY.as_millis() as u64;
    let contexts: Vec<_> = cluster.nodes.iter().map(|node| node.context()).collect();
    let nodes = join_all(contexts.iter().map(|context| context.keep_rotating()));
    let time = async {
        for _ in 0..ms.div_ceil(step) {
            tokio::time::sleep(LOOK_EVERY).await;
            cluster.clock.advance_ms(step);
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = nodes => unreachable!("it is kept for ever"),
        () = time => {}
    }
}

async fn version(actor: &Actor, key: &str) -> u32 {
    actor.look(key).await.unwrap().primary_version
}

#[tokio::test(start_paused = true)]
async fn what_is_due_is_rotated_once() {
    let (cluster, admin, _) = scheduled(3).await;
    admin.key("unscheduled").await;
    let index = cluster.index();
    cluster.clock.advance_ms(DAY - 10_000);
    run_for(&cluster, 9_000).await;
    assert_eq!((version(&admin, "orders").await, cluster.index()), (1, index));
    run_for(&cluster, 20_000).await;
    let key = admin.look("orders").await.unwrap();
    assert_eq!((key.primary_version, cluster.index()), (2, index + 1));
    let next_at = time(key.rotation.unwrap().next_at);
    assert!(next_at.starts_with("2027-01-03T00:00:0"), "{next_at}");
    assert_eq!(version(&admin, "unscheduled").await, 1);
    let request = v1::GetKeyRequest { key: "orders".to_owned() };
    let history = admin.get_history(request).await.unwrap().entries;
    let last = history.last().unwrap();
    assert_eq!((last.action.as_str(), last.principal.as_str()), ("ScheduledRotation", ""));
    // The new version is good for use at once, on every node.
    for node in &cluster.nodes {
        let there = admin.at(node);
        let ciphertext = there.seal_up("orders", b"plain").await.unwrap();
        assert_eq!(there.open_up(&ciphertext).await.unwrap(), b"plain");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_due_many_times_while_nobody_could_runs_once() {
    let (cluster, admin, shares) = scheduled(3).await;
    let index = cluster.index();
    for node in &cluster.nodes {
        node.restart();
    }
    cluster.clock.advance_ms(5 * DAY);
    run_for(&cluster, 60_000).await;
    assert_eq!((version(&admin, "orders").await, cluster.index()), (1, index));
    for share in &shares[..3] {
        cluster.submit(1, share).await.unwrap();
    }
    run_for(&cluster, 60_000).await;
    assert_eq!(version(&admin, "orders").await, 2);
}

/// The leader is sealed: the others take over, each in its turn.
#[tokio::test(start_paused = true)]
async fn another_node_takes_over_a_little_later() {
    let (cluster, admin, _) = scheduled(3).await;
    cluster.nodes[0].restart();
    cluster.clock.advance_ms(DAY);
    let index = cluster.index();
    run_for(&cluster, 2 * TURN_MS - 1_000).await;
    assert_eq!((version(&admin, "orders").await, cluster.index()), (1, index));
    // Waiting begins anew with each run.
    run_for(&cluster, 2 * TURN_MS + 1_500).await;
    assert_eq!((version(&admin, "orders").await, cluster.index()), (2, index + 1));
}

#[tokio::test]
async fn two_nodes_that_propose_make_one_version() {
    for lagging in [false, true] {
        let (cluster, admin, _) = scheduled(2).await;
        let key = daily(&admin, "bills").await;
        cluster.clock.advance_ms(DAY);
        let contexts = [0, 1].map(|node: usize| cluster.nodes[node].context());
        let moments = [0, 1].map(|node: usize| contexts[node].local());
        assert_eq!(contexts[1].due(&moments[1]).len(), 2);
        cluster.nodes[1].set_lagging(lagging);
        assert!(contexts[0].rotate_by_schedule(&moments[0], key).await.unwrap());
        assert!(!contexts[1].rotate_by_schedule(&moments[1], key).await.unwrap());
        assert_eq!(version(&admin, "bills").await, 2);
        assert_eq!(version(&admin, "orders").await, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_schedule_goes_on_where_the_policy_says_so() {
    let (cluster, admin, _) = scheduled(1).await;
    let soft = v1::PolicyChange { preset: "soft-delete".to_owned(), ..Default::default() };
    admin.instance("soft", soft).await;
    let there = admin.in_instance("soft");
    daily(&there, "orders").await;
    for actor in [&admin, &there] {
        actor.disable_key(Actor::of_key("orders")).await.unwrap();
    }
    cluster.clock.advance_ms(DAY);
    run_for(&cluster, 2_000).await;
    assert_eq!((version(&admin, "orders").await, version(&there, "orders").await), (2, 1));
    there.enable_key(Actor::of_key("orders")).await.unwrap();
    run_for(&cluster, 2_000).await;
    assert_eq!((version(&admin, "orders").await, version(&there, "orders").await), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_schedule_follows_cluster_time() {
    let (cluster, admin, _) = scheduled(1).await;
    cluster.clock_rate.store(1_000, std::sync::atomic::Ordering::SeqCst);
    cluster.tick();
    let day_ms = DAY / 1_000;
    run_for(&cluster, day_ms - 2_000).await;
    assert_eq!(version(&admin, "orders").await, 1);
    run_for(&cluster, 4_000).await;
    assert_eq!(version(&admin, "orders").await, 2);
}

#[tokio::test(start_paused = true)]
async fn a_full_key_stops_its_schedule() {
    let (cluster, admin, _) = scheduled(1).await;
    for _ in 1..100 {
        admin.rotate_key(Actor::of_key("orders")).await.unwrap();
    }
    cluster.clock.advance_ms(DAY);
    run_for(&cluster, 5_000).await;
    let key = admin.look("orders").await.unwrap();
    assert_eq!((key.primary_version, key.rotation.unwrap().on), (100, false));
    let index = cluster.index();
    cluster.clock.advance_ms(DAY);
    run_for(&cluster, 5_000).await;
    assert_eq!(cluster.index(), index);
}
