//! Keys and their versions.

use super::timestamp;
use conclave_core::access::AccessFacts;
use conclave_core::ids::KeyId;
use conclave_core::lifecycle::KeyState;
use conclave_core::model::{KeyRecord, VersionRecord};
use conclave_core::outcome::Effect;
use conclave_core::state::State;
use conclave_core::view::View;
use conclave_proto::v1;

/// The instance and ring in which keys are while there is only one of each.
const DEFAULT_INSTANCE: &str = "default";
const DEFAULT_RING: &str = "default";

/// A key as it was right after a mutation. `state` may be newer; what the mutation decided (state,
/// primary version, revision) comes from its effect, so that a repeat shows the same.
pub(crate) fn key_after(
    state: &State<'_>,
    view: &View,
    effect: &Effect,
) -> Option<(KeyId, v1::Key)> {
    let Effect::Key { key, state: lifecycle, primary_version, revision } = effect else {
        return None;
    };
    let mut record = state.key(*key)?;
    record.state = *lifecycle;
    record.primary_version = *primary_version;
    record.revision = *revision;
    let mut versions = state.versions(*key);
    versions.retain(|version| version.version <= *primary_version);
    Some((*key, key_of(record, versions, view)))
}

/// A key as it is in `state`.
pub(crate) fn key(state: &State<'_>, view: &View, record: KeyRecord) -> v1::Key {
    let versions = state.versions(record.id);
    key_of(record, versions, view)
}

/// The state on the wire.
pub(crate) fn key_state(state: KeyState) -> v1::KeyState {
    match state {
        KeyState::Enabled => v1::KeyState::Enabled,
        KeyState::Disabled => v1::KeyState::Disabled,
    }
}

fn key_of(record: KeyRecord, versions: Vec<VersionRecord>, view: &View) -> v1::Key {
    let creator = view.principal(record.created_by);
    let state = record.state;
    v1::Key {
        id: record.id.to_string(),
        aliases: record.aliases,
        instance: DEFAULT_INSTANCE.to_owned(),
        ring: DEFAULT_RING.to_owned(),
        algorithm: record.algorithm.name().to_owned(),
        state: key_state(state).into(),
        origin: v1::KeyOrigin::Generated.into(),
        primary_version: record.primary_version,
        description: record.description,
        labels: record.labels.into_iter().collect(),
        created_at: Some(timestamp(record.created_at_ms)),
        created_by: creator.map_or_else(|| record.created_by.to_string(), |creator| creator.name),
        versions: versions.into_iter().map(|version| key_version(version, state)).collect(),
        revision: record.revision,
    }
}

fn key_version(version: VersionRecord, state: KeyState) -> v1::KeyVersion {
    v1::KeyVersion {
        version: version.version,
        enabled: version.enabled,
        usable: version.enabled && state == KeyState::Enabled,
        created_at: Some(timestamp(version.created_at_ms)),
    }
}
