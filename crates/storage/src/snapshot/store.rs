//! The directory of snapshots: files in the making and on their way, for as long as somebody holds
//! them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::StorageBackend;

use super::{SnapshotError, SnapshotItem, SnapshotReader, SnapshotStream, SnapshotWriter};
use crate::error::OpenError;
use crate::limits::UNSYNCED_BYTES;
use crate::paced::Paced;
use crate::seams::{Disk, OpenMode};

/// Directory of the snapshots inside the data directory.
pub const SNAPSHOT_DIRECTORY: &str = "snapshots";

/// The snapshots of a node; clones share it.
///
/// What is durable is the state file. A snapshot is a copy of it for another node, or one from another
/// node that is about to replace it; its file is removed with its last handle, and what a crash left
/// is removed at the next start.
#[derive(Clone)]
pub struct SnapshotStore {
    disk: Arc<dyn Disk>,
    begun: Arc<AtomicU64>,
}

impl SnapshotStore {
    /// Opens the directory, making it if needed, and removes what is in it.
    ///
    /// # Errors
    /// [`OpenError::Io`].
    pub fn open(disk: Arc<dyn Disk>) -> Result<SnapshotStore, OpenError> {
        let empty = || -> std::io::Result<()> {
            disk.make_directory(SNAPSHOT_DIRECTORY)?;
            let left = disk.list(SNAPSHOT_DIRECTORY)?;
            left.iter().try_for_each(|name| disk.remove(&format!("{SNAPSHOT_DIRECTORY}/{name}")))
        };
        empty().map_err(OpenError::directory(SNAPSHOT_DIRECTORY, "empty it"))?;
        Ok(SnapshotStore { disk, begun: Arc::default() })
    }

    /// Begins a snapshot whose bytes arrive in chunks.
    ///
    /// # Errors
    /// [`SnapshotError::Io`].
    pub fn begin(&self) -> Result<SnapshotWriter, SnapshotError> {
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        let name = format!("{SNAPSHOT_DIRECTORY}/{number}");
        let file = self.disk.open(&name, OpenMode::New).map_err(SnapshotError::file(&name))?;
        let file = Arc::new(Paced::new(file, UNSYNCED_BYTES));
        Ok(SnapshotWriter::new(TemporaryFile { disk: self.disk.clone(), name, file }))
    }

    /// Writes a snapshot of one state; blocks until it is complete.
    ///
    /// # Errors
    /// See [`SnapshotError`]; nothing is left behind.
    pub fn build(&self, stream: SnapshotStream) -> Result<SnapshotFile, SnapshotError> {
        let mut writer = self.begin()?;
        for chunk in stream {
            writer.write_chunk(&chunk?)?;
        }
        writer.finish()
    }
}

impl fmt::Debug for SnapshotStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SnapshotStore")
    }
}

/// A file that is removed when it is dropped.
pub(super) struct TemporaryFile {
    disk: Arc<dyn Disk>,
    pub(super) name: String,
    pub(super) file: Arc<dyn StorageBackend>,
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if let Err(error) = self.disk.remove(&self.name) {
            // Only space is lost; the next start tries again.
            tracing::warn!(%error, file = self.name, "a snapshot could not be removed");
        }
    }
}

/// A complete and verified snapshot. Its file is removed with the last clone.
#[derive(Clone)]
pub struct SnapshotFile {
    inner: Arc<Complete>,
}

struct Complete {
    file: TemporaryFile,
    length: u64,
    applied: Vec<(String, Vec<u8>)>,
    extra: Vec<(String, Vec<u8>)>,
}

impl SnapshotFile {
    /// Reads a file to its last byte and verifies it.
    pub(super) fn verify(file: TemporaryFile) -> Result<SnapshotFile, SnapshotError> {
        let length = file.file.len().map_err(SnapshotError::file(&file.name))?;
        let (mut applied, mut extra) = (Vec::new(), Vec::new());
        for item in SnapshotReader::new(&file.name, file.file.clone())? {
            match item? {
                SnapshotItem::Applied { name, value } => applied.push((name, value)),
                SnapshotItem::Extra { name, value } => extra.push((name, value)),
                SnapshotItem::Record { .. } => {}
            }
        }
        Ok(SnapshotFile { inner: Arc::new(Complete { file, length, applied, extra }) })
    }

    /// Its name inside the data directory, for logs.
    pub fn name(&self) -> &str {
        &self.inner.file.name
    }

    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        self.inner.length
    }

    /// Never true: a snapshot has a header and a trailer.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The applied record with this name, of the state inside.
    pub fn applied(&self, name: &str) -> Option<&[u8]> {
        find(&self.inner.applied, name)
    }

    /// What the builder added under this name.
    pub fn extra(&self, name: &str) -> Option<&[u8]> {
        find(&self.inner.extra, name)
    }

    /// At most `max` bytes from `offset`; empty at the end. For sending it to another node.
    ///
    /// # Errors
    /// [`SnapshotError::Io`].
    pub fn read_chunk(&self, offset: u64, max: usize) -> Result<Vec<u8>, SnapshotError> {
        let left = usize::try_from(self.len().saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; max.min(left)];
        self.inner.file.file.read(offset, &mut bytes).map_err(SnapshotError::file(self.name()))?;
        Ok(bytes)
    }

    /// Its items from the beginning, verified as they are read.
    ///
    /// # Errors
    /// See [`SnapshotError`].
    pub fn reader(&self) -> Result<SnapshotReader, SnapshotError> {
        SnapshotReader::new(self.name(), self.inner.file.file.clone())
    }
}

impl fmt::Debug for SnapshotFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotFile")
            .field("name", &self.name())
            .field("len", &self.len())
            .finish()
    }
}

fn find<'a>(records: &'a [(String, Vec<u8>)], name: &str) -> Option<&'a [u8]> {
    records.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_slice())
}
