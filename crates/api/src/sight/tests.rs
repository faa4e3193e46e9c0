//! Roles in a part of the cluster: what lies outside of it answers as what does not exist.

use crate::testing::{Actor, FakeCluster, Told, reason, request_id};
use conclave_proto::v1;
use std::sync::Arc;
use tonic::Status;

const UNKNOWN: &str = "00000000-0000-4000-8000-000000000000";

/// Keys in three places, each with a ciphertext under it.
struct World {
    _cluster: Arc<FakeCluster>,
    admin: Actor,
    /// `orders` in the ring `payroll` of the default instance.
    orders: Key,
    /// `hidden` in the ring `default` beside it.
    hidden: Key,
    /// `orders` in the instance `team`.
    team: Key,
}

struct Key {
    id: String,
    ciphertext: Vec<u8>,
}

async fn world() -> World {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    admin.ring("payroll").await;
    admin.instance("team", v1::PolicyChange::default()).await;
    let of = async |id: String| {
        let ciphertext = admin.seal_up(&id, b"plain").await.unwrap();
        Key { id, ciphertext }
    };
    World {
        orders: of(admin.key_in("payroll", "orders").await).await,
        hidden: of(admin.key("hidden").await).await,
        team: of(admin.in_instance("team").key("orders").await).await,
        admin,
        _cluster: cluster,
    }
}

/// The ciphertext as if another key had made it.
fn under(key: &str, ciphertext: &[u8]) -> Vec<u8> {
    let id: uuid::Uuid = key.parse().unwrap();
    let mut changed = ciphertext.to_vec();
    changed[6..22].copy_from_slice(id.as_bytes());
    changed
}

/// What every call that names a key answers to an actor: each refusal in full.
async fn answers(actor: &Actor, key: &str) -> Vec<(&'static str, Result<(), Told>)> {
    let given = || key.to_owned();
    let get = || v1::GetKeyRequest { key: given() };
    let of = || Actor::of_key(key);
    let alias = || v1::AliasRequest { request_id: request_id(), key: given(), alias: "new".into() };
    let data_key = v1::GenerateDataKeyRequest { key: given(), ..Default::default() };
    let update =
        v1::UpdateKeyRequest { request_id: request_id(), key: given(), ..Default::default() };
    let policy =
        v1::SetKeyPolicyRequest { request_id: request_id(), key: given(), ..Default::default() };
    let switch = v1::SetVersionEnabledRequest {
        request_id: request_id(),
        key: given(),
        version: 1,
        enabled: false,
    };
    let unregister = v1::UnregisterResourceRequest {
        request_id: request_id(),
        key: given(),
        resource: "crn:1".to_owned(),
    };
    let told = |result: Result<(), Status>| result.map_err(|status| Told::of(&status, key));
    vec![
        ("Encrypt", told(actor.seal_up(key, b"").await.map(drop))),
        ("GenerateDataKey", told(actor.generate_data_key(data_key).await.map(drop))),
        ("GetKey", told(actor.get_key(get()).await.map(drop))),
        ("GetHistory", told(actor.get_history(get()).await.map(drop))),
        ("GetImpact", told(actor.get_impact(get()).await.map(drop))),
        ("RotateKey", told(actor.rotate_key(of()).await.map(drop))),
        ("EnableKey", told(actor.enable_key(of()).await.map(drop))),
        ("DisableKey", told(actor.disable_key(of()).await.map(drop))),
        ("SetVersionEnabled", told(actor.set_version_enabled(switch).await.map(drop))),
        ("UpdateKey", told(actor.update_key(update).await.map(drop))),
        ("SetKeyPolicy", told(actor.set_key_policy(policy).await.map(drop))),
        ("AddAlias", told(actor.add_alias(alias()).await.map(drop))),
        ("RemoveAlias", told(actor.remove_alias(alias()).await.map(drop))),
        ("RegisterResource", told(actor.register(key, "crn:1", false).await.map(drop))),
        ("UnregisterResource", told(actor.unregister_resource(unregister).await.map(drop))),
        ("CancelDeletion", told(actor.cancel_deletion(of()).await.map(drop))),
        ("DeleteNow", told(actor.delete_now(of()).await.map(drop))),
        ("RestoreKey", told(actor.restore_key(of()).await.map(drop))),
        ("PurgeKey", told(actor.purge_key(of()).await.map(drop))),
        ("DeleteKey", told(actor.delete(key, true).await.map(drop))),
    ]
}

