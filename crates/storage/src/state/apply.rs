//! The transaction of a batch of entries.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::ops::Bound;

use conclave_core::records::{Record, Records, RecordsRead, Table};

use super::overlay::{Change, Changes, Fronts, Merged, is_empty};
use super::turn::Turn;
use super::{ReadTxn, StateFile};

/// The changes of one batch of entries over the state before it. It reads its own writes; nobody
/// else sees any before [`ApplyTxn::commit`]. Dropping it aborts it.
pub struct ApplyTxn {
    base: ReadTxn,
    seen: RefCell<Seen>,
    fronts: RefCell<Fronts>,
    changes: Changes,
    state: StateFile,
    turn: Turn,
}

/// What was read from the file: an entry asks for the same record several times, and so do those that
/// follow it, and each time it would be looked for and its check computed.
type Seen = [HashMap<Vec<u8>, Option<Vec<u8>>>; Table::ALL.len()];

impl ApplyTxn {
    pub(super) fn new(state: StateFile, turn: Turn) -> ApplyTxn {
        let base = state.read();
        let fronts = RefCell::new(base.version.overlay.fronts().clone());
        ApplyTxn { base, seen: RefCell::default(), fronts, changes: Changes::new(), state, turn }
    }

    /// The applied record with this name as it was before this transaction.
    pub fn meta(&self, name: &str) -> Option<Vec<u8>> {
        self.base.meta(name)
    }

    /// What has been changed so far, in order of table and key.
    pub fn changes(&self) -> impl Iterator<Item = (Table, &[u8], &Change)> {
        self.changes.iter().flat_map(|(table, records)| {
            records.iter().map(|(key, change)| (*table, key.as_slice(), change))
        })
    }

    /// Makes the changes and these applied records visible, in one step. Not durable:
    /// [`super::StateFile::sync`] does that.
    pub fn commit(self, applied: &[(&str, Vec<u8>)]) {
        let ApplyTxn { base, changes, state, turn, fronts, seen: _ } = self;
        state.replace(&base, changes, applied, fronts.into_inner());
        drop(turn);
    }

    /// Forgets the changes.
    pub fn abort(self) {
        drop(self);
    }

    fn change(&self, table: Table, key: &[u8]) -> Option<&Change> {
        self.changes.get(&table)?.get(key)
    }

    fn get_committed(&self, table: Table, key: &[u8]) -> Option<Vec<u8>> {
        let version = &*self.base.version;
        if let Some(change) = version.change(table, key) {
            return change.clone();
        }
        let seen = &mut self.seen.borrow_mut()[usize::from(table.number())];
        if let Some(found) = seen.get(key) {
            return found.clone();
        }
        let found = version.base.get(table, key);
        seen.insert(key.to_vec(), found.clone());
        found
    }

    fn records(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Vec<Record> {
        if is_empty(from, to) {
            return Vec::new();
        }
        let base = self.base.iter(table, from, to);
        let Some(changes) = self.changes.get(&table) else {
            return base.take(limit).collect();
        };
        Merged::new(base, changes.range::<[u8], _>((from, to))).take(limit).collect()
    }
}

impl RecordsRead for ApplyTxn {
    fn get(&self, table: Table, key: &[u8]) -> Option<Vec<u8>> {
        match self.change(table, key) {
            Some(change) => change.clone(),
            None => self.get_committed(table, key),
        }
    }

    fn range(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Vec<Record> {
        if from != Bound::Unbounded {
            return self.records(table, from, to, limit);
        }
        let front = self.fronts.borrow().of(table).cloned();
        let from = front.as_deref().map_or(Bound::Unbounded, Bound::Included);
        let found = self.records(table, from, to, limit);
        if let Some((first, _)) = found.first() {
            self.fronts.borrow_mut().found(table, first);
        }
        found
    }
}

impl Records for ApplyTxn {
    fn put(&mut self, table: Table, key: &[u8], value: Vec<u8>) {
        self.fronts.get_mut().wrote(table, key);
        self.changes.entry(table).or_default().insert(key.to_vec(), Some(value));
    }

    fn delete(&mut self, table: Table, key: &[u8]) {
        self.changes.entry(table).or_default().insert(key.to_vec(), None);
    }
}

impl fmt::Debug for ApplyTxn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApplyTxn").field("changes", &self.changes().count()).finish()
    }
}
