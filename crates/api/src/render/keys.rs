//! Keys and their versions.

use super::timestamp;
use conclave_core::access::AccessFacts;
use conclave_core::ids::{KeyId, PrincipalId};
use conclave_core::lifecycle::{DeletionPolicy, KeyState, RestoreTo};
use conclave_core::model::{
    Deletion, HistoryRecord, KeyRecord, RegistrationRecord, Rotation, VersionRecord,
};
use conclave_core::outcome::Effect;
use conclave_core::state::State;
use conclave_core::timers::DeletionTimes;
use conclave_core::view::View;
use conclave_proto::v1;

/// The key that a mutation was about, and how it was right after it; nothing of one that is purged.
/// `state` may be newer; what the mutation decided (state, primary version, revision) comes from its
/// effect, so that a repeat shows the same.
pub(crate) fn key_after(
    state: &State<'_>,
    view: &View,
    effect: &Effect,
) -> Option<(KeyId, Option<v1::Key>)> {
    let (key, lifecycle, primary_version, revision) = match effect {
        Effect::Key { key, state, primary_version, revision } => {
            (*key, *state, *primary_version, *revision)
        }
        Effect::Purged { key } => return Some((*key, None)),
        _ => return None,
    };
    let Some(mut record) = state.key(key) else { return Some((key, None)) };
    record.state = lifecycle;
    record.primary_version = primary_version;
    record.revision = revision;
    let mut versions = state.versions(key);
    versions.retain(|version| version.version <= primary_version);
    Some((key, Some(key_of(state, view, record, versions))))
}

/// A key as it is in `state`.
pub(crate) fn key(state: &State<'_>, view: &View, record: KeyRecord) -> v1::Key {
    let versions = state.versions(record.id);
    key_of(state, view, record, versions)
}

/// The state on the wire.
pub(crate) fn key_state(state: KeyState) -> v1::KeyState {
    match state {
        KeyState::Enabled => v1::KeyState::Enabled,
        KeyState::Disabled => v1::KeyState::Disabled,
        KeyState::Deactivated => v1::KeyState::Deactivated,
        KeyState::PendingDeletion => v1::KeyState::PendingDeletion,
        KeyState::Destroyed => v1::KeyState::Destroyed,
    }
}

fn key_of(
    state: &State<'_>,
    view: &View,
    record: KeyRecord,
    versions: Vec<VersionRecord>,
) -> v1::Key {
    let deletion = record.deletion.as_ref().map(|of| deletion(view, &record, of));
    let erased = record.deletion.as_ref().is_some_and(|deletion| deletion.erased);
    let versions = versions.iter().map(|version| key_version(version, record.state, erased));
    v1::Key {
        id: record.id.to_string(),
        instance: view
            .instance(record.instance)
            .map_or_else(|| record.instance.to_string(), |instance| instance.name.clone()),
        ring: state
            .ring(record.instance, record.ring)
            .map_or_else(|| record.ring.to_string(), |ring| ring.name),
        algorithm: record.algorithm.name().to_owned(),
        state: key_state(record.state).into(),
        origin: v1::KeyOrigin::Generated.into(),
        primary_version: record.primary_version,
        created_at: Some(timestamp(record.created_at_ms)),
        created_by: name_of(view, record.created_by),
        versions: versions.collect(),
        revision: record.revision,
        expires_at: record.expires_at_ms.map(timestamp),
        rotation: record.rotation.as_ref().map(rotation),
        deletion_policy: Some(policy(&record.policy)),
        deletion,
        registrations: registrations(state, view, &record),
        aliases: record.aliases,
        description: record.description,
        labels: record.labels.into_iter().collect(),
    }
}

/// The name of a principal; its id if it is gone.
pub(crate) fn name_of(view: &View, id: PrincipalId) -> String {
    view.principal(id).map_or_else(|| id.to_string(), |record| record.name)
}

