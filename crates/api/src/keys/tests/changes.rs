//! Versions, aliases, policies, registrations, history and impact of a key.

use crate::testing::{Actor, DAY, FakeCluster, reason, refusal, request_id, time};
use conclave_proto::v1;
use prost_types::Timestamp;

fn get(key: &str) -> v1::GetKeyRequest {
    v1::GetKeyRequest { key: key.to_owned() }
}

fn switch(version: u32, enabled: bool) -> v1::SetVersionEnabledRequest {
    let (request_id, key) = (request_id(), "orders".to_owned());
    v1::SetVersionEnabledRequest { request_id, key, version, enabled }
}

fn alias(key: &str, alias: &str) -> v1::AliasRequest {
    let (key, alias) = (key.to_owned(), alias.to_owned());
    v1::AliasRequest { request_id: request_id(), key, alias }
}

fn rotate_every(days: u64) -> v1::SetKeyPolicyRequest {
    v1::SetKeyPolicyRequest {
        request_id: request_id(),
        key: "orders".to_owned(),
        rotate_every_s: Some(days * DAY / 1_000),
        windows: None,
    }
}

fn windows(change: v1::PolicyChange) -> v1::SetKeyPolicyRequest {
    v1::SetKeyPolicyRequest {
        request_id: request_id(),
        key: "orders".to_owned(),
        rotate_every_s: None,
        windows: Some(change),
    }
}

fn unregister(resource: &str) -> v1::UnregisterResourceRequest {
    let (key, resource) = ("orders".to_owned(), resource.to_owned());
    v1::UnregisterResourceRequest { request_id: request_id(), key, resource }
}

#[tokio::test]
async fn a_new_key_has_the_ring_expiry_and_rotation_that_were_asked_for() {
    let (cluster, admin, _) = FakeCluster::unsealed(3).await;
    let ring = admin.ring("payroll").await;
    for (number, name) in ["payroll", ring.as_str()].into_iter().enumerate() {
        let request = v1::CreateKeyRequest {
            request_id: request_id(),
            alias: format!("orders-{number}"),
            ring: name.to_owned(),
            expires_at: Some(Timestamp { seconds: 1_798_761_600 + 86_400, nanos: 500_000_000 }),
            rotate_every_s: 90 * DAY / 1_000,
            ..Default::default()
        };
        let made = admin.create_key(request).await.unwrap();
        let key = made.key.unwrap();
        assert_eq!(made.key_id, key.id);
        assert_eq!((key.instance.as_str(), key.ring.as_str()), ("default", "payroll"));
        assert_eq!(time(key.expires_at), "2027-01-02T00:00:00.5Z");
        let rotation = key.rotation.unwrap();
        assert_eq!((rotation.every_s, rotation.on), (7_776_000, true));
        assert_eq!(time(rotation.next_at), "2027-04-01T00:00:00Z");
        let policy = key.deletion_policy.clone().unwrap();
        assert_eq!((policy.preset.as_str(), policy.grace_s), ("layered", 259_200));
        assert_eq!((key.deletion.clone(), key.registrations.len()), (None, 0));
        let there = admin.at(&cluster.nodes[2]);
        assert_eq!(there.look(&key.id).await.unwrap(), key);
    }
}

