//! The transaction of a batch of entries.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;

use conclave_core::records::{Record, Records, RecordsRead, Table};
use redb::{Durability, WriteTransaction};

use super::read::is_empty;
use super::{ReadTxn, stop, tables};
use crate::check::sealed;
use crate::fatal::FatalHook;

/// What became of a record in a transaction: its new value, or `None` if it was removed.
pub type Change = Option<Vec<u8>>;

/// The changes of one batch of entries over the state before it. It reads its own writes; nobody
/// else sees any before [`ApplyTxn::commit`]. Dropping it aborts it.
///
/// Changes are collected in memory (a record that is written for each entry of the batch reaches
/// the file once) and written in order of table and key when the batch is committed. The redb write
/// transaction is held from the beginning: it is the exclusive right to write.
pub struct ApplyTxn {
    base: ReadTxn,
    changes: BTreeMap<Table, BTreeMap<Vec<u8>, Change>>,
    write: WriteTransaction,
    fatal: FatalHook,
}

impl ApplyTxn {
    pub(super) fn new(base: ReadTxn, write: WriteTransaction, fatal: FatalHook) -> ApplyTxn {
        ApplyTxn { base, changes: BTreeMap::new(), write, fatal }
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

    /// Makes the changes and these applied records visible, in one step. Not synced:
    /// [`super::StateFile::sync`] does that.
    pub fn commit(self, applied: &[(&str, Vec<u8>)]) {
        let ApplyTxn { base, changes, mut write, fatal } = self;
        // It would keep the pages that this commit frees.
        drop(base);
        let committed =
            write_changes(&mut write, &changes, applied).and_then(|()| Ok(write.commit()?));
        committed.unwrap_or_else(|error| stop(&fatal, "a batch cannot be committed", &error));
    }

    /// Forgets the changes.
    pub fn abort(self) {
        drop(self);
    }

    fn change(&self, table: Table, key: &[u8]) -> Option<&Change> {
        self.changes.get(&table)?.get(key)
    }
}

impl RecordsRead for ApplyTxn {
    fn get(&self, table: Table, key: &[u8]) -> Option<Vec<u8>> {
        match self.change(table, key) {
            Some(change) => change.clone(),
            None => self.base.get(table, key),
        }
    }

    fn range(
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
        let changes = changes.range::<[u8], _>((from, to));
        Merged { base: base.peekable(), changes: changes.peekable() }.take(limit).collect()
    }
}

impl Records for ApplyTxn {
    fn put(&mut self, table: Table, key: &[u8], value: Vec<u8>) {
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

/// The records of the state with the changes over it, in ascending order of their keys.
struct Merged<B: Iterator, C: Iterator> {
    base: std::iter::Peekable<B>,
    changes: std::iter::Peekable<C>,
}

impl<'a, B, C> Iterator for Merged<B, C>
where
    B: Iterator<Item = Record>,
    C: Iterator<Item = (&'a Vec<u8>, &'a Change)>,
{
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        loop {
            let Some((changed, _)) = self.changes.peek() else {
                return self.base.next();
            };
            if self.base.peek().is_some_and(|(key, _)| key < *changed) {
                return self.base.next();
            }
            // The change stands for the record with its key, if there is one.
            self.base.next_if(|(key, _)| key == *changed);
            if let Some((key, Some(value))) = self.changes.next() {
                return Some((key.clone(), value.clone()));
            }
        }
    }
}

fn write_changes(
    write: &mut WriteTransaction,
    changes: &BTreeMap<Table, BTreeMap<Vec<u8>, Change>>,
    applied: &[(&str, Vec<u8>)],
) -> Result<(), redb::Error> {
    write.set_durability(Durability::None)?;
    for (table, records) in changes {
        let mut open = write.open_table(tables::records(*table))?;
        for (key, change) in records {
            match change {
                Some(value) => open
                    .insert(key.as_slice(), sealed(table.name(), key, value).as_slice())
                    .map(drop)?,
                None => open.remove(key.as_slice()).map(drop)?,
            }
        }
    }
    let mut meta = write.open_table(tables::APPLIED)?;
    for (name, value) in applied {
        let stored = sealed(tables::APPLIED_NAME, name.as_bytes(), value);
        meta.insert(*name, stored.as_slice())?;
    }
    Ok(())
}
