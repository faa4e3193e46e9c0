//! A snapshot that is being written, by the exporter of this node or from the network.

use super::store::TemporaryFile;
use super::{SnapshotError, SnapshotFile};

/// A snapshot in the making. Dropping it before [`SnapshotWriter::finish`] removes it.
pub struct SnapshotWriter {
    file: TemporaryFile,
    length: u64,
}

impl SnapshotWriter {
    pub(super) fn new(file: TemporaryFile) -> Self {
        SnapshotWriter { file, length: 0 }
    }

    /// Appends bytes. They may be cut anywhere.
    ///
    /// # Errors
    /// The disk failed; drop the writer.
    pub fn write_chunk(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        let written = self.file.file.write(self.length, bytes);
        written.map_err(SnapshotError::file(&self.file.name))?;
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

    /// Reads everything back and verifies it.
    ///
    /// # Errors
    /// [`SnapshotError::Damaged`] if the bytes are not a complete snapshot; it is removed then.
    pub fn finish(self) -> Result<SnapshotFile, SnapshotError> {
        SnapshotFile::verify(self.file)
    }
}
