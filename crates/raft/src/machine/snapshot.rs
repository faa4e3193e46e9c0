//! Snapshots on their way: one of this member's state for another member, and one that arrives.
//!
//! What this member has applied is durable in the state file, so a snapshot "of its own" is a mark in
//! the log: up to where the state needs no entries. Bytes are written when a member needs them.

use super::applier::{read_applied, snapshot_applied};
use crate::types::{SnapshotMeta, io_error};
use conclave_storage::snapshot::SnapshotStream;
use conclave_storage::{Priority, ReadTxn, SnapshotFile, SnapshotStore, Spawner};
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// Chunks that may wait for the disk before the network waits.
const CHUNKS_WAITING: usize = 16;

/// A snapshot in the hands of consensus.
#[derive(Debug)]
pub enum SnapshotData {
    /// This member's state, fixed; its bytes are not written yet.
    State(Box<ReadTxn>),
    /// A file: one that has arrived, or one of this member's that is being sent already.
    File(SnapshotFile),
}

/// What a state covers.
pub(super) fn covered_by_state(read: &ReadTxn) -> io::Result<SnapshotMeta> {
    let applied = read_applied(read)?;
    Ok(SnapshotMeta { last_log_id: applied.last, last_membership: applied.membership })
}

/// What a file covers, by its own word.
pub(crate) fn covered_by_file(file: &SnapshotFile) -> io::Result<SnapshotMeta> {
    let applied = snapshot_applied(file)?;
    Ok(SnapshotMeta { last_log_id: applied.last, last_membership: applied.membership })
}

/// The snapshots that this member sends and receives.
#[derive(Clone)]
pub(crate) struct Snapshots {
    store: SnapshotStore,
    spawner: Arc<dyn Spawner>,
    sending: Arc<Sending>,
}

#[derive(Default)]
struct Sending {
    /// How many are being written or sent, or were taken a moment ago.
    under_way: AtomicUsize,
    /// The newest that was written, until one was taken: a second attempt does not write it again.
    written: Mutex<Option<SnapshotFile>>,
}

/// How long the entries after a snapshot are kept when it was taken: until the member follows, one
/// append may fail.
const CATCHING_UP: Duration = Duration::from_secs(2);

/// How long a file that was never taken is there for the next attempt: whoever waits for it may have
/// another leader now.
const WRITTEN_FOR: Duration = Duration::from_secs(600);

impl Snapshots {
    pub(crate) fn new(store: SnapshotStore, spawner: Arc<dyn Spawner>) -> Snapshots {
        Snapshots { store, spawner, sending: Arc::default() }
    }

    /// Whether a member is being sent one: the entries after it are needed then.
    pub(super) fn are_sent(&self) -> bool {
        self.sending.under_way.load(Ordering::Acquire) > 0
    }

    /// The snapshot that was written and not taken yet.
    pub(super) fn written(&self) -> Option<SnapshotFile> {
        self.sending.written().clone()
    }

    /// It is of no more use: nobody waits for it, or the log does not have the entries after it.
    pub(crate) fn forget_written(&self) {
        *self.sending.written() = None;
    }

    /// Writes what is to be sent, unless that was done before.
    pub(crate) async fn prepare(&self, data: SnapshotData) -> io::Result<Outgoing> {
        let under_way = UnderWay::begin(&self.sending);
        let file = self.file_of(data).await?;
        let is_new = self.sending.written().replace(file.clone()).is_none();
        if is_new {
            let sending = self.sending.clone();
            tokio::spawn(async move {
                tokio::time::sleep(WRITTEN_FOR).await;
                *sending.written() = None;
            });
        }
        Ok(Outgoing { file, under_way })
    }

    /// The bytes, written on a thread of its own while writes to the state go on.
    pub(super) async fn file_of(&self, data: SnapshotData) -> io::Result<SnapshotFile> {
        let read = match data {
            SnapshotData::State(read) => read,
            SnapshotData::File(file) => return Ok(file),
        };
        let store = self.store.clone();
        let (done, waiting) = oneshot::channel();
        let build = async move {
            // Whoever asked has gone when the leader changed or the node stops.
            let _ = done.send(store.build(SnapshotStream::new(*read, Vec::new())));
        };
        self.spawner.spawn("snapshot", Priority::Background, Box::pin(build))?;
        let built = waiting.await.map_err(|_| io_error("the snapshot thread ended"))?;
        Ok(built?)
    }

    /// Begins to receive one, beside the consensus thread.
    pub(crate) fn receive(&self) -> io::Result<SnapshotReceiver> {
        let mut writer = self.store.begin()?;
        let (chunks, mut arriving) = mpsc::channel::<Vec<u8>>(CHUNKS_WAITING);
        let (done, finished) = oneshot::channel();
        let write = async move {
            let mut result = Ok(());
            while let Some(chunk) = arriving.recv().await {
                result = writer.write_chunk(&chunk);
                if result.is_err() {
                    break;
                }
            }
            let complete = result.and_then(|()| writer.finish());
            // The sender is gone when it gave up; the file goes with it then.
            let _ = done.send(complete.map_err(io::Error::from));
        };
        self.spawner.spawn("snapshot-receive", Priority::Normal, Box::pin(write))?;
        Ok(SnapshotReceiver { chunks, finished })
    }
}

impl Sending {
    fn written(&self) -> std::sync::MutexGuard<'_, Option<SnapshotFile>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A snapshot to be sent; entries after it stay in the log until this is dropped.
pub(crate) struct Outgoing {
    pub(crate) file: SnapshotFile,
    under_way: UnderWay,
}

impl Outgoing {
    /// The member has it.
    pub(crate) fn taken(self) {
        *self.under_way.0.written() = None;
        tokio::spawn(async move {
            tokio::time::sleep(CATCHING_UP).await;
            drop(self.under_way);
        });
    }
}

/// Counts as under way until it is dropped.
struct UnderWay(Arc<Sending>);

impl UnderWay {
    fn begin(sending: &Arc<Sending>) -> UnderWay {
        sending.under_way.fetch_add(1, Ordering::AcqRel);
        UnderWay(sending.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Takes the bytes of a snapshot.
pub(crate) struct SnapshotReceiver {
    chunks: mpsc::Sender<Vec<u8>>,
    finished: oneshot::Receiver<io::Result<SnapshotFile>>,
}

impl SnapshotReceiver {
    /// Hands bytes over; waits while the disk is behind.
    pub(crate) async fn write(&self, chunk: Vec<u8>) -> io::Result<()> {
        self.chunks.send(chunk).await.map_err(|_| io_error("the snapshot could not be written"))
    }

    /// All bytes were handed over: verifies them.
    pub(crate) async fn finish(self) -> io::Result<SnapshotFile> {
        drop(self.chunks);
        self.finished.await.map_err(|_| io_error("the snapshot thread ended"))?
    }
}
