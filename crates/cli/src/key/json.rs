//! Keys in JSON: every field of the contract, `null` for what a key does not have.

use std::collections::BTreeMap;

use conclave_client::v1;
use serde_json::{Value, json};

use super::registration::registrations_json;
use super::state_name;
use crate::policy::policy_json;
use crate::values::{text_json, time_json};

/// The answer of every key verb. `purged` is there only if the key is gone.
pub(super) fn answer(answer: &v1::KeyAnswer) -> Value {
    match &answer.key {
        Some(shown) => json!({
            "key": key(shown),
            "log_index": answer.log_index,
            "replayed": answer.replayed,
        }),
        None => json!({
            "key": null,
            "key_id": text_json(&answer.key_id),
            "purged": true,
            "log_index": answer.log_index,
            "replayed": answer.replayed,
        }),
    }
}

pub(super) fn versions(key: &v1::Key) -> Vec<Value> {
    let version = |version: &v1::KeyVersion| {
        json!({
            "version": version.version,
            "enabled": version.enabled,
            "usable": version.usable,
            "created_at": time_json(version.created_at.as_ref()),
            "uses": null,
            "material": if version.erased { "erased" } else { "present" },
        })
    };
    key.versions.iter().map(version).collect()
}

pub(super) fn key(key: &v1::Key) -> Value {
    let labels: BTreeMap<_, _> = key.labels.iter().collect();
    json!({
        "id": key.id,
        "aliases": key.aliases,
        "instance": text_json(&key.instance),
        "ring": text_json(&key.ring),
        "algorithm": key.algorithm,
        "state": state_name(key.state()),
        "origin": origin(key),
        "primary_version": key.primary_version,
        "description": key.description,
        "labels": labels,
        "created_at": time_json(key.created_at.as_ref()),
        "created_by": text_json(&key.created_by),
        "expires_at": time_json(key.expires_at.as_ref()),
        "exportable": false,
        "versions": versions(key),
        "rotation": key.rotation.as_ref().map(rotation),
        "deletion_policy": key.deletion_policy.as_ref().map(policy_json),
        "deletion": key.deletion.as_ref().map(deletion),
        "registrations": registrations_json(&key.registrations),
        "dual_auth": false,
        "last_used_at": null,
        "revision": key.revision,
    })
}

fn rotation(rotation: &v1::Rotation) -> Value {
    json!({
        "every_s": rotation.every_s,
        "next_at": time_json(rotation.next_at.as_ref()),
        "on": rotation.on,
    })
}

fn deletion(deletion: &v1::Deletion) -> Value {
    json!({
        "requested_at": time_json(deletion.requested_at.as_ref()),
        "requested_by": text_json(&deletion.requested_by),
        "destroys_at": time_json(deletion.destroys_at.as_ref()),
        "destroyed_at": time_json(deletion.destroyed_at.as_ref()),
        "restore_until": time_json(deletion.restore_until.as_ref()),
        "purge_from": time_json(deletion.purge_from.as_ref()),
        "purge_at": time_json(deletion.purge_at.as_ref()),
        "material_erases_at": time_json(deletion.material_erases_at.as_ref()),
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
    use crate::key::example::{example, full, registrations};
    use crate::policy::tests::layered_json;

    #[test]
    fn a_key_has_all_fields_of_the_contract() {
        let shown = v1::KeyAnswer { key: Some(example()), log_index: 4711, ..Default::default() };
        let shown = answer(&shown);
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
    fn a_key_shows_policy_deletion_and_registrations() {
        let shown = key(&full());
        assert_eq!(shown["state"], "PendingDeletion");
        assert_eq!(shown["expires_at"], "2027-11-21T10:00:00Z");
        assert_eq!(shown["versions"][0]["material"], "erased");
        assert_eq!(
            shown["rotation"],
            json!({"every_s": 7_776_000, "next_at": "2027-02-19T10:00:00Z", "on": true})
        );
        assert_eq!(shown["deletion_policy"], layered_json());
        assert_eq!(
            shown["deletion"],
            json!({
                "requested_at": "2026-11-21T10:00:00Z", "requested_by": "app",
                "destroys_at": "2026-11-24T10:00:00Z", "destroyed_at": null,
                "restore_until": "2026-12-24T10:00:00Z", "purge_from": "2026-11-24T14:00:00Z",
                "purge_at": "2027-02-22T10:00:00Z",
                "material_erases_at": "2026-12-24T10:00:00Z",
            })
        );
        assert_eq!(shown["registrations"], json!(registrations_json(&registrations())));
    }

    #[test]
    fn of_a_purged_key_only_the_id_is_left() {
        let gone = v1::KeyAnswer {
            key: None,
            log_index: 12,
            replayed: true,
            key_id: "0b0e1f3c-6a54-4a0e-9d0a-0d3c7a4a2f10".to_owned(),
        };
        assert_eq!(
            answer(&gone),
            json!({"key": null, "key_id": "0b0e1f3c-6a54-4a0e-9d0a-0d3c7a4a2f10", "purged": true,
                "log_index": 12, "replayed": true})
        );
    }
}
