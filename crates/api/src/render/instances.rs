//! Instances and key rings.

use super::keys::{key_state, name_of, policy};
use super::timestamp;
use conclave_core::lifecycle::KeyState;
use conclave_core::model::{InstanceRecord, RingRecord};
use conclave_core::state::State;
use conclave_core::view::View;
use conclave_proto::v1;

/// An instance with how many keys and versions it has in each state.
pub(crate) fn instance(state: &State<'_>, view: &View, record: &InstanceRecord) -> v1::Instance {
    let counts = state.counts(record.id);
    let each = KeyState::ALL.into_iter().zip(counts.keys.into_iter().zip(counts.versions));
    v1::Instance {
        id: record.id.to_string(),
        name: record.name.clone(),
        deletion_policy: Some(policy(&record.policy)),
        counts: each
            .map(|(state, (keys, versions))| v1::StateCount {
                state: key_state(state).into(),
                keys,
                versions,
            })
            .collect(),
        created_at: Some(timestamp(record.created_at_ms)),
        created_by: name_of(view, record.created_by),
    }
}

/// A key ring.
pub(crate) fn ring(view: &View, record: &RingRecord) -> v1::KeyRing {
    v1::KeyRing {
        id: record.id.to_string(),
        name: record.name.clone(),
        instance: view
            .instance(record.instance)
            .map_or_else(|| record.instance.to_string(), |instance| instance.name.clone()),
        keys: record.keys,
        created_at: Some(timestamp(record.created_at_ms)),
        created_by: name_of(view, record.created_by),
    }
}
