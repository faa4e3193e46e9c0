//! The tables of the log file: loading them at open, writing one batch in one transaction.

use redb::{
    Database, Durability, ReadableDatabase, ReadableTable, Table, TableDefinition, WriteTransaction,
};
use std::collections::BTreeMap;

use super::LOG_FILE;
use super::memory::{Entries, Loaded, NamedChanges, Op, after};
use crate::check::{damaged, opened, sealed};
use crate::database::{self, Usage};
use crate::error::OpenError;
use crate::limits::{LOG_CACHE_BYTES, LOG_TWO_PHASE};
use crate::seams::Disk;

/// A commit is small, and somebody waits for it.
const USAGE: Usage = Usage { cache_bytes: LOG_CACHE_BYTES, unsynced_bytes: u64::MAX };

const ENTRIES_NAME: &str = "entries";
const META_NAME: &str = "meta";

/// Index -> check, entry.
const ENTRIES: TableDefinition<u64, &[u8]> = TableDefinition::new(ENTRIES_NAME);

/// Name -> check, value.
const META: TableDefinition<&str, &[u8]> = TableDefinition::new(META_NAME);

/// Meta record of this crate: index up to which the log was purged (u64, little endian).
const PURGED: &str = "#purged";

type MetaTable<'txn> = Table<'txn, &'static str, &'static [u8]>;

/// Opens or creates the file and loads what it holds, each record checked.
pub(super) fn open(disk: &dyn Disk) -> Result<(Database, Loaded), OpenError> {
    let create_tables = |write: &WriteTransaction| -> Result<(), redb::Error> {
        write.open_table(ENTRIES)?;
        write.open_table(META)?;
        Ok(())
    };
    let database = database::open_or_create(disk, LOG_FILE, USAGE, create_tables)?;
    let loaded = load(&database).map_err(OpenError::database(LOG_FILE))??;
    without_holes(&loaded)?;
    Ok((database, loaded))
}

fn load(database: &Database) -> Result<Result<Loaded, OpenError>, redb::Error> {
    let read = database.begin_read()?;
    let mut loaded = Loaded::default();
    for record in read.open_table(ENTRIES)?.range::<u64>(..)? {
        let (index, stored) = record?;
        let key = index.value().to_be_bytes();
        let Some(entry) = opened(ENTRIES_NAME, &key, stored.value()) else {
            return Ok(Err(OpenError::Damaged(damaged(LOG_FILE, ENTRIES_NAME, &key))));
        };
        loaded.entries.insert(index.value(), entry.into());
    }
    for record in read.open_table(META)?.range::<&str>(..)? {
        let (name, stored) = record?;
        let key = name.value().as_bytes();
        let Some(value) = opened(META_NAME, key, stored.value()) else {
            return Ok(Err(OpenError::Damaged(damaged(LOG_FILE, META_NAME, key))));
        };
        loaded.meta.insert(name.value().to_owned(), value.to_vec());
    }
    loaded.purged = purged(&mut loaded.meta);
    Ok(Ok(loaded))
}

fn purged(meta: &mut BTreeMap<String, Vec<u8>>) -> Option<u64> {
    let bytes = meta.remove(PURGED)?;
    bytes.try_into().ok().map(u64::from_le_bytes)
}

/// Refuses a log in which an index is missing: it would be read as a shorter, other log.
fn without_holes(loaded: &Loaded) -> Result<(), OpenError> {
    let mut last = loaded.purged;
    for index in loaded.entries.keys() {
        let expected = last.map_or(*index, |last| after(Some(last)));
        if *index != expected {
            return Err(OpenError::Damaged(format!(
                "{LOG_FILE}: entry {expected} is missing, the next one is {index}: the log cannot be used"
            )));
        }
        last = Some(*index);
    }
    Ok(())
}

/// Writes the operations in order into one transaction and syncs it.
pub(super) fn commit(database: &Database, batch: &[Op]) -> Result<(), redb::Error> {
    let mut write = database.begin_write()?;
    write.set_durability(Durability::Immediate)?;
    write.set_two_phase_commit(LOG_TWO_PHASE);
    for operation in batch {
        perform(&write, operation)?;
    }
    Ok(write.commit()?)
}

fn perform(write: &WriteTransaction, operation: &Op) -> Result<(), redb::Error> {
    match operation {
        Op::Append { entries, .. } => store(write, entries),
        Op::Meta { changes, .. } => change(&mut write.open_table(META)?, changes),
        Op::Truncate { last, .. } => {
            Ok(write.open_table(ENTRIES)?.retain_in(after(*last).., |_, _| false)?)
        }
        Op::Purge { last, changes, .. } => {
            write.open_table(ENTRIES)?.retain_in(..=*last, |_, _| false)?;
            let mut meta = write.open_table(META)?;
            raise_purged(&mut meta, *last)?;
            change(&mut meta, changes)
        }
        Op::Close { .. } => Ok(()),
    }
}

fn store(write: &WriteTransaction, entries: &Entries) -> Result<(), redb::Error> {
    let mut table = write.open_table(ENTRIES)?;
    for (index, entry) in entries {
        table.insert(index, sealed(ENTRIES_NAME, &index.to_be_bytes(), entry).as_slice())?;
    }
    Ok(())
}

fn change(meta: &mut MetaTable<'_>, changes: &NamedChanges) -> Result<(), redb::Error> {
    for (name, value) in changes {
        match value {
            Some(value) => {
                meta.insert(name.as_str(), sealed(META_NAME, name.as_bytes(), value).as_slice())?
            }
            None => meta.remove(name.as_str())?,
        };
    }
    Ok(())
}

/// The purged index never goes back.
fn raise_purged(meta: &mut MetaTable<'_>, last: u64) -> Result<(), redb::Error> {
    let known = meta.get(PURGED)?.and_then(|stored| {
        let value = opened(META_NAME, PURGED.as_bytes(), stored.value())?;
        value.try_into().ok().map(u64::from_le_bytes)
    });
    let raised = known.max(Some(last)).unwrap_or(last).to_le_bytes();
    change(meta, &vec![(PURGED.to_owned(), Some(raised.to_vec()))])
}
