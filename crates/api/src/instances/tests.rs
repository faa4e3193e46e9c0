use crate::testing::{Actor, FakeCluster, HOUR, fact, reason, refusal, request_id, time};
use conclave_proto::v1;

fn soft_delete() -> v1::PolicyChange {
    v1::PolicyChange { preset: "soft-delete".to_owned(), ..Default::default() }
}

fn create(name: &str, policy: Option<v1::PolicyChange>) -> v1::CreateInstanceRequest {
    v1::CreateInstanceRequest { request_id: request_id(), name: name.to_owned(), policy }
}

fn set(instance: &str, policy: v1::PolicyChange) -> v1::SetInstancePolicyRequest {
    let (request_id, instance) = (request_id(), instance.to_owned());
    v1::SetInstancePolicyRequest { request_id, instance, policy: Some(policy) }
}

fn of(instance: &str) -> v1::InstanceRequest {
    v1::InstanceRequest { request_id: request_id(), instance: instance.to_owned() }
}

fn delete_ring(ring: &str, force: bool) -> v1::DeleteKeyRingRequest {
    v1::DeleteKeyRingRequest { request_id: request_id(), ring: ring.to_owned(), force }
}

async fn get(actor: &Actor, instance: &str) -> v1::Instance {
    let request = v1::GetInstanceRequest { instance: instance.to_owned() };
    actor.get_instance(request).await.unwrap().instance.unwrap()
}

async fn names(actor: &Actor) -> Vec<String> {
    let list = actor.list_instances(v1::ListInstancesRequest {}).await.unwrap();
    list.instances.into_iter().map(|instance| instance.name).collect()
}

/// Name and number of keys of each ring.
async fn rings(actor: &Actor) -> Vec<(String, u64)> {
    let list = actor.list_key_rings(v1::ListKeyRingsRequest {}).await.unwrap();
    list.rings.into_iter().map(|ring| (ring.name, ring.keys)).collect()
}

/// Keys and versions in each state, in the order of the lifecycle.
fn counts(instance: &v1::Instance) -> [(u64, u64); 5] {
    let states: Vec<i32> = instance.counts.iter().map(|count| count.state).collect();
    assert_eq!(states, [1, 2, 3, 4, 5]);
    [0, 1, 2, 3, 4].map(|at: usize| (instance.counts[at].keys, instance.counts[at].versions))
}

#[tokio::test]
async fn an_instance_is_found_by_name_and_id() {
    let (cluster, admin, _) = FakeCluster::unsealed(3).await;
    cluster.clock.advance_ms(HOUR);
    let request = create("team", Some(soft_delete()));
    let made = admin.create_instance(request.clone()).await.unwrap();
    let shown = made.instance.clone().unwrap();
    assert_eq!((shown.name.as_str(), shown.created_by.as_str()), ("team", "admin"));
    assert_eq!(time(shown.created_at), "2027-01-01T01:00:00Z");
    assert_eq!(shown.deletion_policy.clone().unwrap().preset, "soft-delete");
    assert_eq!(counts(&shown), [(0, 0); 5]);
    assert_eq!((made.log_index, made.replayed), (cluster.index(), false));
    for node in &cluster.nodes {
        let there = admin.at(node);
        assert_eq!(get(&there, "team").await, shown);
        assert_eq!(get(&there, &shown.id).await, shown);
        assert_eq!(names(&there).await, ["default", "team"]);
    }
    let repeat = admin.at(&cluster.nodes[2]).create_instance(request).await.unwrap();
    assert_eq!(repeat, v1::InstanceAnswer { replayed: true, ..made });
    let taken = admin.create_instance(create("team", None)).await.unwrap_err();
    assert_eq!(reason(&taken), "ALREADY_EXISTS");
    let plain = admin.create_instance(create("plain", None)).await.unwrap().instance.unwrap();
    assert_eq!(plain.deletion_policy.unwrap().preset, "layered");
}

