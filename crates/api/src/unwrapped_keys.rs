//! The keyring: unwrapped key versions of an unsealed node. It never grants anything; it is asked
//! only with a [`UsePermit`].

use crate::hot::HotKey;
use crate::limits::{KEYS_PER_SHARD, SHARDS};
use crate::lock::{read, write};
use crate::seal_state::SealGeneration;
use conclave_core::ids::KeyId;
use conclave_core::mutants::Mutant;
use conclave_core::usage::UsePermit;
use conclave_crypto::data_plane::DataKey;
use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

/// Key versions ready for use. Each carries the log index at which its version last changed and the
/// seal generation under which it was unwrapped.
pub(crate) struct UnwrappedKeys {
    generation: Arc<SealGeneration>,
    shards: Vec<RwLock<Shard>>,
}

#[derive(Default)]
struct Shard {
    keys: BTreeMap<KeyId, BTreeMap<u32, Unwrapped>>,
    /// Highest log index at which something of this shard was evicted.
    evicted_at: u64,
}

struct Unwrapped {
    changed_at: u64,
    seal_generation: u64,
    key: DataKey,
}

impl UnwrappedKeys {
    pub(crate) fn new(generation: Arc<SealGeneration>) -> UnwrappedKeys {
        UnwrappedKeys { generation, shards: (0..SHARDS).map(|_| RwLock::default()).collect() }
    }

    /// Works with the permitted key version. `Err` gives the work back: the version is not here.
    /// Keys never leave the lock, so whoever evicts knows that nobody uses them any more.
    pub(crate) fn with<R, W: FnOnce(&DataKey) -> R>(
        &self,
        permit: &UsePermit,
        seal_generation: u64,
        work: W,
    ) -> Result<R, W> {
        let shard = read(self.shard(permit.key()));
        match shard.keys.get(&permit.key()).and_then(|versions| versions.get(&permit.version())) {
            Some(found)
                if found.changed_at == permit.changed_at()
                    && found.seal_generation == seal_generation =>
            {
                Ok(work(&found.key))
            }
            _ => Err(work),
        }
    }

    /// Keeps a key version that was unwrapped by a permit made from the view at `as_of`. Refused
    /// (false, and wiped) if anything of the shard was evicted since, or the seal generation moved on.
    pub(crate) fn insert(
        &self,
        permit: &UsePermit,
        as_of: u64,
        seal_generation: u64,
        key: DataKey,
    ) -> bool {
        let mut shard = write(self.shard(permit.key()));
        // Both inside the lock: who evicts or seals raises its number first, then takes the lock.
        let evicted = shard.evicted_at > as_of && !Mutant::InsertAfterEvict.active();
        if evicted || self.generation.now() != seal_generation {
            return false;
        }
        if shard.keys.len() >= KEYS_PER_SHARD && !shard.keys.contains_key(&permit.key()) {
            shard.keys.clear();
        }
        let unwrapped = Unwrapped { changed_at: permit.changed_at(), seal_generation, key };
        shard.keys.entry(permit.key()).or_default().insert(permit.version(), unwrapped);
        true
    }

    /// The entry at `index` has changed the key or one of its versions.
    pub(crate) fn evict(&self, key: KeyId, index: u64) {
        let mut shard = write(self.shard(key));
        shard.keys.remove(&key);
        shard.evicted_at = shard.evicted_at.max(index);
    }

    /// Forgets everything: a snapshot at `index` was installed, or the node was sealed at `index`
    /// (after the seal generation was raised).
    pub(crate) fn clear(&self, index: u64) {
        for shard in &self.shards {
            let mut shard = write(shard);
            shard.keys.clear();
            shard.evicted_at = shard.evicted_at.max(index);
        }
    }

    /// How many key versions are held.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        let count =
            |shard: &RwLock<Shard>| read(shard).keys.values().map(BTreeMap::len).sum::<usize>();
        self.shards.iter().map(count).sum()
    }

    fn shard(&self, key: KeyId) -> &RwLock<Shard> {
        &self.shards[key.spread() % SHARDS]
    }
}

#[cfg(test)]
mod tests;
