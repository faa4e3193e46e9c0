//! Init, unseal, seal, status.

use serde_json::json;

use super::World;
use super::fake::share;

#[tokio::test]
async fn init_writes_shares_and_token_and_overwrites_nothing() {
    let world = World::new().await;
    let line = "operator init --shares-dir @s --token-out @admin -o json";
    let json = world.run(line).await.json();
    assert_eq!(json["cluster_id"], "c1");
    assert_eq!(json["shares_files"].as_array().unwrap().len(), 5);
    assert_eq!(json["token_file"], world.path("admin").display().to_string());
    assert_eq!(world.read("s/share-5.txt"), share(5).into_bytes());
    assert_eq!(world.read("admin"), b"cnclv_secret\n");
    let calls = world.fake.state().calls;
    assert_eq!(world.run(line).await.code, 2);
    assert_eq!(world.fake.state().calls, calls);
}

#[tokio::test]
async fn unseal_sends_whole_shares_and_none_if_one_is_damaged() {
    let world = World::new().await;
    world.write("one", share(1));
    world.write("two", format!("{}\n\n{}", share(3), share(5)));
    world.write("bad", share(2).replace("01 ", "01 7"));
    let ran = world.run("operator unseal --share-file @one --share-file @bad").await;
    assert_eq!((ran.code, ran.reason.as_str()), (1, "SHARE_DAMAGED"));
    assert!(world.fake.state().submitted.is_empty());

    let json = world.run("operator unseal --share-file @one -o json").await.json();
    assert_eq!(
        json,
        json!({"accepted": true, "index": 1, "have": 1, "needed": 3, "node_unsealed": false,
            "members": [{"id": 1, "sealed": true}, {"id": 2, "sealed": null}]})
    );
    let json = world.run("operator unseal --share-file @two -o json").await.json();
    assert_eq!((&json["have"], &json["node_unsealed"]), (&json!(3), &json!(true)));
    assert_eq!(world.fake.state().submitted, [share(1), share(3), share(5)]);
}

#[tokio::test]
async fn seal_reports_each_member() {
    let world = World::new().await;
    let json = world.run("operator seal --yes -o json").await.json();
    assert_eq!(json, json!({"members": [{"id": 1, "sealed": true}], "log_index": 10}));
}

#[tokio::test]
async fn status_passes_the_index_on() {
    let world = World::new().await;
    let json = world.run("status --at-index 77 -o json").await.json();
    assert_eq!(json["cluster"]["term"], 77);
    assert_eq!(json["nodes"], json!([]));
}