#[tokio::test]
async fn a_version_has_a_switch_of_its_own() {
    let (_, admin, _) = FakeCluster::unsealed(1).await;
    admin.key("orders").await;
    let old = admin.seal_up("orders", b"old").await.unwrap();
    admin.rotate_key(Actor::of_key("orders")).await.unwrap();
    let versions = |answer: v1::KeyAnswer| -> Vec<_> {
        let key = answer.key.unwrap();
        key.versions.iter().map(|v| (v.version, v.enabled, v.usable)).collect()
    };
    let off = versions(admin.set_version_enabled(switch(1, false)).await.unwrap());
    assert_eq!(off, [(1, false, false), (2, true, true)]);
    assert_eq!(reason(&admin.open_up(&old).await.unwrap_err()), "VERSION_STATE");
    assert!(admin.seal_up("orders", b"new").await.is_ok());
    // The switch stays as it is while the whole key is off.
    let disabled = admin.disable_key(Actor::of_key("orders")).await.unwrap();
    assert_eq!(versions(disabled), [(1, false, false), (2, true, false)]);
    admin.enable_key(Actor::of_key("orders")).await.unwrap();
    let on = versions(admin.set_version_enabled(switch(1, true)).await.unwrap());
    assert_eq!(on, [(1, true, true), (2, true, true)]);
    assert_eq!(admin.open_up(&old).await.unwrap(), b"old");
}

#[tokio::test]
async fn an_alias_comes_and_goes() {
    let (cluster, admin, _) = FakeCluster::unsealed(3).await;
    let key = admin.key("orders").await;
    let there = admin.at(&cluster.nodes[1]);
    let made = there.seal_up("orders", b"").await.unwrap();
    let named = admin.add_alias(alias("orders", "bills")).await.unwrap().key.unwrap();
    assert_eq!(named.aliases, ["orders", "bills"]);
    assert!(there.seal_up("bills", b"").await.is_ok());
    let left = admin.remove_alias(alias(&key, "orders")).await.unwrap().key.unwrap();
    assert_eq!(left.aliases, ["bills"]);
    assert_eq!(reason(&there.seal_up("orders", b"").await.unwrap_err()), "NOT_FOUND");
    // The name is free for another key; what was made under it still belongs to the first one.
    let heir = admin.key("orders").await;
    assert_eq!(there.look("orders").await.unwrap().id, heir);
    assert!(there.open_up(&made).await.is_ok());
    assert!(there.seal_up("orders", b"").await.is_ok());
}

#[tokio::test]
async fn a_key_has_a_schedule_and_windows_of_its_own() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    admin.key("orders").await;
    cluster.clock.advance_ms(DAY);
    let with = admin.set_key_policy(rotate_every(30)).await.unwrap().key.unwrap();
    let rotation = with.rotation.unwrap();
    assert_eq!((rotation.every_s, rotation.on), (2_592_000, true));
    assert_eq!(time(rotation.next_at), "2027-02-01T00:00:00Z");
    let longer = v1::PolicyChange { grace_s: Some(7 * 86_400), ..Default::default() };
    let longer = admin.set_key_policy(windows(longer)).await.unwrap().key.unwrap();
    let policy = longer.deletion_policy.unwrap();
    assert_eq!((policy.preset.as_str(), policy.grace_s), ("custom", 604_800));
    assert_eq!(longer.rotation, with.rotation, "what is absent stays");
    let without = admin.set_key_policy(rotate_every(0)).await.unwrap().key.unwrap();
    assert_eq!(without.rotation, None);
    assert_eq!(without.deletion_policy.unwrap(), policy);
    let deleted = admin.delete("orders", false).await.unwrap().key.unwrap();
    assert_eq!(time(deleted.deletion.unwrap().destroys_at), "2027-01-09T00:00:00Z");
}

#[tokio::test]
async fn a_key_moves_to_another_ring() {
    let (_, admin, _) = FakeCluster::unsealed(1).await;
    admin.key("orders").await;
    let ring = admin.ring("payroll").await;
    let to = |ring: &str| v1::UpdateKeyRequest {
        request_id: request_id(),
        key: "orders".to_owned(),
        ring: ring.to_owned(),
        ..Default::default()
    };
    for (to_ring, expected) in [(ring.as_str(), "payroll"), ("default", "default")] {
        let moved = admin.update_key(to(to_ring)).await.unwrap().key.unwrap();
        assert_eq!(moved.ring, expected);
    }
    let stays = v1::UpdateKeyRequest { description: Some("text".to_owned()), ..to("") };
    admin.update_key(to("payroll")).await.unwrap();
    assert_eq!(admin.update_key(stays).await.unwrap().key.unwrap().ring, "payroll");
}

