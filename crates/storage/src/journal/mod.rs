//! The journal of uses on disk: for each worker of a node a chain of segments in `audit/`.
//!
//! A record is written (not synced) before the answer of its call leaves, so a killed process loses
//! none; everything is synced every [`AUDIT_SYNC_INTERVAL`]. Reading order: [`Journal`],
//! [`Journals`]; `segment.rs` has the bytes, `open.rs` what a start finds, `directory.rs` the bound.
//!
//! Deliberately absent: what a record means, reading records for anybody, sending them anywhere.

mod directory;
mod open;
mod segment;
mod worker;

use std::sync::Arc;

use conclave_core::journal::UseJournal;
use conclave_core::seams::Clock;
use tokio::sync::Notify;

use crate::error::OpenError;
use crate::fatal::FatalHook;
use crate::limits::AUDIT_SYNC_INTERVAL;
use crate::seams::Disk;

pub use directory::AUDIT_DIRECTORY;
pub use worker::Journal;

/// What the segments of a node say of it, and how much is kept.
#[derive(Clone, Debug)]
pub struct JournalConfig {
    /// Name of the cluster.
    pub cluster: String,
    /// Node id.
    pub node: u32,
    /// Member id.
    pub member: u64,
    /// How many journals there are, one for each runtime that serves clients.
    pub workers: u32,
    /// Bytes that all segments of the node may take together.
    pub keep_bytes: u64,
}

/// The journals of a node.
pub struct Journals {
    journals: Vec<Arc<Journal>>,
    work: Arc<Notify>,
    fatal: FatalHook,
}

impl Journals {
    /// Opens the journals of workers 1 to `config.workers`, each at the end of its chain, or at the
    /// start of one. What a killed process or a crash of the machine has left is put in order, with a
    /// line in the log.
    ///
    /// # Errors
    /// Whatever the disk answers, or a segment of a newer release.
    pub fn open(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        config: JournalConfig,
        fatal: FatalHook,
    ) -> Result<Journals, OpenError> {
        let work = Arc::new(Notify::new());
        let journals = open::open(disk, clock, config, &fatal, &work)?;
        Ok(Journals { journals, work, fatal })
    }

    /// The journals, in the order of their workers.
    pub fn all(&self) -> &[Arc<Journal>] {
        &self.journals
    }

    /// Syncs what was written since the last time. A sync that fails ends the node.
    pub fn sync(&self) {
        self.journals.iter().for_each(|journal| journal.sync());
    }

    /// Syncs whatever is written at most [`AUDIT_SYNC_INTERVAL`] later, and looks whether a journal
    /// that could not be written can be written again. Goes on until it is dropped, or a sync fails.
    pub async fn keep_synced(&self) {
        while !self.fatal.raised() {
            self.work.notified().await;
            tokio::time::sleep(AUDIT_SYNC_INTERVAL).await;
            self.sync();
            self.journals.iter().for_each(|journal| journal.probe());
            if self.journals.iter().any(|journal| journal.is_blocked()) {
                self.work.notify_one();
            }
        }
    }
}

impl std::fmt::Debug for Journals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Journals").field("workers", &self.journals.len()).finish()
    }
}
