//! The journal of one worker: appending, and going on in the next segment.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conclave_core::journal::{JournalBlocked, LINK_BYTES, Position, Use, UseJournal, append_frame};
use redb::StorageBackend;
use tokio::sync::Notify;

use super::directory::{Closed, Directory, name};
use crate::limits::AUDIT_PROBE_BYTES;

/// The journal of one worker. Made for one thread: the lock is there for the one that syncs.
pub struct Journal {
    directory: Arc<Directory>,
    worker: u32,
    active: Mutex<Active>,
    blocked: AtomicBool,
    /// Told when there is something to sync, or to try again.
    pub(super) work: Arc<Notify>,
}

/// The segment that is written.
pub(super) struct Active {
    pub(super) number: u64,
    pub(super) begun_ms: u64,
    pub(super) file: Arc<dyn StorageBackend>,
    /// Bytes of whole records.
    pub(super) bytes: u64,
    pub(super) position: Position,
    /// Whether anything was written since the last sync.
    pub(super) dirty: bool,
    /// The last link and the records of a batch, kept for the next one.
    pub(super) buffer: Vec<u8>,
}

impl Journal {
    pub(super) fn new(
        directory: Arc<Directory>,
        worker: u32,
        active: Active,
        work: Arc<Notify>,
    ) -> Journal {
        Journal {
            directory,
            worker,
            active: Mutex::new(active),
            blocked: AtomicBool::new(false),
            work,
        }
    }

    /// Syncs what was written, if anything was. The lock is not held meanwhile.
    pub(super) fn sync(&self) {
        let file = {
            let mut active = self.active();
            if !std::mem::take(&mut active.dirty) {
                return;
            }
            active.file.clone()
        };
        // Whoever cannot go on has been told.
        let _ = self.directory.synced(file.sync_data());
    }

    /// Looks whether a blocked journal can be written again.
    pub(super) fn probe(&self) {
        if self.is_blocked() {
            let active = self.active();
            let result = active.probe();
            self.told(&active, &result);
        }
    }

    fn try_append(&self, active: &mut Active, uses: &[Use]) -> io::Result<()> {
        if self.is_blocked() {
            active.cut()?;
        }
        if active.bytes >= self.directory.segment_bytes() {
            self.rotate(active)?;
        }
        active.append(uses)
    }

    /// Goes on in a new segment. The old one is durable before: a chain never loses its middle to a
    /// crash of the machine. That is a sync on the path of calls, once for half a million of them.
    fn rotate(&self, active: &mut Active) -> io::Result<()> {
        self.directory.synced(active.file.sync_data())?;
        let id = (self.worker, active.number + 1);
        let next = self.directory.create(id, active.position, active.bytes)?;
        let closed = Closed { begun_ms: active.begun_ms, bytes: active.bytes };
        self.directory.close((self.worker, active.number), closed);
        *active = Active {
            number: active.number + 1,
            begun_ms: next.begun_ms,
            file: next.file,
            bytes: super::segment::HEADER_BYTES as u64,
            position: next.end,
            dirty: false,
            buffer: std::mem::take(&mut active.buffer),
        };
        Ok(())
    }

    /// Notes how an attempt to write went; the log has each change once.
    fn told(&self, active: &Active, result: &io::Result<()>) {
        let was_blocked = self.blocked.swap(result.is_err(), Ordering::AcqRel);
        let segment = || name((self.worker, active.number));
        match result {
            Err(error) if !was_blocked => tracing::error!(
                segment = segment(), %error,
                "the journal of uses cannot be written: cryptographic operations are refused"
            ),
            Ok(()) if was_blocked => {
                tracing::warn!(segment = segment(), "the journal of uses can be written again");
            }
            _ => {}
        }
    }

    fn active(&self) -> MutexGuard<'_, Active> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UseJournal for Journal {
    fn append(&self, uses: &[Use]) -> Result<(), JournalBlocked> {
        let mut active = self.active();
        let was_dirty = active.dirty;
        let result = self.try_append(&mut active, uses);
        if result.is_err() || self.is_blocked() {
            self.told(&active, &result);
        }
        if !was_dirty {
            self.work.notify_one();
        }
        result.map_err(|_| JournalBlocked)
    }

    fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Acquire)
    }
}

impl Active {
    /// One write for all records of the batch. The position moves on only with a write that succeeded.
    fn append(&mut self, uses: &[Use]) -> io::Result<()> {
        let mut position = self.position;
        self.buffer.clear();
        self.buffer.extend_from_slice(&position.head);
        for recorded in uses {
            append_frame(&mut self.buffer, &mut position, recorded);
        }
        let frames = &self.buffer[LINK_BYTES..];
        self.dirty = true;
        self.file.write(self.bytes, frames)?;
        self.bytes += frames.len() as u64;
        self.position = position;
        Ok(())
    }

    /// Removes what a write that failed has left.
    fn cut(&self) -> io::Result<()> {
        self.file.set_len(self.bytes)
    }

    fn probe(&self) -> io::Result<()> {
        self.cut()?;
        self.file.write(self.bytes, &[0; AUDIT_PROBE_BYTES])?;
        self.cut()
    }
}
