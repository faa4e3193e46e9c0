//! Instances in JSON and for people.

use conclave_client::v1;
use serde_json::{Map, Value, json};

use crate::key::{STATES, state_name};
use crate::policy::{policy_fields, policy_json};
use crate::table;
use crate::values::{counted, text_json, time_json, time_text};

pub(super) fn json(instance: &v1::Instance) -> Value {
    let policy = instance.deletion_policy.as_ref();
    json!({
        "id": instance.id,
        "name": instance.name,
        "preset": policy.map_or(Value::Null, |policy| text_json(&policy.preset)),
        "deletion_policy": policy.map(policy_json),
        "keys": in_each_state(instance, |count| count.keys),
        "versions": in_each_state(instance, |count| count.versions),
        "created_at": time_json(instance.created_at.as_ref()),
        "created_by": text_json(&instance.created_by),
    })
}

pub(super) fn text(instance: &v1::Instance) -> String {
    let mut fields = vec![
        ("name", instance.name.clone()),
        ("id", instance.id.clone()),
        ("keys", counts_text(instance, |count| count.keys)),
        ("versions", counts_text(instance, |count| count.versions)),
    ];
    fields.extend(instance.deletion_policy.iter().flat_map(policy_fields));
    fields.push(("created", time_text(instance.created_at.as_ref()).unwrap_or_default()));
    fields.push(("created by", instance.created_by.clone()));
    table::fields(&fields)
}

pub(super) fn list(instances: &[v1::Instance]) -> String {
    if instances.is_empty() {
        return "no instances in which you have a role\n".to_owned();
    }
    let rows = instances.iter().map(|instance| {
        let preset = instance.deletion_policy.as_ref().map(|policy| policy.preset.clone());
        let keys: u64 = instance.counts.iter().map(|count| count.keys).sum();
        [
            instance.name.clone(),
            instance.id.clone(),
            preset.unwrap_or_default(),
            keys.to_string(),
            time_text(instance.created_at.as_ref()).unwrap_or_default(),
        ]
    });
    table::table(["NAME", "ID", "PRESET", "KEYS", "CREATED"], rows)
}

/// What `instance delete` shows before it asks.
pub(super) fn delete_impact(instance: &v1::Instance) -> String {
    let total: u64 = instance.counts.iter().map(|count| count.keys).sum();
    let keys = match total {
        0 => "no keys".to_owned(),
        total => {
            let states = counts_text(instance, |count| count.keys);
            format!("{}: {states}", counted(total, "key"))
        }
    };
    format!(
        "Instance {} ({}) has {keys}.\nIt is deleted with its key rings and policy. Keys that are \
         destroyed and past their purge floor are purged with it, if you have the role KeyPurge; \
         any other key forbids it.",
        instance.name, instance.id,
    )
}

/// A number for each state, none left out.
fn in_each_state(instance: &v1::Instance, number: impl Fn(&v1::StateCount) -> u64) -> Value {
    let of = |state| {
        let found = instance.counts.iter().filter(|count| count.state() == state);
        found.map(&number).sum::<u64>()
    };
    let numbers = STATES.into_iter().filter_map(|state| Some((state_name(state)?, of(state))));
    Value::Object(
        numbers.map(|(name, number)| (name.to_owned(), json!(number))).collect::<Map<_, _>>(),
    )
}

/// `3 Enabled, 1 Destroyed`; states without any are left out.
fn counts_text(instance: &v1::Instance, number: impl Fn(&v1::StateCount) -> u64) -> String {
    let shown = instance.counts.iter().filter(|count| number(count) > 0);
    let texts = shown.filter_map(|count| {
        let name = state_name(count.state())?;
        Some(format!("{} {name}", number(count)))
    });
    match texts.collect::<Vec<_>>() {
        none if none.is_empty() => "0".to_owned(),
        texts => texts.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::{layered, layered_json};

    fn example() -> v1::Instance {
        let count = |state: v1::KeyState, keys, versions| v1::StateCount {
            state: state.into(),
            keys,
            versions,
        };
        v1::Instance {
            id: "5d".to_owned(),
            name: "prod".to_owned(),
            deletion_policy: Some(layered()),
            counts: vec![count(v1::KeyState::Enabled, 3, 7), count(v1::KeyState::Destroyed, 1, 2)],
            created_at: Some(prost_types::Timestamp { seconds: 1_795_255_200, nanos: 0 }),
            created_by: "admin".to_owned(),
        }
    }

    #[test]
    fn an_instance_has_the_promised_fields() {
        assert_eq!(
            json(&example()),
            json!({
                "id": "5d", "name": "prod", "preset": "layered",
                "deletion_policy": layered_json(),
                "keys": {"Enabled": 3, "Disabled": 0, "Deactivated": 0, "PendingDeletion": 0,
                    "Destroyed": 1},
                "versions": {"Enabled": 7, "Disabled": 0, "Deactivated": 0, "PendingDeletion": 0,
                    "Destroyed": 2},
                "created_at": "2026-11-21T10:00:00Z", "created_by": "admin",
            })
        );
    }

    #[test]
    fn instances_for_people() {
        let text = text(&example());
        assert!(text.starts_with("name                 prod\n"), "{text}");
        assert!(text.contains("\nkeys                 3 Enabled, 1 Destroyed\n"), "{text}");
        assert!(text.contains("\nversions             7 Enabled, 2 Destroyed\n"), "{text}");
        assert!(text.contains("\npreset               layered\n"), "{text}");
        assert!(text.ends_with("\ncreated by           admin\n"), "{text}");
        assert_eq!(
            list(&[example()]),
            "NAME  ID  PRESET   KEYS  CREATED\n\
             prod  5d  layered  4     2026-11-21T10:00:00Z\n"
        );
        assert_eq!(list(&[]), "no instances in which you have a role\n");
    }

    #[test]
    fn the_impact_names_what_is_in_it() {
        let impact = delete_impact(&example());
        assert!(impact.starts_with("Instance prod (5d) has 4 keys: 3 Enabled, 1 Destroyed."));
        let empty = delete_impact(&v1::Instance { counts: Vec::new(), ..example() });
        assert!(empty.contains("has no keys."), "{empty}");
    }
}
