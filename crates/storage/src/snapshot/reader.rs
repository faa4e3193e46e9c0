//! Reading and verifying the bytes of a snapshot.

use std::cmp::Ordering;
use std::sync::Arc;

use redb::StorageBackend;

use super::SnapshotError;
use super::format::{self, Payload, SnapshotItem};
use crate::limits::{MAX_FRAME_BYTES, SNAPSHOT_CHUNK_BYTES};

/// The items of a snapshot, in order. Only when it has ended without an error is the snapshot
/// complete and undamaged: until then nothing may be done that cannot be taken back.
pub struct SnapshotReader {
    source: Source,
    hasher: blake3::Hasher,
    records: u64,
    last: Option<SnapshotItem>,
    ended: bool,
}

impl SnapshotReader {
    pub(super) fn new(name: &str, file: Arc<dyn StorageBackend>) -> Result<Self, SnapshotError> {
        let length = file.len().map_err(SnapshotError::file(name))?;
        let source =
            Source { name: name.to_owned(), file, length, offset: 0, buffer: Vec::new(), used: 0 };
        let hasher = blake3::Hasher::new();
        let mut reader = SnapshotReader { source, hasher, records: 0, last: None, ended: false };
        reader.header()?;
        Ok(reader)
    }

    fn header(&mut self) -> Result<(), SnapshotError> {
        let header = self.source.take(format::HEADER_BYTES)?;
        let (magic, version) = header.split_at(format::MAGIC.len());
        if magic != format::MAGIC {
            return Err(self.source.damaged("it does not begin like a snapshot"));
        }
        let found = u32::from_le_bytes(version.try_into().expect("the header has 4 bytes left"));
        if found > format::VERSION {
            let file = self.source.name.clone();
            return Err(SnapshotError::NewerFormat { file, found, known: format::VERSION });
        }
        self.hasher.update(&header);
        Ok(())
    }

    fn next_item(&mut self) -> Result<Option<SnapshotItem>, SnapshotError> {
        let head = self.source.take(format::FRAME_HEAD_BYTES)?;
        let (length, crc) = head.split_at(4);
        let length = u32::from_le_bytes(length.try_into().expect("half of 8 bytes")) as usize;
        let crc = u32::from_le_bytes(crc.try_into().expect("half of 8 bytes"));
        if length > MAX_FRAME_BYTES {
            return Err(self.source.damaged("a frame longer than any may be"));
        }
        let payload = self.source.take(length)?;
        if crc32fast::hash(&payload) != crc {
            return Err(self.source.damaged("a frame whose CRC does not match"));
        }
        match format::parse(&payload).map_err(|what| self.source.damaged(what))? {
            Payload::Trailer { records, digest } => self.trailer(records, digest).map(|()| None),
            Payload::Item(item) => {
                self.hasher.update(&head).update(&payload);
                self.in_order(&item)?;
                self.records += u64::from(matches!(item, SnapshotItem::Record { .. }));
                self.last = Some(item.clone());
                Ok(Some(item))
            }
        }
    }

    fn in_order(&self, item: &SnapshotItem) -> Result<(), SnapshotError> {
        let follows = match (&self.last, item) {
            (None, _) => true,
            (Some(SnapshotItem::Extra { .. }), SnapshotItem::Extra { .. }) => true,
            (Some(last), item) => order(last).cmp(&order(item)) == Ordering::Less,
        };
        if follows { Ok(()) } else { Err(self.source.damaged("an item out of order")) }
    }

    fn trailer(&self, records: u64, digest: [u8; 32]) -> Result<(), SnapshotError> {
        if records != self.records {
            return Err(self.source.damaged("a trailer that counts other records"));
        }
        if self.hasher.finalize() != digest {
            return Err(self.source.damaged("a trailer whose digest does not match"));
        }
        if !self.source.is_at_end() {
            return Err(self.source.damaged("bytes after the trailer"));
        }
        Ok(())
    }
}

impl Iterator for SnapshotReader {
    type Item = Result<SnapshotItem, SnapshotError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.next_item().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

/// What the order of items goes by.
fn order(item: &SnapshotItem) -> (u8, u8, &[u8]) {
    match item {
        SnapshotItem::Applied { name, .. } => (0, 0, name.as_bytes()),
        SnapshotItem::Extra { .. } => (1, 0, &[]),
        SnapshotItem::Record { table, key, .. } => (2, table.number(), key),
    }
}

/// The bytes of a file, from its beginning.
struct Source {
    name: String,
    file: Arc<dyn StorageBackend>,
    length: u64,
    /// Where the next byte that is taken stands in the file.
    offset: u64,
    buffer: Vec<u8>,
    /// Bytes of the buffer that have been taken.
    used: usize,
}

impl Source {
    fn take(&mut self, count: usize) -> Result<Vec<u8>, SnapshotError> {
        let left = self.length - self.offset;
        if (count as u64) > left {
            return Err(self.damaged("it ends too early"));
        }
        if self.buffer.len() - self.used < count {
            self.refill(count.max(SNAPSHOT_CHUNK_BYTES).min(left as usize))?;
        }
        let taken = self.buffer[self.used..self.used + count].to_vec();
        self.used += count;
        self.offset += count as u64;
        Ok(taken)
    }

    fn refill(&mut self, size: usize) -> Result<(), SnapshotError> {
        self.buffer.resize(size, 0);
        self.used = 0;
        self.file.read(self.offset, &mut self.buffer).map_err(SnapshotError::file(&self.name))
    }

    fn is_at_end(&self) -> bool {
        self.offset == self.length
    }

    fn damaged(&self, what: &'static str) -> SnapshotError {
        SnapshotError::Damaged { file: self.name.clone(), offset: self.offset, what }
    }
}
