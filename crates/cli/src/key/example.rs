//! What the tests of this noun show.

use conclave_client::v1;

use crate::policy::tests::layered;

fn time(seconds: i64, nanos: i32) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds: 1_795_255_200 + seconds, nanos })
}

/// A key with two versions, the second switched off, as a release without policies shows it.
pub(super) fn example() -> v1::Key {
    let version = |version, enabled, created_at| v1::KeyVersion {
        version,
        enabled,
        usable: false,
        created_at,
        erased: false,
    };
    v1::Key {
        id: "0b0e1f3c-6a54-4a0e-9d0a-0d3c7a4a2f10".to_owned(),
        aliases: vec!["orders".to_owned()],
        instance: "default".to_owned(),
        ring: "default".to_owned(),
        algorithm: "aes-256-gcm-siv".to_owned(),
        state: v1::KeyState::Disabled.into(),
        origin: v1::KeyOrigin::Generated.into(),
        primary_version: 2,
        description: String::new(),
        labels: [("env".to_owned(), "prod".to_owned())].into(),
        created_at: time(0, 0),
        created_by: "admin".to_owned(),
        versions: vec![version(1, true, time(0, 0)), version(2, false, time(1, 500_000_000))],
        revision: 17,
        ..Default::default()
    }
}

/// The same key with everything that a key can have, PendingDeletion.
pub(super) fn full() -> v1::Key {
    const DAY: i64 = 86_400;
    let mut key = example();
    key.versions[0].erased = true;
    v1::Key {
        state: v1::KeyState::PendingDeletion.into(),
        expires_at: time(365 * DAY, 0),
        rotation: Some(v1::Rotation { every_s: 7_776_000, next_at: time(90 * DAY, 0), on: true }),
        deletion_policy: Some(layered()),
        deletion: Some(v1::Deletion {
            requested_at: time(0, 0),
            requested_by: "app".to_owned(),
            destroys_at: time(3 * DAY, 0),
            destroyed_at: None,
            restore_until: time(33 * DAY, 0),
            purge_from: time(3 * DAY + 14_400, 0),
            purge_at: time(93 * DAY, 0),
            material_erases_at: time(33 * DAY, 0),
        }),
        registrations: registrations(),
        ..key
    }
}

/// One that prevents deletion, and one that does not.
pub(super) fn registrations() -> Vec<v1::Registration> {
    let registration =
        |resource: &str, prevent_deletion, version, description: &str| v1::Registration {
            resource: resource.to_owned(),
            description: description.to_owned(),
            prevent_deletion,
            version,
            registered_at: time(0, 0),
            registered_by: "app".to_owned(),
        };
    vec![registration("arn:disk/1", true, 1, "the disk"), registration("arn:disk/2", false, 2, "")]
}

/// What the deletion of [`full`] meets.
pub(super) fn impact() -> v1::ImpactAnswer {
    let deletion = full().deletion.unwrap_or_default();
    v1::ImpactAnswer {
        key_id: full().id,
        registrations: registrations(),
        blocked_by: vec!["retention".to_owned()],
        destroys_at: deletion.destroys_at,
        purge_at: deletion.purge_at,
        log_index: 9,
    }
}
