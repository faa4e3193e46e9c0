//! The way of a key from the request to delete it to its purge.

use crate::testing::{
    Actor, DAY, FakeCluster, HOUR, Told, fact, reason, refusal, request_id, time,
};
use conclave_proto::v1;
use std::sync::Arc;

/// One line: the state, and the times of the deletion.
fn line(step: &str, key: &v1::Key) -> String {
    let state = key.state().as_str_name().trim_start_matches("KEY_STATE_");
    let Some(deletion) = &key.deletion else { return format!("{step}: {state}\n") };
    format!(
        "{step}: {state}, requested {} by {}, destroys {}, destroyed {}, restore until {}, \
         erases {}, purge {} to {}\n",
        time(deletion.requested_at),
        deletion.requested_by,
        time(deletion.destroys_at),
        time(deletion.destroyed_at),
        time(deletion.restore_until),
        time(deletion.material_erases_at),
        time(deletion.purge_from),
        time(deletion.purge_at),
    )
}

/// A key `orders`, its administrator, and somebody who purges.
async fn purgeable() -> (Arc<FakeCluster>, Actor, Actor, String) {
    let (cluster, admin, _) = FakeCluster::unsealed(3).await;
    let key = admin.key("orders").await;
    let purger = admin.colleague("purger", "KeyPurge").await;
    (cluster, admin, purger, key)
}

/// The same, deleted, and past its purge floor.
async fn past_the_floor() -> (Arc<FakeCluster>, Actor, Actor, String) {
    let (cluster, admin, purger, key) = purgeable().await;
    admin.delete(&key, false).await.unwrap();
    admin.delete_now(Actor::of_key(&key)).await.unwrap();
    cluster.clock.advance_ms(4 * HOUR);
    (cluster, admin, purger, key)
}

#[tokio::test]
async fn a_deletion_says_when_it_leads_where() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    admin.key("orders").await;
    let of = || Actor::of_key("orders");
    let mut table = String::new();
    let mut note = |step: &str, key: v1::Key| table.push_str(&line(step, &key));
    note("delete", admin.delete("orders", false).await.unwrap().key.unwrap());
    cluster.clock.advance_ms(72 * HOUR);
    note("at the end of the grace", admin.look("orders").await.unwrap());
    note("cancel", admin.cancel_deletion(of()).await.unwrap().key.unwrap());
    note("delete a disabled one", admin.delete("orders", false).await.unwrap().key.unwrap());
    cluster.clock.advance_ms(HOUR);
    note("delete now", admin.delete_now(of()).await.unwrap().key.unwrap());
    note("restore", admin.restore_key(of()).await.unwrap().key.unwrap());
    note("enable", admin.enable_key(of()).await.unwrap().key.unwrap());
    note("delete", admin.delete("orders", false).await.unwrap().key.unwrap());
    let index = cluster.index();
    cluster.clock.advance_ms(72 * HOUR + 1);
    note("grace over", admin.look("orders").await.unwrap());
    assert_eq!(cluster.index(), index);
    cluster.clock.advance_ms(10 * DAY);
    cluster.tick();
    note("ticked later", admin.look("orders").await.unwrap());
    note("restore", admin.restore_key(of()).await.unwrap().key.unwrap());
    insta::assert_snapshot!(table, @r#"
    delete: PENDING_DELETION, requested 2027-01-01T00:00:00Z by admin, destroys 2027-01-04T00:00:00Z, destroyed -, restore until -, erases -, purge - to -
    at the end of the grace: PENDING_DELETION, requested 2027-01-01T00:00:00Z by admin, destroys 2027-01-04T00:00:00Z, destroyed -, restore until -, erases -, purge - to -
    cancel: DISABLED
    delete a disabled one: PENDING_DELETION, requested 2027-01-04T00:00:00Z by admin, destroys 2027-01-07T00:00:00Z, destroyed -, restore until -, erases -, purge - to -
    delete now: DESTROYED, requested 2027-01-04T00:00:00Z by admin, destroys -, destroyed 2027-01-04T01:00:00Z, restore until 2027-02-03T01:00:00Z, erases 2027-02-03T01:00:00Z, purge 2027-01-04T05:00:00Z to 2027-04-04T01:00:00Z
    restore: DISABLED
    enable: ENABLED
    delete: PENDING_DELETION, requested 2027-01-04T01:00:00Z by admin, destroys 2027-01-07T01:00:00Z, destroyed -, restore until -, erases -, purge - to -
    grace over: DESTROYED, requested 2027-01-04T01:00:00Z by admin, destroys -, destroyed 2027-01-07T01:00:00Z, restore until 2027-02-06T01:00:00Z, erases 2027-02-06T01:00:00Z, purge 2027-01-07T05:00:00Z to 2027-04-07T01:00:00Z
    ticked later: DESTROYED, requested 2027-01-04T01:00:00Z by admin, destroys -, destroyed 2027-01-07T01:00:00Z, restore until 2027-02-06T01:00:00Z, erases 2027-02-06T01:00:00Z, purge 2027-01-07T05:00:00Z to 2027-04-07T01:00:00Z
    restore: ENABLED
    "#);
}

