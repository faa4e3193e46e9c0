//! The log file (`raft.redb`): indexed entries and a few meta records, through one ordered queue
//! with group commit. It knows nothing of what the entries or the meta records mean.

mod file;
mod memory;
mod writer;

use std::io;
use std::ops::RangeBounds;
use std::sync::Arc;

use tokio::sync::oneshot;

use crate::error::OpenError;
use crate::fatal::FatalHook;
use crate::seams::{Disk, Priority, Spawner};
use memory::{Op, Shared};

/// Name of the log file.
pub const LOG_FILE: &str = "raft.redb";

/// The name of a meta record. Names that start with `#` belong to this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MetaKey(&'static str);

impl MetaKey {
    /// A key with this name.
    pub const fn new(name: &'static str) -> MetaKey {
        assert!(!name.is_empty() && name.as_bytes()[0] != b'#', "the name is reserved");
        MetaKey(name)
    }

    /// The name.
    pub const fn name(self) -> &'static str {
        self.0
    }
}

/// Changes to meta records: a value to store, or `None` to remove the record.
pub type MetaChanges = Vec<(MetaKey, Option<Vec<u8>>)>;

/// What is called once an operation is durable, or has failed. It runs on the writer's thread, so
/// it must neither block nor panic.
pub type Done = Box<dyn FnOnce(Result<(), LogFailure>) + Send>;

/// Why a log operation did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogFailure {
    /// A commit failed. Whether what it held is on disk is unknown until the file is opened again,
    /// so nothing is ever retried.
    #[error("{LOG_FILE}: {0}. The node must stop; after a restart the log says what was kept")]
    Failed(
        /// What failed.
        Arc<str>,
    ),
    /// The appended entries would leave a hole or overwrite what is there. Nothing was stored.
    #[error(
        "{LOG_FILE}: an entry with index {found} cannot be appended; the next index is {expected}. Truncate or purge first"
    )]
    NotContiguous {
        /// The only index that can be appended now.
        expected: u64,
        /// The index that was offered.
        found: u64,
    },
    /// The file was closed by [`LogFile::close`].
    #[error("{LOG_FILE}: closed; open it again")]
    Closed,
}

impl From<LogFailure> for io::Error {
    fn from(failure: LogFailure) -> io::Error {
        io::Error::other(failure)
    }
}

/// A handle to the log file; clones share it.
///
/// All changes go through one queue and become durable in the order in which they were asked for;
/// whatever waits goes into one transaction with one sync. Reads are answered from memory, where
/// the whole retained log lives, and see a change at once unless its method says otherwise.
///
/// After a failed commit every waiting and every later operation fails with
/// [`LogFailure::Failed`], and the fatal hook is raised.
#[derive(Clone, Debug)]
pub struct LogFile {
    shared: Arc<Shared>,
    _last_handle: Arc<LastHandle>,
}

impl LogFile {
    /// Opens the log file, creating it if there is none, checks each record and that there is no
    /// hole, and starts the writer.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing is repaired silently.
    pub fn open(
        disk: Arc<dyn Disk>,
        spawner: &dyn Spawner,
        fatal: FatalHook,
    ) -> Result<LogFile, OpenError> {
        let (database, loaded) = file::open(&*disk)?;
        let shared = Arc::new(Shared::new(loaded));
        let writer = writer::run(shared.clone(), database, disk, fatal);
        spawner
            .spawn("log-writer", Priority::Normal, Box::pin(writer))
            .map_err(OpenError::file(LOG_FILE, "start its writer"))?;
        let last_handle = Arc::new(LastHandle { shared: shared.clone() });
        Ok(LogFile { shared, _last_handle: last_handle })
    }

    /// Appends entries, each one index after the other. They are readable at once; `done` is called
    /// after the sync, in the order of the calls.
    ///
    /// The first entry of a log from which nothing was ever purged may have any index.
    ///
    /// # Errors
    /// [`LogFailure::NotContiguous`], or the log has failed or is closed. Nothing was stored then and
    /// `done` is dropped without being called.
    pub fn append(&self, entries: Vec<(u64, Arc<[u8]>)>, done: Done) -> Result<(), LogFailure> {
        self.shared.append(entries, done)
    }

    /// [`LogFile::append`], waiting for the sync.
    ///
    /// # Errors
    /// As [`LogFile::append`], or the commit failed.
    pub async fn append_synced(&self, entries: Vec<(u64, Arc<[u8]>)>) -> Result<(), LogFailure> {
        let (done, waiting) = waiter();
        self.append(entries, done)?;
        outcome(waiting).await
    }