async fn decrypted(actor: &Actor, ciphertext: &[u8], only: &str) -> Result<Vec<u8>, Status> {
    let (ciphertext, key) = (ciphertext.to_vec(), only.to_owned());
    let request = v1::DecryptRequest { ciphertext, key, ..Default::default() };
    actor.decrypt(request).await.map(|answer| answer.plaintext)
}

async fn listed(actor: &Actor, ring: &str) -> Result<Vec<String>, Status> {
    let request = v1::ListKeysRequest { ring: ring.to_owned(), ..Default::default() };
    let mut ids: Vec<_> =
        actor.list_keys(request).await?.keys.into_iter().map(|key| key.id).collect();
    ids.sort();
    Ok(ids)
}

/// The scopes in which only `orders` lies.
fn scopes(world: &World) -> [String; 2] {
    ["ring:payroll".to_owned(), format!("key:{}", world.orders.id)]
}

#[tokio::test]
async fn a_reader_of_a_part_uses_and_sees_what_is_in_it() {
    let world = world().await;
    let orders = &world.orders;
    for (number, scope) in scopes(&world).into_iter().enumerate() {
        let reader = world.admin.colleague_in(&scope, &format!("reader-{number}"), "Reader").await;
        for name in ["orders", &orders.id] {
            for (call, answer) in answers(&reader, name).await {
                let reads = ["Encrypt", "GenerateDataKey", "GetKey", "GetHistory", "GetImpact"];
                match answer {
                    Ok(()) => assert!(reads.contains(&call), "{call} in {scope}"),
                    Err(told) => {
                        assert!(!reads.contains(&call), "{call} in {scope}: {told:?}");
                        assert_eq!(told.reason(), "PERMISSION_DENIED", "{call}");
                    }
                }
            }
            assert_eq!(decrypted(&reader, &orders.ciphertext, name).await.unwrap(), b"plain");
        }
        assert_eq!(decrypted(&reader, &orders.ciphertext, "").await.unwrap(), b"plain");
        assert_eq!(listed(&reader, "").await.unwrap(), [orders.id.as_str()]);
        assert_eq!(listed(&reader, "payroll").await.unwrap(), [orders.id.as_str()]);
    }
}

#[tokio::test]
async fn what_a_part_does_not_hold_answers_as_what_does_not_exist() {
    let world = world().await;
    let World { admin, orders, hidden, team, .. } = &world;
    let mut number = 0;
    for role in ["Reader", "Manager", "KeyPurge", "Auditor"] {
        for scope in scopes(&world) {
            number += 1;
            let actor = admin.colleague_in(&scope, &format!("actor-{number}"), role).await;
            let by_id = answers(&actor, UNKNOWN).await;
            let by_alias = answers(&actor, "absent").await;
            assert!(
                by_id.iter().all(|(_, told)| told.as_ref().unwrap_err().reason() == "NOT_FOUND")
            );
            for (name, unknown) in
                [(hidden.id.as_str(), &by_id), ("hidden", &by_alias), (team.id.as_str(), &by_id)]
            {
                assert_eq!(&answers(&actor, name).await, unknown, "{role} in {scope}: {name}");
            }
            let in_team = actor.in_instance("team");
            for name in ["orders", &team.id, &orders.id, "absent"] {
                let never = answers(&actor.in_instance("nowhere"), name).await;
                assert_eq!(answers(&in_team, name).await, never, "{role} in {scope}: {name}");
            }
        }
    }
}

