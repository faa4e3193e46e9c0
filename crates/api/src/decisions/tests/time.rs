//! What time has done to a key although no entry shows it yet.

use crate::testing::{Actor, DAY, FakeCluster, HOUR, Told, fact, reason, request_id};
use conclave_proto::v1;
use prost_types::Timestamp;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A key that expires an hour after the start, warm at node 2, with something encrypted under it.
async fn expiring() -> (Arc<FakeCluster>, Actor, Vec<u8>) {
    let (cluster, admin, _) = FakeCluster::unsealed(3).await;
    let request = v1::CreateKeyRequest {
        request_id: request_id(),
        alias: "orders".to_owned(),
        expires_at: Some(Timestamp { seconds: 1_798_761_600 + 3_600, nanos: 0 }),
        ..Default::default()
    };
    admin.create_key(request).await.unwrap();
    let there = admin.at(&cluster.nodes[1]);
    let ciphertext = there.seal_up("orders", b"plain").await.unwrap();
    (cluster, there, ciphertext)
}

#[tokio::test]
async fn an_expired_key_decrypts_and_no_more() {
    let (cluster, there, ciphertext) = expiring().await;
    let index = cluster.index();
    cluster.clock.advance_ms(HOUR - 1);
    assert!(there.seal_up("orders", b"").await.is_ok());
    cluster.clock.advance_ms(1);
    for _ in 0..2 {
        let refused = there.seal_up("orders", b"").await.unwrap_err();
        assert_eq!(reason(&refused), "KEY_STATE");
        assert_eq!(fact(&refused, "state"), "Deactivated");
        assert_eq!(fact(&refused, "action"), "Encrypt");
        assert!(fact(&refused, "allowed").starts_with("Decrypt,Rotate,"), "{refused:?}");
        assert_eq!(there.open_up(&ciphertext).await.unwrap(), b"plain");
    }
    let key = there.look("orders").await.unwrap();
    assert_eq!((key.state(), key.revision), (v1::KeyState::Deactivated, 1));
    assert_eq!(cluster.index(), index);
    cluster.tick();
    assert_eq!(reason(&there.seal_up("orders", b"").await.unwrap_err()), "KEY_STATE");
    assert_eq!(there.open_up(&ciphertext).await.unwrap(), b"plain");
    assert_eq!(there.look("orders").await.unwrap().state(), v1::KeyState::Deactivated);
}

#[tokio::test]
async fn a_key_past_its_automatic_purge_is_one_that_never_was() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    let key = admin.key("orders").await;
    let ciphertext = admin.seal_up("orders", b"plain").await.unwrap();
    admin.delete(&key, false).await.unwrap();
    let pending = admin.seal_up("orders", b"").await.unwrap_err();
    assert_eq!(fact(&pending, "state"), "PendingDeletion");
    cluster.clock.advance_ms(72 * HOUR + 1);
    let destroyed = admin.open_up(&ciphertext).await.unwrap_err();
    assert_eq!(
        (reason(&destroyed).as_str(), &*fact(&destroyed, "state")),
        ("KEY_STATE", "Destroyed")
    );
    cluster.clock.advance_ms(90 * DAY);
    let index = cluster.index();
    for ticked in [false, true] {
        let unknown = "00000000-0000-4000-8000-000000000000";
        let never = Told::of(&admin.seal_up(unknown, b"").await.unwrap_err(), unknown);
        assert_eq!(never.reason(), "NOT_FOUND");
        for name in ["orders", &key] {
            let told = |refused: tonic::Status| Told::of(&refused, name);
            assert_eq!(told(admin.seal_up(name, b"").await.unwrap_err()), never, "{ticked}");
            assert_eq!(told(admin.look(name).await.unwrap_err()), never, "{ticked}");
            let disabled = admin.disable_key(Actor::of_key(name)).await.unwrap_err();
            assert_eq!(told(disabled), never, "{ticked}");
        }
        assert_eq!(Told::of(&admin.open_up(&ciphertext).await.unwrap_err(), &key), never);
        let everything = v1::ListKeysRequest { states: vec![1, 2, 3, 4, 5], ..Default::default() };
        assert_eq!(admin.list_keys(everything).await.unwrap().keys, []);
        if !ticked {
            assert!(cluster.index() > index, "a command brings a key up to date");
            cluster.tick();
        }
    }
}

/// The time of a barrier counts, also on a node that has applied nothing of late.
#[tokio::test]
async fn an_idle_node_notices_the_time() {
    let (cluster, there, ciphertext) = expiring().await;
    cluster.nodes[1].set_lagging(true);
    cluster.clock.advance_ms(HOUR);
    assert_eq!(reason(&there.seal_up("orders", b"").await.unwrap_err()), "KEY_STATE");
    assert_eq!(there.open_up(&ciphertext).await.unwrap(), b"plain");
}

/// A development clock runs ahead for keys; the rights of callers end by the clock on the wall.
#[tokio::test]
async fn keys_age_by_cluster_time_and_credentials_by_the_wall() {
    let (cluster, there, _) = expiring().await;
    let minute = there.token("admin", 60).await.unwrap();
    let holder = there.showing(&minute.secret);
    let reader = there.colleague("reader", "").await;
    let bind = v1::BindRoleRequest {
        request_id: request_id(),
        role: "Reader".to_owned(),
        subject: Some(v1::bind_role_request::Subject::Principal("reader".to_owned())),
        scope: String::new(),
        until: Some(Timestamp { seconds: 1_798_761_600 + 60, nanos: 0 }),
    };
    there.bind_role(bind).await.unwrap();
    cluster.clock_rate.store(1_000, Ordering::SeqCst);
    cluster.tick();

    cluster.clock.advance_ms(3_599);
    assert!(holder.seal_up("orders", b"").await.is_ok());
    cluster.clock.advance_ms(1);
    assert_eq!(cluster.time().at_ms - cluster.time().unscaled_ms, HOUR - 3_600);
    for actor in [&holder, &reader] {
        assert_eq!(reason(&actor.seal_up("orders", b"").await.unwrap_err()), "KEY_STATE");
        assert_eq!(actor.look("orders").await.unwrap().state(), v1::KeyState::Deactivated);
    }
    let made = holder.key("bills").await;
    assert_eq!(holder.look(&made).await.unwrap().created_at.unwrap().seconds, 1_798_765_200);

    cluster.clock.advance_ms(60_000 - 3_600 - 1);
    assert!(holder.look("orders").await.is_ok());
    assert!(reader.look("orders").await.is_ok());
    cluster.clock.advance_ms(1);
    assert_eq!(reason(&holder.look("orders").await.unwrap_err()), "TOKEN_EXPIRED");
    assert_eq!(reason(&reader.look("orders").await.unwrap_err()), "PERMISSION_DENIED");
}