#[tokio::test]
async fn a_policy_is_for_keys_that_come_later() {
    let (_, admin, _) = FakeCluster::unsealed(1).await;
    let id = admin.instance("team", v1::PolicyChange::default()).await;
    let there = admin.in_instance("team");
    there.key("before").await;
    admin.set_instance_policy(set("team", soft_delete())).await.unwrap();
    // What a change does not name stays as it is.
    let window = v1::PolicyChange { restore_window_s: Some(86_400), ..Default::default() };
    let answer = admin.set_instance_policy(set(&id, window)).await.unwrap();
    let policy = answer.instance.unwrap().deletion_policy.unwrap();
    assert_eq!((policy.preset.as_str(), policy.restore_window_s), ("custom", 86_400));
    assert_eq!((policy.grace_s, policy.enable_cooldown_s), (0, 30));
    assert_eq!(policy.restore_to(), v1::RestoreTo::Enabled);
    there.key("after").await;
    let preset = async |key| there.look(key).await.unwrap().deletion_policy.unwrap();
    assert_eq!(preset("before").await.preset, "layered");
    assert_eq!(preset("after").await, policy);
}

#[tokio::test]
async fn counts_follow_keys_and_versions() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    admin.instance("team", v1::PolicyChange::default()).await;
    let there = admin.in_instance("team");
    let purger = admin.colleague("purger", "KeyPurge").await;
    for key in ["one", "two", "three"] {
        there.key(key).await;
    }
    let of = Actor::of_key;
    there.rotate_key(of("one")).await.unwrap();
    assert_eq!(counts(&get(&admin, "team").await), [(3, 4), (0, 0), (0, 0), (0, 0), (0, 0)]);
    there.disable_key(of("one")).await.unwrap();
    there.delete("two", false).await.unwrap();
    assert_eq!(counts(&get(&admin, "team").await), [(1, 1), (1, 2), (0, 0), (1, 1), (0, 0)]);
    there.delete_now(of("two")).await.unwrap();
    assert_eq!(counts(&get(&admin, "team").await), [(1, 1), (1, 2), (0, 0), (0, 0), (1, 1)]);
    cluster.clock.advance_ms(4 * HOUR);
    purger.in_instance("team").purge_key(of("two")).await.unwrap();
    assert_eq!(counts(&get(&admin, "team").await), [(1, 1), (1, 2), (0, 0), (0, 0), (0, 0)]);
    assert_eq!(counts(&get(&admin, "default").await), [(0, 0); 5]);
}

#[tokio::test]
async fn an_instance_goes_when_its_keys_are_gone() {
    let (cluster, admin, _) = FakeCluster::unsealed(3).await;
    let id = admin.instance("team", v1::PolicyChange::default()).await;
    let there = admin.in_instance("team");
    let key = there.key("orders").await;
    let refused = |status: tonic::Status| reason(&status);
    assert_eq!(refused(admin.delete_instance(of("team")).await.unwrap_err()), "NOT_EMPTY");
    there.delete("orders", false).await.unwrap();
    there.delete_now(Actor::of_key("orders")).await.unwrap();
    // The administrator may not purge; that takes another role beside it.
    let denied = admin.delete_instance(of("team")).await.unwrap_err();
    assert_eq!(reason(&denied), "PERMISSION_DENIED");
    let both = admin.colleague("both", "Administrator").await;
    admin.bind_in("instance:team", "KeyPurge", "both").await.unwrap();
    let early = both.delete_instance(of("team")).await.unwrap_err();
    assert_eq!(reason(&early), "TOO_EARLY");
    assert_eq!(fact(&early, "not_before"), "2027-01-01T04:00:00Z");
    cluster.clock.advance_ms(4 * HOUR);
    let request = of("team");
    let gone = both.delete_instance(request.clone()).await.unwrap();
    assert_eq!((gone.id.as_str(), gone.replayed), (id.as_str(), false));
    assert_eq!(names(&admin).await, ["default"]);
    assert_eq!(reason(&admin.look(&key).await.unwrap_err()), "NOT_FOUND");
    let repeated = v1::DeletedAnswer { replayed: true, ..gone };
    for node in &cluster.nodes {
        assert_eq!(both.at(node).delete_instance(request.clone()).await.unwrap(), repeated);
    }
    assert_eq!(refused(both.delete_instance(of("team")).await.unwrap_err()), "NOT_FOUND");
    // The name is free; the repeat still means the first one.
    let heir = admin.instance("team", v1::PolicyChange::default()).await;
    assert_ne!(heir, id);
    assert_eq!(both.delete_instance(request).await.unwrap(), repeated);
    assert_eq!(get(&admin, "team").await.id, heir);
}

