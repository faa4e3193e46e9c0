//! From a read transaction to the bytes of a snapshot, while writes go on.

use std::ops::Bound;

use conclave_core::mutants::Mutant;
use conclave_core::records::Table;

use super::SnapshotError;
use super::format::{self, SnapshotItem};
use crate::limits::{MAX_FRAME_BYTES, MAX_READ_AGE_MS, SNAPSHOT_CHUNK_BYTES};
use crate::state::ReadTxn;

/// The bytes of a snapshot of one state, in chunks of about [`SNAPSHOT_CHUNK_BYTES`], read as they
/// are asked for. After an error it ends.
///
/// Equal states with equal extra records give equal bytes.
pub struct SnapshotStream {
    read: ReadTxn,
    extra: Vec<(String, Vec<u8>)>,
    stage: Stage,
    hasher: blake3::Hasher,
    records: u64,
}

/// What comes next.
enum Stage {
    Head,
    /// Records of this table (by position in `Table::ALL`) after this key.
    Records(usize, Option<Vec<u8>>),
    Trailer,
    End,
}

impl SnapshotStream {
    /// A snapshot of the state in `read`: its applied records, its records, and `extra`, which the
    /// caller gets back with the snapshot (its id, for one).
    pub fn new(read: ReadTxn, extra: Vec<(String, Vec<u8>)>) -> SnapshotStream {
        let hasher = blake3::Hasher::new();
        SnapshotStream { read, extra, stage: Stage::Head, hasher, records: 0 }
    }

    fn next_chunk(&mut self) -> Result<Option<Vec<u8>>, SnapshotError> {
        if self.read.is_too_old() {
            return Err(SnapshotError::TooSlow { limit_ms: MAX_READ_AGE_MS });
        }
        let mut chunk = Vec::new();
        while chunk.len() < SNAPSHOT_CHUNK_BYTES {
            match std::mem::replace(&mut self.stage, Stage::End) {
                Stage::Head => self.put_head(&mut chunk)?,
                Stage::Records(position, after) => self.put_records(&mut chunk, position, after)?,
                Stage::Trailer => {
                    self.put_trailer(&mut chunk);
                    return Ok(Some(chunk));
                }
                Stage::End => return Ok(None),
            }
        }
        self.hasher.update(&chunk);
        Ok(Some(chunk))
    }

    fn put_head(&mut self, chunk: &mut Vec<u8>) -> Result<(), SnapshotError> {
        chunk.extend_from_slice(&format::header());
        for (name, value) in self.read.all_meta() {
            put_item(chunk, &SnapshotItem::Applied { name, value })?;
        }
        for (name, value) in std::mem::take(&mut self.extra) {
            put_item(chunk, &SnapshotItem::Extra { name, value })?;
        }
        self.stage = Stage::Records(0, None);
        Ok(())
    }

    fn put_records(
        &mut self,
        chunk: &mut Vec<u8>,
        position: usize,
        after: Option<Vec<u8>>,
    ) -> Result<(), SnapshotError> {
        let Some(&table) = Table::ALL.get(position) else {
            self.stage = Stage::Trailer;
            return Ok(());
        };
        let is_memory = matches!(table, Table::Requests | Table::RequestOrder);
        if is_memory && Mutant::MemoryLostInSnapshot.active() {
            self.stage = Stage::Records(position + 1, None);
            return Ok(());
        }
        let from = after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        for (key, value) in self.read.iter(table, from, Bound::Unbounded) {
            put_item(chunk, &SnapshotItem::Record { table, key: key.clone(), value })?;
            self.records += 1;
            if chunk.len() >= SNAPSHOT_CHUNK_BYTES {
                self.stage = Stage::Records(position, Some(key));
                return Ok(());
            }
        }
        self.stage = Stage::Records(position + 1, None);
        Ok(())
    }

    fn put_trailer(&mut self, chunk: &mut Vec<u8>) {
        let digest = self.hasher.update(chunk).finalize();
        format::put_frame(chunk, &format::trailer_payload(self.records, digest.as_bytes()));
    }
}

impl Iterator for SnapshotStream {
    type Item = Result<Vec<u8>, SnapshotError>;

    fn next(&mut self) -> Option<Self::Item> {
        if matches!(self.stage, Stage::End) {
            return None;
        }
        self.next_chunk().inspect_err(|_| self.stage = Stage::End).transpose()
    }
}

fn put_item(chunk: &mut Vec<u8>, item: &SnapshotItem) -> Result<(), SnapshotError> {
    let payload = format::item_payload(item);
    if payload.len() > MAX_FRAME_BYTES {
        let table = match item {
            SnapshotItem::Record { table, .. } => table.name(),
            SnapshotItem::Applied { .. } | SnapshotItem::Extra { .. } => "applied",
        };
        return Err(SnapshotError::RecordTooLong { table, limit: MAX_FRAME_BYTES });
    }
    format::put_frame(chunk, &payload);
    Ok(())
}
