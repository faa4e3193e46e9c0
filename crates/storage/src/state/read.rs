//! Reading one committed state.

use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, OnceLock};

use conclave_core::records::{Record, RecordsRead, Table};
use conclave_core::seams::Clock;
use redb::{
    Database, Range, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTableMetadata,
};

use super::{STATE_FILE, stop, tables};
use crate::check::{damaged, opened};
use crate::fatal::FatalHook;
use crate::limits::MAX_READ_AGE_MS;

/// One committed state, records and applied records alike, however long it is kept.
///
/// It pins every page that is freed meanwhile, so it is dropped within [`MAX_READ_AGE_MS`]: what
/// runs longer drops it and begins anew with [`super::StateFile::read`]. An export that gets too old
/// ends with an error. A damaged record raises the fatal hook.
pub struct ReadTxn {
    tables: [OnceLock<RecordTable>; Table::ALL.len()],
    transaction: ReadTransaction,
    clock: Arc<dyn Clock>,
    begun_ms: u64,
    fatal: FatalHook,
    /// Keeps the file open: redb refuses reads once its database is dropped.
    _database: Arc<Database>,
}

type RecordTable = ReadOnlyTable<&'static [u8], &'static [u8]>;

impl ReadTxn {
    pub(super) fn new(database: Arc<Database>, clock: Arc<dyn Clock>, fatal: FatalHook) -> ReadTxn {
        let transaction = database
            .begin_read()
            .unwrap_or_else(|error| stop(&fatal, "no read transaction begins", &error.into()));
        ReadTxn {
            tables: Default::default(),
            transaction,
            begun_ms: clock.elapsed_ms(),
            clock,
            fatal,
            _database: database,
        }
    }

    /// The applied record with this name, of exactly this state.
    pub fn meta(&self, name: &str) -> Option<Vec<u8>> {
        let found = self.transaction.open_table(tables::APPLIED).map_err(redb::Error::from);
        let found = found.and_then(|table| Ok(table.get(name)?));
        let stored = self.readable(found)?;
        Some(self.checked(tables::APPLIED_NAME, name.as_bytes(), stored.value()))
    }

    /// All applied records of exactly this state, in ascending order of their names.
    pub fn all_meta(&self) -> Vec<(String, Vec<u8>)> {
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

    /// How many records there are, those of all tables together.
    pub fn records(&self) -> u64 {
        let count = |table| self.readable(self.table(table).len().map_err(redb::Error::from));
        Table::ALL.into_iter().map(count).sum()
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
    pub(crate) fn iter(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
    ) -> impl Iterator<Item = Record> {
        let range = if is_empty(from, to) { None } else { Some(self.redb_range(table, from, to)) };
        range.into_iter().flatten().map(move |record| {
            let (key, stored) = self.readable(record.map_err(redb::Error::from));
            let value = self.checked(table.name(), key.value(), stored.value());
            (key.value().to_vec(), value)
        })
    }

    fn redb_range(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
    ) -> Range<'static, &'static [u8], &'static [u8]> {
        let range = self.table(table).range::<&[u8]>((from, to));
        self.readable(range.map_err(redb::Error::from))
    }

    fn table(&self, table: Table) -> &RecordTable {
        self.tables[usize::from(table.number())].get_or_init(|| {
            let opened = self.transaction.open_table(tables::records(table));
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

impl RecordsRead for ReadTxn {
    fn get(&self, table: Table, key: &[u8]) -> Option<Vec<u8>> {
        let found = self.table(table).get(key).map_err(redb::Error::from);
        self.readable(found).map(|stored| self.checked(table.name(), key, stored.value()))
    }

    fn range(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Vec<Record> {
        self.iter(table, from, to).take(limit).collect()
    }
}

impl fmt::Debug for ReadTxn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadTxn").field("age_ms", &self.age_ms()).finish()
    }
}

/// Whether no key can lie inside the bounds. (A backward range is empty here and an error to redb and
/// to `BTreeMap`.)
pub(super) fn is_empty(from: Bound<&[u8]>, to: Bound<&[u8]>) -> bool {
    match (from, to) {
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (
            Bound::Included(from) | Bound::Excluded(from),
            Bound::Included(to) | Bound::Excluded(to),
        ) => from >= to,
        _ => false,
    }
}
