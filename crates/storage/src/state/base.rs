//! The state as it is in the file.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, OnceLock};

use conclave_core::records::{Record, Table};
use redb::{Database, Durability, ReadOnlyTable, ReadTransaction, ReadableDatabase};

use super::overlay::{Change, Overlay};
use super::{STATE_FILE, stop, tables};
use crate::check::{damaged, opened, sealed};
use crate::fatal::FatalHook;

/// One synced state, however long it is kept: it pins every page that is freed meanwhile. A damaged
/// record raises the fatal hook.
pub(super) struct Base {
    tables: [OnceLock<RecordTable>; Table::ALL.len()],
    transaction: ReadTransaction,
    fatal: FatalHook,
    /// Keeps the file open: redb refuses reads once its database is dropped.
    _database: Arc<Database>,
}

type RecordTable = ReadOnlyTable<&'static [u8], &'static [u8]>;

impl Base {
    /// The newest state in the file.
    pub(super) fn new(database: Arc<Database>, fatal: FatalHook) -> Base {
        let transaction = database
            .begin_read()
            .unwrap_or_else(|error| stop(&fatal, "no read transaction begins", &error.into()));
        Base { tables: Default::default(), transaction, fatal, _database: database }
    }

    /// All applied records.
    pub(super) fn applied(&self) -> BTreeMap<String, Vec<u8>> {
        let opened = self.transaction.open_table(tables::APPLIED).map_err(redb::Error::from);
        let range = self.readable(opened.and_then(|table| Ok(table.range::<&str>(..)?)));
        range
            .map(|record| {
                let (name, stored) = self.readable(record.map_err(redb::Error::from));
                let name = name.value().to_owned();
                let value = self.checked(tables::APPLIED_NAME, name.as_bytes(), stored.value());
                (name, value)
            })
            .collect()
    }

    /// The value under `key`.
    pub(super) fn get(&self, table: Table, key: &[u8]) -> Option<Vec<u8>> {
        let place = tables::file_key(table, key);
        let found = self.table(table).get(place.as_slice()).map_err(redb::Error::from);
        self.readable(found).map(|stored| self.checked(table.name(), key, stored.value()))
    }

    /// The records with keys inside the bounds, in ascending order, read as they are asked for. The
    /// bounds are not those of an empty range.
    pub(super) fn iter(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
    ) -> impl Iterator<Item = Record> {
        let place = |key: &[u8]| tables::file_key(table, key);
        let (from, to) = (from.map(place), to.map(place));
        let bounds = (from.as_ref().map(Vec::as_slice), to.as_ref().map(Vec::as_slice));
        let range = self.table(table).range::<&[u8]>(bounds);
        let range = self.readable(range.map_err(redb::Error::from));
        range.filter_map(move |record| {
            let (placed, stored) = self.readable(record.map_err(redb::Error::from));
            let key = tables::key_in(table, placed.value())?;
            let value = self.checked(table.name(), &key, stored.value());
            Some((key, value))
        })
    }

    fn table(&self, table: Table) -> &RecordTable {
        self.tables[usize::from(table.number())].get_or_init(|| {
            let opened = self.transaction.open_table(tables::file_table(table));
            self.readable(opened.map_err(redb::Error::from))
        })
    }

    fn checked(&self, table: &str, key: &[u8], stored: &[u8]) -> Vec<u8> {
        match opened(table, key, stored) {
            Some(value) => value.to_vec(),
            None => self.fatal.stop(&damaged(STATE_FILE, table, key)),
        }
    }

    fn readable<T>(&self, result: Result<T, redb::Error>) -> T {
        result.unwrap_or_else(|error| stop(&self.fatal, "a record cannot be read", &error))
    }
}

/// A change with its place in the file.
type Placed<'a> = (Vec<u8>, Table, &'a Vec<u8>, &'a Change);

/// Writes what was committed since the last sync, in one transaction, durably (two-phase commit, so two
/// syncs of the disk).
pub(super) fn write(database: &Database, committed: &Overlay) -> Result<(), redb::Error> {
    let mut write = database.begin_write()?;
    write.set_durability(Durability::Immediate)?;
    write.set_two_phase_commit(true);
    for (definition, tables) in tables::file_tables() {
        let mut placed: Vec<Placed<'_>> = tables
            .into_iter()
            .flat_map(|table| {
                committed.all_of(table).map(move |(key, change)| (table, key, change))
            })
            .map(|(table, key, change)| (tables::file_key(table, key), table, key, change))
            .collect();
        if placed.is_empty() {
            continue;
        }
        // In the order of the file: each page is met once.
        placed.sort_unstable_by(|(one, ..), (other, ..)| one.cmp(other));
        let mut open = write.open_table(definition)?;
        for (place, table, key, change) in placed {
            match change {
                Some(value) => open
                    .insert(place.as_slice(), sealed(table.name(), key, value).as_slice())
                    .map(drop)?,
                None => open.remove(place.as_slice()).map(drop)?,
            }
        }
    }
    let mut applied = write.open_table(tables::APPLIED)?;
    for (name, value) in committed.applied() {
        let stored = sealed(tables::APPLIED_NAME, name.as_bytes(), value);
        applied.insert(name.as_str(), stored.as_slice())?;
    }
    drop(applied);
    Ok(write.commit()?)
}
