//! The directory of snapshots: at most one that is complete, and those in the making.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use redb::StorageBackend;

use super::{
    CompleteSnapshot, SnapshotError, SnapshotItem, SnapshotReader, SnapshotStream, SnapshotWriter,
};
use crate::error::OpenError;
use crate::fatal::FatalHook;
use crate::limits::SNAPSHOTS_KEPT;
use crate::seams::{Disk, OpenMode};

/// Directory of the snapshots inside the data directory.
pub const SNAPSHOT_DIRECTORY: &str = "snapshots";

/// Ending of a complete snapshot; before it stands a number that rises with each one.
const COMPLETE: &str = ".snapshot";

/// Ending of a snapshot in the making.
const UNFINISHED: &str = ".tmp";

/// The snapshots of a node; clones share it.
#[derive(Clone)]
pub struct SnapshotStore {
    inner: Arc<Inner>,
}

/// What the store and its writers share.
pub(super) struct Inner {
    disk: Arc<dyn Disk>,
    fatal: FatalHook,
    numbers: Mutex<Numbers>,
}

#[derive(Default)]
struct Numbers {
    /// Of the newest complete snapshot.
    complete: Option<u64>,
    /// The highest that was ever seen complete.
    last: u64,
    /// Of snapshots begun since the start.
    begun: u64,
}

impl SnapshotStore {
    /// Opens the directory, making it if needed, and removes unfinished and outdated snapshots.
    ///
    /// # Errors
    /// [`OpenError::Io`].
    pub fn open(disk: Arc<dyn Disk>, fatal: FatalHook) -> Result<SnapshotStore, OpenError> {
        let inner = Arc::new(Inner { disk, fatal, numbers: Mutex::default() });
        inner.tidy().map_err(OpenError::directory(SNAPSHOT_DIRECTORY, "tidy it"))?;
        Ok(SnapshotStore { inner })
    }

    /// The newest complete snapshot. What it says of itself is checked here, the rest when it is
    /// read; one that is damaged already is removed and not given.
    ///
    /// # Errors
    /// [`SnapshotError::Io`].
    pub fn newest(&self) -> Result<Option<SnapshotFile>, SnapshotError> {
        let Some(number) = self.inner.numbers().complete else {
            return Ok(None);
        };
        let name = complete_name(number);
        let path = in_directory(&name);
        let file =
            self.inner.disk.open(&path, OpenMode::Existing).map_err(SnapshotError::file(&path))?;
        match SnapshotFile::from_open(path, file.into()) {
            Err(error @ (SnapshotError::Damaged { .. } | SnapshotError::NewerFormat { .. })) => {
                tracing::warn!(%error, "removed a snapshot that cannot be used");
                self.inner.forget(number);
                Ok(None)
            }
            other => other.map(Some),
        }
    }

    /// Begins a snapshot whose bytes arrive in chunks.
    ///
    /// # Errors
    /// [`SnapshotError::Io`].
    pub fn begin(&self) -> Result<SnapshotWriter, SnapshotError> {
        let begun = {
            let mut numbers = self.inner.numbers();
            numbers.begun += 1;
            numbers.begun
        };
        let path = in_directory(&format!("{begun}{UNFINISHED}"));
        let file =
            self.inner.disk.open(&path, OpenMode::New).map_err(SnapshotError::file(&path))?;
        Ok(SnapshotWriter::new(self.inner.clone(), path, file.into()))
    }

    /// Writes a snapshot of one state, to be published; blocks until it is complete.
    ///
    /// # Errors
    /// See [`SnapshotError`]; nothing is left behind.
    pub fn write(&self, stream: SnapshotStream) -> Result<CompleteSnapshot, SnapshotError> {
        let mut writer = self.begin()?;
        for chunk in stream {
            writer.write_chunk(&chunk?)?;
        }
        writer.complete()
    }

    /// [`SnapshotStore::write`], published.
    ///
    /// # Errors
    /// See [`SnapshotError`]; nothing is left behind.
    pub fn build(&self, stream: SnapshotStream) -> Result<SnapshotFile, SnapshotError> {
        self.write(stream)?.publish()
    }
}

impl fmt::Debug for SnapshotStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SnapshotStore")
    }
}

/// A complete snapshot. It stays readable after a newer one has replaced it.
#[derive(Clone)]
pub struct SnapshotFile {
    name: String,
    file: Arc<dyn StorageBackend>,
    length: u64,
    applied: Vec<(String, Vec<u8>)>,
    extra: Vec<(String, Vec<u8>)>,
}