    /// Changes meta records; durable, and visible to [`LogFile::meta`], on return.
    ///
    /// # Errors
    /// The log has failed or is closed.
    pub async fn write_meta(&self, changes: MetaChanges) -> Result<(), LogFailure> {
        self.run(|done| Op::Meta { changes: named(changes), done: Some(done) }).await
    }

    /// Notes a meta record, visible at once and durable with the next commit of anything else, or on
    /// [`LogFile::close`]: never before what was asked for earlier. A key is either always noted or
    /// always written.
    ///
    /// # Errors
    /// The log has failed or is closed.
    pub fn note_meta(&self, key: MetaKey, value: Vec<u8>) -> Result<(), LogFailure> {
        self.shared.note(key, value)
    }

    /// Drops all entries after `last`, or all if `None`: from memory at once, from disk on return.
    ///
    /// # Errors
    /// The log has failed or is closed.
    pub async fn truncate_after(&self, last: Option<u64>) -> Result<(), LogFailure> {
        self.run(|done| Op::Truncate { last, kept: None, epoch: 0, done }).await
    }

    /// Drops all entries up to and with `last` and changes meta records in the same transaction. If
    /// `last` lies after the end of the log, the log is empty then and goes on after `last`.
    ///
    /// # Errors
    /// The log has failed or is closed.
    pub async fn purge_to(&self, last: u64, changes: MetaChanges) -> Result<(), LogFailure> {
        self.run(|done| Op::Purge { last, changes: named(changes), done }).await
    }

    /// A known bug: drops entries from disk that memory keeps, so that only a restart misses them.
    ///
    /// # Errors
    /// The log has failed or is closed.
    #[cfg(feature = "mutants")]
    pub fn purge_disk_to(&self, last: u64, changes: MetaChanges) -> Result<(), LogFailure> {
        let (changes, done) = (named(changes), Box::new(drop));
        self.shared.enqueue_for_disk(Op::Purge { last, changes, done })
    }

    /// Makes everything asked for so far durable, closes the file and ends the writer. Later
    /// operations fail with [`LogFailure::Closed`]; reads go on.
    ///
    /// # Errors
    /// The log has failed (it is closed then, too).
    pub async fn close(&self) -> Result<(), LogFailure> {
        self.run(|done| Op::Close { done: Some(done) }).await
    }

    /// The entry with this index.
    pub fn entry(&self, index: u64) -> Option<Arc<[u8]>> {
        self.shared.lock().entries.get(&index).cloned()
    }

    /// Entries in the range, in order, up to `max_bytes` in total; the first one is given whatever
    /// its size.
    pub fn entries(&self, range: impl RangeBounds<u64>, max_bytes: usize) -> Vec<(u64, Arc<[u8]>)> {
        self.shared.lock().entries(range, max_bytes)
    }

    /// Index of the first retained entry.
    pub fn first_index(&self) -> Option<u64> {
        self.shared.lock().entries.keys().next().copied()
    }

    /// Index of the last retained entry.
    pub fn last_index(&self) -> Option<u64> {
        self.shared.lock().entries.keys().next_back().copied()
    }

    /// Index up to which the log was purged, if it ever was.
    pub fn purged_index(&self) -> Option<u64> {
        self.shared.lock().purged
    }

    /// The meta record under `key`.
    pub fn meta(&self, key: MetaKey) -> Option<Vec<u8>> {
        self.shared.lock().meta.get(key.name()).cloned()
    }

    /// Highest index up to which every entry is on disk, purged ones included.
    pub fn synced_index(&self) -> Option<u64> {
        self.shared.lock().synced
    }

    async fn run(&self, operation: impl FnOnce(Done) -> Op) -> Result<(), LogFailure> {
        let (done, waiting) = waiter();
        self.shared.enqueue(operation(done))?;
        outcome(waiting).await
    }
}

/// Closes the file when the last handle is gone, so that the writer ends.
#[derive(Debug)]
struct LastHandle {
    shared: Arc<Shared>,
}

impl Drop for LastHandle {
    fn drop(&mut self) {
        // Closed or failed already: the writer has ended.
        let _ = self.shared.enqueue(Op::Close { done: None });
    }
}

fn named(changes: MetaChanges) -> Vec<(String, Option<Vec<u8>>)> {
    changes.into_iter().map(|(key, value)| (key.name().to_owned(), value)).collect()
}

fn waiter() -> (Done, oneshot::Receiver<Result<(), LogFailure>>) {
    let (sender, receiver) = oneshot::channel();
    // The waiting future may be gone; the operation happens all the same.
    (Box::new(move |result| drop(sender.send(result))), receiver)
}

async fn outcome(waiting: oneshot::Receiver<Result<(), LogFailure>>) -> Result<(), LogFailure> {
    waiting.await.unwrap_or_else(|_| Err(LogFailure::Failed("the log writer has ended".into())))
}