#[tokio::test]
async fn a_floor_holds_for_policies_from_then_on() {
    let (_, admin, _) = FakeCluster::unsealed(1).await;
    let floor = async || admin.get_deletion_floor(v1::GetDeletionFloorRequest {}).await.unwrap();
    assert_eq!(floor().await.floor_s, 0);
    admin.instance("brisk", v1::PolicyChange { grace_s: Some(0), ..soft_delete() }).await;
    let request = v1::SetDeletionFloorRequest { request_id: request_id(), floor_s: 31 * 86_400 };
    let made = admin.set_deletion_floor(request.clone()).await.unwrap();
    assert_eq!((made.floor_s, made.replayed), (31 * 86_400, false));
    assert!(admin.set_deletion_floor(request).await.unwrap().replayed);
    assert_eq!(floor().await.floor_s, 31 * 86_400);
    let under = admin.create_instance(create("under", Some(soft_delete()))).await.unwrap_err();
    insta::assert_snapshot!(refusal(&under), @r#"
    POLICY_INVALID | grace and restore window together are shorter than the floor of the cluster, 2678400 s | lengthen grace or restore window; an Administrator sets the floor
    "#);
    assert!(admin.create_instance(create("over", None)).await.is_ok());
    let change = v1::PolicyChange { delete_now: Some(true), ..Default::default() };
    let under = admin.set_instance_policy(set("brisk", change)).await.unwrap_err();
    assert_eq!(reason(&under), "POLICY_INVALID");
    assert_eq!(get(&admin, "brisk").await.deletion_policy.unwrap().grace_s, 0);
}

#[tokio::test]
async fn rings_hold_keys_and_go_when_they_are_empty() {
    let (cluster, admin, _) = FakeCluster::unsealed(3).await;
    let request = v1::KeyRingRequest { request_id: request_id(), name: "payroll".to_owned() };
    let made = admin.create_key_ring(request.clone()).await.unwrap();
    let ring = made.ring.clone().unwrap();
    assert_eq!((ring.name.as_str(), ring.instance.as_str(), ring.keys), ("payroll", "default", 0));
    assert_eq!(
        (ring.created_by.as_str(), &*time(ring.created_at)),
        ("admin", "2027-01-01T00:00:00Z")
    );
    let repeat = admin.at(&cluster.nodes[1]).create_key_ring(request).await.unwrap();
    assert_eq!(repeat, v1::KeyRingAnswer { replayed: true, ..made });
    let again = v1::KeyRingRequest { request_id: request_id(), name: "payroll".to_owned() };
    assert_eq!(reason(&admin.create_key_ring(again).await.unwrap_err()), "ALREADY_EXISTS");
    admin.key_in("payroll", "orders").await;
    assert_eq!(rings(&admin).await, [("default".to_owned(), 0), ("payroll".to_owned(), 1)]);

    for force in [false, true] {
        let full = admin.delete_key_ring(delete_ring("payroll", force)).await.unwrap_err();
        assert_eq!(reason(&full), "NOT_EMPTY");
    }
    admin.delete("orders", false).await.unwrap();
    admin.delete_now(Actor::of_key("orders")).await.unwrap();
    let without = admin.delete_key_ring(delete_ring(&ring.id, false)).await.unwrap_err();
    assert_eq!(reason(&without), "NOT_EMPTY");
    let request = delete_ring("payroll", true);
    let gone = admin.delete_key_ring(request.clone()).await.unwrap();
    assert_eq!((gone.id.as_str(), gone.replayed), (ring.id.as_str(), false));
    assert_eq!(rings(&admin).await, [("default".to_owned(), 1)]);
    assert_eq!(admin.look("orders").await.unwrap().ring, "default");
    let repeat = admin.delete_key_ring(request).await.unwrap();
    assert_eq!(repeat, v1::DeletedAnswer { replayed: true, ..gone });
}

#[tokio::test]
async fn what_is_always_there_stays() {
    let (_, admin, _) = FakeCluster::unsealed(1).await;
    let mut table = String::new();
    let mut note = |step: &str, refused: tonic::Status| {
        table.push_str(&format!("{step}: {}\n", refusal(&refused)));
    };
    note("instance", admin.delete_instance(of("default")).await.unwrap_err());
    note("ring", admin.delete_key_ring(delete_ring("default", true)).await.unwrap_err());
    note("no ring named", admin.delete_key_ring(delete_ring("", true)).await.unwrap_err());
    note("unknown instance", admin.delete_instance(of("nowhere")).await.unwrap_err());
    note("unknown ring", admin.delete_key_ring(delete_ring("nowhere", true)).await.unwrap_err());
    let long = v1::SetDeletionFloorRequest { request_id: request_id(), floor_s: 400_000_000 };
    note("floor", admin.set_deletion_floor(long).await.unwrap_err());
    insta::assert_snapshot!(table, @r#"
    instance: INVALID_ARGUMENT | the instance default is always there | use another one
    ring: INVALID_ARGUMENT | the key ring default is always there | use another one
    no ring named: INVALID_ARGUMENT field=ring | ring: the id (UUID) or name of a key ring is needed | correct the field ring and send the request again
    unknown instance: NOT_FOUND name=nowhere | there is no instance with this name or id: nowhere | check the name or id
    unknown ring: NOT_FOUND name=nowhere | there is no key ring with this name or id: nowhere | check the name or id
    floor: POLICY_INVALID | a window is longer than 3650 days | check the unit: 30s 15m 72h 30d
    "#);
}

/// Who may do what to instances and rings.
#[tokio::test]
async fn instances_are_for_administrators_and_rings_for_managers() {
    let (_, admin, _) = FakeCluster::unsealed(1).await;
    admin.instance("team", v1::PolicyChange::default()).await;
    let mut table = String::new();
    for role in ["Reader", "Writer", "Manager", "KeyPurge", "Auditor", "Operator", "Administrator"]
    {
        let actor = admin.colleague(&role.to_lowercase(), role).await.in_instance("team");
        let told = |result: Result<(), tonic::Status>| match result {
            Ok(()) => "yes".to_owned(),
            Err(status) => reason(&status),
        };
        let name = format!("by-{}", role.to_lowercase());
        let ring = v1::KeyRingRequest { request_id: request_id(), name: name.clone() };
        let floor = v1::SetDeletionFloorRequest { request_id: request_id(), floor_s: 0 };
        let get = v1::GetInstanceRequest { instance: "team".to_owned() };
        let answers = [
            ("create", told(actor.create_instance(create(&name, None)).await.map(drop))),
            ("get", told(actor.get_instance(get).await.map(drop))),
            ("policy", told(actor.set_instance_policy(set("team", soft_delete())).await.map(drop))),
            ("ring", told(actor.create_key_ring(ring).await.map(drop))),
            ("rings", told(actor.list_key_rings(v1::ListKeyRingsRequest {}).await.map(drop))),
            ("floor", told(actor.set_deletion_floor(floor).await.map(drop))),
            ("delete", told(actor.delete_instance(of(&name)).await.map(drop))),
        ];
        let answers: Vec<_> = answers
            .into_iter()
            .map(|(call, told)| format!("{call} {}", told.replace("PERMISSION_DENIED", "no")))
            .collect();
        table.push_str(&format!("{role}: {}\n", answers.join(", ")));
    }
    insta::assert_snapshot!(table, @r#"
    Reader: create no, get yes, policy no, ring no, rings yes, floor no, delete no
    Writer: create no, get yes, policy no, ring no, rings yes, floor no, delete no
    Manager: create no, get yes, policy yes, ring yes, rings yes, floor no, delete no
    KeyPurge: create no, get no, policy no, ring no, rings no, floor no, delete no
    Auditor: create no, get no, policy no, ring no, rings no, floor no, delete no
    Operator: create no, get no, policy no, ring no, rings no, floor no, delete no
    Administrator: create yes, get yes, policy yes, ring no, rings yes, floor yes, delete yes
    "#);
}
