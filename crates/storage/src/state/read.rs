//! Reading one committed state.

use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use conclave_core::mutants::Mutant;
use conclave_core::records::{Record, RecordsRead, Table};
use conclave_core::seams::Clock;

use super::base::Base;
use super::overlay::{Change, Merged, Overlay, is_empty};
use crate::limits::MAX_READ_AGE_MS;

/// A committed state: what is in the file, what is being written to it, and what was committed since.
pub(super) struct Version {
    pub(super) base: Arc<Base>,
    pub(super) frozen: Option<Arc<Overlay>>,
    pub(super) overlay: Overlay,
}

impl Version {
    /// What became of a record since the last sync; `None` if nothing did.
    pub(super) fn change(&self, table: Table, key: &[u8]) -> Option<&Change> {
        let frozen = || self.frozen().and_then(|frozen| frozen.get(table, key));
        self.overlay.get(table, key).or_else(frozen)
    }

    /// What a sync that runs is writing to the file.
    fn frozen(&self) -> Option<&Overlay> {
        if Mutant::BlindToSync.active() { None } else { self.frozen.as_deref() }
    }
}

/// One committed state, records and applied records alike, however long it is kept.
///
/// It pins every page that is freed meanwhile, so it is dropped within [`MAX_READ_AGE_MS`]: what
/// runs longer drops it and begins anew with [`super::StateFile::read`]. An export that gets too old
/// ends with an error. A damaged record raises the fatal hook.
#[derive(Clone)]
pub struct ReadTxn {
    pub(super) version: Arc<Version>,
    clock: Arc<dyn Clock>,
    begun_ms: u64,
}

impl ReadTxn {
    pub(super) fn new(version: Arc<Version>, clock: Arc<dyn Clock>) -> ReadTxn {
        let begun_ms = clock.elapsed_ms();
        ReadTxn { version, clock, begun_ms }
    }

    /// The applied record with this name, of exactly this state.
    pub fn meta(&self, name: &str) -> Option<Vec<u8>> {
        self.version.overlay.applied().get(name).cloned()
    }

    /// All applied records of exactly this state, in ascending order of their names.
    pub fn all_meta(&self) -> Vec<(String, Vec<u8>)> {
        self.version.overlay.applied().clone().into_iter().collect()
    }

    /// How long this state has been held, in milliseconds of the elapsed clock.
    pub fn age_ms(&self) -> u64 {
        self.clock.elapsed_ms().saturating_sub(self.begun_ms)
    }

    /// Whether it has been held longer than is allowed.
    pub fn is_too_old(&self) -> bool {
        self.age_ms() > MAX_READ_AGE_MS
    }

    /// The records with keys inside the bounds, in ascending order, read as they are asked for.
    pub(crate) fn iter<'a>(
        &'a self,
        table: Table,
        from: Bound<&'a [u8]>,
        to: Bound<&'a [u8]>,
    ) -> impl Iterator<Item = Record> + 'a {
        let Version { base, overlay, .. } = &*self.version;
        let frozen = self.version.frozen();
        let records = (!is_empty(from, to)).then(|| {
            let frozen = frozen.into_iter().flat_map(move |frozen| frozen.range(table, from, to));
            let written = Merged::new(base.iter(table, from, to), frozen);
            Merged::new(written, overlay.range(table, from, to))
        });
        records.into_iter().flatten()
    }
}

impl RecordsRead for ReadTxn {
    fn get(&self, table: Table, key: &[u8]) -> Option<Vec<u8>> {
        match self.version.change(table, key) {
            Some(change) => change.clone(),
            None => self.version.base.get(table, key),
        }
    }

    fn range(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Vec<Record> {
        let front = self.version.overlay.fronts().of(table).map(Vec::as_slice);
        let from = match (from, front) {
            (Bound::Unbounded, Some(front)) => Bound::Included(front),
            _ => from,
        };
        self.iter(table, from, to).take(limit).collect()
    }
}

impl fmt::Debug for ReadTxn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadTxn").field("age_ms", &self.age_ms()).finish()
    }
}