impl SnapshotFile {
    pub(super) fn from_open(
        name: String,
        file: Arc<dyn StorageBackend>,
    ) -> Result<SnapshotFile, SnapshotError> {
        let length = file.len().map_err(SnapshotError::file(&name))?;
        let (mut applied, mut extra) = (Vec::new(), Vec::new());
        for item in SnapshotReader::new(&name, file.clone())? {
            match item? {
                SnapshotItem::Applied { name, value } => applied.push((name, value)),
                SnapshotItem::Extra { name, value } => extra.push((name, value)),
                SnapshotItem::Record { .. } => break,
            }
        }
        Ok(SnapshotFile { name, file, length, applied, extra })
    }

    /// Its name inside the data directory, for logs.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Never true: a snapshot has a header and a trailer.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The applied record with this name, of the state inside.
    pub fn applied(&self, name: &str) -> Option<&[u8]> {
        find(&self.applied, name)
    }

    /// What the builder added under this name.
    pub fn extra(&self, name: &str) -> Option<&[u8]> {
        find(&self.extra, name)
    }

    /// At most `max` bytes from `offset`; empty at the end. For sending it to another node.
    ///
    /// # Errors
    /// [`SnapshotError::Io`].
    pub fn read_chunk(&self, offset: u64, max: usize) -> Result<Vec<u8>, SnapshotError> {
        let left = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; max.min(left)];
        self.file.read(offset, &mut bytes).map_err(SnapshotError::file(&self.name))?;
        Ok(bytes)
    }

    /// Its items from the beginning, verified as they are read.
    ///
    /// # Errors
    /// See [`SnapshotError`].
    pub fn reader(&self) -> Result<SnapshotReader, SnapshotError> {
        SnapshotReader::new(&self.name, self.file.clone())
    }
}

impl fmt::Debug for SnapshotFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotFile").field("name", &self.name).field("len", &self.length).finish()
    }
}

impl Inner {
    /// Makes a verified file durable under its final name. Returns the name.
    pub(super) fn publish(
        &self,
        unfinished: &str,
        file: &dyn StorageBackend,
    ) -> Result<String, SnapshotError> {
        let synced = |what: &str, result: std::io::Result<()>| {
            result
                .unwrap_or_else(|error| self.fatal.stop(&format!("{unfinished}: {what}: {error}")))
        };
        synced("the sync failed", file.sync_data());
        let mut numbers = self.numbers();
        let number = numbers.last + 1;
        let path = in_directory(&complete_name(number));
        self.disk.rename(unfinished, &path).map_err(SnapshotError::file(unfinished))?;
        synced("the sync of its directory failed", self.disk.sync_dir(SNAPSHOT_DIRECTORY));
        *numbers = Numbers { complete: Some(number), last: number, ..*numbers };
        drop(numbers);
        if let Err(error) = self.prune(number) {
            // Only space is lost; the next start tries again.
            tracing::warn!(%error, "an older snapshot could not be removed");
        }
        Ok(path)
    }

    /// Removes an unfinished snapshot.
    pub(super) fn discard(&self, unfinished: &str) {
        if let Err(error) = self.disk.remove(unfinished) {
            tracing::warn!(%error, unfinished, "an unfinished snapshot could not be removed");
        }
    }

    fn forget(&self, number: u64) {
        let mut numbers = self.numbers();
        if numbers.complete == Some(number) {
            numbers.complete = None;
        }
        drop(numbers);
        self.discard(&in_directory(&complete_name(number)));
    }

    fn tidy(&self) -> std::io::Result<()> {
        self.disk.make_directory(SNAPSHOT_DIRECTORY)?;
        let names = self.disk.list(SNAPSHOT_DIRECTORY)?;
        for name in names.iter().filter(|name| name.ends_with(UNFINISHED)) {
            self.disk.remove(&in_directory(name))?;
        }
        let newest = names.iter().filter_map(|name| number_of(name)).max();
        let last = newest.unwrap_or(0);
        *self.numbers() = Numbers { complete: newest, last, begun: 0 };
        self.prune(last)
    }

    fn prune(&self, newest: u64) -> std::io::Result<()> {
        for name in self.disk.list(SNAPSHOT_DIRECTORY)? {
            let outdated = |number| number + SNAPSHOTS_KEPT as u64 <= newest;
            if number_of(&name).is_some_and(outdated) {
                self.disk.remove(&in_directory(&name))?;
            }
        }
        Ok(())
    }

    fn numbers(&self) -> std::sync::MutexGuard<'_, Numbers> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn complete_name(number: u64) -> String {
    format!("{number:020}{COMPLETE}")
}

fn number_of(name: &str) -> Option<u64> {
    name.strip_suffix(COMPLETE)?.parse().ok()
}

fn in_directory(name: &str) -> String {
    format!("{SNAPSHOT_DIRECTORY}/{name}")
}

fn find<'a>(records: &'a [(String, Vec<u8>)], name: &str) -> Option<&'a [u8]> {
    records.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_slice())
}
