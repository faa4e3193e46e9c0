use crate::testing::{Actor, FakeCluster, reason, request_id};
use conclave_proto::v1;
use std::sync::atomic::Ordering;

fn create(alias: &str, request_id: &str) -> v1::CreateKeyRequest {
    v1::CreateKeyRequest {
        request_id: request_id.to_owned(),
        alias: alias.to_owned(),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer() {
    let (cluster, admin, _) = FakeCluster::unsealed(3).await;
    let id = request_id();
    let first = admin.create_key(create("orders", &id)).await.unwrap();
    assert!(!first.replayed);
    let key = first.key.clone().unwrap();
    admin.disable_key(Actor::of_key(&key.id)).await.unwrap();
    let repeat = admin.at(&cluster.nodes[1]).create_key(create("orders", &id)).await.unwrap();
    assert!(repeat.replayed);
    assert_eq!(repeat.log_index, first.log_index);
    // As it was then, not as it is now.
    assert_eq!(repeat.key, Some(key));
}

#[tokio::test]
async fn a_repeat_of_a_rotation_is_no_second_rotation() {
    let (_, admin, _) = FakeCluster::unsealed(1).await;
    let key = admin.key("orders").await;
    let rotate = Actor::of_key(&key);
    assert_eq!(admin.rotate_key(rotate.clone()).await.unwrap().key.unwrap().primary_version, 2);
    admin.rotate_key(Actor::of_key(&key)).await.unwrap();
    let repeat = admin.rotate_key(rotate).await.unwrap();
    assert!(repeat.replayed);
    let shown = repeat.key.unwrap();
    assert_eq!((shown.primary_version, shown.versions.len(), shown.revision), (2, 2, 2));
}

#[tokio::test]
async fn a_request_id_belongs_to_one_body() {
    let (_, admin, _) = FakeCluster::unsealed(1).await;
    let id = request_id();
    admin.create_key(create("orders", &id)).await.unwrap();
    let other = admin.create_key(create("invoices", &id)).await.unwrap_err();
    assert_eq!(reason(&other), "REQUEST_ID_REUSED");
    let rotate = v1::KeyRequest { request_id: id, key: "orders".to_owned() };
    assert_eq!(reason(&admin.rotate_key(rotate).await.unwrap_err()), "REQUEST_ID_REUSED");
}

#[tokio::test]
async fn an_answer_that_was_lost_is_unknown_and_a_repeat_finds_it() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    let id = request_id();
    cluster.lose_answer.store(true, Ordering::SeqCst);
    let unknown = admin.create_key(create("orders", &id)).await.unwrap_err();
    assert_eq!(reason(&unknown), "OUTCOME_UNKNOWN");
    assert_eq!(crate::testing::fact(&unknown, "request_id"), id);
    let found = admin.create_key(create("orders", &id)).await.unwrap();
    assert!(found.replayed);
    let list = admin.list_keys(v1::ListKeysRequest::default()).await.unwrap();
    assert_eq!(list.keys.len(), 1);
}

#[tokio::test]
async fn a_proposal_that_went_out_twice_is_no_repeat_of_the_caller() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    cluster.send_twice.store(true, Ordering::SeqCst);
    let made = admin.create_key(create("orders", &request_id())).await.unwrap();
    assert!(!made.replayed);
    let token = admin.token("admin", 0).await.unwrap();
    assert!(!token.replayed);
    assert!(token.secret.starts_with("cnclv_"));
}

#[tokio::test]
async fn rotations_at_the_same_time_all_happen() {
    let (cluster, admin, _) = FakeCluster::unsealed(3).await;
    let key = admin.key("orders").await;
    cluster.nodes[1].set_lagging(true);
    cluster.nodes[2].set_lagging(true);
    // Nodes 2 and 3 prepare for version 2 although it is taken, are told so, and prepare again.
    for node in [0, 1, 2] {
        let there = admin.at(&cluster.nodes[node]);
        there.rotate_key(Actor::of_key(&key)).await.unwrap();
    }
    let shown = admin.get_key(v1::GetKeyRequest { key }).await.unwrap().key.unwrap();
    assert_eq!(shown.primary_version, 4);
}