#[tokio::test]
async fn registered_resources_are_shown_and_hold_deletion_up() {
    let (_, admin, _) = FakeCluster::unsealed(1).await;
    admin.key("orders").await;
    admin.register("orders", "crn:b", true).await.unwrap();
    admin.rotate_key(Actor::of_key("orders")).await.unwrap();
    let request = v1::RegisterResourceRequest {
        request_id: request_id(),
        key: "orders".to_owned(),
        resource: "crn:a".to_owned(),
        description: "a bucket".to_owned(),
        prevent_deletion: false,
    };
    let key = admin.register_resource(request).await.unwrap().key.unwrap();
    let shown: Vec<_> = key
        .registrations
        .iter()
        .map(|r| (&*r.resource, &*r.description, r.prevent_deletion, r.version, &*r.registered_by))
        .collect();
    let expected = [("crn:a", "a bucket", false, 2, "admin"), ("crn:b", "", true, 1, "admin")];
    assert_eq!(shown, expected);
    assert_eq!(time(key.registrations[0].registered_at), "2027-01-01T00:00:00Z");
    let manager = admin.colleague("manager", "Manager").await;
    let lifts = manager.unregister_resource(unregister("crn:b")).await.unwrap_err();
    assert_eq!(reason(&lifts), "RETENTION");
    let left = admin.unregister_resource(unregister("crn:b")).await.unwrap().key.unwrap();
    assert_eq!(left.registrations.len(), 1);
    assert_eq!(reason(&admin.delete("orders", false).await.unwrap_err()), "REGISTERED");
    let deleted = admin.delete("orders", true).await.unwrap().key.unwrap();
    assert_eq!(deleted.state(), v1::KeyState::PendingDeletion);
    let destroyed = admin.delete_now(Actor::of_key("orders")).await.unwrap().key.unwrap();
    assert_eq!(destroyed.registrations, []);
}

