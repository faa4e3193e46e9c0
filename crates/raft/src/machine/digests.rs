//! The state digests of the recent past, so that replicas can be compared at equal indexes.

use conclave_core::digest::StateDigest;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// How many of the newest digests are kept: more than are applied while the voters tell theirs.
const NEWEST: u64 = 8_192;
/// Every so many-th digest is kept beyond that.
const MILESTONE: u64 = 1_000;
/// Milestones kept, so that the table is bounded.
const MILESTONES: u64 = 1_000;

/// Digests of the state after recent log indexes.
#[derive(Debug, Default)]
pub struct Digests {
    by_index: Mutex<BTreeMap<u64, StateDigest>>,
}

impl Digests {
    /// Notes the digest of the state after `index`.
    pub fn note(&self, index: u64, digest: StateDigest) {
        let mut kept = self.by_index.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(index, digest);
        if let Some(old) = index.checked_sub(NEWEST)
            && old % MILESTONE != 0
        {
            kept.remove(&old);
        }
        if let Some(old) = index.checked_sub(MILESTONE * MILESTONES) {
            kept.remove(&old);
        }
    }

    /// The digest of the state after exactly `index`, if it is still kept.
    pub fn at(&self, index: u64) -> Option<StateDigest> {
        self.by_index.lock().unwrap_or_else(PoisonError::into_inner).get(&index).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_newest_and_the_milestones() {
        let digests = Digests::default();
        for index in 0..20_000 {
            digests.note(index, StateDigest::default());
        }
        let kept = |index| digests.at(index).is_some();
        assert!(kept(19_999) && kept(19_999 - NEWEST + 1) && !kept(19_999 - NEWEST));
        assert!(kept(0) && kept(1_000) && kept(3_000) && !kept(1_001));
    }
}
