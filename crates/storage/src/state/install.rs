//! Replacing the whole state by a snapshot.

use conclave_core::records::Table;
use redb::{Database, Durability, WriteTransaction};
use std::sync::Arc;

use super::{Current, STATE_FILE, StateFile, USAGE, tables};
use crate::check::sealed;
use crate::database;
use crate::limits::INSTALL_BATCH_BYTES;
use crate::snapshot::{SnapshotError, SnapshotFile, SnapshotItem};

impl StateFile {
    /// Replaces the state by the one in the snapshot: builds a fresh file, verifies the snapshot to
    /// its last byte, syncs, swaps by rename. Durable on return. A crash at any moment leaves the
    /// old state or the new one.
    ///
    /// Existing [`super::ReadTxn`]s keep the old state until they are dropped. Blocks [`Self::begin`]
    /// and [`Self::sync`] meanwhile, so never call it with an [`super::ApplyTxn`] in hand.
    ///
    /// # Errors
    /// See [`SnapshotError`]; the old state is untouched then. A failing sync or rename raises the
    /// fatal hook.
    pub fn install(&self, snapshot: &SnapshotFile) -> Result<(), SnapshotError> {
        let disk = &*self.shared.disk;
        let writing = self.shared.writing.take();
        let turn = self.turn();
        let built = database::create_unfinished(disk, STATE_FILE, USAGE, tables::create_all)
            .map_err(|error| SnapshotError::Build(error.to_string()))
            .and_then(|new| fill(&new, snapshot).map(|()| new));
        let new = built.inspect_err(|_| self.discard_unfinished())?;
        sync(&new)
            .unwrap_or_else(|error| self.shared.stop("the new file cannot be synced", &error));
        database::finish(disk, STATE_FILE).unwrap_or_else(|error| {
            self.shared.stop("the new file cannot be put in place", &error.into())
        });
        self.set_current(Current::of(Arc::new(new), &self.shared.fatal));
        drop((turn, writing));
        Ok(())
    }

    fn discard_unfinished(&self) {
        let unfinished = database::unfinished(STATE_FILE);
        if let Err(error) = self.shared.disk.remove(&unfinished) {
            // The next start or installation tries again.
            tracing::warn!(%error, unfinished, "an unfinished file could not be removed");
        }
    }
}

/// Writes the snapshot's items in transactions of bounded size. Nothing is durable yet.
fn fill(new: &Database, snapshot: &SnapshotFile) -> Result<(), SnapshotError> {
    let mut batch = Vec::new();
    let mut bytes = 0;
    for item in snapshot.reader()? {
        let item = item?;
        bytes += size(&item);
        batch.push(item);
        if bytes >= INSTALL_BATCH_BYTES {
            store(new, &batch)?;
            batch.clear();
            bytes = 0;
        }
    }
    store(new, &batch)
}

fn size(item: &SnapshotItem) -> usize {
    match item {
        SnapshotItem::Applied { name, value } | SnapshotItem::Extra { name, value } => {
            name.len() + value.len()
        }
        SnapshotItem::Record { key, value, .. } => key.len() + value.len(),
    }
}

fn store(new: &Database, batch: &[SnapshotItem]) -> Result<(), SnapshotError> {
    write(new, batch).map_err(|error| SnapshotError::Build(error.to_string()))
}

fn write(new: &Database, batch: &[SnapshotItem]) -> Result<(), redb::Error> {
    let mut write = new.begin_write()?;
    write.set_durability(Durability::None)?;
    // Items of one table stand together: the snapshot is in order.
    for group in batch.chunk_by(|a, b| table_of(a) == table_of(b)) {
        match table_of(&group[0]) {
            Some(table) => write_records(&write, table, group)?,
            None => write_applied(&write, group)?,
        }
    }
    Ok(write.commit()?)
}

fn table_of(item: &SnapshotItem) -> Option<Table> {
    match item {
        SnapshotItem::Record { table, .. } => Some(*table),
        SnapshotItem::Applied { .. } | SnapshotItem::Extra { .. } => None,
    }
}

fn write_records(
    write: &WriteTransaction,
    table: Table,
    group: &[SnapshotItem],
) -> Result<(), redb::Error> {
    let mut open = write.open_table(tables::file_table(table))?;
    for item in group {
        if let SnapshotItem::Record { key, value, .. } = item {
            let place = tables::file_key(table, key);
            open.insert(place.as_slice(), sealed(table.name(), key, value).as_slice())?;
        }
    }
    Ok(())
}

/// Extra records describe the snapshot and are left out.
fn write_applied(write: &WriteTransaction, group: &[SnapshotItem]) -> Result<(), redb::Error> {
    let mut open = write.open_table(tables::APPLIED)?;
    for item in group {
        if let SnapshotItem::Applied { name, value } = item {
            let stored = sealed(tables::APPLIED_NAME, name.as_bytes(), value);
            open.insert(name.as_str(), stored.as_slice())?;
        }
    }
    Ok(())
}

fn sync(new: &Database) -> Result<(), redb::Error> {
    let mut write = new.begin_write()?;
    write.set_durability(Durability::Immediate)?;
    write.set_two_phase_commit(true);
    Ok(write.commit()?)
}
