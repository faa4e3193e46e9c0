//! Keys in use: from creation to a new ring.

use serde_json::{Value, json};

use super::World;

#[tokio::test]
async fn a_key_lives() {
    let world = World::new().await;
    let created = world.run("key create orders --label env=prod -o json").await.json();
    assert_eq!(created["key"]["state"], "Enabled");
    assert_eq!(created["key"]["primary_version"], 1);
    assert_eq!(created["key"]["labels"], json!({"env": "prod"}));
    assert_eq!(created["log_index"], 8);
    let again = world.run("key create orders").await;
    assert_eq!((again.code, again.reason.as_str()), (1, "ALREADY_EXISTS"));
    assert_eq!(world.run("key rotate orders -o json").await.json()["key"]["primary_version"], 2);
    let unasked = world.run("key disable orders").await;
    assert_eq!(unasked.code, 2, "no terminal, no --yes");
    assert_eq!(world.run("key show orders -o json").await.json()["key"]["state"], "Enabled");
    let disabled = world.run("key disable orders --yes -o json").await.json();
    assert_eq!(disabled["key"]["state"], "Disabled");
    let list = |line: &str| format!("key list --state {line} -o json");
    assert_eq!(world.run(&list("Enabled")).await.json()["keys"], json!([]));
    let both = world.run(&list("Enabled,Disabled")).await.json();
    assert_eq!(both["keys"][0]["aliases"], json!(["orders"]));
    assert_eq!(both["next_cursor"], Value::Null);
    let updated = "key update orders --description d --label a=b --remove-label env -o json";
    let updated = world.run(updated).await.json();
    assert_eq!(updated["key"]["labels"], json!({"a": "b"}));
    assert_eq!(updated["key"]["description"], "d");
    assert_eq!(world.run("key versions orders -o json").await.json(), json!({"versions": []}));
    assert!(world.run("key enable orders").await.stdout.contains("Enabled"));
    let missing = world.run("key show other").await;
    assert_eq!((missing.code, missing.reason.as_str()), (1, "NOT_FOUND"));
}

#[tokio::test]
async fn what_create_says_is_kept() {
    let world = World::new().await;
    let line = "key create orders --ring billing --expires 2027-01-01T02:00:00+02:00 \
        --rotate-every 90d -o json";
    let key = &world.run(line).await.json()["key"];
    assert_eq!(key["ring"], "billing");
    assert_eq!(key["expires_at"], "2027-01-01T00:00:00Z");
    assert_eq!(
        key["rotation"],
        json!({"every_s": 7_776_000, "next_at": "2026-11-21T10:00:00Z", "on": true})
    );
    world.run("key create plain").await;
    let key = &world.run("key show plain -o json").await.json()["key"];
    assert_eq!((&key["ring"], &key["rotation"]), (&json!("default"), &Value::Null));
}

#[tokio::test]
async fn lists_are_by_ring_and_state() {
    let world = World::new().await;
    world.run("key create a --ring billing").await;
    world.run("key create b").await;
    world.run("key delete-now b --yes").await;
    let aliases = async |flags: &str| -> Vec<Value> {
        let json = world.run(&format!("key list {flags} -o json")).await.json();
        json["keys"].as_array().unwrap().iter().map(|key| key["aliases"][0].clone()).collect()
    };
    assert_eq!(aliases("").await, ["a"]);
    assert_eq!(aliases("--all").await, ["a", "b"]);
    assert_eq!(aliases("--all --ring billing").await, ["a"]);
    assert_eq!(aliases("--state Destroyed,PendingDeletion").await, ["b"]);
    assert_eq!(aliases("--state Deactivated").await, [Value::Null; 0]);
    world.run("key update b --ring billing").await;
    assert_eq!(aliases("--all --ring billing").await, ["a", "b"]);
    let text = world.run("key list --all").await.stdout;
    assert!(text.starts_with("ID ") && text.contains("RING"), "{text}");
}

#[tokio::test]
async fn versions_are_switched_and_shown() {
    let world = World::new().await;
    world.run("key create orders").await;
    let off = world.run("key version-disable orders 1 -o json").await.json();
    assert_eq!(
        off["key"]["versions"],
        json!([{"version": 1, "enabled": false, "usable": false, "created_at": null,
            "uses": null, "material": "present"}])
    );
    world.run("key version-enable orders 1").await;
    assert_eq!(
        world.run("key versions orders").await.stdout,
        "VERSION  ENABLED  USABLE  MATERIAL  CREATED\n\
         1        yes      no      present            primary\n"
    );
}

#[tokio::test]
async fn a_key_has_several_names() {
    let world = World::new().await;
    world.run("key create orders").await;
    let added = world.run("key alias add orders sales -o json").await.json();
    assert_eq!(added["key"]["aliases"], json!(["orders", "sales"]));
    let removed = world.run("key alias remove sales orders -o json").await.json();
    assert_eq!(removed["key"]["aliases"], json!(["sales"]));
    assert_eq!(world.run("key show orders").await.reason, "NOT_FOUND");
}

#[tokio::test]
async fn a_policy_changes_only_what_is_said() {
    let world = World::new().await;
    world.run("key create orders --rotate-every 90d").await;
    let line = "key policy orders --grace 96h --auto-purge 100d -o json";
    let key = &world.run(line).await.json()["key"];
    let policy = &key["deletion_policy"];
    assert_eq!((&policy["grace_s"], &policy["auto_purge_s"]), (&json!(345_600), &json!(8_640_000)));
    assert_eq!(policy["restore_window_s"], 0);
    assert_eq!(key["rotation"]["every_s"], 7_776_000);
    let key = &world.run("key policy orders --rotate-every 30d -o json").await.json()["key"];
    assert_eq!(key["rotation"]["every_s"], 2_592_000);
    assert_eq!(key["deletion_policy"]["grace_s"], 345_600);
    let key = &world.run("key policy orders --rotate-every off -o json").await.json()["key"];
    assert_eq!(key["rotation"], Value::Null);
}

#[tokio::test]
async fn history_is_shown() {
    let world = World::new().await;
    world.run("key create orders").await;
    assert_eq!(
        world.run("key history orders -o json").await.json(),
        json!({"entries": [{"at": "2026-11-21T10:00:00Z", "principal": "admin",
            "action": "CreateKey", "verdict": "ok", "reason": null, "from": null,
            "to": "Enabled", "version": 1, "request_id": "7b", "approvals": []}],
            "log_index": 9})
    );
    let text = world.run("key history orders").await.stdout;
    assert!(text.contains("2026-11-21T10:00:00Z  admin      CreateKey"), "{text}");
}
