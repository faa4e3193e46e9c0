//! The hand-over of wrapping keys: what is bound to what.

use super::*;
use conclave_crypto::handover::seal_to;

/// A cluster whose restarted node 3 was opened by node 1, with what went to node 3.
async fn recorded() -> (Arc<FakeCluster>, Vec<Vec<u8>>) {
    let (cluster, admin, shares) = FakeCluster::unsealed(3).await;
    admin.key("orders").await;
    cluster.nodes[2].restart();
    cluster.sent.lock().unwrap().clear();
    for share in &shares[..3] {
        cluster.submit(1, share).await.unwrap();
    }
    let messages = cluster.messages_to(3).into_iter().map(|sent| sent.message).collect();
    (cluster, messages)
}

async fn answer(cluster: &FakeCluster, to: usize, from: usize, message: &[u8]) -> Reply {
    let from = cluster.nodes[from - 1].member_id();
    let answer = cluster.nodes[to - 1].peer_seal().answer(from, message.to_vec()).await;
    Reply::decode(&answer).unwrap()
}

fn refused(reply: Reply) -> Option<Reason> {
    match reply {
        Reply::Refused(error) => ApiError::from(error).reason(),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_hand_over_replayed_to_anybody_opens_nothing() {
    let (cluster, messages) = recorded().await;
    let is_keys =
        |message: &&Vec<u8>| matches!(Ask::decode(message), Some(Ask::WrappingKeys { .. }));
    let keys = messages.iter().find(is_keys).unwrap();
    cluster.nodes[1].restart();
    cluster.nodes[2].restart();
    // To another member, to the same member after a restart, and as if from another member.
    for (to, from) in [(2, 1), (3, 1), (3, 2)] {
        let reply = answer(&cluster, to, from, keys).await;
        assert_eq!(refused(reply), Some(Reason::CeremonyExpired), "{from} to {to}");
    }
    assert_eq!(sealed_nodes(&cluster), [false, true, true]);
}

#[tokio::test]
async fn keys_for_one_member_do_not_open_another_in_the_same_ceremony() {
    let (cluster, init) = FakeCluster::initialized(3).await;
    cluster.submit(1, &texts(init)[0]).await.unwrap();
    let seal = cluster.nodes[0].context().view.load().seal().unwrap().clone();
    let (ceremony, seal_generation) = (seal.ceremony.clone().unwrap().id, seal.generation);
    let ask = Ask::HandoverKey { ceremony, seal_generation }.encode();
    let two = answer(&cluster, 2, 1, &ask).await.into_offer().unwrap();
    let three = answer(&cluster, 3, 1, &ask).await.into_offer().unwrap();
    let context = |node: usize| {
        let member = cluster.nodes[node - 1].member_id();
        let purpose = Purpose::WrappingKeys;
        handover_context(purpose, seal.keyspace, ceremony, member, seal_generation)
    };
    let members = cluster.nodes[0].context().replica().members();
    assert!(two.verify(&members[1].node_key, &context(2)).is_ok());
    // An offer is signed by its own node, for itself.
    assert!(two.verify(&members[2].node_key, &context(2)).is_err());
    assert!(two.verify(&members[1].node_key, &context(3)).is_err());
    // Sealed to the key of node 3 but meant for node 2.
    let sealed = seal_to(&three.public_key, &context(2), b"keys").unwrap();
    let ask = Ask::WrappingKeys { ceremony, seal_generation, sealed }.encode();
    assert_eq!(refused(answer(&cluster, 3, 1, &ask).await), Some(Reason::NoQuorum));
    assert_eq!(sealed_nodes(&cluster), [true; 3]);
}

#[tokio::test]
async fn only_the_collector_of_the_running_ceremony_gets_a_key_to_hand_over_to() {
    let (cluster, init) = FakeCluster::initialized(3).await;
    cluster.submit(1, &texts(init)[0]).await.unwrap();
    let seal = cluster.nodes[0].context().view.load().seal().unwrap().clone();
    let ceremony = seal.ceremony.as_ref().unwrap().id;
    let other = CeremonyId(uuid::Uuid::nil());
    let cases = [
        (1, ceremony, seal.generation, true),
        (3, ceremony, seal.generation, false),
        (1, other, seal.generation, false),
        (1, ceremony, seal.generation + 1, false),
        (1, ceremony, seal.generation - 1, false),
    ];
    for (from, ceremony, seal_generation, offered) in cases {
        let ask = Ask::HandoverKey { ceremony, seal_generation }.encode();
        let reply = answer(&cluster, 2, from, &ask).await;
        assert_eq!(matches!(reply, Reply::Key { .. }), offered, "{from} {reply:?}");
    }
}

#[tokio::test]
async fn keys_that_are_not_the_clusters_are_not_used() {
    let (cluster, admin, shares) = FakeCluster::unsealed(2).await;
    admin.key("orders").await;
    cluster.nodes[1].restart();
    cluster.submit(1, &shares[0]).await.unwrap();
    let seal = cluster.nodes[0].context().view.load().seal().unwrap().clone();
    let (ceremony, seal_generation) = (seal.ceremony.clone().unwrap().id, seal.generation);
    let member = cluster.nodes[1].member_id();
    let context =
        handover_context(Purpose::WrappingKeys, seal.keyspace, ceremony, member, seal_generation);
    for generation in [1, 2] {
        let ask = Ask::HandoverKey { ceremony, seal_generation }.encode();
        let offer = answer(&cluster, 2, 1, &ask).await.into_offer().unwrap();
        let entropy = crate::testing::SeededEntropy::new(77);
        let key = conclave_crypto::WrappingKey::generate(&entropy, generation);
        let plain = conclave_crypto::wrapping_keys::encode(&[&key]).unwrap();
        let sealed = seal_to(&offer.public_key, &context, &plain).unwrap();
        let ask = Ask::WrappingKeys { ceremony, seal_generation, sealed }.encode();
        assert_eq!(refused(answer(&cluster, 2, 1, &ask).await), None);
    }
    assert_eq!(sealed_nodes(&cluster), [false, true]);
}

#[tokio::test]
async fn a_member_that_is_behind_catches_up_before_it_offers_a_key() {
    let (cluster, init) = FakeCluster::initialized(3).await;
    cluster.nodes[1].set_lagging(true);
    for share in &texts(init)[..3] {
        cluster.submit(1, share).await.unwrap();
    }
    assert_eq!(sealed_nodes(&cluster), [false; 3]);
}

#[tokio::test]
async fn what_is_no_message_is_refused() {
    let (cluster, _) = FakeCluster::initialized(2).await;
    assert_eq!(refused(answer(&cluster, 2, 1, b"noise").await), Some(Reason::NoQuorum));
}

#[tokio::test]
async fn a_share_for_a_ceremony_that_this_node_does_not_collect_is_not_taken() {
    let (cluster, _) = FakeCluster::initialized(2).await;
    let ceremony = CeremonyId(uuid::Uuid::nil());
    let sealed = vec![1; 80];
    let ask = Ask::Share { ceremony, seal_generation: 1, sealed, timeout_ms: 1_000 };
    let reply = answer(&cluster, 2, 1, &ask.encode()).await;
    assert!(matches!(reply, Reply::NotCollecting), "{reply:?}");
}
