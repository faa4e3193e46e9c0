//! A snapshot that is being written, by the exporter of this node or from the network.

use std::sync::Arc;

use redb::StorageBackend;

use super::store::Inner;
use super::{SnapshotError, SnapshotFile, SnapshotReader};

/// A snapshot in the making. Until [`SnapshotWriter::finish`] it has a temporary name; dropping it
/// removes it.
pub struct SnapshotWriter {
    store: Arc<Inner>,
    name: String,
    file: Arc<dyn StorageBackend>,
    length: u64,
    finished: bool,
}

impl SnapshotWriter {
    pub(super) fn new(store: Arc<Inner>, name: String, file: Arc<dyn StorageBackend>) -> Self {
        SnapshotWriter { store, name, file, length: 0, finished: false }
    }

    /// Appends bytes. They may be cut anywhere.
    ///
    /// # Errors
    /// The disk failed; drop the writer.
    pub fn write_chunk(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        self.file.write(self.length, bytes).map_err(SnapshotError::file(&self.name))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Bytes written so far.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Reads everything back and verifies it. It keeps its temporary name until it is published.
    ///
    /// # Errors
    /// [`SnapshotError::Damaged`] if the bytes are not a complete snapshot; it is removed then.
    pub fn complete(self) -> Result<CompleteSnapshot, SnapshotError> {
        for item in SnapshotReader::new(&self.name, self.file.clone())? {
            item?;
        }
        let file = SnapshotFile::from_open(self.name.clone(), self.file.clone())?;
        Ok(CompleteSnapshot { writer: self, file })
    }

    /// [`SnapshotWriter::complete`] and [`CompleteSnapshot::publish`] in one.
    ///
    /// # Errors
    /// As those.
    pub fn finish(self) -> Result<SnapshotFile, SnapshotError> {
        self.complete()?.publish()
    }
}

/// A verified snapshot that is not among the store's own yet; dropping it removes it.
pub struct CompleteSnapshot {
    writer: SnapshotWriter,
    file: SnapshotFile,
}

impl CompleteSnapshot {
    /// What is inside.
    pub fn file(&self) -> &SnapshotFile {
        &self.file
    }

    /// Makes it durable under its final name and removes older snapshots (open ones stay readable).
    ///
    /// # Errors
    /// [`SnapshotError::Io`]. A failing sync raises the fatal hook.
    pub fn publish(mut self) -> Result<SnapshotFile, SnapshotError> {
        let name = self.writer.store.publish(&self.writer.name, &*self.writer.file)?;
        self.writer.finished = true;
        SnapshotFile::from_open(name, self.writer.file.clone())
    }
}

impl std::fmt::Debug for CompleteSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompleteSnapshot").field("file", &self.file).finish()
    }
}

impl Drop for SnapshotWriter {
    fn drop(&mut self) {
        if !self.finished {
            self.store.discard(&self.name);
        }
    }
}
