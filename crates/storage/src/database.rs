//! Opening a redb file so that a crash at any moment leaves either no file or a complete one.

use redb::{Database, Durability, ReadableDatabase, TableDefinition, WriteTransaction};
use std::io;

use crate::error::OpenError;
use crate::paced::Paced;
use crate::seams::{Disk, OpenMode};

/// Format of both redb files, the only one that this release reads and writes.
const FORMAT: u32 = 2;

/// The one record of this table names the format, under `version`.
const FORMAT_TABLE: TableDefinition<&str, u32> = TableDefinition::new("format");

/// How a database uses its file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// Page cache; half of it holds what a transaction changes.
    pub(crate) cache_bytes: usize,
    /// Bytes that a transaction writes at most before it syncs them, see [`Paced`].
    pub(crate) unsynced_bytes: u64,
}

/// What a file is called until it is complete. Debris of it is removed at the next open.
pub(crate) fn unfinished(name: &str) -> String {
    format!("{name}.new")
}

/// Opens the database `name`, or creates it with what `fill` writes.
pub(crate) fn open_or_create(
    disk: &dyn Disk,
    name: &str,
    usage: Usage,
    fill: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error>,
) -> Result<Database, OpenError> {
    discard_unfinished(disk, name)?;
    if disk.exists(name).map_err(OpenError::file(name, "look it up"))? {
        return open_existing(disk, name, usage);
    }
    let database = create_unfinished(disk, name, usage, fill)?;
    finish(disk, name).map_err(OpenError::file(name, "create it"))?;
    Ok(database)
}

/// Removes what an interrupted creation or installation left.
fn discard_unfinished(disk: &dyn Disk, name: &str) -> Result<(), OpenError> {
    let unfinished = unfinished(name);
    if disk.exists(&unfinished).map_err(OpenError::file(&unfinished, "look it up"))? {
        tracing::info!(file = unfinished, "removed: left by an interrupted installation");
        disk.remove(&unfinished).map_err(OpenError::file(&unfinished, "remove it"))?;
    }
    Ok(())
}

/// Creates the database under its unfinished name, synced, with what `fill` writes.
pub(crate) fn create_unfinished(
    disk: &dyn Disk,
    name: &str,
    usage: Usage,
    fill: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error>,
) -> Result<Database, OpenError> {
    discard_unfinished(disk, name)?;
    let unfinished = unfinished(name);
    let file =
        disk.open(&unfinished, OpenMode::New).map_err(OpenError::file(&unfinished, "create it"))?;
    let database = builder(usage)
        .create_with_backend(Paced::new(file, usage.unsynced_bytes))
        .map_err(OpenError::database(&unfinished))?;
    let first_commit = || -> Result<(), redb::Error> {
        let mut write = database.begin_write()?;
        write.set_durability(Durability::Immediate)?;
        write.set_two_phase_commit(true);
        write.open_table(FORMAT_TABLE)?.insert("version", FORMAT)?;
        fill(&write)?;
        Ok(write.commit()?)
    };
    first_commit().map_err(OpenError::database(&unfinished))?;
    Ok(database)
}

/// Gives the unfinished file its name, durably. The open database goes on under the new name.
pub(crate) fn finish(disk: &dyn Disk, name: &str) -> io::Result<()> {
    disk.rename(&unfinished(name), name)?;
    disk.sync_dir("")
}

fn open_existing(disk: &dyn Disk, name: &str, usage: Usage) -> Result<Database, OpenError> {
    let file = disk.open(name, OpenMode::Existing).map_err(OpenError::file(name, "open it"))?;
    if file.len().map_err(OpenError::file(name, "read its length"))? == 0 {
        return Err(OpenError::Damaged(format!(
            "{name}: the file is empty, and this program never leaves it so"
        )));
    }
    let database = builder(usage)
        .set_check_integrity_on_open(true)
        .create_with_backend(Paced::new(file, usage.unsynced_bytes))
        .map_err(OpenError::database(name))?;
    let found = format_of(&database).map_err(OpenError::database(name))?;
    if found > FORMAT {
        return Err(OpenError::NewerFormat { file: name.to_owned(), found, known: FORMAT });
    }
    if found < FORMAT {
        return Err(OpenError::OlderFormat { file: name.to_owned(), found, known: FORMAT });
    }
    Ok(database)
}

fn builder(usage: Usage) -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(usage.cache_bytes);
    builder
}

fn format_of(database: &Database) -> Result<u32, redb::Error> {
    let format = database.begin_read()?.open_table(FORMAT_TABLE)?.get("version")?;
    Ok(format.map_or(0, |guard| guard.value()))
}
