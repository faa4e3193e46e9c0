//! Durable bytes: the log file, the state file, snapshots, and the data directory they lie in. The
//! only crate that syncs.
//!
//! Reading order: [`seams`] (what is assumed of the disk), [`LogFile`] (one ordered queue, group
//! commit), [`StateFile`] (transactions of the state machine, synced at intervals),
//! [`snapshot::SnapshotStore`], [`Journals`] (records of uses, written before answers leave). Deliberately absent: any knowledge of Raft (terms, votes and
//! membership are opaque bytes here), of what a record means, and of ciphers.
//!
//! When something cannot be made durable, or a record is damaged, the [`FatalHook`] is raised and
//! nothing goes on: `Records` cannot return errors, and a "failed" commit may still be on disk.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod journal;
pub mod limits;
pub mod log;
pub mod seams;
pub mod snapshot;
pub mod state;

mod check;
mod database;
mod error;
mod fatal;
mod fs_disk;
mod lock;
mod paced;
mod small_file;

pub use error::OpenError;
pub use fatal::{FatalHook, StorageStopped};
pub use fs_disk::FsDisk;
pub use journal::{AUDIT_DIRECTORY, Journal, JournalConfig, Journals};
pub use lock::{DirectoryLock, LOCK_FILE};
pub use log::{LOG_FILE, LogFailure, LogFile, MetaKey};
pub use seams::{Disk, OpenMode, Priority, Spawner, ThreadSpawner};
pub use small_file::{read_small_file, write_small_file_atomically};
pub use snapshot::{SnapshotError, SnapshotFile, SnapshotStore, SnapshotStream, SnapshotWriter};
pub use state::{ApplyTxn, PendingSync, ReadTxn, STATE_FILE, StateFile, Synced};