#[tokio::test]
async fn what_is_erased_is_shown_and_does_not_come_back() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    let key = admin.key("orders").await;
    admin.rotate_key(Actor::of_key(&key)).await.unwrap();
    admin.delete(&key, false).await.unwrap();
    admin.delete_now(Actor::of_key(&key)).await.unwrap();
    let versions = |key: v1::Key| -> Vec<_> {
        key.versions.iter().map(|v| (v.version, v.enabled, v.usable, v.erased)).collect()
    };
    cluster.clock.advance_ms(30 * DAY);
    let kept = [(1, true, false, false), (2, true, false, false)];
    assert_eq!(versions(admin.look(&key).await.unwrap()), kept);
    cluster.clock.advance_ms(1);
    let erased = [(1, true, false, true), (2, true, false, true)];
    assert_eq!(versions(admin.look(&key).await.unwrap()), erased);
    let refused = admin.restore_key(Actor::of_key(&key)).await.unwrap_err();
    assert_eq!(reason(&refused), "WINDOW_OVER");
    assert_eq!(fact(&refused, "over"), "2027-01-31T00:00:00Z");
    assert_eq!(versions(admin.look(&key).await.unwrap()), erased);
}

#[tokio::test]
async fn a_purge_leaves_nothing_but_its_answer() {
    let (cluster, admin, purger, key) = past_the_floor().await;
    assert_eq!(cluster.time().at_ms % DAY, 4 * HOUR);
    let denied = admin.purge_key(Actor::of_key(&key)).await.unwrap_err();
    assert_eq!(reason(&denied), "PERMISSION_DENIED");
    let purged = purger.purge_key(Actor::of_key(&key)).await.unwrap();
    assert_eq!(purged.key, None);
    assert_eq!((purged.key_id.as_str(), purged.replayed), (key.as_str(), false));
    assert_eq!(purged.log_index, cluster.index());

    let unknown = "00000000-0000-4000-8000-000000000000";
    let told = |refused: tonic::Status, given: &str| Told::of(&refused, given);
    for name in [key.as_str(), "orders"] {
        let gone = told(admin.look(name).await.unwrap_err(), name);
        assert_eq!(gone, told(admin.look(unknown).await.unwrap_err(), unknown));
        assert_eq!(gone.reason(), "NOT_FOUND");
        let again = told(purger.purge_key(Actor::of_key(name)).await.unwrap_err(), name);
        assert_eq!(again, gone);
    }
    let heir = admin.key("orders").await;
    assert_ne!(heir, key);
}

