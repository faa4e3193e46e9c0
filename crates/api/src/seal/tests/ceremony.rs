use super::*;

#[tokio::test]
async fn one_ceremony_opens_the_whole_cluster() {
    let (cluster, init) = FakeCluster::initialized(3).await;
    let admin_token = init.admin_token.clone();
    let shares = texts(init);
    let first = cluster.submit(1, &shares[0]).await.unwrap();
    assert_eq!((first.accepted, first.index, first.have, first.needed), (true, 1, 1, 3));
    assert_eq!((first.node_unsealed, seals(&first.members)), (false, vec![Some(true); 3]));
    let second = cluster.submit(1, &shares[3]).await.unwrap();
    assert_eq!((second.index, second.have), (4, 2));
    let third = cluster.submit(1, &shares[4]).await.unwrap();
    assert_eq!((third.have, third.node_unsealed), (3, true));
    assert_eq!(seals(&third.members), [Some(false); 3]);
    assert_eq!(sealed_nodes(&cluster), [false; 3]);
    let seal = cluster.nodes[1].context().view.load().seal().unwrap().clone();
    assert!(seal.confirmed && seal.ceremony.is_none());
    let proven: Vec<bool> = seal.last_proven_ms.iter().map(Option::is_some).collect();
    assert_eq!(proven, [true, false, false, true, true]);
    let admin = Actor::with_token(&cluster.nodes[2], &admin_token);
    let key = admin.key("orders").await;
    let ciphertext = admin.seal_up(&key, b"plain").await.unwrap();
    let elsewhere = admin.at(&cluster.nodes[1]);
    assert_eq!(elsewhere.open_up(&ciphertext).await.unwrap(), b"plain");
}

#[tokio::test]
async fn shares_given_at_three_nodes_meet_at_one() {
    let (cluster, init) = FakeCluster::initialized(3).await;
    let shares = texts(init);
    for (node, share) in (1..).zip(&shares[..3]) {
        let answer = cluster.submit(node, share).await.unwrap();
        assert_eq!(answer.have, u32::try_from(node).unwrap());
        assert_eq!(answer.node_unsealed, node == 3);
        assert_eq!(answer.restarted, "");
    }
    assert_eq!(sealed_nodes(&cluster), [false; 3]);
    // What went to the collector holds no share in the clear.
    assert!(cluster.messages_to(1).len() >= 4);
    for share in &shares {
        let text = conclave_formats::share_text::ShareText::parse(share).unwrap();
        let secret = &text.bytes()[1..];
        let leaks = |message: &[u8]| message.windows(secret.len()).any(|window| window == secret);
        assert!(!cluster.sent.lock().unwrap().iter().any(|sent| leaks(&sent.message)));
    }
}

#[tokio::test]
async fn a_repeated_share_is_repeated_at_every_node() {
    let (cluster, init) = FakeCluster::initialized(3).await;
    let shares = texts(init);
    cluster.submit(1, &shares[0]).await.unwrap();
    for node in 1..=3 {
        let refused = cluster.submit(node, &shares[0]).await.unwrap_err();
        assert_eq!(reason(&refused), "SHARE_REPEATED");
        assert_eq!((fact(&refused, "have"), fact(&refused, "needed")), ("1".into(), "3".into()));
    }
}

#[tokio::test]
async fn a_lost_collector_makes_the_ceremony_start_again() {
    let (cluster, init) = FakeCluster::initialized(3).await;
    let shares = texts(init);
    cluster.submit(1, &shares[0]).await.unwrap();
    cluster.submit(2, &shares[1]).await.unwrap();
    cluster.nodes[0].set_up(false);
    let again = cluster.submit(2, &shares[1]).await.unwrap();
    assert_eq!((again.accepted, again.have), (true, 1));
    assert!(again.restarted.contains("node 1"), "{}", again.restarted);
    cluster.submit(3, &shares[2]).await.unwrap();
    let done = cluster.submit(3, &shares[0]).await.unwrap();
    assert_eq!(seals(&done.members), [None, Some(false), Some(false)]);
    assert_eq!(sealed_nodes(&cluster), [true, false, false]);
}

