//! Keys on their way out and back, and what holds them up.

use serde_json::{Value, json};

use super::World;

async fn state(world: &World, line: &str) -> Value {
    world.run(&format!("{line} -o json")).await.json()["key"]["state"].clone()
}

#[tokio::test]
async fn a_key_goes_and_comes_back_and_goes() {
    let world = World::new().await;
    let id = world.run("key create orders -o json").await.json()["key"]["id"].clone();
    let deleted = world.run("key delete orders --yes -o json").await.json();
    assert_eq!(deleted["key"]["state"], "PendingDeletion");
    assert_eq!(
        deleted["key"]["deletion"],
        json!({"requested_at": "2026-11-21T10:00:00Z", "requested_by": "admin",
            "destroys_at": "2026-11-21T10:00:00Z", "destroyed_at": null, "restore_until": null,
            "purge_from": null, "purge_at": null, "material_erases_at": null})
    );
    assert_eq!(state(&world, "key cancel-deletion orders").await, "Disabled");
    assert_eq!(state(&world, "key delete orders --yes").await, "PendingDeletion");
    assert_eq!(state(&world, "key delete-now orders --yes").await, "Destroyed");
    assert_eq!(state(&world, "key restore orders").await, "Enabled");
    assert_eq!(state(&world, "key delete-now orders --yes").await, "Destroyed");
    let purged = world.run("key purge orders --yes -o json").await.json();
    assert_eq!(
        purged,
        json!({"key": null, "key_id": id, "purged": true, "log_index": 12, "replayed": false})
    );
    assert_eq!(world.run("key show orders").await.reason, "NOT_FOUND");
}

#[tokio::test]
async fn a_purge_for_people_names_the_id() {
    let world = World::new().await;
    let id = world.run("key create orders -o json").await.json()["key"]["id"].clone();
    assert_eq!(
        world.run("key purge orders --yes").await.stdout,
        format!("key {} is purged: nothing is left of it but a tombstone\n", id.as_str().unwrap())
    );
}

#[tokio::test]
async fn registrations_hold_a_deletion_up() {
    let world = World::new().await;
    world.run("key create orders").await;
    world.run("key register orders arn:disk/1 --description disk").await;
    let registered = world.run("key register orders arn:disk/2 --prevent-deletion -o json").await;
    let registrations = &registered.json()["key"]["registrations"];
    assert_eq!(
        registrations,
        &json!([
            {"resource": "arn:disk/1", "prevent_deletion": false, "version": 1,
             "registered_at": "2026-11-21T10:00:00Z", "registered_by": "admin",
             "description": "disk"},
            {"resource": "arn:disk/2", "prevent_deletion": true, "version": 1,
             "registered_at": "2026-11-21T10:00:00Z", "registered_by": "admin",
             "description": ""},
        ])
    );
    let impact = world.run("key impact orders -o json").await.json();
    let key_id = &registered.json()["key"]["id"];
    assert_eq!(
        impact,
        json!({"key_id": key_id, "registrations": registrations, "recent": [],
            "blocked_by": ["registrations"], "destroys_at": "2026-11-21T10:00:00Z",
            "purge_at": null, "log_index": 9})
    );
    let text = world.run("key impact orders").await.stdout;
    assert!(text.contains("blocked by  registrations\n"), "{text}");

    let held = async |line: &str| {
        let ran = world.run(line).await;
        (ran.code, ran.reason)
    };
    assert_eq!(held("key delete orders --yes --force").await, (1, "RETENTION".to_owned()));
    world.run("key unregister orders arn:disk/2").await;
    assert_eq!(held("key delete orders --yes").await, (1, "REGISTERED".to_owned()));
    assert_eq!(state(&world, "key delete orders --yes --force").await, "PendingDeletion");
}

#[tokio::test]
async fn what_destroys_is_not_done_unasked() {
    let world = World::new().await;
    world.run("key create orders").await;
    world.run("instance create prod").await;
    let calls = world.fake.state().named.len();
    for line in [
        "key disable orders",
        "key delete orders",
        "key delete orders --force",
        "key delete-now orders",
        "key purge orders",
        "instance delete prod",
    ] {
        let ran = world.run(line).await;
        assert_eq!(ran.code, 2, "{line}");
        assert!(ran.message.contains("there is no terminal to ask on"), "{line}: {}", ran.message);
    }
    assert_eq!(world.fake.state().named.len(), calls, "nothing was sent");
    assert_eq!(world.run("key version-disable orders 1").await.code, 0, "takes nothing for good");
}
