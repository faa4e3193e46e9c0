//! Keys for people.

use conclave_client::v1;

use super::json;
use crate::table;
use crate::values::{counted, time_text};

pub(super) fn key(key: &v1::Key) -> String {
    let mut labels: Vec<String> =
        key.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    labels.sort();
    table::fields(&[
        ("id", key.id.clone()),
        ("aliases", key.aliases.join(", ")),
        ("state", state(key)),
        ("algorithm", key.algorithm.clone()),
        ("primary version", key.primary_version.to_string()),
        ("versions", key.versions.len().to_string()),
        ("description", key.description.clone()),
        ("labels", labels.join(", ")),
        ("created", time_text(key.created_at.as_ref()).unwrap_or_default()),
        ("created by", key.created_by.clone()),
    ])
}

pub(super) fn list(page: &v1::ListKeysAnswer) -> String {
    if page.keys.is_empty() {
        return "no keys\n".to_owned();
    }
    let rows = page.keys.iter().map(|key| {
        let aliases = key.aliases.join(",");
        [
            key.id.clone(),
            aliases,
            state(key),
            key.algorithm.clone(),
            key.primary_version.to_string(),
        ]
    });
    let mut text = table::table(["ID", "ALIASES", "STATE", "ALGORITHM", "VERSION"], rows);
    if !page.next_cursor.is_empty() {
        text.push_str(&format!("there are more: --cursor {}\n", page.next_cursor));
    }
    text
}

pub(super) fn versions(key: &v1::Key) -> String {
    let rows = key.versions.iter().map(|version| {
        let primary = if version.version == key.primary_version { "primary" } else { "" };
        [
            version.version.to_string(),
            yes_no(version.enabled),
            yes_no(version.usable),
            time_text(version.created_at.as_ref()).unwrap_or_default(),
            primary.to_owned(),
        ]
    });
    table::table(["VERSION", "ENABLED", "USABLE", "CREATED", ""], rows)
}

/// What `key disable` shows before it asks.
pub(super) fn disable_impact(key: &v1::Key) -> String {
    let name = match key.aliases.first() {
        Some(alias) => format!("{alias} ({})", key.id),
        None => key.id.clone(),
    };
    format!(
        "Key {name} with {} is {} now.\nDisabled, no node encrypts or decrypts with it, until it \
         is enabled again. Data keys handed out before go on working where they are kept.",
        counted(key.versions.len() as u64, "version"),
        state(key),
    )
}

fn state(key: &v1::Key) -> String {
    json::state(key).unwrap_or("unknown").to_owned()
}

fn yes_no(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

#[cfg(test)]
mod tests {
    use crate::key::tests::example;

    #[test]
    fn a_key_for_people() {
        assert_eq!(
            super::key(&example()),
            "id               0b0e1f3c-6a54-4a0e-9d0a-0d3c7a4a2f10\n\
             aliases          orders\n\
             state            Disabled\n\
             algorithm        aes-256-gcm-siv\n\
             primary version  2\n\
             versions         2\n\
             labels           env=prod\n\
             created          2026-11-21T10:00:00Z\n\
             created by       admin\n"
        );
    }

    #[test]
    fn the_impact_names_key_and_state() {
        let impact = super::disable_impact(&example());
        assert!(impact.starts_with("Key orders (0b0e1f3c-"), "{impact}");
        assert!(impact.contains("2 versions is Disabled now"), "{impact}");
    }
}