#[tokio::test]
async fn a_collector_that_was_restarted_has_lost_the_shares() {
    let (cluster, init) = FakeCluster::initialized(3).await;
    let shares = texts(init);
    cluster.submit(1, &shares[0]).await.unwrap();
    cluster.nodes[0].restart();
    // Told by itself, and told by another node.
    let here = cluster.submit(1, &shares[0]).await.unwrap();
    assert_eq!(here.have, 1);
    assert!(here.restarted.contains("this node"), "{}", here.restarted);
    cluster.nodes[0].restart();
    let there = cluster.submit(2, &shares[1]).await.unwrap();
    assert_eq!(there.have, 1);
    assert!(there.restarted.contains("node 1"), "{}", there.restarted);
    cluster.submit(2, &shares[2]).await.unwrap();
    assert!(cluster.submit(1, &shares[0]).await.unwrap().node_unsealed);
    assert_eq!(sealed_nodes(&cluster), [false; 3]);
}

#[tokio::test]
async fn a_ceremony_lapses() {
    let (cluster, init) = FakeCluster::initialized(1).await;
    let shares = texts(init);
    cluster.submit(1, &shares[0]).await.unwrap();
    cluster.submit(1, &shares[1]).await.unwrap();
    cluster.clock.advance_ms(conclave_core::limits::CEREMONY_MS);
    let fresh = cluster.submit(1, &shares[2]).await.unwrap();
    assert_eq!(fresh.have, 1);
    assert!(fresh.restarted.contains("expired"));
}

#[tokio::test(start_paused = true)]
async fn shares_are_wiped_when_their_ceremony_lapses() {
    let (cluster, init) = FakeCluster::initialized(1).await;
    cluster.submit(1, &texts(init)[0]).await.unwrap();
    let context = cluster.nodes[0].context();
    assert!(lock(&context.ceremonies.collection).is_some());
    tokio::time::sleep(Duration::from_millis(conclave_core::limits::CEREMONY_MS + 1)).await;
    assert!(lock(&context.ceremonies.collection).is_none());
}

#[tokio::test]
async fn a_restarted_member_needs_its_own_ceremony_and_any_node_takes_it() {
    let (cluster, admin, shares) = FakeCluster::unsealed(3).await;
    let key = admin.key("orders").await;
    let ciphertext = admin.seal_up(&key, b"plain").await.unwrap();
    // Taken by the sealed member itself, by an open node, and by several.
    for at in [[3, 3, 3], [1, 1, 1], [1, 2, 3]] {
        cluster.nodes[2].restart();
        assert_eq!(sealed_nodes(&cluster), [false, false, true]);
        for (node, share) in at.into_iter().zip(&shares[1..]) {
            assert!(cluster.submit(node, share).await.unwrap().accepted);
        }
        assert_eq!(sealed_nodes(&cluster), [false; 3], "{at:?}");
        let there = admin.at(&cluster.nodes[2]);
        assert_eq!(there.open_up(&ciphertext).await.unwrap(), b"plain");
    }
}

#[tokio::test]
async fn seal_makes_every_reachable_node_forget() {
    let (cluster, admin, shares) = FakeCluster::unsealed(3).await;
    let key = admin.key("orders").await;
    for node in &cluster.nodes {
        admin.at(node).seal_up(&key, b"warm").await.unwrap();
        assert_eq!(node.context().unwrapped.len(), 1);
    }
    cluster.nodes[1].set_lagging(true);
    cluster.nodes[2].set_up(false);
    let answer = admin.seal(seal_request()).await.unwrap();
    assert_eq!(seals(&answer.members), [Some(true), Some(true), None]);
    assert_eq!(sealed_nodes(&cluster), [true, true, false]);
    for node in &cluster.nodes[..2] {
        assert_eq!(node.context().unwrapped.len(), 0);
        let refused = admin.at(node).seal_up(&key, b"").await.unwrap_err();
        assert_eq!(reason(&refused), "SEALED");
    }
    cluster.nodes[2].set_up(true);
    assert_eq!(sealed_nodes(&cluster), [true; 3]);
    for share in &shares[..3] {
        cluster.submit(3, share).await.unwrap();
    }
    assert!(admin.seal_up(&key, b"again").await.is_ok());
}