#[tokio::test]
async fn a_purge_before_its_floor_says_from_when_on() {
    let (cluster, admin, purger, key) = purgeable().await;
    admin.delete(&key, false).await.unwrap();
    admin.delete_now(Actor::of_key(&key)).await.unwrap();
    cluster.clock.advance_ms(4 * HOUR - 1);
    let early = purger.purge_key(Actor::of_key(&key)).await.unwrap_err();
    assert_eq!(reason(&early), "TOO_EARLY");
    assert_eq!(fact(&early, "action"), "Purge");
    assert_eq!(fact(&early, "not_before"), "2027-01-01T04:00:00Z");
    cluster.clock.advance_ms(1);
    assert!(purger.purge_key(Actor::of_key(&key)).await.is_ok());
}

/// The request has removed the key that it names; its repeat is no request for a key that is not there.
#[tokio::test]
async fn a_repeat_of_a_purge_gets_the_first_answer() {
    for name_of in [|key: &str| key.to_owned(), |_: &str| "orders".to_owned()] {
        let (cluster, admin, purger, key) = past_the_floor().await;
        let request = Actor::of_key(&name_of(&key));
        let first = purger.purge_key(request.clone()).await.unwrap();
        let replayed = v1::KeyAnswer { replayed: true, ..first.clone() };
        for node in &cluster.nodes {
            let repeat = purger.at(node).purge_key(request.clone()).await.unwrap();
            assert_eq!(repeat, replayed);
        }
        // Also once the alias means another key, which stays.
        admin.key("orders").await;
        assert_eq!(purger.purge_key(request.clone()).await.unwrap(), replayed);
        assert!(admin.look("orders").await.is_ok());
    }
}

#[tokio::test]
async fn a_purge_whose_answer_was_lost_is_found_by_its_repeat() {
    let (cluster, _, purger, key) = past_the_floor().await;
    let request = Actor::of_key(&key);
    cluster.lose_answer.store(true, std::sync::atomic::Ordering::SeqCst);
    let unknown = purger.purge_key(request.clone()).await.unwrap_err();
    assert_eq!(reason(&unknown), "OUTCOME_UNKNOWN");
    let found = purger.at(&cluster.nodes[1]).purge_key(request).await.unwrap();
    assert_eq!((found.key_id, found.key, found.replayed), (key, None, true));
}

#[tokio::test]
async fn the_first_answer_is_for_the_same_request_of_the_same_caller() {
    let (cluster, admin, purger, key) = past_the_floor().await;
    let second = admin.colleague("second", "KeyPurge").await;
    let request = Actor::of_key(&key);
    purger.purge_key(request.clone()).await.unwrap();
    let other_method = purger.restore_key(request.clone()).await.unwrap_err();
    let other_caller = second.purge_key(request.clone()).await.unwrap_err();
    let other_body = v1::KeyRequest { key: "orders".to_owned(), ..request.clone() };
    let other_body = purger.purge_key(other_body).await.unwrap_err();
    let without_credential =
        Actor::nobody(&cluster.nodes[0]).purge_key(request.clone()).await.unwrap_err();
    assert_eq!(reason(&other_method), "PERMISSION_DENIED");
    assert_eq!(reason(&other_caller), "NOT_FOUND");
    assert_eq!(reason(&other_body), "NOT_FOUND");
    assert_eq!(reason(&without_credential), "UNAUTHENTICATED");
    // Who has lost the role learns nothing any more.
    let unbind = v1::UnbindRoleRequest {
        request_id: request_id(),
        role: "KeyPurge".to_owned(),
        subject: Some(v1::unbind_role_request::Subject::Principal("purger".to_owned())),
        scope: String::new(),
    };
    admin.unbind_role(unbind).await.unwrap();
    let without_role = purger.purge_key(request).await.unwrap_err();
    assert_eq!(reason(&without_role), "PERMISSION_DENIED");
}

/// What is out of sight is not gone.
#[tokio::test]
async fn a_repeat_for_a_key_that_was_moved_away_learns_nothing() {
    let (_, admin, _) = FakeCluster::unsealed(1).await;
    admin.ring("payroll").await;
    let key = admin.key_in("payroll", "orders").await;
    let writer = admin.colleague_in("ring:payroll", "writer", "Writer").await;
    let rotate = Actor::of_key(&key);
    writer.rotate_key(rotate.clone()).await.unwrap();
    let request = v1::UpdateKeyRequest {
        request_id: request_id(),
        key,
        ring: "default".to_owned(),
        ..Default::default()
    };
    admin.update_key(request).await.unwrap();
    assert_eq!(reason(&writer.rotate_key(rotate).await.unwrap_err()), "NOT_FOUND");
}

