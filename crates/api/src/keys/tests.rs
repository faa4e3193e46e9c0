mod changes;
mod deletion;
mod listing;

use crate::testing::{Actor, FakeCluster, fact, reason, request_id};
use conclave_proto::v1;
use std::collections::HashMap;

fn get(key: &str) -> v1::GetKeyRequest {
    v1::GetKeyRequest { key: key.to_owned() }
}

#[tokio::test]
async fn a_key_shows_what_it_was_made_with() {
    let (cluster, admin, _) = FakeCluster::unsealed(3).await;
    let request = v1::CreateKeyRequest {
        request_id: request_id(),
        alias: "orders".to_owned(),
        algorithm: String::new(),
        description: "for orders".to_owned(),
        labels: HashMap::from([("team".to_owned(), "shop".to_owned())]),
        ..Default::default()
    };
    let answer = admin.create_key(request).await.unwrap();
    let key = answer.key.clone().unwrap();
    assert_eq!(answer.log_index, cluster.index());
    assert_eq!(key.aliases, ["orders"]);
    assert_eq!(key.algorithm, "aes-256-gcm-siv");
    assert_eq!(key.state(), v1::KeyState::Enabled);
    assert_eq!(key.origin(), v1::KeyOrigin::Generated);
    assert_eq!((key.primary_version, key.revision), (1, 1));
    assert_eq!(key.description, "for orders");
    assert_eq!(key.labels["team"], "shop");
    assert_eq!(key.created_by, "admin");
    assert_eq!(key.created_at.unwrap().seconds, 1_798_761_600);
    assert_eq!((key.instance.as_str(), key.ring.as_str()), ("default", "default"));
    let versions: Vec<_> = key.versions.iter().map(|v| (v.version, v.enabled, v.usable)).collect();
    assert_eq!(versions, [(1, true, true)]);
    for node in &cluster.nodes {
        let there = admin.at(node);
        assert_eq!(there.get_key(get("orders")).await.unwrap().key, answer.key);
        assert_eq!(there.get_key(get(&key.id)).await.unwrap().key, answer.key);
        assert_eq!(there.get_key(get(&key.id.to_uppercase())).await.unwrap().key, answer.key);
    }
}

#[tokio::test]
async fn a_key_moves_along_its_lifecycle() {
    let (_, admin, _) = FakeCluster::unsealed(1).await;
    let id = admin.key("orders").await;
    let disabled = admin.disable_key(Actor::of_key("orders")).await.unwrap().key.unwrap();
    assert_eq!(disabled.state(), v1::KeyState::Disabled);
    assert!(!disabled.versions[0].usable && disabled.versions[0].enabled);
    let again = admin.disable_key(Actor::of_key(&id)).await.unwrap_err();
    assert_eq!(reason(&again), "KEY_STATE");
    let allowed = "Enable,Update,Alias,SetPolicy,Move,Unregister,Delete";
    assert_eq!(fact(&again, "allowed"), allowed);
    let rotate = admin.rotate_key(Actor::of_key(&id)).await.unwrap_err();
    assert_eq!(reason(&rotate), "KEY_STATE");
    let enabled = admin.enable_key(Actor::of_key(&id)).await.unwrap().key.unwrap();
    assert_eq!((enabled.state(), enabled.revision), (v1::KeyState::Enabled, 3));
    let rotated = admin.rotate_key(Actor::of_key(&id)).await.unwrap().key.unwrap();
    assert_eq!((rotated.primary_version, rotated.versions.len()), (2, 2));
}

#[tokio::test]
async fn an_update_changes_what_it_names() {
    let (_, admin, _) = FakeCluster::unsealed(1).await;
    admin.key("orders").await;
    let pair = |name: &str| (name.to_owned(), "1".to_owned());
    let update = |description: Option<&str>, set: &[&str], remove: &[&str]| v1::UpdateKeyRequest {
        request_id: request_id(),
        key: "orders".to_owned(),
        description: description.map(str::to_owned),
        set_labels: set.iter().map(|name| pair(name)).collect(),
        remove_labels: remove.iter().map(|name| (*name).to_owned()).collect(),
        ring: String::new(),
    };
    admin.update_key(update(Some("text"), &["a", "b"], &[])).await.unwrap();
    let key = admin.update_key(update(None, &["c"], &["a"])).await.unwrap().key.unwrap();
    assert_eq!(key.description, "text");
    assert_eq!(key.labels, HashMap::from([pair("b"), pair("c")]));
    let key = admin.update_key(update(Some(""), &[], &[])).await.unwrap().key.unwrap();
    assert_eq!(key.description, "");
}

