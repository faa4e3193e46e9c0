//! What the state machine answers and shows, in the words of the model.

use super::model::{VersionView, View};
use crate::machine::Machine;
use conclave_core::access::{Authenticated, Authorized, Resource, authorize};
use conclave_core::ids::KeyId;
use conclave_core::lifecycle::KeyState;
use conclave_core::model::KeyRecord;
use conclave_core::outcome::{Effect, Outcome, Refusal};
use conclave_core::records::MemoryRecords;
use conclave_core::roles::Action;
use conclave_core::timers::{self, DeletionTimes};
use conclave_core::usage::permit_use;

/// Done, or the stable reason.
pub fn answer<T>(result: Result<T, &Refusal>) -> Result<(), &'static str> {
    match result {
        Ok(_) => Ok(()),
        Err(Refusal::NotDue) => Err("NOT_DUE"),
        Err(refusal) => Err(refusal.reason().as_str()),
    }
}

/// What a command that was done says of the key is what the key then is.
pub fn is_told(outcome: &Outcome, after: Option<&View>) -> bool {
    match (outcome, after) {
        (Outcome::Done(Effect::Key { state, primary_version, .. }), Some(view)) => {
            state_name(*state) == view.state && *primary_version == view.primary_version
        }
        (Outcome::Done(Effect::Purged { .. }), None) | (Outcome::Refused(_), _) => true,
        _ => false,
    }
}

pub struct Look<'a> {
    pub machine: &'a Machine<MemoryRecords>,
    pub who: &'a Authenticated,
    pub now_ms: u64,
}

impl Look<'_> {
    /// The state of the key as time has left it.
    pub fn state(&self, id: KeyId) -> Option<&'static str> {
        let key = timers::as_of(&self.machine.state().key(id)?, self.now_ms)?;
        Some(state_name(key.state))
    }

    /// The key as time has left it.
    pub fn view(&self, id: KeyId) -> Option<View> {
        let state = self.machine.state();
        let record = state.key(id)?;
        let key = timers::as_of(&record, self.now_ms)?;
        let destroyed = key.state == KeyState::Destroyed;
        let times = key.deletion.as_ref().map(|deletion| DeletionTimes::of(&key, deletion));
        let times = times.unwrap_or_default();
        let registrations = if destroyed { Vec::new() } else { state.registrations(id) };
        let mut aliases = key.aliases.clone();
        aliases.sort();
        Some(View {
            state: state_name(key.state),
            versions: self.versions(&key, timers::is_behind(&record, self.now_ms)),
            primary_version: key.primary_version,
            aliases,
            registrations: registrations
                .into_iter()
                .map(|found| (found.resource, found.prevent_deletion))
                .collect(),
            expires_at_ms: key.expires_at_ms,
            rotation: key.rotation.map(|found| (found.every_ms, found.next_at_ms, found.on)),
            requested_at_ms: key.deletion.as_ref().map(|deletion| deletion.requested_at_ms),
            destroyed_at_ms: key.deletion.as_ref().and_then(|deletion| deletion.destroyed_at_ms),
            destroys_at_ms: times.destroys_at_ms,
            restore_until_ms: times.restore_until_ms,
            purge_from_ms: times.purge_from_ms,
            purge_at_ms: times.purge_at_ms,
        })
    }

    /// A record that is behind may still hold material that time has erased.
    fn versions(&self, key: &KeyRecord, behind: bool) -> Vec<VersionView> {
        let proof = self.proof(key, Action::Decrypt);
        let erased = key.deletion.as_ref().is_some_and(|deletion| deletion.erased);
        let versions = self.machine.state().versions(key.id).into_iter();
        versions
            .map(|version| VersionView {
                version: version.version,
                enabled: version.enabled,
                usable: permit_use(proof, key, &version, self.now_ms).is_ok(),
                erased: if behind { erased } else { version.material.is_none() },
            })
            .collect()
    }

    /// A use of the key, as the data plane decides it.
    pub fn use_key(&self, id: KeyId, wanted: Option<u32>) -> Result<(), Refusal> {
        let missing = |what| Refusal::NotFound { what };
        let state = self.machine.state();
        let key = state.key(id).and_then(|key| timers::as_of(&key, self.now_ms));
        let key = key.ok_or(missing(conclave_core::outcome::Thing::Key))?;
        let action = if wanted.is_some() { Action::Decrypt } else { Action::Encrypt };
        let proof = self.proof(&key, action);
        let newest = state.version(id, key.primary_version).expect("every key has its newest");
        let version = match wanted {
            None => newest,
            Some(wanted) => match state.version(id, wanted) {
                Some(version) => version,
                None => {
                    permit_use(proof, &key, &newest, self.now_ms)?;
                    return Err(missing(conclave_core::outcome::Thing::Version));
                }
            },
        };
        permit_use(proof, &key, &version, self.now_ms).map(|_| ())
    }

    fn proof(&self, key: &KeyRecord, action: Action) -> Authorized {
        let on = Resource::of_key(key);
        authorize(&self.machine.view, self.who, action, on, self.now_ms).expect("it has every role")
    }
}

/// The model's names, which are written down anew there.
fn state_name(state: KeyState) -> &'static str {
    match state {
        KeyState::Enabled => "Enabled",
        KeyState::Disabled => "Disabled",
        KeyState::Deactivated => "Deactivated",
        KeyState::PendingDeletion => "PendingDeletion",
        KeyState::Destroyed => "Destroyed",
    }
}
