//! Whether a key may be used now: all of it decided from one state.

use crate::call::Call;
use crate::context::Context;
use crate::error::ApiError;
use crate::hot::HotTable;
use crate::journaled::{Draft, Unrecorded};
use crate::moment::{Moment, On};
use crate::validate::KeySelector;
use conclave_core::access::{self, Authenticated, Authorized, Resource};
use conclave_core::ids::{InstanceId, KeyId, KeyspaceId};
use conclave_core::model::{KeyRecord, VersionRecord};
use conclave_core::mutants::Mutant;
use conclave_core::outcome::Refusal;
use conclave_core::reason::Reason;
use conclave_core::replica::StateRead;
use conclave_core::roles::Action;
use conclave_core::state::State;
use conclave_core::timers;
use conclave_core::usage::{self, UsePermit};
use conclave_crypto::data_plane::DataKey;
use conclave_crypto::wrap::{self, MaterialContext};
use std::sync::Arc;

/// Records of keys in use.
#[derive(Default)]
pub(crate) struct HotTables {
    pub(crate) keys: HotTable<KeyId, KeyRecord>,
    pub(crate) versions: HotTable<(KeyId, u32), VersionRecord>,
    pub(crate) aliases: HotTable<(InstanceId, String), KeyId>,
}

impl HotTables {
    /// The state was replaced by one at `index`.
    pub(crate) fn clear(&self, index: u64) {
        self.keys.clear(index);
        self.versions.clear(index);
        self.aliases.clear(index);
    }
}

