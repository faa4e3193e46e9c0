//! The segments of all workers in `audit/`: their names, making one, and the bound over all of them.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conclave_core::journal::Position;
use conclave_core::seams::Clock;
use redb::StorageBackend;

use super::JournalConfig;
use super::segment::{HEADER_BYTES, Header, HeaderError};
use crate::database::unfinished;
use crate::error::OpenError;
use crate::fatal::FatalHook;
use crate::limits::{AUDIT_SEGMENT_BYTES, AUDIT_SEGMENTS_PER_WORKER};
use crate::seams::{Disk, OpenMode};

/// Where the segments are.
pub const AUDIT_DIRECTORY: &str = "audit";

/// A worker, and the number of a segment among its own.
pub(super) type SegmentId = (u32, u64);

/// What all journals of a node share.
pub(super) struct Directory {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) config: JournalConfig,
    pub(super) fatal: FatalHook,
    clock: Arc<dyn Clock>,
    /// Segments that nobody writes any more.
    closed: Mutex<BTreeMap<SegmentId, Closed>>,
}

/// A segment that nobody writes any more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closed {
    pub(super) begun_ms: u64,
    pub(super) bytes: u64,
}

/// A segment that is written.
pub(super) struct Open {
    pub(super) file: Arc<dyn StorageBackend>,
    pub(super) begun_ms: u64,
    pub(super) end: Position,
}