#[tokio::test]
async fn a_ciphertext_of_an_unseen_key_is_one_of_no_key() {
    let world = world().await;
    let World { admin, orders, hidden, team, .. } = &world;
    for (number, scope) in scopes(&world).into_iter().enumerate() {
        let reader = admin.colleague_in(&scope, &format!("reader-{number}"), "Reader").await;
        let of_none = under(UNKNOWN, &hidden.ciphertext);
        let never = decrypted(&reader, &of_none, "").await.unwrap_err();
        assert_eq!(reason(&never), "NOT_FOUND");
        for key in [hidden, team] {
            let told = decrypted(&reader, &key.ciphertext, "").await.unwrap_err();
            assert_eq!(Told::of(&told, &key.id), Told::of(&never, UNKNOWN));
            // The caller names a key that it may not see, or that is not there.
            for ciphertext in [&orders.ciphertext, &key.ciphertext, &of_none] {
                let unseen = decrypted(&reader, ciphertext, &key.id).await.unwrap_err();
                let absent = decrypted(&reader, ciphertext, UNKNOWN).await.unwrap_err();
                assert_eq!(Told::of(&unseen, &key.id), Told::of(&absent, UNKNOWN));
                assert_eq!(reason(&absent), "NOT_FOUND");
            }
            // The caller names its own key: whether the other one exists is not looked at.
            let wrong = decrypted(&reader, &key.ciphertext, &orders.id).await.unwrap_err();
            let none = decrypted(&reader, &of_none, &orders.id).await.unwrap_err();
            assert_eq!(reason(&wrong), "CIPHERTEXT_WRONG_KEY");
            assert_eq!(Told::of(&wrong, "\0"), Told::of(&none, "\0"));
        }
        let unseen = decrypted(&reader, &orders.ciphertext, "hidden").await.unwrap_err();
        let absent = decrypted(&reader, &orders.ciphertext, "absent").await.unwrap_err();
        assert_eq!(Told::of(&unseen, "hidden"), Told::of(&absent, "absent"));
    }
}

/// What every call that names a key ring answers to an actor.
async fn answers_on_ring(actor: &Actor, ring: &str) -> Vec<(&'static str, Told)> {
    let given = || ring.to_owned();
    let create =
        v1::CreateKeyRequest { request_id: request_id(), ring: given(), ..Default::default() };
    let delete = v1::DeleteKeyRingRequest { request_id: request_id(), ring: given(), force: true };
    let move_to = v1::UpdateKeyRequest {
        request_id: request_id(),
        key: "orders".to_owned(),
        ring: given(),
        ..Default::default()
    };
    let scope = format!("ring:{ring}");
    let told = |refused: Status| Told::of(&refused, ring);
    vec![
        ("ListKeys", told(listed(actor, ring).await.unwrap_err())),
        ("CreateKey", told(actor.create_key(create).await.unwrap_err())),
        ("DeleteKeyRing", told(actor.delete_key_ring(delete).await.unwrap_err())),
        ("UpdateKey", told(actor.update_key(move_to).await.unwrap_err())),
        ("BindRole", told(actor.bind_in(&scope, "Reader", "admin").await.unwrap_err())),
    ]
}

