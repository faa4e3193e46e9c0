//! Keys for people.

use conclave_client::v1;

use super::registration::registrations_count;
use super::state_name;
use crate::policy::windows_text;
use crate::table;
use crate::values::{seconds_text, time_text, yes_no};

/// The answer of every key verb.
pub(super) fn answer(answer: &v1::KeyAnswer) -> String {
    match &answer.key {
        Some(shown) => key(shown),
        None => format!("key {} is purged: nothing is left of it but a tombstone\n", answer.key_id),
    }
}

pub(super) fn versions(key: &v1::Key) -> String {
    let rows = key.versions.iter().map(|version| {
        let primary = if version.version == key.primary_version { "primary" } else { "" };
        [
            version.version.to_string(),
            yes_no(version.enabled).to_owned(),
            yes_no(version.usable).to_owned(),
            if version.erased { "erased" } else { "present" }.to_owned(),
            time_text(version.created_at.as_ref()).unwrap_or_default(),
            primary.to_owned(),
        ]
    });
    table::table(["VERSION", "ENABLED", "USABLE", "MATERIAL", "CREATED", ""], rows)
}

/// The name of the key's state.
pub(super) fn state(key: &v1::Key) -> String {
    state_name(key.state()).unwrap_or("unknown").to_owned()
}

fn key(key: &v1::Key) -> String {
    let mut labels: Vec<String> =
        key.labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    labels.sort();
    let policy = key.deletion_policy.as_ref().map(windows_text);
    let mut fields = vec![
        ("id", key.id.clone()),
        ("aliases", key.aliases.join(", ")),
        ("instance", key.instance.clone()),
        ("ring", key.ring.clone()),
        ("state", state(key)),
    ];
    fields.extend(key.deletion.iter().flat_map(deletion));
    fields.extend([
        ("expires", time(key.expires_at.as_ref())),
        ("algorithm", key.algorithm.clone()),
        ("primary version", key.primary_version.to_string()),
        ("versions", key.versions.len().to_string()),
        ("rotation", key.rotation.as_ref().map(rotation).unwrap_or_default()),
        ("registrations", registrations_count(&key.registrations)),
        ("deletion policy", policy.unwrap_or_default()),
        ("description", key.description.clone()),
        ("labels", labels.join(", ")),
        ("created", time(key.created_at.as_ref())),
        ("created by", key.created_by.clone()),
    ]);
    table::fields(&fields)
}

/// What a deletion has led to and leads to next.
fn deletion(deletion: &v1::Deletion) -> [(&'static str, String); 7] {
    let requested = match deletion.requested_by.as_str() {
        "" => time(deletion.requested_at.as_ref()),
        by => format!("{} by {by}", time(deletion.requested_at.as_ref())),
    };
    let destroys = match deletion.destroyed_at {
        Some(_) => String::new(),
        None => time(deletion.destroys_at.as_ref()),
    };
    [
        ("deletion requested", requested),
        ("destroys", destroys),
        ("destroyed", time(deletion.destroyed_at.as_ref())),
        ("restore until", time(deletion.restore_until.as_ref())),
        ("material erases", time(deletion.material_erases_at.as_ref())),
        ("purge from", time(deletion.purge_from.as_ref())),
        ("purges", time(deletion.purge_at.as_ref())),
    ]
}

fn rotation(rotation: &v1::Rotation) -> String {
    let every = format!("every {}", seconds_text(rotation.every_s));
    match (rotation.on, time_text(rotation.next_at.as_ref())) {
        (true, Some(next)) => format!("{every}, next {next}"),
        (true, None) => every,
        (false, _) => format!("{every}, off: the key has as many versions as it can have"),
    }
}

/// A time, or nothing for one that is absent.
fn time(time: Option<&prost_types::Timestamp>) -> String {
    time_text(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::example::{example, full};

    #[test]
    fn a_key_for_people() {
        assert_eq!(
            key(&example()),
            "id               0b0e1f3c-6a54-4a0e-9d0a-0d3c7a4a2f10\n\
             aliases          orders\n\
             instance         default\n\
             ring             default\n\
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
    fn a_key_on_its_way_out_for_people() {
        assert_eq!(
            key(&full()),
            "id                  0b0e1f3c-6a54-4a0e-9d0a-0d3c7a4a2f10\n\
             aliases             orders\n\
             instance            default\n\
             ring                default\n\
             state               PendingDeletion\n\
             deletion requested  2026-11-21T10:00:00Z by app\n\
             destroys            2026-11-24T10:00:00Z\n\
             restore until       2026-12-24T10:00:00Z\n\
             material erases     2026-12-24T10:00:00Z\n\
             purge from          2026-11-24T14:00:00Z\n\
             purges              2027-02-22T10:00:00Z\n\
             expires             2027-11-21T10:00:00Z\n\
             algorithm           aes-256-gcm-siv\n\
             primary version     2\n\
             versions            2\n\
             rotation            every 90d, next 2027-02-19T10:00:00Z\n\
             registrations       2 registrations, 1 of them prevents deletion\n\
             deletion policy     layered: grace 3d, restore window 30d, purge floor 4h, auto purge 90d\n\
             labels              env=prod\n\
             created             2026-11-21T10:00:00Z\n\
             created by          admin\n"
        );
    }

    #[test]
    fn a_destroyed_key_shows_when_it_was_and_not_when_it_would_be() {
        let mut destroyed = full();
        let deletion = destroyed.deletion.as_mut().unwrap();
        deletion.destroyed_at = deletion.destroys_at;
        let text = key(&destroyed);
        assert!(text.contains("\ndestroyed           2026-11-24T10:00:00Z\n"), "{text}");
        assert!(!text.contains("\ndestroys "), "{text}");
    }

    #[test]
    fn a_schedule_that_has_stopped_says_why() {
        let stopped = v1::Rotation { every_s: 86_400, next_at: None, on: false };
        assert_eq!(
            rotation(&stopped),
            "every 1d, off: the key has as many versions as it can have"
        );
    }

    #[test]
    fn a_purged_key_for_people() {
        let gone = v1::KeyAnswer { key_id: "k1".to_owned(), ..Default::default() };
        assert_eq!(answer(&gone), "key k1 is purged: nothing is left of it but a tombstone\n");
    }

    #[test]
    fn versions_for_people() {
        assert_eq!(
            versions(&full()),
            "VERSION  ENABLED  USABLE  MATERIAL  CREATED\n\
             1        yes      no      erased    2026-11-21T10:00:00Z\n\
             2        no       no      present   2026-11-21T10:00:01.5Z  primary\n"
        );
    }
}