/// What a caller wants to use.
pub(crate) enum Target<'a> {
    /// The primary version of a key.
    Primary(&'a KeySelector),
    /// The version that a ciphertext names; `only` refuses a ciphertext of any other key.
    Named { key: KeyId, version: u32, only: Option<&'a KeySelector> },
}

/// Proof that a caller may use a key version, with the state it was decided from.
pub(crate) struct Decision {
    permit: UsePermit,
    version: Arc<VersionRecord>,
    algorithm: conclave_core::command::Algorithm,
    keyspace: KeyspaceId,
    /// Index of the view.
    as_of: u64,
    seal_generation: u64,
}

impl Decision {
    pub(crate) fn key(&self) -> KeyId {
        self.permit.key()
    }

    pub(crate) fn version(&self) -> u32 {
        self.permit.version()
    }
}

/// Why there is no decision.
enum Undecided {
    /// The records at hand are not those of the view: decide again from a newer view.
    Behind,
    Refused(ApiError),
}

impl<E: Into<ApiError>> From<E> for Undecided {
    fn from(error: E) -> Undecided {
        Undecided::Refused(error.into())
    }
}

impl Context {
    /// Decides whether the caller may use the key for `action` (Encrypt or Decrypt): read barrier,
    /// one view at or above it, and from that state credential, role, seal, key and version.
    pub(crate) async fn permit_use(
        &self,
        call: &Call,
        action: Action,
        target: &Target<'_>,
        draft: &mut Draft,
    ) -> Result<Decision, ApiError> {
        if Mutant::AuthorizeBeforeBarrier.active() {
            let decided = self.decide(call, action, target, self.local(), draft).await;
            self.fresh(call).await?;
            return decided;
        }
        let moment = self.fresh(call).await?;
        self.decide(call, action, target, moment, draft).await
    }

    async fn decide(
        &self,
        call: &Call,
        action: Action,
        target: &Target<'_>,
        mut moment: Moment,
        draft: &mut Draft,
    ) -> Result<Decision, ApiError> {
        loop {
            match self.try_decide(call, action, target, &moment, draft) {
                Ok(decision) => return Ok(decision),
                Err(Undecided::Refused(error)) => return Err(error),
                Err(Undecided::Behind) if call.deadline.is_over() => {
                    return Err(ApiError::no_quorum("the key changes faster than it can be read"));
                }
                Err(Undecided::Behind) => {
                    tokio::task::yield_now().await;
                    moment = moment.renewed(self);
                }
            }
        }
    }

    fn try_decide(
        &self,
        call: &Call,
        action: Action,
        target: &Target<'_>,
        moment: &Moment,
        draft: &mut Draft,
    ) -> Result<Decision, Undecided> {
        let view = &moment.view;
        let who = moment.identified(call, draft)?;
        let seal = view.seal().ok_or_else(ApiError::not_initialized)?;
        let (key, authorized) = match target {
            Target::Primary(selector) => self.usable(call, &who, action, selector, moment)?,
            Target::Named { key, version, only } => {
                draft.with(*key, Some(*version));
                if let Some(only) = only {
                    let (wanted, _) = self.usable(call, &who, action, only, moment)?;
                    is_only(*key, wanted.id)?;
                }
                self.usable(call, &who, action, &KeySelector::Id(*key), moment)?
            }
        };
        if !self.seal.is_open() {
            return Err(ApiError::sealed().into());
        }
        let version = match target {
            Target::Primary(_) => key.primary_version,
            Target::Named { version, .. } => *version,
        };
        draft.with(key.id, Some(version));
        let version = self.version(key.id, version, view.index())?;
        let permit = usage::permit_use(authorized, &key, &version, moment.now.at_ms)?;
        Ok(Decision {
            permit,
            version,
            algorithm: key.algorithm,
            keyspace: seal.keyspace,
            as_of: view.index(),
            seal_generation: seal.generation,
        })
    }

    /// The key that is named, as time has left it, with the proof that the caller may use it. What is not
    /// there and what the caller may not see answer alike.
    fn usable(
        &self,
        call: &Call,
        who: &Authenticated,
        action: Action,
        selector: &KeySelector,
        moment: &Moment,
    ) -> Result<(Arc<KeyRecord>, Authorized), Undecided> {
        let key = self.find(call, selector, moment)?;
        let on = key.as_deref().map_or(Resource::UnknownKey, Resource::of_key);
        let now_ms = moment.now.unscaled_ms;
        match (access::authorize(&*moment.view, who, action, on, now_ms), key) {
            (Ok(authorized), Some(key)) => Ok((key, authorized)),
            (Ok(_), None) | (Err(Refusal::NotFound { .. }), _) => {
                Err(On::Key(selector).missing(call).into())
            }
            (Err(refusal), _) => Err(refusal.into()),
        }
    }

    fn find(
        &self,
        call: &Call,
        selector: &KeySelector,
        moment: &Moment,
    ) -> Result<Option<Arc<KeyRecord>>, Undecided> {
        let within = match (&call.instance, selector) {
            (None, KeySelector::Id(_)) => None,
            (given, _) => match moment.instance(given.as_ref()) {
                Some(instance) => Some(instance),
                // What is in an instance that does not exist is as unknown as the instance.
                None => return Ok(None),
            },
        };
        let id = match (selector, within) {
            (KeySelector::Id(id), _) => *id,
            (KeySelector::Alias(_), None) => return Ok(None),
            (KeySelector::Alias(alias), Some(within)) => {
                let name = (within, alias.clone());
                let index = moment.view.index();
                let id = self.lookup(&self.tables.aliases, &name, index, |state| {
                    State(state).alias(within, alias)
                })?;
                let Some(id) = id else { return Ok(None) };
                *id
            }
        };
        let key = self.key(id, moment)?;
        Ok(key.filter(|key| within.is_none_or(|within| within == key.instance)))
    }

    fn key(&self, id: KeyId, moment: &Moment) -> Result<Option<Arc<KeyRecord>>, Undecided> {
        let index = moment.view.index();
        let key = self.lookup(&self.tables.keys, &id, index, |state| State(state).key(id))?;
        let Some(key) = key else { return Ok(None) };
        if key.changed_at > index {
            return Err(Undecided::Behind);
        }
        // A timer may have run that no entry shows yet.
        match timers::is_behind(&key, moment.now.at_ms) {
            false => Ok(Some(key)),
            true => Ok(timers::as_of(&key, moment.now.at_ms).map(Arc::new)),
        }
    }

    /// A version number that the key never had can only come from a damaged ciphertext.
    fn version(
        &self,
        key: KeyId,
        version: u32,
        index: u64,
    ) -> Result<Arc<VersionRecord>, Undecided> {
        let found = self.lookup(&self.tables.versions, &(key, version), index, |state| {
            State(state).version(key, version)
        })?;
        let found = found.ok_or_else(crate::crypto::not_authentic)?;
        if found.changed_at > index { Err(Undecided::Behind) } else { Ok(found) }
    }

    /// A record as it is in the state of the view at `index`. Why that is so:
    ///
    /// * *From the table.* The applier invalidates every record it touches up to an index before it
    ///   stores the view of that index, and the caller has loaded the view before it comes here. So
    ///   what is found here is not older than the view: it is the record as of some index >= `index`.
    /// * *From the state.* Only a state at or above `index` is looked at, so the same holds.
    /// * *Newer than the view?* The callers refuse a record whose `changed_at` lies above `index` and
    ///   take a newer view. What has not changed above `index` and is not older than it is exactly
    ///   the record at `index`.
    ///
    /// Aliases have no `changed_at`: giving or taking one changes its key, and the key it leads to is
    /// checked, so an alias made above `index` leads to a key changed above it.
    fn lookup<K: crate::hot::HotKey, V>(
        &self,
        table: &HotTable<K, V>,
        key: &K,
        index: u64,
        read: impl FnOnce(&dyn conclave_core::records::RecordsRead) -> Option<V>,
    ) -> Result<Option<Arc<V>>, Undecided> {
        if let Some(found) = table.get(key) {
            return Ok(Some(found));
        }
        let state = self.replica().state();
        let as_of = StateRead::applied_index(&*state);
        if as_of < index {
            return Err(Undecided::Behind);
        }
        let Some(record) = read(&*state) else { return Ok(None) };
        let record = Arc::new(record);
        table.insert(key, record.clone(), as_of);
        Ok(Some(record))
    }

    /// Works with the key version that was decided on: from the keyring, or unwrapped now. What comes
    /// of it leaves this node only by way of the journal.
    pub(crate) fn with_key<R>(
        &self,
        decision: &Decision,
        work: impl FnOnce(&DataKey) -> R,
    ) -> Result<Unrecorded<R>, ApiError> {
        let work = match self.unwrapped.with(&decision.permit, decision.seal_generation, work) {
            Ok(result) => return Ok(Unrecorded::new(result)),
            Err(work) => work,
        };
        let key = self.unwrap(decision)?;
        let result = work(&key);
        self.unwrapped.insert(&decision.permit, decision.as_of, decision.seal_generation, key);
        Ok(Unrecorded::new(result))
    }

    fn unwrap(&self, decision: &Decision) -> Result<DataKey, ApiError> {
        // The material of a version that may be used is there: it goes only from destroyed keys.
        let material = decision.version.material.as_ref();
        let material =
            material.ok_or_else(|| ApiError::alarm("a usable version has no material"))?;
        let context = MaterialContext {
            keyspace_id: decision.keyspace.0,
            key_id: decision.key().0,
            version: decision.version(),
            algorithm: crate::crypto::format_algorithm(decision.algorithm),
            generation: material.generation,
        };
        let unwrapped = self.seal.with(
            decision.seal_generation,
            decision.keyspace,
            material.generation,
            |wrapping| wrap::unwrap_material(wrapping, &context, &material.wrapped),
        );
        let unwrapped = unwrapped.ok_or_else(ApiError::sealed)?;
        let unwrapped = unwrapped
            .map_err(|_| ApiError::alarm("wrapped key material does not open in its place"))?;
        Ok(DataKey::new(&unwrapped))
    }
}

/// A ciphertext of another key than the caller wants is refused before that key is looked at.
fn is_only(named: KeyId, wanted: KeyId) -> Result<(), Undecided> {
    if wanted == named {
        return Ok(());
    }
    let message = "the ciphertext was made under another key than the one that was asked for";
    let next = "ask for the key of the ciphertext, or for none";
    Err(ApiError::new(Reason::CiphertextWrongKey, message, next)
        .with("key", wanted.to_string())
        .into())
}

#[cfg(test)]
mod tests;