/// What every call that names an instance, or lists one, answers to an actor.
async fn answers_on_instance(actor: &Actor, instance: &str) -> Vec<(&'static str, Told)> {
    let there = actor.in_instance(instance);
    let rings = v1::ListKeyRingsRequest {};
    let get = v1::GetInstanceRequest { instance: instance.to_owned() };
    let delete = v1::InstanceRequest { request_id: request_id(), instance: instance.to_owned() };
    let ring = v1::KeyRingRequest { request_id: request_id(), name: "new".to_owned() };
    let create = v1::CreateKeyRequest { request_id: request_id(), ..Default::default() };
    let scope = format!("instance:{instance}");
    let told = |refused: Status| Told::of(&refused, instance);
    vec![
        ("ListKeys", told(listed(&there, "").await.unwrap_err())),
        ("ListKeys of a ring", told(listed(&there, "default").await.unwrap_err())),
        ("ListKeyRings", told(there.list_key_rings(rings).await.unwrap_err())),
        ("CreateKeyRing", told(there.create_key_ring(ring).await.unwrap_err())),
        ("CreateKey", told(there.create_key(create).await.unwrap_err())),
        ("GetInstance", told(actor.get_instance(get).await.unwrap_err())),
        ("DeleteInstance", told(actor.delete_instance(delete).await.unwrap_err())),
        ("BindRole", told(actor.bind_in(&scope, "Reader", "admin").await.unwrap_err())),
    ]
}

#[tokio::test]
async fn rings_and_instances_outside_are_unknown_too() {
    let world = world().await;
    let World { admin, orders, .. } = &world;
    admin.ring("empty").await;
    let mut number = 0;
    for role in ["Reader", "Manager"] {
        for scope in scopes(&world) {
            number += 1;
            let actor = admin.colleague_in(&scope, &format!("actor-{number}"), role).await;
            let unknown = answers_on_ring(&actor, "absent").await;
            for ring in ["default", "empty"] {
                assert_eq!(answers_on_ring(&actor, ring).await, unknown, "{role} in {scope}");
            }
            let unknown = answers_on_instance(&actor, "nowhere").await;
            assert_eq!(answers_on_instance(&actor, "team").await, unknown, "{role} in {scope}");
            let list = actor.list_instances(v1::ListInstancesRequest {}).await.unwrap().instances;
            let names: Vec<_> = list.iter().map(|instance| instance.name.as_str()).collect();
            assert_eq!(names, ["default"], "{role} in {scope}");
        }
    }
    assert_eq!(admin.look(&orders.id).await.unwrap().ring, "payroll");
}

#[tokio::test]
async fn a_reader_of_an_instance_has_all_of_it_and_nothing_else() {
    let world = world().await;
    let World { admin, orders, team, .. } = &world;
    let reader = admin.colleague_in("instance:team", "reader", "Reader").await;
    let there = reader.in_instance("team");
    assert_eq!(listed(&there, "").await.unwrap(), [team.id.as_str()]);
    assert_eq!(listed(&there, "default").await.unwrap(), [team.id.as_str()]);
    assert_eq!(there.look("orders").await.unwrap().id, team.id);
    assert!(there.seal_up("orders", b"").await.is_ok());
    assert_eq!(decrypted(&reader, &team.ciphertext, "").await.unwrap(), b"plain");
    assert_eq!(reason(&listed(&reader, "").await.unwrap_err()), "NOT_FOUND");
    let by_id = answers(&reader, UNKNOWN).await;
    let by_alias = answers(&reader, "absent").await;
    assert_eq!(answers(&reader, &orders.id).await, by_id);
    assert_eq!(answers(&reader, "orders").await, by_alias);
    let instances = reader.list_instances(v1::ListInstancesRequest {}).await.unwrap().instances;
    let names: Vec<_> = instances.iter().map(|instance| instance.name.as_str()).collect();
    assert_eq!(names, ["team"]);
    let rings = there.list_key_rings(v1::ListKeyRingsRequest {}).await.unwrap().rings;
    assert_eq!(rings.len(), 1);
}

/// A role follows the key: what is moved out of a ring is out of sight of who reads the ring.
#[tokio::test]
async fn a_key_that_is_moved_away_goes_out_of_sight() {
    let world = world().await;
    let World { admin, orders, .. } = &world;
    let reader = admin.colleague_in("ring:payroll", "reader", "Reader").await;
    assert!(reader.seal_up("orders", b"").await.is_ok());
    let request = v1::UpdateKeyRequest {
        request_id: request_id(),
        key: "orders".to_owned(),
        ring: "default".to_owned(),
        ..Default::default()
    };
    admin.update_key(request).await.unwrap();
    assert_eq!(answers(&reader, "orders").await, answers(&reader, "absent").await);
    assert_eq!(answers(&reader, &orders.id).await, answers(&reader, UNKNOWN).await);
    assert_eq!(listed(&reader, "").await.unwrap(), [] as [String; 0]);
}

