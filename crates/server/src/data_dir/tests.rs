//! First start, later starts, and directories of others.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::*;
use crate::exit;
use crate::system::SystemEntropy;

fn config(data_dir: &Path, cluster: &str, node: u32) -> Config {
    let text = format!(
        r#"
        [cluster]
        name = "{cluster}"
        [node]
        id = {node}
        data_dir = "{}"
        [api]
        listen = "127.0.0.1:7400"
        [peer]
        listen = "127.0.0.1:7401"
        [tls]
        cert = "c"
        key = "k"
        ca = "a"
        "#,
        data_dir.display()
    );
    let file = data_dir.with_extension("toml");
    fs::write(&file, text).unwrap();
    Config::load(&file, []).unwrap()
}

fn open(data_dir: &Path) -> Result<DataDir, Failure> {
    DataDir::open(&config(data_dir, "prod", 1), &SystemEntropy)
}

fn refusal(result: Result<DataDir, Failure>) -> String {
    let failure = result.err().expect("refused");
    assert_eq!(failure.code, exit::FAILED);
    failure.to_string()
}

fn fresh() -> (tempfile::TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("data");
    (parent, path)
}

#[test]
fn the_first_start_makes_it_and_later_ones_find_the_same() {
    let (_parent, path) = fresh();
    let (identity, public) = {
        let first = open(&path).unwrap();
        (first.identity.current(), first.node_key.public_key())
    };
    assert_ne!(identity.member_id, 0);
    let second = open(&path).unwrap();
    assert_eq!(second.identity.current(), identity);
    assert_eq!(second.node_key.public_key(), public);
    for (name, mode) in [("", 0o700), ("node.key", 0o600), ("node.json", 0o600), ("LOCK", 0o600)] {
        let found = fs::metadata(path.join(name)).unwrap().permissions().mode();
        assert_eq!(found & 0o777, mode, "{name}");
    }
}

#[test]
fn node_json_has_the_fields_of_the_contract() {
    let (_parent, path) = fresh();
    let directory = open(&path).unwrap();
    let ids = [Uuid::from_u128(7), Uuid::from_u128(8)];
    directory.identity.learn(Some(ids[0]), None).unwrap();
    directory.identity.learn(None, Some(ids[1])).unwrap();
    directory.identity.learn(Some(ids[1]), None).unwrap();
    let text = fs::read_to_string(path.join("node.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["cluster_id"], ids[0].to_string(), "what is known stays");
    assert_eq!(json["keyspace_id"], ids[1].to_string());
    assert_eq!((&json["node_id"], &json["format"]), (&1.into(), &1.into()));
    let member = format!("{:016x}", directory.identity.current().member_id);
    assert_eq!(json["member_id"], member);
    assert_eq!(json["cluster_name"], "prod");
}

#[test]
fn a_directory_of_another_node_or_cluster_is_refused_and_left_alone() {
    let (_parent, path) = fresh();
    drop(open(&path).unwrap());
    let before = fs::read(path.join("node.json")).unwrap();
    let node = refusal(DataDir::open(&config(&path, "prod", 2), &SystemEntropy));
    assert!(
        node.contains("it belongs to node 1; allowed: a directory of node 2 (node.id)"),
        "{node}"
    );
    let cluster = refusal(DataDir::open(&config(&path, "test", 1), &SystemEntropy));
    assert!(
        cluster
            .contains("it belongs to cluster \"prod\"; allowed: a directory of cluster \"test\"")
    );
    assert!(cluster.contains("next: correct node.data_dir or cluster.name"));
    assert_eq!(fs::read(path.join("node.json")).unwrap(), before);
}

#[test]
fn a_directory_in_use_or_open_to_others_is_refused() {
    let (_parent, path) = fresh();
    let held = open(&path).unwrap();
    let text = refusal(open(&path));
    assert!(
        text.contains(&format!("in use by another process (pid {})", std::process::id())),
        "{text}"
    );
    assert!(text.contains("next: stop that process"), "{text}");
    drop(held);
    fs::set_permissions(path.join("node.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let text = refusal(open(&path));
    assert!(text.contains("node.key: mode 0644 lets other users in; allowed is 0600"), "{text}");
    assert!(text.contains("next: run: chmod 600"), "{text}");
}

#[test]
fn an_incomplete_or_damaged_directory_is_refused() {
    let (_parent, path) = fresh();
    open(&path).unwrap().identity.learn(Some(Uuid::from_u128(7)), None).unwrap();
    assert!(refusal(open(&path)).contains("raft.redb is missing"), "the log of a member");
    fs::write(path.join(LOG_FILE), "").unwrap();
    fs::set_permissions(path.join(LOG_FILE), fs::Permissions::from_mode(0o600)).unwrap();
    let json = fs::read_to_string(path.join("node.json")).unwrap();
    fs::write(path.join("node.json"), "{").unwrap();
    assert!(refusal(open(&path)).contains("node.json is damaged"));
    fs::write(path.join("node.json"), json.replace("\"format\": 1", "\"format\": 2")).unwrap();
    assert!(refusal(open(&path)).contains("written in format 2; allowed: format 1"));
    fs::remove_file(path.join("node.json")).unwrap();
    assert!(refusal(open(&path)).contains("node.json is missing"));
    fs::write(path.join("node.json"), &json).unwrap();
    fs::set_permissions(path.join("node.json"), fs::Permissions::from_mode(0o600)).unwrap();
    open(&path).unwrap();
    fs::write(path.join("node.key"), "short").unwrap();
    assert!(refusal(open(&path)).contains("node.key is damaged: a node key has 32 bytes, 5 were"));
}

#[test]
fn a_first_start_that_was_cut_short_is_begun_again() {
    let (_parent, path) = fresh();
    drop(open(&path).unwrap());
    fs::remove_file(path.join("node.json")).unwrap();
    let again = open(&path).unwrap();
    assert_ne!(again.identity.current().member_id, 0);
}
