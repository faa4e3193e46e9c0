//! Keys in JSON: every field of the contract, `null` for what this release does not have.

use std::collections::BTreeMap;

use conclave_client::v1;
use serde_json::{Value, json};

use crate::values::{text_json, time_json};

/// The answer of every key verb.
pub(super) fn answer(answer: &v1::KeyAnswer) -> Value {
    json!({
        "key": answer.key.as_ref().map(key),
        "log_index": answer.log_index,
        "replayed": answer.replayed,
    })
}

pub(super) fn list(page: &v1::ListKeysAnswer) -> Value {
    json!({
        "keys": page.keys.iter().map(key).collect::<Vec<_>>(),
        "next_cursor": text_json(&page.next_cursor),
        "log_index": page.log_index,
    })
}

pub(super) fn versions(key: &v1::Key) -> Vec<Value> {
    let version = |version: &v1::KeyVersion| {
        json!({
            "version": version.version,
            "enabled": version.enabled,
            "usable": version.usable,
            "created_at": time_json(version.created_at.as_ref()),
            "uses": null,
            "material": "present",
        })
    };
    key.versions.iter().map(version).collect()
}

/// The name of a state, as it is written everywhere.
pub(super) fn state(key: &v1::Key) -> Option<&'static str> {
    match key.state() {
        v1::KeyState::Enabled => Some("Enabled"),
        v1::KeyState::Disabled => Some("Disabled"),
        v1::KeyState::Unspecified => None,
    }
}

fn key(key: &v1::Key) -> Value {
    let labels: BTreeMap<_, _> = key.labels.iter().collect();
    json!({
        "id": key.id,
        "aliases": key.aliases,
        "instance": text_json(&key.instance),
        "ring": text_json(&key.ring),
        "algorithm": key.algorithm,
        "state": state(key),
        "origin": origin(key),
        "primary_version": key.primary_version,
        "description": key.description,
        "labels": labels,
        "created_at": time_json(key.created_at.as_ref()),
        "created_by": text_json(&key.created_by),
        "expires_at": null,
        "exportable": false,
        "versions": versions(key),
        "rotation": null,
        "deletion_policy": null,
        "deletion": null,
        "registrations": [],
        "dual_auth": false,
        "last_used_at": null,
        "revision": key.revision,
    })
}

fn origin(key: &v1::Key) -> Option<&'static str> {
    match key.origin() {
        v1::KeyOrigin::Generated => Some("generated"),
        v1::KeyOrigin::Unspecified => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::tests::example;

    #[test]
    fn a_key_has_all_fields_of_the_contract() {
        let shown =
            answer(&v1::KeyAnswer { key: Some(example()), log_index: 4711, replayed: false });
        let expected = json!({
            "key": {
                "id": "0b0e1f3c-6a54-4a0e-9d0a-0d3c7a4a2f10",
                "aliases": ["orders"], "instance": "default", "ring": "default",
                "algorithm": "aes-256-gcm-siv", "state": "Disabled", "origin": "generated",
                "primary_version": 2, "description": "", "labels": {"env": "prod"},
                "created_at": "2026-11-21T10:00:00Z", "created_by": "admin",
                "expires_at": null, "exportable": false,
                "versions": [
                    {"version": 1, "enabled": true, "usable": false,
                     "created_at": "2026-11-21T10:00:00Z", "uses": null, "material": "present"},
                    {"version": 2, "enabled": false, "usable": false,
                     "created_at": "2026-11-21T10:00:01.5Z", "uses": null, "material": "present"},
                ],
                "rotation": null, "deletion_policy": null, "deletion": null,
                "registrations": [], "dual_auth": false, "last_used_at": null, "revision": 17,
            },
            "log_index": 4711,
            "replayed": false,
        });
        assert_eq!(shown, expected);
    }

    #[test]
    fn lists_are_never_absent_and_the_last_page_has_no_cursor() {
        let empty = list(&v1::ListKeysAnswer { log_index: 3, ..Default::default() });
        assert_eq!(empty, json!({"keys": [], "next_cursor": null, "log_index": 3}));
    }
}