#[tokio::test]
async fn a_list_comes_in_pages_and_by_state() {
    let (_, admin, _) = FakeCluster::unsealed(1).await;
    for number in 0..7 {
        admin.key(&format!("key-{number}")).await;
    }
    admin.disable_key(Actor::of_key("key-3")).await.unwrap();
    let mut seen = Vec::new();
    let mut pages = 0;
    let mut cursor = String::new();
    loop {
        let request = v1::ListKeysRequest { limit: 3, cursor, ..Default::default() };
        let page = admin.list_keys(request).await.unwrap();
        seen.extend(page.keys.into_iter().flat_map(|key| key.aliases));
        pages += 1;
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    seen.sort();
    let all: Vec<String> = (0..7).map(|number| format!("key-{number}")).collect();
    assert_eq!((pages, seen), (3, all));
    for (state, expected) in [(v1::KeyState::Disabled, 1), (v1::KeyState::Enabled, 6)] {
        let request =
            v1::ListKeysRequest { states: vec![state.into()], limit: 6, ..Default::default() };
        let page = admin.list_keys(request).await.unwrap();
        assert_eq!(page.keys.len(), expected);
        assert!(page.keys.iter().all(|key| key.state() == state));
    }
}

#[tokio::test]
async fn what_does_not_exist_is_not_found_and_a_taken_name_is_taken() {
    let (_, admin, _) = FakeCluster::unsealed(1).await;
    admin.key("orders").await;
    for key in ["nothing", "00000000-0000-4000-8000-000000000000"] {
        for refused in [
            admin.get_key(get(key)).await.unwrap_err(),
            admin.rotate_key(Actor::of_key(key)).await.unwrap_err(),
            admin.disable_key(Actor::of_key(key)).await.unwrap_err(),
        ] {
            assert_eq!(reason(&refused), "NOT_FOUND");
        }
        let shown = admin.get_key(get(key)).await.unwrap_err();
        assert!(shown.message().contains(key), "{}", shown.message());
        let used = admin.seal_up(key, b"plain").await.unwrap_err();
        assert!(used.message().contains(key), "{}", used.message());
    }
    let request = v1::CreateKeyRequest {
        request_id: request_id(),
        alias: "orders".to_owned(),
        ..Default::default()
    };
    let taken = admin.create_key(request).await.unwrap_err();
    assert_eq!(reason(&taken), "ALREADY_EXISTS");
    assert!(taken.message().contains("orders"), "{}", taken.message());
}

/// Whether a key exists is nothing to somebody who may not use keys.
#[tokio::test]
async fn who_may_not_gets_one_answer_for_every_key() {
    let (_, admin, _) = FakeCluster::unsealed(1).await;
    let key = admin.key("orders").await;
    let nobody = admin.colleague("nobody", "").await;
    let mut answers = Vec::new();
    for key in [key.as_str(), "orders", "nothing"] {
        let refused = nobody.seal_up(key, b"plain").await.unwrap_err();
        answers.push((reason(&refused), refused.message().to_owned()));
        let refused = nobody.get_key(get(key)).await.unwrap_err();
        assert_eq!(reason(&refused), "PERMISSION_DENIED");
    }
    assert_eq!(answers[0].0, "PERMISSION_DENIED");
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn a_sealed_node_makes_no_material_and_does_the_rest() {
    let (cluster, admin, _) = FakeCluster::unsealed(3).await;
    admin.key("orders").await;
    cluster.nodes[2].restart();
    let there = admin.at(&cluster.nodes[2]);
    let create = v1::CreateKeyRequest { request_id: request_id(), ..Default::default() };
    assert_eq!(reason(&there.create_key(create).await.unwrap_err()), "SEALED");
    assert_eq!(reason(&there.rotate_key(Actor::of_key("orders")).await.unwrap_err()), "SEALED");
    there.disable_key(Actor::of_key("orders")).await.unwrap();
    assert_eq!(there.get_key(get("orders")).await.unwrap().key.unwrap().revision, 2);
}