/// Whether a key, a ring or an instance exists is nothing to somebody without a role.
#[tokio::test]
async fn without_any_role_everything_is_denied() {
    let world = world().await;
    let World { admin, orders, .. } = &world;
    let nobody = admin.colleague("nobody", "").await;
    for actor in [&nobody, &nobody.in_instance("team"), &nobody.in_instance("nowhere")] {
        let of_unknown = answers(actor, UNKNOWN).await;
        for (call, told) in &of_unknown {
            assert_eq!(told.as_ref().unwrap_err().reason(), "PERMISSION_DENIED", "{call}");
        }
        for name in [orders.id.as_str(), "orders", "absent"] {
            assert_eq!(answers(actor, name).await, of_unknown, "{name}");
        }
        for ciphertext in [orders.ciphertext.clone(), under(UNKNOWN, &orders.ciphertext)] {
            let refused = decrypted(actor, &ciphertext, "").await.unwrap_err();
            assert_eq!(reason(&refused), "PERMISSION_DENIED");
        }
        for ring in ["", "payroll", "absent"] {
            let refused = listed(actor, ring).await.unwrap_err();
            assert_eq!(reason(&refused), "PERMISSION_DENIED", "{ring}");
        }
        let rings = actor.list_key_rings(v1::ListKeyRingsRequest {}).await.unwrap_err();
        assert_eq!(reason(&rings), "PERMISSION_DENIED");
        for instance in ["team", "nowhere"] {
            let request = v1::GetInstanceRequest { instance: instance.to_owned() };
            let refused = actor.get_instance(request).await.unwrap_err();
            assert_eq!(reason(&refused), "PERMISSION_DENIED", "{instance}");
        }
        let instances = actor.list_instances(v1::ListInstancesRequest {}).await.unwrap();
        assert_eq!(instances.instances, []);
    }
}

/// Roles that hold in a part are shown with their part, and can be taken away where it is gone.
#[tokio::test]
async fn bindings_name_their_part() {
    let world = world().await;
    let World { admin, orders, .. } = &world;
    admin.colleague("alice", "").await;
    let key = format!("key:{}", orders.id);
    let table = [
        ("", "cluster"),
        ("cluster", "cluster"),
        ("instance:team", "instance:team"),
        ("ring:payroll", "ring:default/payroll"),
        ("key:orders", key.as_str()),
    ];
    for (scope, shown) in table {
        let bound = admin.bind_in(scope, "Reader", "alice").await.unwrap().binding.unwrap();
        assert_eq!((bound.role.as_str(), bound.scope.as_str()), ("Reader", shown));
    }
    for (scope, expected) in [
        ("instance:nowhere", "NOT_FOUND"),
        ("ring:nowhere", "NOT_FOUND"),
        ("key:nowhere", "NOT_FOUND"),
        ("key:00000000-0000-4000-8000-000000000000", "NOT_FOUND"),
        ("instance:00000000-0000-4000-8000-000000000000", "NOT_FOUND"),
    ] {
        let refused = admin.bind_in(scope, "Reader", "alice").await.unwrap_err();
        assert_eq!(reason(&refused), expected, "{scope}");
    }
    let here_only = admin.bind_in("instance:team", "Operator", "alice").await.unwrap_err();
    assert_eq!(reason(&here_only), "INVALID_ARGUMENT");
    let there = admin.in_instance("team").bind_in("key:orders", "Writer", "alice").await.unwrap();
    assert_eq!(there.binding.unwrap().scope, format!("key:{}", world.team.id));
}