#[tokio::test]
async fn a_node_that_is_behind_looks_again_before_it_says_no() {
    let (cluster, admin, _) = FakeCluster::unsealed(3).await;
    cluster.nodes[2].set_lagging(true);
    admin.key("orders").await;
    let late = admin.colleague("late", "Manager").await.at(&cluster.nodes[2]);
    let answer = late.disable_key(Actor::of_key("orders")).await.unwrap();
    assert_eq!(answer.key.unwrap().state(), v1::KeyState::Disabled);
}

#[tokio::test]
async fn nothing_of_a_caller_without_a_good_credential_reaches_the_log() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    let weak = admin.colleague("weak", "Reader").await;
    let short = admin.token("weak", 60).await.unwrap().secret;
    let revoked = admin.token("weak", 0).await.unwrap();
    let token_id = revoked.token.unwrap().id;
    let revoke = v1::RevokeTokenRequest { request_id: request_id(), token_id };
    admin.revoke_token(revoke).await.unwrap();
    cluster.clock.advance_ms(60_000);
    let foreign = FakeCluster::unsealed(1).await.1.token("admin", 0).await.unwrap().secret;
    let node = &cluster.nodes[0];
    let index = cluster.index();
    let cases = [
        (Actor::nobody(node), "UNAUTHENTICATED"),
        (Actor::with_token(node, "cnclv_nonsense"), "UNAUTHENTICATED"),
        (admin.showing(&foreign), "UNAUTHENTICATED"),
        (admin.showing(&revoked.secret), "UNAUTHENTICATED"),
        (admin.showing(&short), "TOKEN_EXPIRED"),
        (weak, "PERMISSION_DENIED"),
        (Actor::operator(node), "PERMISSION_DENIED"),
        (Actor::with_certificate(node, "conclave://test/principal/weak"), "UNAUTHENTICATED"),
        (Actor::with_certificate(node, "conclave://other/operator/olga"), "UNAUTHENTICATED"),
        (Actor::with_certificate(node, "conclave://test/operator/otto"), "UNAUTHENTICATED"),
        (Actor::with_certificate(node, "conclave://test/node/1"), "UNAUTHENTICATED"),
        (Actor::nobody(node).with_metadata("authorization", "Basic YTpi"), "UNAUTHENTICATED"),
    ];
    for (number, (actor, expected)) in cases.into_iter().enumerate() {
        let refused = actor.create_key(create("orders", &request_id())).await.unwrap_err();
        assert_eq!(reason(&refused), expected, "case {number}");
    }
    assert_eq!(cluster.index(), index);
}

#[tokio::test]
async fn an_index_ahead_of_the_cluster_is_refused_and_one_behind_it_is_not() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    admin.key("orders").await;
    let get = || v1::GetKeyRequest { key: "orders".to_owned() };
    let seen = |index: u64| admin.clone().with_metadata("x-conclave-min-index", &index.to_string());
    assert!(seen(cluster.index()).get_key(get()).await.is_ok());
    let ahead = seen(cluster.index() + 1).get_key(get()).await.unwrap_err();
    assert_eq!(reason(&ahead), "INVALID_ARGUMENT");
    let nonsense = admin.clone().with_metadata("x-conclave-min-index", "soon");
    assert_eq!(reason(&nonsense.get_key(get()).await.unwrap_err()), "INVALID_ARGUMENT");
}

#[tokio::test]
async fn without_a_quorum_nothing_is_proposed() {
    let (cluster, admin, _) = FakeCluster::unsealed(3).await;
    cluster.quorum.store(false, Ordering::SeqCst);
    let refused = admin.create_key(create("orders", &request_id())).await.unwrap_err();
    assert_eq!(reason(&refused), "NO_QUORUM");
    assert_eq!(refused.code(), tonic::Code::Unavailable);
}

#[tokio::test]
async fn a_change_that_cannot_be_read_back_is_unknown() {
    let (cluster, admin, _) = FakeCluster::unsealed(3).await;
    cluster.nodes[2].set_lagging(true);
    cluster.lose_quorum_after.store(cluster.index() + 1, Ordering::SeqCst);
    let there = admin.at(&cluster.nodes[2]);
    let refused = there.create_key(create("orders", &request_id())).await.unwrap_err();
    assert_eq!(reason(&refused), "OUTCOME_UNKNOWN");
}