/// Only what is gone is answered from memory: seal and role come first.
#[tokio::test]
async fn a_repeat_where_the_key_is_still_there_is_judged_anew() {
    let (cluster, admin, _) = FakeCluster::unsealed(3).await;
    let key = admin.key("orders").await;
    let writer = admin.colleague("writer", "Writer").await;
    let rotate = Actor::of_key(&key);
    writer.rotate_key(rotate.clone()).await.unwrap();
    cluster.nodes[2].restart();
    let sealed = writer.at(&cluster.nodes[2]).rotate_key(rotate.clone()).await.unwrap_err();
    assert_eq!(reason(&sealed), "SEALED");
    let unbind = v1::UnbindRoleRequest {
        request_id: request_id(),
        role: "Writer".to_owned(),
        subject: Some(v1::unbind_role_request::Subject::Principal("writer".to_owned())),
        scope: String::new(),
    };
    admin.unbind_role(unbind).await.unwrap();
    admin.bind_in("ring:default", "KeyPurge", "writer").await.unwrap();
    let denied = writer.rotate_key(rotate).await.unwrap_err();
    assert_eq!(reason(&denied), "PERMISSION_DENIED");
}

#[tokio::test]
async fn without_any_delay_a_request_purges() {
    let (_, admin, _) = FakeCluster::unsealed(1).await;
    let at_once =
        v1::PolicyChange { preset: "scheduled".to_owned(), grace_s: Some(0), ..Default::default() };
    admin.instance("brisk", at_once).await;
    let there = admin.in_instance("brisk");
    let key = there.key("orders").await;
    let (request_id, force) = (request_id(), false);
    let request = v1::DeleteKeyRequest { request_id, key: "orders".to_owned(), force };
    let gone = there.delete_key(request.clone()).await.unwrap();
    assert_eq!((gone.key_id.as_str(), &gone.key), (key.as_str(), &None));
    let repeat = there.delete_key(request).await.unwrap();
    assert_eq!(repeat, v1::KeyAnswer { replayed: true, ..gone });
    assert_eq!(reason(&there.look(&key).await.unwrap_err()), "NOT_FOUND");
}

/// Answers of a deletion that another change follows: a repeat shows the state as it was then.
#[tokio::test]
async fn a_repeat_of_a_deletion_shows_what_it_came_to() {
    let (_, admin, _) = FakeCluster::unsealed(1).await;
    let key = admin.key("orders").await;
    let request = v1::DeleteKeyRequest { request_id: request_id(), key, force: false };
    let first = admin.delete_key(request.clone()).await.unwrap().key.unwrap();
    admin.cancel_deletion(Actor::of_key("orders")).await.unwrap();
    let repeat = admin.delete_key(request).await.unwrap();
    assert!(repeat.replayed);
    let repeated = repeat.key.unwrap();
    assert_eq!(repeated.state(), v1::KeyState::PendingDeletion);
    assert_eq!(repeated.revision, first.revision);
}