fn key_version(version: &VersionRecord, state: KeyState, key_erased: bool) -> v1::KeyVersion {
    let erased = key_erased || version.material.is_none();
    v1::KeyVersion {
        version: version.version,
        enabled: version.enabled,
        usable: version.enabled && state.is_usable() && !erased,
        created_at: Some(timestamp(version.created_at_ms)),
        erased,
    }
}

fn rotation(rotation: &Rotation) -> v1::Rotation {
    v1::Rotation {
        every_s: rotation.every_ms / 1_000,
        next_at: Some(timestamp(rotation.next_at_ms)),
        on: rotation.on,
    }
}

fn deletion(view: &View, key: &KeyRecord, deletion: &Deletion) -> v1::Deletion {
    let times = DeletionTimes::of(key, deletion);
    v1::Deletion {
        requested_at: Some(timestamp(deletion.requested_at_ms)),
        requested_by: name_of(view, deletion.requested_by),
        destroys_at: times.destroys_at_ms.map(timestamp),
        destroyed_at: deletion.destroyed_at_ms.map(timestamp),
        restore_until: times.restore_until_ms.map(timestamp),
        purge_from: times.purge_from_ms.map(timestamp),
        purge_at: times.purge_at_ms.map(timestamp),
        material_erases_at: times.restore_until_ms.map(timestamp),
    }
}

/// A policy.
pub(crate) fn policy(policy: &DeletionPolicy) -> v1::DeletionPolicy {
    v1::DeletionPolicy {
        preset: policy.preset_name().to_owned(),
        grace_s: policy.grace_ms / 1_000,
        restore_window_s: policy.restore_window_ms / 1_000,
        purge_floor_s: policy.purge_floor_ms / 1_000,
        auto_purge_s: policy.auto_purge_ms / 1_000,
        delete_now: policy.delete_now,
        rotate_while_disabled: policy.rotate_while_disabled,
        rotate_while_pending: policy.rotate_while_pending,
        restore_to: match policy.restore_to {
            RestoreTo::AskedFrom => v1::RestoreTo::Prior.into(),
            RestoreTo::Enabled => v1::RestoreTo::Enabled.into(),
        },
        disable_deactivated: policy.disable_deactivated,
        enable_cooldown_s: policy.enable_cooldown_ms / 1_000,
        restore_cooldown_s: policy.restore_cooldown_ms / 1_000,
        rotate_cooldown_s: policy.rotate_cooldown_ms / 1_000,
        rotation_restarts: policy.rotation_restarts,
    }
}

/// The resources that a key protects.
pub(crate) fn registrations(
    state: &State<'_>,
    view: &View,
    key: &KeyRecord,
) -> Vec<v1::Registration> {
    let found = if key.registrations == 0 { Vec::new() } else { state.registrations(key.id) };
    found.into_iter().map(|registration| registered(view, registration)).collect()
}

fn registered(view: &View, record: RegistrationRecord) -> v1::Registration {
    v1::Registration {
        resource: record.resource,
        description: record.description,
        prevent_deletion: record.prevent_deletion,
        version: record.version,
        registered_at: Some(timestamp(record.registered_at_ms)),
        registered_by: name_of(view, record.registered_by),
    }
}

/// An entry of a history.
pub(crate) fn history(view: &View, record: HistoryRecord) -> v1::HistoryEntry {
    let by_itself = record.principal == PrincipalId::NOBODY;
    let state = |state: Option<KeyState>| state.map_or(v1::KeyState::Unspecified, key_state).into();
    v1::HistoryEntry {
        at: Some(timestamp(record.at_ms)),
        principal: if by_itself { String::new() } else { name_of(view, record.principal) },
        action: record.action,
        refused: record.refused.unwrap_or_default(),
        from: state(record.from),
        to: state(record.to),
        version: record.version,
        request_id: if by_itself { String::new() } else { record.request.to_string() },
    }
}
