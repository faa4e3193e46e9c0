//! A sharded table of records that are in use, filled on a miss and invalidated by the applier.

use crate::limits::{RECORDS_PER_SHARD, SHARDS};
use crate::lock::{read, write};
use conclave_core::ids::{InstanceId, KeyId};
use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

/// What records are found by.
pub(crate) trait HotKey: Ord + Clone {
    /// Any number; equal keys have equal ones.
    fn spread(&self) -> usize;
}

impl HotKey for KeyId {
    fn spread(&self) -> usize {
        // Key ids are random.
        usize::from(self.bytes()[15])
    }
}

impl HotKey for (KeyId, u32) {
    fn spread(&self) -> usize {
        self.0.spread()
    }
}

impl HotKey for (InstanceId, String) {
    fn spread(&self) -> usize {
        self.1.bytes().fold(0, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)))
    }
}

/// Records by key. An entry is what the record was when the applier last touched it, so every entry
/// is true for every index from its last change up to the last index the applier announced.
pub(crate) struct HotTable<K, V> {
    shards: Vec<RwLock<Shard<K, V>>>,
}

struct Shard<K, V> {
    records: BTreeMap<K, Arc<V>>,
    /// Highest log index at which a record of this shard was invalidated.
    invalidated_at: u64,
    /// A known bug: what a paused thread has read and keeps once something was invalidated.
    #[cfg(feature = "mutants")]
    late: Option<(K, Arc<V>)>,
}

impl<K, V> Default for Shard<K, V> {
    fn default() -> Self {
        Shard {
            records: BTreeMap::new(),
            invalidated_at: 0,
            #[cfg(feature = "mutants")]
            late: None,
        }
    }
}

impl<K: HotKey, V> Default for HotTable<K, V> {
    fn default() -> Self {
        HotTable { shards: (0..SHARDS).map(|_| RwLock::default()).collect() }
    }
}

impl<K: HotKey, V> HotTable<K, V> {
    /// The record, if it is here.
    pub(crate) fn get(&self, key: &K) -> Option<Arc<V>> {
        read(self.shard(key)).records.get(key).cloned()
    }

    /// Keeps a record that was read from the state after `as_of`. Refused (false) if the applier has
    /// invalidated anything in the shard since: the record may be the old one.
    pub(crate) fn insert(&self, key: &K, record: Arc<V>, as_of: u64) -> bool {
        let mut shard = write(self.shard(key));
        #[cfg(feature = "mutants")]
        if conclave_core::mutants::Mutant::InsertAfterEvict.active() {
            shard.late = Some((key.clone(), record));
            return true;
        }
        if shard.invalidated_at > as_of {
            return false;
        }
        if shard.records.len() >= RECORDS_PER_SHARD {
            shard.records.clear();
        }
        shard.records.insert(key.clone(), record);
        true
    }

    /// The entry at `index` has changed the record.
    pub(crate) fn invalidate(&self, key: &K, index: u64) {
        let mut shard = write(self.shard(key));
        shard.records.remove(key);
        shard.invalidated_at = shard.invalidated_at.max(index);
        #[cfg(feature = "mutants")]
        if let Some((key, record)) = shard.late.take() {
            shard.records.insert(key, record);
        }
    }

    /// The state was replaced by one at `index`.
    pub(crate) fn clear(&self, index: u64) {
        for shard in &self.shards {
            let mut shard = write(shard);
            shard.records.clear();
            shard.invalidated_at = shard.invalidated_at.max(index);
        }
    }

    fn shard(&self, key: &K) -> &RwLock<Shard<K, V>> {
        &self.shards[key.spread() % SHARDS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const A: KeyId = KeyId(Uuid::from_u128(1));
    /// In the same shard as `A`.
    const B: KeyId = KeyId(Uuid::from_u128(1 << 64 | 1));

    #[test]
    fn what_was_read_before_an_invalidation_is_not_kept() {
        // (state that was read, index of the invalidation, kept)
        for (as_of, invalidated, kept) in [(5, 4, true), (5, 5, true), (5, 6, false)] {
            let table = HotTable::default();
            table.invalidate(&A, invalidated);
            assert_eq!(table.insert(&A, Arc::new(()), as_of), kept, "{as_of} {invalidated}");
            assert_eq!(table.get(&A).is_some(), kept);
        }
    }

    #[test]
    fn an_invalidation_removes_one_record_and_guards_its_shard() {
        let table = HotTable::default();
        assert!(table.insert(&A, Arc::new('a'), 1));
        assert!(table.insert(&B, Arc::new('b'), 1));
        table.invalidate(&A, 2);
        assert_eq!(table.get(&A), None);
        assert_eq!(table.get(&B).as_deref(), Some(&'b'));
        assert!(!table.insert(&B, Arc::new('c'), 1));
    }

    #[test]
    fn a_snapshot_empties_everything() {
        let table = HotTable::default();
        table.insert(&A, Arc::new(()), 1);
        table.clear(9);
        assert_eq!(table.get(&A), None);
        assert!(!table.insert(&A, Arc::new(()), 8));
        assert!(table.insert(&A, Arc::new(()), 9));
    }

    #[cfg(feature = "mutants")]
    #[test]
    fn the_mutant_that_inserts_late_keeps_what_was_invalidated() {
        conclave_core::mutants::with(conclave_core::mutants::Mutant::InsertAfterEvict, || {
            let table = HotTable::default();
            table.insert(&A, Arc::new('a'), 1);
            table.invalidate(&A, 2);
            assert_eq!(table.get(&A).as_deref(), Some(&'a'));
            table.invalidate(&A, 3);
            assert_eq!(table.get(&A), None);
        });
    }

    #[test]
    fn a_full_shard_starts_anew() {
        let table = HotTable::default();
        for version in 0..=u32::try_from(RECORDS_PER_SHARD).unwrap() {
            table.insert(&(A, version), Arc::new(()), 1);
        }
        assert_eq!(read(table.shard(&(A, 0))).records.len(), 1);
    }
}