#[tokio::test]
async fn what_is_refused_on_the_way_says_why_and_until_when() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    let soft = v1::PolicyChange { preset: "soft-delete".to_owned(), ..Default::default() };
    admin.instance("soft", soft).await;
    let there = admin.in_instance("soft");
    admin.key("orders").await;
    there.key("bills").await;
    let expires_at = Some(prost_types::Timestamp { seconds: 1_798_761_601, nanos: 0 });
    let request = v1::CreateKeyRequest {
        request_id: request_id(),
        alias: "brief".to_owned(),
        expires_at,
        ..Default::default()
    };
    there.create_key(request).await.unwrap();
    let (orders, bills) = (|| Actor::of_key("orders"), || Actor::of_key("bills"));
    let mut table = String::new();
    let mut note = |step: &str, refused: tonic::Status| {
        table.push_str(&format!("{step}: {}\n", refusal(&refused)));
    };
    note("cancel nothing", admin.cancel_deletion(orders()).await.unwrap_err());
    note("delete nothing now", admin.delete_now(orders()).await.unwrap_err());
    note("restore nothing", admin.restore_key(orders()).await.unwrap_err());
    admin.register("orders", "crn:bucket", false).await.unwrap();
    note("registered", admin.delete("orders", false).await.unwrap_err());
    admin.register("orders", "crn:archive", true).await.unwrap();
    note("retention", admin.delete("orders", true).await.unwrap_err());
    there.disable_key(bills()).await.unwrap();
    note("enable in the cool-down", there.enable_key(bills()).await.unwrap_err());
    there.delete("bills", false).await.unwrap();
    note("delete twice", there.delete("bills", false).await.unwrap_err());
    note("restore in the cool-down", there.restore_key(bills()).await.unwrap_err());
    there.delete("brief", false).await.unwrap();
    cluster.clock.advance_ms(30_000);
    note("restore an expired one", there.restore_key(Actor::of_key("brief")).await.unwrap_err());
    there.restore_key(bills()).await.unwrap();
    there.rotate_key(bills()).await.unwrap();
    note("rotate in the cool-down", there.rotate_key(bills()).await.unwrap_err());
    insta::assert_snapshot!(table, @r#"
    cancel nothing: KEY_STATE action=CancelDeletion allowed=Encrypt,Decrypt,Rotate,Disable,Update,Alias,SetPolicy,Move,SwitchVersion,Register,Unregister,Delete state=Enabled | the key is Enabled; CancelDeletion is not allowed in this state (allowed: Encrypt, Decrypt, Rotate, Disable, Update, Alias, SetPolicy, Move, SwitchVersion, Register, Unregister, Delete) | nothing is needed: no deletion is under way
    delete nothing now: KEY_STATE action=DeleteNow allowed=Encrypt,Decrypt,Rotate,Disable,Update,Alias,SetPolicy,Move,SwitchVersion,Register,Unregister,Delete state=Enabled | the key is Enabled; DeleteNow is not allowed in this state (allowed: Encrypt, Decrypt, Rotate, Disable, Update, Alias, SetPolicy, Move, SwitchVersion, Register, Unregister, Delete) | nothing is needed: no deletion is under way
    restore nothing: KEY_STATE action=Restore allowed=Encrypt,Decrypt,Rotate,Disable,Update,Alias,SetPolicy,Move,SwitchVersion,Register,Unregister,Delete state=Enabled | the key is Enabled; Restore is not allowed in this state (allowed: Encrypt, Decrypt, Rotate, Disable, Update, Alias, SetPolicy, Move, SwitchVersion, Register, Unregister, Delete) | nothing is needed: no deletion is under way
    registered: REGISTERED registrations=1 | resources are registered that the key protects (1 of them) | see conclave key impact KEY; unregister them, or delete with --force
    retention: RETENTION registrations=1 | a registered resource prevents the deletion of the key (1 of them) | let the principal that registered the resource unregister it: conclave key impact KEY
    enable in the cool-down: TOO_EARLY action=Enable not_before=2027-01-01T00:00:30Z | Enable is not allowed yet | try again later, see not_before
    delete twice: KEY_STATE action=Delete allowed=Restore,Purge state=Destroyed | the key is Destroyed; Delete is not allowed in this state (allowed: Restore, Purge) | nothing is needed: the key is deleted already
    restore in the cool-down: TOO_EARLY action=Restore not_before=2027-01-01T00:00:30Z | Restore is not allowed yet | try again later, see not_before
    restore an expired one: EXPIRED | the key has expired; what has expired is not restored | create a new key; an expired one can still be purged
    rotate in the cool-down: TOO_EARLY action=Rotate not_before=2027-01-01T01:00:30Z | Rotate is not allowed yet | try again later, see not_before
    "#);
}
