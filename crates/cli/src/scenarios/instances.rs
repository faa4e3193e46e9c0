//! Instances, key rings, and the instance that a command names.

use serde_json::json;

use super::World;

#[tokio::test]
async fn an_instance_lives() {
    let world = World::new().await;
    let line = "instance create prod --preset soft-delete --grace 0s --restore-window 60d \
        --delete-now yes --restore-to prior -o json";
    let created = world.run(line).await.json();
    let none = json!({"Enabled": 0, "Disabled": 0, "Deactivated": 0, "PendingDeletion": 0,
        "Destroyed": 0});
    assert_eq!(
        created,
        json!({"instance": {
            "id": "id-of-prod", "name": "prod", "preset": "soft-delete",
            "deletion_policy": {
                "preset": "soft-delete", "grace_s": 0, "restore_window_s": 5_184_000,
                "purge_floor_s": 0, "auto_purge_s": 0, "delete_now": true,
                "rotate_while_disabled": false, "rotate_while_pending": false,
                "restore_to": "prior", "disable_deactivated": false, "enable_cooldown_s": 0,
                "restore_cooldown_s": 0, "rotate_cooldown_s": 0, "rotation_restarts": false},
            "keys": none, "versions": none, "created_at": null, "created_by": null,
        }, "log_index": 20, "replayed": false})
    );
    assert_eq!(world.run("instance show prod -o json").await.json(), created);
    let listed = world.run("instance list -o json").await.json();
    assert_eq!(listed, json!({"instances": [created["instance"]], "log_index": 20}));
    let text = world.run("instance list").await.stdout;
    assert!(text.contains("prod  id-of-prod  soft-delete  0"), "{text}");

    let changed = world.run("instance policy prod --delete-now no --auto-purge 4h -o json").await;
    let policy = &changed.json()["instance"]["deletion_policy"];
    assert_eq!((&policy["delete_now"], &policy["auto_purge_s"]), (&json!(false), &json!(14_400)));
    assert_eq!(policy["restore_window_s"], 5_184_000);
    let text = world.run("instance show prod").await.stdout;
    assert!(text.contains("\nauto purge           4h\n"), "{text}");

    assert_eq!(
        world.run("instance delete prod --yes -o json").await.json(),
        json!({"deleted": {"id": "id-of-prod"}, "log_index": 20, "replayed": false})
    );
    assert_eq!(world.run("instance show prod").await.reason, "NOT_FOUND");
    assert_eq!(world.run("instance list").await.stdout, "no instances in which you have a role\n");
}

#[tokio::test]
async fn the_floor_is_shown_and_set() {
    let world = World::new().await;
    let shown = world.run("instance floor -o json").await.json();
    assert_eq!(shown, json!({"floor_s": 0, "log_index": 20, "replayed": false}));
    let set = world.run("instance floor 72h -o json").await.json();
    assert_eq!(set["floor_s"], 259_200);
    assert_eq!(world.run("instance floor").await.stdout, "3d\n");
    assert_eq!(world.run("instance floor 0s").await.stdout, "0s\n");
}

#[tokio::test]
async fn a_key_ring_lives() {
    let world = World::new().await;
    let ring = json!({"id": "id-of-billing", "name": "billing", "instance": null, "keys": 0,
        "created_at": null, "created_by": null});
    assert_eq!(
        world.run("key-ring create billing -o json").await.json(),
        json!({"ring": ring, "log_index": 20, "replayed": false})
    );
    let listed = world.run("key-ring list -o json").await.json();
    assert_eq!(listed, json!({"rings": [ring], "log_index": 20}));
    assert!(world.run("key-ring list").await.stdout.contains("billing  id-of-billing  0"));
    let full = world.run("key-ring delete billing").await;
    assert_eq!((full.code, full.reason.as_str()), (1, "NOT_EMPTY"));
    assert_eq!(
        world.run("key-ring delete billing --force").await.stdout,
        "key ring id-of-billing is deleted\n"
    );
}

#[tokio::test]
async fn every_call_names_the_instance_that_was_given() {
    let world = World::new().await;
    world.run("key create orders").await;
    for line in [
        "key show orders",
        "key list",
        "key-ring list",
        "instance floor",
        "random --bytes 3",
        "encrypt orders @pki/ca.pem --out @c",
        "status",
        "role check app Encrypt",
    ] {
        for (flag, named) in [("", None), ("--instance prod", Some("prod"))] {
            world.fake.state().named.clear();
            assert_eq!(world.run(&format!("{line} {flag}")).await.code, 0, "{line}");
            let named = named.map(str::to_owned);
            assert_eq!(world.fake.state().named, [named], "{line} {flag}");
        }
    }
}

#[tokio::test]
async fn an_instance_that_no_header_carries_is_refused_here() {
    let world = World::new().await;
    for name in ["café", &"a".repeat(65)] {
        let ran = world.run(&format!("key list --instance {name}")).await;
        assert_eq!((ran.code, ran.reason.as_str()), (2, "INVALID_ARGUMENT"));
        assert!(ran.message.contains("is expected"), "{}", ran.message);
    }
    assert!(world.fake.state().named.is_empty());
}