#[tokio::test]
async fn only_an_administrator_seals() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    let manager = admin.colleague("manager", "Manager").await;
    let node = &cluster.nodes[0];
    for (actor, expected) in [
        (manager, "PERMISSION_DENIED"),
        (Actor::operator(node), "PERMISSION_DENIED"),
        (Actor::nobody(node), "UNAUTHENTICATED"),
    ] {
        assert_eq!(reason(&actor.seal(seal_request()).await.unwrap_err()), expected);
    }
    assert_eq!(sealed_nodes(&cluster), [false]);
}

#[tokio::test]
async fn a_seal_ends_a_running_ceremony() {
    let (cluster, init) = FakeCluster::initialized(1).await;
    let admin = Actor::with_token(&cluster.nodes[0], &init.admin_token);
    let shares = texts(init);
    cluster.submit(1, &shares[0]).await.unwrap();
    cluster.submit(1, &shares[1]).await.unwrap();
    let context = cluster.nodes[0].context();
    admin.seal(seal_request()).await.unwrap();
    assert!(lock(&context.ceremonies.collection).is_none());
    let after = cluster.submit(1, &shares[2]).await.unwrap();
    assert_eq!((after.have, after.node_unsealed), (1, false));
}

/// A node opens first; the audited fact follows as soon as there is a quorum.
#[tokio::test(start_paused = true)]
async fn the_fact_of_an_unseal_is_recorded_later_if_it_must() {
    let (cluster, init) = FakeCluster::initialized(1).await;
    let shares = texts(init);
    cluster.submit(1, &shares[0]).await.unwrap();
    cluster.submit(1, &shares[1]).await.unwrap();
    cluster.lose_quorum_after.store(cluster.index() + 1, Ordering::SeqCst);
    let last = cluster.submit(1, &shares[2]).await.unwrap();
    assert!(last.node_unsealed);
    let context = cluster.nodes[0].context();
    let confirmed = || context.view.load().seal().is_some_and(|seal| seal.confirmed);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!confirmed());
    cluster.quorum.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(confirmed());
    let index = cluster.index();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(cluster.index(), index);
}

/// A custodian who hangs up does not leave the cluster half open.
#[tokio::test]
async fn an_unseal_goes_on_without_its_caller() {
    let (cluster, init) = FakeCluster::initialized(3).await;
    let shares = texts(init);
    cluster.submit(1, &shares[0]).await.unwrap();
    cluster.submit(1, &shares[1]).await.unwrap();
    // The members wait for their barriers while the collector hands over.
    for node in &cluster.nodes[1..] {
        node.barriers_open.send_replace(false);
    }
    let asked = cluster.nodes[1].barriers.load(Ordering::SeqCst);
    let caller = tokio::spawn({
        let (cluster, share) = (cluster.clone(), shares[2].clone());
        async move { cluster.submit(1, &share).await }
    });
    while cluster.nodes[1].barriers.load(Ordering::SeqCst) == asked {
        tokio::task::yield_now().await;
    }
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    for node in &cluster.nodes[1..] {
        node.barriers_open.send_replace(true);
    }
    let confirmed = || {
        let view = cluster.nodes[2].context().view.load_full();
        view.seal().is_some_and(|seal| seal.confirmed)
    };
    while sealed_nodes(&cluster) != [false; 3] || !confirmed() {
        tokio::task::yield_now().await;
    }
}

/// A caller without patience is told that the unseal goes on.
#[tokio::test(start_paused = true)]
async fn a_deadline_during_the_hand_over_leaves_the_unseal_running() {
    let (cluster, init) = FakeCluster::initialized(2).await;
    let shares = texts(init);
    cluster.submit(1, &shares[0]).await.unwrap();
    cluster.submit(1, &shares[1]).await.unwrap();
    cluster.nodes[1].barriers_open.send_replace(false);
    let hasty = Actor::nobody(&cluster.nodes[0]).with_metadata("grpc-timeout", "1S");
    let request = v1::SubmitShareRequest { share: shares[2].clone() };
    let refused = hasty.submit_share(request).await.unwrap_err();
    assert_eq!(reason(&refused), "OUTCOME_UNKNOWN");
    cluster.nodes[1].barriers_open.send_replace(true);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(sealed_nodes(&cluster), [false; 2]);
    assert!(cluster.nodes[0].context().view.load().seal().is_some_and(|seal| seal.confirmed));
}