#[tokio::test]
async fn refused_changes_say_why() {
    let (_, admin, _) = FakeCluster::unsealed(1).await;
    admin.key("orders").await;
    admin.key("taken").await;
    let mut table = String::new();
    let mut note = |step: &str, refused: tonic::Status| {
        table.push_str(&format!("{step}: {}\n", refusal(&refused)));
    };
    note("newest version", admin.set_version_enabled(switch(1, false)).await.unwrap_err());
    note("on already", admin.set_version_enabled(switch(1, true)).await.unwrap_err());
    note("no version", admin.set_version_enabled(switch(2, true)).await.unwrap_err());
    note("taken alias", admin.add_alias(alias("orders", "taken")).await.unwrap_err());
    note("own alias", admin.add_alias(alias("orders", "orders")).await.unwrap_err());
    note("alias of another", admin.remove_alias(alias("orders", "taken")).await.unwrap_err());
    for number in 2..=5 {
        admin.add_alias(alias("orders", &format!("orders-{number}"))).await.unwrap();
    }
    note("sixth alias", admin.add_alias(alias("orders", "orders-6")).await.unwrap_err());
    note("period", admin.set_key_policy(rotate_every(731)).await.unwrap_err());
    let shorter = v1::PolicyChange { grace_s: Some(1), ..Default::default() };
    note("shorter", admin.set_key_policy(windows(shorter)).await.unwrap_err());
    let more = v1::PolicyChange { delete_now: Some(false), ..Default::default() };
    note("not a window", admin.set_key_policy(windows(more)).await.unwrap_err());
    let long = v1::PolicyChange { auto_purge_s: Some(400_000_000), ..Default::default() };
    note("too long", admin.set_key_policy(windows(long)).await.unwrap_err());
    note("not registered", admin.unregister_resource(unregister("crn:x")).await.unwrap_err());
    let past = v1::CreateKeyRequest {
        request_id: request_id(),
        expires_at: Some(Timestamp { seconds: 1_798_761_600, nanos: 0 }),
        ..Default::default()
    };
    note("expired", admin.create_key(past).await.unwrap_err());
    let often = v1::CreateKeyRequest {
        request_id: request_id(),
        rotate_every_s: 86_399,
        ..Default::default()
    };
    note("too often", admin.create_key(often).await.unwrap_err());
    let nowhere = v1::CreateKeyRequest {
        request_id: request_id(),
        ring: "nowhere".to_owned(),
        ..Default::default()
    };
    note("no ring", admin.create_key(nowhere).await.unwrap_err());
    let nowhere = v1::UpdateKeyRequest {
        request_id: request_id(),
        key: "orders".to_owned(),
        ring: "nowhere".to_owned(),
        ..Default::default()
    };
    note("moved nowhere", admin.update_key(nowhere).await.unwrap_err());
    insta::assert_snapshot!(table, @r#"
    newest version: VERSION_STATE version=1 | version 1 cannot be switched: the newest version stays on | rotate the key first, or disable the whole key
    on already: VERSION_STATE version=1 | version 1 cannot be switched: it is so already | nothing is needed: the version is so already
    no version: NOT_FOUND | there is no key version with this name or id | check the name or id
    taken alias: ALREADY_EXISTS name=taken | this alias exists already: taken | choose another name
    own alias: ALREADY_EXISTS name=orders | this alias exists already: orders | choose another name
    alias of another: NOT_FOUND | there is no alias with this name or id | check the name or id
    sixth alias: INVALID_ARGUMENT limit=5 | the limit is 5 aliases of a key | stay within the limit, or remove some first
    period: INVALID_ARGUMENT | a rotation period is 1 to 730 days | choose 1 to 730 days
    shorter: POLICY_INVALID | a window of a key can be lengthened, and nothing else of its policy changed | give windows that are as long or longer, and nothing else
    not a window: POLICY_INVALID | a window of a key can be lengthened, and nothing else of its policy changed | give windows that are as long or longer, and nothing else
    too long: POLICY_INVALID | a window is longer than 3650 days | check the unit: 30s 15m 72h 30d
    not registered: NOT_FOUND | there is no registration with this name or id | check the name or id
    expired: INVALID_ARGUMENT | the expiry date lies in the past | give a date in the future
    too often: INVALID_ARGUMENT | a rotation period is 1 to 730 days | choose 1 to 730 days
    no ring: NOT_FOUND name=nowhere | there is no key ring with this name or id: nowhere | check the name or id
    moved nowhere: NOT_FOUND name=nowhere | there is no key ring with this name or id: nowhere | check the name or id
    "#);
}

/// A line of a history.
fn entry(entry: &v1::HistoryEntry) -> String {
    let state = |state: v1::KeyState| match state.as_str_name().trim_start_matches("KEY_STATE_") {
        "UNSPECIFIED" => "-",
        state => state,
    };
    let by = if entry.principal.is_empty() { "-" } else { &entry.principal };
    let known = if entry.request_id.is_empty() { "" } else { " by request" };
    let refused = match entry.refused.as_str() {
        "" => String::new(),
        reason => format!(", refused: {reason}"),
    };
    format!(
        "{} {by} {} {} -> {} v{}{known}{refused}\n",
        time(entry.at),
        entry.action,
        state(entry.from()),
        state(entry.to()),
        entry.version,
    )
}

#[tokio::test]
async fn a_history_has_what_happened_and_what_was_refused() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    let request = v1::CreateKeyRequest {
        request_id: request_id(),
        alias: "orders".to_owned(),
        expires_at: Some(Timestamp { seconds: 1_798_761_600 + 86_400, nanos: 0 }),
        ..Default::default()
    };
    let created_by = request.request_id.clone();
    admin.create_key(request).await.unwrap();
    admin.rotate_key(Actor::of_key("orders")).await.unwrap();
    admin.enable_key(Actor::of_key("orders")).await.unwrap_err();
    cluster.clock.advance_ms(2 * DAY);
    let auditor = admin.colleague("auditor", "Auditor").await;
    admin.delete("orders", false).await.unwrap();
    cluster.clock.advance_ms(4 * DAY);
    cluster.tick();
    let history = auditor.get_history(get("orders")).await.unwrap();
    assert_eq!(history.log_index, cluster.index());
    assert_eq!(history.entries[0].request_id, created_by);
    assert_eq!(reason(&auditor.look("orders").await.unwrap_err()), "PERMISSION_DENIED");
    let table: String = history.entries.iter().map(entry).collect();
    insta::assert_snapshot!(table, @r#"
    2027-01-01T00:00:00Z admin CreateKey - -> ENABLED v1 by request
    2027-01-01T00:00:00Z admin RotateKey ENABLED -> ENABLED v2 by request
    2027-01-01T00:00:00Z admin EnableKey ENABLED -> ENABLED v2 by request, refused: KEY_STATE
    2027-01-02T00:00:00Z - ExpiryReached ENABLED -> DEACTIVATED v2
    2027-01-03T00:00:00Z admin DeleteKey DEACTIVATED -> PENDING_DELETION v2 by request
    2027-01-06T00:00:00Z - GraceOver PENDING_DELETION -> DESTROYED v2
    "#);
}

#[tokio::test]
async fn an_impact_says_what_is_in_the_way_and_when_a_deletion_leads_where() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    let soft = v1::PolicyChange { preset: "soft-delete".to_owned(), ..Default::default() };
    admin.instance("soft", soft).await;
    let there = admin.in_instance("soft");
    let key = admin.key("orders").await;
    there.key("bills").await;
    let mut table = String::new();
    let mut note = |step: &str, impact: v1::ImpactAnswer| {
        let (destroys, purge) = (time(impact.destroys_at), time(impact.purge_at));
        let blocked = impact.blocked_by.join(",");
        let count = impact.registrations.len();
        table.push_str(&format!(
            "{step}: destroys {destroys}, purges {purge}, {count} registered, blocked by [{blocked}]\n"
        ));
    };
    let impact = admin.get_impact(get("orders")).await.unwrap();
    assert_eq!((&impact.key_id, impact.log_index), (&key, cluster.index()));
    note("free", impact);
    note("at once", there.get_impact(get("bills")).await.unwrap());
    admin.register("orders", "crn:a", false).await.unwrap();
    note("registered", admin.get_impact(get("orders")).await.unwrap());
    admin.register("orders", "crn:b", true).await.unwrap();
    note("protected", admin.get_impact(get("orders")).await.unwrap());
    admin.unregister_resource(unregister("crn:b")).await.unwrap();
    admin.delete("orders", true).await.unwrap();
    cluster.clock.advance_ms(DAY);
    note("pending", admin.get_impact(get("orders")).await.unwrap());
    cluster.clock.advance_ms(3 * DAY);
    cluster.tick();
    note("destroyed", admin.get_impact(get("orders")).await.unwrap());
    insta::assert_snapshot!(table, @r#"
    free: destroys 2027-01-04T00:00:00Z, purges 2027-04-04T00:00:00Z, 0 registered, blocked by []
    at once: destroys -, purges 2027-04-01T00:00:00Z, 0 registered, blocked by []
    registered: destroys 2027-01-04T00:00:00Z, purges 2027-04-04T00:00:00Z, 1 registered, blocked by [registrations]
    protected: destroys 2027-01-04T00:00:00Z, purges 2027-04-04T00:00:00Z, 2 registered, blocked by [retention,registrations]
    pending: destroys 2027-01-04T00:00:00Z, purges 2027-04-04T00:00:00Z, 1 registered, blocked by [state,registrations]
    destroyed: destroys 2027-01-04T00:00:00Z, purges 2027-04-04T00:00:00Z, 0 registered, blocked by [state]
    "#);
}