impl Directory {
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        config: JournalConfig,
        fatal: FatalHook,
    ) -> Directory {
        Directory { disk, config, fatal, clock, closed: Mutex::default() }
    }

    /// Makes the directory if it is not there, removes what was never finished, and lists the segments.
    pub(super) fn list(&self) -> io::Result<Vec<SegmentId>> {
        self.disk.make_directory(AUDIT_DIRECTORY)?;
        let mut found = Vec::new();
        for name in self.disk.list(AUDIT_DIRECTORY)? {
            if name.ends_with(&unfinished("")) {
                self.disk.remove(&format!("{AUDIT_DIRECTORY}/{name}"))?;
            }
            found.extend(parse(&name));
        }
        found.sort_unstable();
        Ok(found)
    }

    /// All bytes of a segment.
    pub(super) fn read(
        &self,
        id: SegmentId,
    ) -> Result<(Box<dyn StorageBackend>, Vec<u8>), OpenError> {
        let name = name(id);
        let read = || {
            let file = self.disk.open(&name, OpenMode::Existing)?;
            let mut bytes = vec![0; usize::try_from(file.len()?).map_err(io::Error::other)?];
            file.read(0, &mut bytes)?;
            Ok((file, bytes))
        };
        read().map_err(OpenError::file(&name, "read it"))
    }

    /// Notes a segment that nobody writes. One whose header cannot be read counts as the oldest.
    pub(super) fn note_closed(&self, id: SegmentId) -> Result<(), OpenError> {
        let name = name(id);
        let look = || {
            let file = self.disk.open(&name, OpenMode::Existing)?;
            let bytes = file.len()?;
            let mut header =
                vec![0; HEADER_BYTES.min(usize::try_from(bytes).unwrap_or(usize::MAX))];
            file.read(0, &mut header)?;
            Ok((header, bytes))
        };
        let (header, bytes) = look().map_err(OpenError::file(&name, "read it"))?;
        let begun_ms = match Header::decode(&header) {
            Ok((header, _)) => header.begun_ms,
            Err(HeaderError::Newer(found)) => return Err(newer(id, found)),
            Err(HeaderError::Damaged(_)) => 0,
        };
        self.closed().insert(id, Closed { begun_ms, bytes });
        Ok(())
    }

    /// Makes a segment, durably, so that a file with a segment's name is never without a header.
    /// `left` are the bytes of the one that it follows, if that is to be closed then.
    pub(super) fn create(&self, id: SegmentId, position: Position, left: u64) -> io::Result<Open> {
        self.make_room(left);
        let (worker, number) = id;
        let begun_ms = self.clock.wall_ms();
        let JournalConfig { node, member, cluster, .. } = &self.config;
        let (node, member, cluster) = (*node, *member, cluster.clone());
        let header = Header { node, member, cluster, worker, number, begun_ms, position };
        let (bytes, link) = header.encode();
        let (name, unfinished) = (name(id), unfinished(&name(id)));
        if self.disk.exists(&unfinished)? {
            self.disk.remove(&unfinished)?;
        }
        let file = self.disk.open(&unfinished, OpenMode::New)?;
        file.write(0, &bytes)?;
        self.synced(file.sync_data())?;
        self.disk.rename(&unfinished, &name)?;
        self.synced(self.disk.sync_dir(AUDIT_DIRECTORY))?;
        Ok(Open { file: file.into(), begun_ms, end: header.end(link) })
    }

    /// A sync that fails ends the node: what was written before may be lost, a second sync would not say
    /// so, and nothing could be said of it any more.
    pub(super) fn synced(&self, result: io::Result<()>) -> io::Result<()> {
        if let Err(error) = &result {
            self.fatal.raise(&format!("{AUDIT_DIRECTORY}: a sync failed: {error}"));
        }
        result
    }

    /// A segment is full.
    pub(super) fn close(&self, id: SegmentId, closed: Closed) {
        self.closed().insert(id, closed);
    }

    /// Bytes from which a segment is full: less than usual if the bound is tight, so that all the
    /// workers' open segments together take a quarter of it.
    pub(super) fn segment_bytes(&self) -> u64 {
        let workers = u64::from(self.config.workers.max(1));
        let share = self.config.keep_bytes / (AUDIT_SEGMENTS_PER_WORKER * workers);
        AUDIT_SEGMENT_BYTES.min(share)
    }

    /// Removes the oldest segments until the closed ones and all open ones, full, fit the bound.
    fn make_room(&self, left: u64) {
        let open = left + self.segment_bytes() * u64::from(self.config.workers.max(1));
        let mut closed = self.closed();
        while closed.values().map(|segment| segment.bytes).sum::<u64>() + open
            > self.config.keep_bytes
        {
            let Some(id) = oldest(&closed) else { return };
            closed.remove(&id);
            match self.disk.remove(&name(id)) {
                Ok(()) => tracing::info!(
                    segment = name(id),
                    keep_bytes = self.config.keep_bytes,
                    "the oldest segment of the journal of uses is removed: audit.keep_mib is reached"
                ),
                Err(error) => tracing::warn!(
                    segment = name(id), %error,
                    "the oldest segment of the journal of uses cannot be removed"
                ),
            }
        }
    }

    fn closed(&self) -> MutexGuard<'_, BTreeMap<SegmentId, Closed>> {
        self.closed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first that is left of each worker is that worker's oldest; among those it is the one that was
/// begun first. So a wall clock that was wrong never lets a chain lose its middle.
fn oldest(closed: &BTreeMap<SegmentId, Closed>) -> Option<SegmentId> {
    let mut before = None;
    let firsts = closed.iter().filter(|((worker, _), _)| before.replace(*worker) != Some(*worker));
    firsts.min_by_key(|(_, segment)| segment.begun_ms).map(|(id, _)| *id)
}

/// The file of a segment.
pub(super) fn name((worker, number): SegmentId) -> String {
    format!("{AUDIT_DIRECTORY}/uses-{worker:02}-{number:010}")
}

fn parse(name: &str) -> Option<SegmentId> {
    let (worker, number) = name.strip_prefix("uses-")?.split_once('-')?;
    let id = (worker.parse().ok()?, number.parse().ok()?);
    (self::name(id).strip_prefix(AUDIT_DIRECTORY)?.strip_prefix('/')? == name).then_some(id)
}

/// A segment of a newer release.
pub(super) fn newer(id: SegmentId, found: u32) -> OpenError {
    OpenError::NewerFormat { file: name(id), found, known: super::segment::FORMAT }
}
