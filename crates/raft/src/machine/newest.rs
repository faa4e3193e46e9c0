//! The newest applied state, one for all who read it: beginning to read costs more than a read.

use super::applier::AppliedMeta;
use arc_swap::ArcSwap;
use conclave_core::command::Stamp;
use conclave_core::records::{Record, RecordsRead, Table};
use conclave_core::replica::StateRead;
use conclave_core::state::State;
use conclave_storage::ReadTxn;
use std::ops::Bound;
use std::sync::Arc;

/// Replaced with each batch of entries. It pins no page longer than until the next one: while nothing
/// is applied, nothing is freed.
#[derive(Clone)]
pub(crate) struct Newest(Arc<ArcSwap<AppliedState>>);

impl Newest {
    pub(super) fn new(read: ReadTxn, meta: &AppliedMeta) -> Newest {
        Newest(Arc::new(ArcSwap::from_pointee(AppliedState::new(read, meta))))
    }

    /// Gives the state that is replaced to nobody else.
    pub(super) fn replace(&self, read: ReadTxn, meta: &AppliedMeta) -> Arc<AppliedState> {
        let state = Arc::new(AppliedState::new(read, meta));
        self.0.store(state.clone());
        state
    }

    /// The state as it is now; stays as it is however long it is kept.
    pub(crate) fn load(&self) -> Arc<AppliedState> {
        self.0.load_full()
    }
}

/// One state and the index of its last entry.
pub(crate) struct AppliedState {
    read: ReadTxn,
    index: u64,
    time: Stamp,
}

impl AppliedState {
    fn new(read: ReadTxn, meta: &AppliedMeta) -> AppliedState {
        let time = State(&read).machine().time();
        AppliedState { read, index: meta.index().unwrap_or(0), time }
    }

    /// The time of the newest entry.
    pub(crate) fn time(&self) -> Stamp {
        self.time
    }

    pub(crate) fn records(&self) -> &ReadTxn {
        &self.read
    }
}

/// A share in [`Newest`].
pub(crate) struct Reader(pub(crate) Arc<AppliedState>);

impl RecordsRead for Reader {
    fn get(&self, table: Table, key: &[u8]) -> Option<Vec<u8>> {
        self.0.read.get(table, key)
    }

    fn range(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Vec<Record> {
        self.0.read.range(table, from, to, limit)
    }
}

impl StateRead for Reader {
    fn applied_index(&self) -> u64 {
        self.0.index
    }
}
