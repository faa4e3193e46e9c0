//! Whether a key may be used now: all of it decided from one state.

use crate::call::Call;
use crate::context::Context;
use crate::error::ApiError;
use crate::hot::HotTable;
use crate::journaled::{Draft, Unrecorded};
use crate::moment::Moment;
use crate::validate::KeySelector;
use conclave_core::ids::{KeyId, KeyspaceId};
use conclave_core::model::{KeyRecord, VersionRecord};
use conclave_core::mutants::Mutant;
use conclave_core::outcome::Thing;
use conclave_core::reason::Reason;
use conclave_core::replica::StateRead;
use conclave_core::roles::Action;
use conclave_core::state::State;
use conclave_core::usage::{self, UsePermit};
use conclave_crypto::data_plane::DataKey;
use conclave_crypto::wrap::{self, MaterialContext};
use std::sync::Arc;

/// Records of keys in use.
#[derive(Default)]
pub(crate) struct HotTables {
    pub(crate) keys: HotTable<KeyId, KeyRecord>,
    pub(crate) versions: HotTable<(KeyId, u32), VersionRecord>,
    pub(crate) aliases: HotTable<String, KeyId>,
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
        let authorized = moment.judge_use(call, action, draft)?;
        let seal = view.seal().ok_or_else(ApiError::not_initialized)?;
        if !self.seal.is_open() {
            return Err(ApiError::sealed().into());
        }
        let key = match target {
            Target::Primary(selector) => self.find(selector, view.index())?,
            Target::Named { key, version, only } => {
                draft.with(*key, Some(*version));
                self.check_only(*key, *only, view.index())?;
                self.key(*key, view.index())?
            }
        };
        let version = match target {
            Target::Primary(_) => key.primary_version,
            Target::Named { version, .. } => *version,
        };
        draft.with(key.id, Some(version));
        let version = self.version(key.id, version, view.index())?;
        let permit = usage::permit_use(authorized, &key, &version)?;
        Ok(Decision {
            permit,
            version,
            algorithm: key.algorithm,
            keyspace: seal.keyspace,
            as_of: view.index(),
            seal_generation: seal.generation,
        })
    }

    /// A ciphertext of another key than the caller wants is refused before that key is looked at.
    fn check_only(
        &self,
        named: KeyId,
        only: Option<&KeySelector>,
        index: u64,
    ) -> Result<(), Undecided> {
        let Some(only) = only else { return Ok(()) };
        let wanted = self.find(only, index)?.id;
        if wanted == named {
            return Ok(());
        }
        let message = "the ciphertext was made under another key than the one that was asked for";
        let next = "ask for the key of the ciphertext, or for none";
        Err(ApiError::new(Reason::CiphertextWrongKey, message, next)
            .with("key", wanted.to_string())
            .into())
    }

    fn find(&self, selector: &KeySelector, index: u64) -> Result<Arc<KeyRecord>, Undecided> {
        match selector {
            KeySelector::Id(id) => self.key(*id, index),
            KeySelector::Alias(alias) => {
                let id = self.lookup(&self.tables.aliases, alias, index, |state| {
                    State(state).alias(alias)
                })?;
                self.key(*id.ok_or_else(|| ApiError::not_found(Thing::Key, selector))?, index)
            }
        }
    }

    fn key(&self, id: KeyId, index: u64) -> Result<Arc<KeyRecord>, Undecided> {
        let key = self.lookup(&self.tables.keys, &id, index, |state| State(state).key(id))?;
        let key = key.ok_or_else(|| ApiError::not_found(Thing::Key, id))?;
        if key.changed_at > index { Err(Undecided::Behind) } else { Ok(key) }
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
    /// Aliases have no `changed_at`: an alias never changes its key, and the key it leads to is
    /// checked, so an alias made above `index` leads to a key made above it.
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
        let material = &decision.version.material;
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

#[cfg(test)]
mod tests;
