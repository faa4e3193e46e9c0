use super::*;

#[tokio::test]
async fn init_deals_shares_and_keeps_nothing() {
    let (cluster, init) = FakeCluster::initialized(3).await;
    assert_eq!((init.epoch, init.threshold, init.shares.len()), (1, 3, 5));
    assert_eq!(init.cluster_id, uuid::Uuid::from_u128(42).to_string());
    assert_eq!(init.admin_expires_at.unwrap().seconds, 1_798_761_600 + 86_400);
    for (number, share) in (1..).zip(&init.shares) {
        assert_eq!((share.index, share.encrypted), (number, false));
        assert!(share.text.contains(&format!("epoch 1 index {number} of 5 need 3")));
    }
    assert_eq!(sealed_nodes(&cluster), [true; 3]);
    // Not before an unseal has confirmed the shares.
    let admin = Actor::with_token(&cluster.nodes[0], &init.admin_token);
    let request = v1::CreateKeyRequest { request_id: request_id(), ..Default::default() };
    assert_eq!(reason(&admin.create_key(request).await.unwrap_err()), "SEALED");
    let made = admin.token("admin", 0).await.unwrap_err();
    assert_eq!(reason(&made), "NOT_INITIALIZED");
}

#[tokio::test]
async fn init_is_for_operators() {
    let cluster = FakeCluster::new(1);
    let node = &cluster.nodes[0];
    let cases = [
        (Actor::nobody(node), "PERMISSION_DENIED"),
        (Actor::with_certificate(node, "conclave://test/principal/admin"), "PERMISSION_DENIED"),
        (Actor::with_certificate(node, "conclave://test/node/1"), "PERMISSION_DENIED"),
        (Actor::with_certificate(node, "conclave://test/operator/otto"), "UNAUTHENTICATED"),
        (Actor::with_certificate(node, "conclave://other/operator/olga"), "UNAUTHENTICATED"),
    ];
    for (actor, expected) in cases {
        assert_eq!(reason(&actor.init(v1::InitRequest::default()).await.unwrap_err()), expected);
    }
    assert_eq!(cluster.index(), 0);
    Actor::operator(node).init(v1::InitRequest::default()).await.unwrap();
}

#[tokio::test]
async fn until_the_first_unseal_init_may_be_run_again() {
    let (cluster, first) = FakeCluster::initialized(1).await;
    let olga = Actor::operator(&cluster.nodes[0]);
    let second = olga.init(v1::InitRequest::default()).await.unwrap();
    assert_eq!((second.epoch, &second.keyspace_id), (2, &first.keyspace_id));
    let old = Actor::with_token(&cluster.nodes[0], &first.admin_token);
    let refused = old.random(v1::RandomRequest::default()).await.unwrap_err();
    assert_eq!(reason(&refused), "UNAUTHENTICATED");
    let refused = cluster.submit(1, &texts(first)[0]).await.unwrap_err();
    assert_eq!(reason(&refused), "SHARE_OLD_EPOCH");
    let shares = texts(second);
    for share in &shares[..3] {
        cluster.submit(1, share).await.unwrap();
    }
    let refused = olga.init(v1::InitRequest::default()).await.unwrap_err();
    assert_eq!(reason(&refused), "ALREADY_INITIALIZED");
}

#[tokio::test]
async fn an_init_that_another_one_overtakes_deals_again() {
    let cluster = FakeCluster::new(2);
    let second = &cluster.nodes[1];
    second.barriers_open.send_replace(false);
    let (there, here) = (Actor::operator(second), Actor::operator(&cluster.nodes[0]));
    // Node 2 has dealt for an empty cluster when the init of node 1 is committed before its own.
    cluster.overtaken.lock().unwrap().replace(Box::pin(async move {
        here.init(v1::InitRequest::default()).await.unwrap();
    }));
    second.barriers_open.send_replace(true);
    let init = there.init(v1::InitRequest::default()).await.unwrap();
    assert_eq!((init.epoch, cluster.index()), (2, 3));
    for share in &texts(init)[2..] {
        cluster.submit(1, share).await.unwrap();
    }
    assert_eq!(sealed_nodes(&cluster), [false; 2]);
}

#[tokio::test]
async fn a_lost_answer_of_init_is_unknown_and_init_runs_again() {
    let cluster = FakeCluster::new(1);
    cluster.lose_answer.store(true, Ordering::SeqCst);
    let olga = Actor::operator(&cluster.nodes[0]);
    let unknown = olga.init(v1::InitRequest::default()).await.unwrap_err();
    assert_eq!(reason(&unknown), "OUTCOME_UNKNOWN");
    assert!(fact(&unknown, "next").contains("run init again"));
    assert_eq!(olga.init(v1::InitRequest::default()).await.unwrap().epoch, 2);
}

#[tokio::test]
async fn one_share_may_be_the_whole_key_if_that_is_said() {
    let cluster = FakeCluster::new(1);
    let request =
        v1::InitRequest { shares: 1, threshold: 1, allow_single_share: true, ..Default::default() };
    let shares = texts(Actor::operator(&cluster.nodes[0]).init(request).await.unwrap());
    let answer = cluster.submit(1, &shares[0]).await.unwrap();
    assert_eq!((answer.have, answer.needed, answer.node_unsealed), (1, 1, true));
}

#[tokio::test]
async fn shares_for_recipients_are_not_readable_here() {
    let cluster = FakeCluster::new(1);
    // A valid recipient from age's own documentation.
    let recipient = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p".to_owned();
    let request = v1::InitRequest {
        shares: 2,
        threshold: 2,
        recipients: vec![recipient; 2],
        ..Default::default()
    };
    let init = Actor::operator(&cluster.nodes[0]).init(request).await.unwrap();
    for share in init.shares {
        assert!(share.encrypted);
        assert!(share.text.starts_with("-----BEGIN AGE ENCRYPTED FILE-----"));
        assert!(!share.text.contains("conclave-share"));
    }
}

#[tokio::test]
async fn a_development_node_makes_a_credential_that_does_not_expire() {
    let cluster = FakeCluster::development();
    let node = &cluster.nodes[0];
    let request = v1::InitRequest { admin_never_expires: true, ..Default::default() };
    let init = Actor::operator(node).init(request).await.unwrap();
    assert_eq!(init.admin_expires_at, None);
    let shares = texts(init.clone());
    for share in &shares[..3] {
        cluster.submit(1, share).await.unwrap();
    }
    cluster.clock.advance_ms(10 * 365 * 86_400_000);
    for admin in [
        Actor::with_token(node, &init.admin_token),
        Actor::with_certificate(node, "conclave://test/principal/admin"),
    ] {
        assert!(admin.random(v1::RandomRequest::default()).await.is_ok());
    }
}
