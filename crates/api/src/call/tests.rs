use crate::testing::{Actor, FakeCluster, Told, fact, reason, request_id};
use conclave_proto::v1;

/// The instance `team` beside the default one; each has a key `orders`.
struct Two {
    _cluster: std::sync::Arc<FakeCluster>,
    admin: Actor,
    /// Id of the instance `team`.
    team: String,
    /// Key in the default instance.
    here: String,
    /// Key in `team`.
    there: String,
}

async fn two() -> Two {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    let team = admin.instance("team", v1::PolicyChange::default()).await;
    let here = admin.key("orders").await;
    let there = admin.in_instance("team").key("orders").await;
    Two { _cluster: cluster, admin, team, here, there }
}

#[tokio::test]
async fn names_are_looked_up_in_the_instance_of_the_call() {
    let Two { admin, team, here, there, .. } = two().await;
    for (instance, expected, shown) in [
        (None, &here, "default"),
        (Some("default"), &here, "default"),
        (Some("team"), &there, "team"),
        (Some(team.as_str()), &there, "team"),
    ] {
        let actor = instance.map_or(admin.clone(), |instance| admin.in_instance(instance));
        let key = actor.look("orders").await.unwrap();
        assert_eq!((&key.id, key.instance.as_str()), (expected, shown));
        let plain = v1::EncryptRequest { key: "orders".to_owned(), ..Default::default() };
        assert_eq!(&actor.encrypt(plain).await.unwrap().key_id, expected);
        let rotated = actor.rotate_key(Actor::of_key("orders")).await.unwrap();
        assert_eq!(&rotated.key_id, expected);
    }
}

/// By id a key is found wherever it lies, unless the caller says where.
#[tokio::test]
async fn an_id_of_another_instance_is_unknown_where_one_is_given() {
    let Two { admin, here, there, .. } = two().await;
    let in_team = admin.in_instance("team");
    let made = admin.seal_up(&there, b"plain").await.unwrap();
    assert!(admin.look(&there).await.is_ok());
    assert_eq!(admin.open_up(&made).await.unwrap(), b"plain");
    assert_eq!(in_team.open_up(&made).await.unwrap(), b"plain");
    let of_here = admin.seal_up(&here, b"plain").await.unwrap();
    let unknown = "00000000-0000-4000-8000-000000000000";
    for (foreign, never) in [
        (in_team.look(&here).await.unwrap_err(), in_team.look(unknown).await.unwrap_err()),
        (
            in_team.seal_up(&here, b"").await.unwrap_err(),
            in_team.seal_up(unknown, b"").await.unwrap_err(),
        ),
        (
            in_team.disable_key(Actor::of_key(&here)).await.unwrap_err(),
            in_team.disable_key(Actor::of_key(unknown)).await.unwrap_err(),
        ),
    ] {
        assert_eq!(reason(&foreign), "NOT_FOUND");
        assert_eq!(Told::of(&foreign, &here), Told::of(&never, unknown));
    }
    let foreign = in_team.open_up(&of_here).await.unwrap_err();
    assert_eq!((reason(&foreign).as_str(), fact(&foreign, "name")), ("NOT_FOUND", here.clone()));
    assert_eq!(admin.look(&here).await.unwrap().state(), v1::KeyState::Enabled);
}

#[tokio::test]
async fn an_unknown_instance_has_nothing_in_it_and_a_malformed_one_is_refused() {
    let Two { admin, here, .. } = two().await;
    for unknown in ["nowhere", "00000000-0000-4000-8000-000000000000"] {
        let there = admin.in_instance(unknown);
        for name in ["orders", &here] {
            for refused in [
                there.look(name).await.unwrap_err(),
                there.seal_up(name, b"").await.unwrap_err(),
                there.rotate_key(Actor::of_key(name)).await.unwrap_err(),
            ] {
                assert_eq!(
                    (reason(&refused).as_str(), &*fact(&refused, "name")),
                    ("NOT_FOUND", name)
                );
            }
        }
        let list = there.list_keys(v1::ListKeysRequest::default()).await.unwrap_err();
        let rings = there.list_key_rings(v1::ListKeyRingsRequest {}).await.unwrap_err();
        let request = v1::KeyRingRequest { request_id: request_id(), name: "payroll".to_owned() };
        let ring = there.create_key_ring(request).await.unwrap_err();
        for refused in [list, rings, ring] {
            assert_eq!(
                (reason(&refused).as_str(), &*fact(&refused, "name")),
                ("NOT_FOUND", unknown)
            );
        }
        let create = v1::CreateKeyRequest { request_id: request_id(), ..Default::default() };
        assert_eq!(reason(&there.create_key(create).await.unwrap_err()), "NOT_FOUND");
    }
    for malformed in ["", "Team", "a b", "x"] {
        let there = admin.in_instance(malformed);
        for refused in [
            there.look("orders").await.unwrap_err(),
            there.seal_up("orders", b"").await.unwrap_err(),
            there.list_keys(v1::ListKeysRequest::default()).await.unwrap_err(),
        ] {
            assert_eq!(reason(&refused), "INVALID_ARGUMENT");
            assert_eq!(fact(&refused, "field"), "x-conclave-instance");
        }
    }
}

/// The instance is part of what a repeat must match.
#[tokio::test]
async fn a_request_id_belongs_to_one_instance() {
    let Two { admin, .. } = two().await;
    let request = v1::CreateKeyRequest {
        request_id: request_id(),
        alias: "bills".to_owned(),
        ..Default::default()
    };
    admin.create_key(request.clone()).await.unwrap();
    let elsewhere = admin.in_instance("team").create_key(request.clone()).await.unwrap_err();
    assert_eq!(reason(&elsewhere), "REQUEST_ID_REUSED");
    assert!(admin.create_key(request).await.unwrap().replayed);
}
