//! Whether this node can use keys: the seal generation that the applier has seen, and the wrapping
//! keys that were opened under one.

use crate::lock::{read, write};
use conclave_core::ids::KeyspaceId;
use conclave_crypto::WrappingKey;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

/// The newest seal generation this node has applied; 0 before init.
#[derive(Debug, Default)]
pub(crate) struct SealGeneration(AtomicU64);

impl SealGeneration {
    pub(crate) fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    /// Raises it; true if it was lower.
    fn raise(&self, generation: u64) -> bool {
        self.0.fetch_max(generation, Ordering::SeqCst) < generation
    }
}

/// The wrapping keys while the node is unsealed.
#[derive(Default)]
pub(crate) struct SealState {
    generation: Arc<SealGeneration>,
    opened: RwLock<Option<Opened>>,
}

/// Wrapping keys that were opened under a seal generation; wiped on drop.
struct Opened {
    seal_generation: u64,
    keyspace: KeyspaceId,
    keys: Vec<WrappingKey>,
}

/// The seal generation has moved on: what was to be opened is worthless and was wiped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MovedOn;

impl SealState {
    /// The generation, for those who must compare with it.
    pub(crate) fn generation(&self) -> Arc<SealGeneration> {
        self.generation.clone()
    }

    /// Unseals the node. Refused if a later seal has been applied since the keys were recovered.
    pub(crate) fn open(
        &self,
        seal_generation: u64,
        keyspace: KeyspaceId,
        keys: Vec<WrappingKey>,
    ) -> Result<(), MovedOn> {
        let mut opened = write(&self.opened);
        // Inside the lock: a seal raises the generation before it takes the lock, so it either is
        // seen here or empties what is stored here.
        if self.generation.now() > seal_generation {
            return Err(MovedOn);
        }
        *opened = Some(Opened { seal_generation, keyspace, keys });
        Ok(())
    }

    /// Raises the seal generation and forgets what was opened under an older one. True if it rose.
    /// When this returns no thread works with such a key any more.
    pub(crate) fn raise(&self, generation: u64) -> bool {
        let raised = self.generation.raise(generation);
        let mut opened = write(&self.opened);
        if opened.as_ref().is_some_and(|opened| opened.seal_generation < generation) {
            *opened = None;
        }
        raised
    }

    /// Whether the node can use keys.
    pub(crate) fn is_open(&self) -> bool {
        let now = self.generation.now();
        read(&self.opened).as_ref().is_some_and(|opened| opened.seal_generation >= now)
    }

    /// Works with the wrapping key of one generation, if the node is open under exactly this seal
    /// generation and keyspace. Keys never leave the lock.
    pub(crate) fn with<R>(
        &self,
        seal_generation: u64,
        keyspace: KeyspaceId,
        wrapping_generation: u32,
        work: impl FnOnce(&WrappingKey) -> R,
    ) -> Option<R> {
        let opened = read(&self.opened);
        let opened = opened.as_ref()?;
        if opened.seal_generation != seal_generation || opened.keyspace != keyspace {
            return None;
        }
        opened.keys.iter().find(|key| key.generation() == wrapping_generation).map(work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SeededEntropy;
    use uuid::Uuid;

    const KEYSPACE: KeyspaceId = KeyspaceId(Uuid::from_u128(7));

    fn keys() -> Vec<WrappingKey> {
        vec![WrappingKey::generate(&SeededEntropy::new(1), 1)]
    }

    #[test]
    fn keys_of_an_older_generation_are_never_stored() {
        // (generation applied, generation of the keys, opens)
        for (applied, of_keys, opens) in [(0, 1, true), (1, 1, true), (1, 2, true), (2, 1, false)] {
            let state = SealState::default();
            state.raise(applied);
            let result = state.open(of_keys, KEYSPACE, keys());
            assert_eq!(result.is_ok(), opens, "{applied} {of_keys}");
            assert_eq!(state.is_open(), opens);
        }
    }

    #[test]
    fn a_raised_generation_seals_and_a_repeat_of_it_does_not() {
        let state = SealState::default();
        assert!(state.raise(3));
        state.open(3, KEYSPACE, keys()).unwrap();
        assert!(!state.raise(3));
        assert!(state.is_open());
        assert!(state.raise(4));
        assert!(!state.is_open());
        assert!(state.with(3, KEYSPACE, 1, |_| ()).is_none());
    }

    #[test]
    fn keys_serve_their_own_generation_and_keyspace_only() {
        let state = SealState::default();
        state.open(3, KEYSPACE, keys()).unwrap();
        let works =
            |seal, keyspace, wrapping| state.with(seal, keyspace, wrapping, |_| ()).is_some();
        assert!(works(3, KEYSPACE, 1));
        assert!(!works(2, KEYSPACE, 1));
        assert!(!works(4, KEYSPACE, 1));
        assert!(!works(3, KeyspaceId(Uuid::nil()), 1));
        assert!(!works(3, KEYSPACE, 2));
    }
}
