//! Principals, tokens, roles.

use serde_json::{Value, json};

use super::World;

#[tokio::test]
async fn a_token_goes_to_its_file_alone() {
    let world = World::new().await;
    let line = "token create app --ttl 90s --token-out @t --bind-cert @pki/ca.pem -o json";
    let ran = world.run(line).await;
    let token = &ran.json()["token"];
    assert_eq!(token["id"], "ttl-90");
    assert_eq!(token["file"], world.path("t").display().to_string());
    assert_eq!(token["bound_certificate"].as_str().unwrap().len(), 64);
    assert!(!ran.stdout.contains("cnclv_"));
    assert_eq!(world.read("t"), b"cnclv_secret\n");
    let repeat = world.run("token create again --token-out @u").await;
    assert_eq!((repeat.code, repeat.reason.as_str()), (1, "ALREADY_EXISTS"));
    assert_eq!(world.files(), ["t"]);
}

#[tokio::test]
async fn principals_roles_and_checks() {
    let world = World::new().await;
    world.fake.state().principals = 3;
    let json = world.run("principal list -o json").await.json();
    let names: Vec<&Value> =
        json["principals"].as_array().unwrap().iter().map(|p| &p["name"]).collect();
    assert_eq!(names, ["p0", "p1", "p2"]);
    let json = world.run("principal create app -o json").await.json();
    assert_eq!((&json["principal"]["name"], &json["replayed"]), (&json!("app"), &json!(true)));
    let line = "role bind Manager --group owners --until 2027-01-01T00:00:00Z -o json";
    assert_eq!(
        world.run(line).await.json()["bindings"],
        json!([{"id": "b", "role": "Manager", "subject": "group:owners", "scope": "cluster",
            "until": "2027-01-01T00:00:00Z"}])
    );
    let line = "role bind Reader --principal app --scope ring:billing -o json";
    let bound = world.run(line).await.json();
    assert_eq!(bound["bindings"][0]["scope"], "ring:billing", "as it was given");
    let ran = world.run("role check app Encrypt -o json").await;
    assert_eq!(ran.json(), json!({"allowed": false, "because": "no role"}));
}
