//! Snapshots on their way: one that arrives from another member, written and verified beside the
//! consensus thread, and the rule which of them becomes this member's own.

use super::applier::snapshot_applied;
use crate::types::{SnapshotMeta, io_error};
use conclave_storage::{CompleteSnapshot, SnapshotFile, SnapshotStore, Spawner};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// Chunks that may wait for the disk before the network waits.
const CHUNKS_WAITING: usize = 16;

/// A snapshot in the hands of consensus.
#[derive(Debug)]
pub enum SnapshotData {
    /// One of this member's own.
    Own(SnapshotFile),
    /// One that has arrived and that consensus has not accepted yet; dropped, it is gone.
    Arrived(CompleteSnapshot),
}

impl SnapshotData {
    /// The bytes.
    pub fn file(&self) -> &SnapshotFile {
        match self {
            SnapshotData::Own(file) => file,
            SnapshotData::Arrived(arrived) => arrived.file(),
        }
    }

    /// What it covers, by its own word.
    pub(crate) fn meta(&self) -> io::Result<SnapshotMeta> {
        let applied = snapshot_applied(self.file())?;
        Ok(SnapshotMeta { last_log_id: applied.last, last_membership: applied.membership })
    }
}

/// This member's own snapshots.
#[derive(Clone, Debug)]
pub(crate) struct OwnSnapshots {
    store: SnapshotStore,
    /// Held while one is compared with the newest and published.
    publishing: Arc<Mutex<()>>,
}

impl OwnSnapshots {
    pub(crate) fn new(store: SnapshotStore) -> Self {
        Self { store, publishing: Arc::default() }
    }

    pub(crate) fn store(&self) -> &SnapshotStore {
        &self.store
    }

    pub(crate) fn newest(&self) -> io::Result<Option<SnapshotData>> {
        Ok(self.store.newest()?.map(SnapshotData::Own))
    }

    /// Publishes a snapshot unless there is a newer one: the log may have been purged up to that, so
    /// the store must never go back. Gives the newest.
    pub(crate) fn publish(&self, complete: CompleteSnapshot) -> io::Result<SnapshotFile> {
        let _one = self.publishing.lock().unwrap_or_else(PoisonError::into_inner);
        let offered = snapshot_applied(complete.file())?.last;
        if let Some(newest) = self.store.newest()?
            && snapshot_applied(&newest)?.last >= offered
        {
            return Ok(newest);
        }
        Ok(complete.publish()?)
    }

    /// Makes a foreign snapshot this member's own by copying it.
    pub(crate) fn copy(&self, file: &SnapshotFile) -> io::Result<SnapshotFile> {
        let mut writer = self.store.begin()?;
        loop {
            let chunk = file.read_chunk(writer.len(), COPY_CHUNK)?;
            if chunk.is_empty() {
                return self.publish(writer.complete()?);
            }
            writer.write_chunk(&chunk)?;
        }
    }
}

/// Bytes of a snapshot that are copied at once.
const COPY_CHUNK: usize = 256 * 1024;

/// Takes the bytes of a snapshot.
pub(crate) struct SnapshotReceiver {
    chunks: mpsc::Sender<Vec<u8>>,
    finished: oneshot::Receiver<io::Result<CompleteSnapshot>>,
}

/// Begins to receive a snapshot.
pub(crate) fn receive(own: &OwnSnapshots, spawner: &dyn Spawner) -> io::Result<SnapshotReceiver> {
    let mut writer = own.store.begin()?;
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
        let complete = result.and_then(|()| writer.complete());
        // The sender is gone when it gave up; the writer cleans up then.
        let _ = done.send(complete.map_err(io::Error::from));
    };
    spawner.spawn("snapshot-receive", Box::pin(write))?;
    Ok(SnapshotReceiver { chunks, finished })
}

impl SnapshotReceiver {
    /// Hands bytes over; waits while the disk is behind.
    pub(crate) async fn write(&self, chunk: Vec<u8>) -> io::Result<()> {
        self.chunks.send(chunk).await.map_err(|_| io_error("the snapshot could not be written"))
    }

    /// All bytes were handed over: verifies them.
    pub(crate) async fn finish(self) -> io::Result<SnapshotData> {
        drop(self.chunks);
        let complete = self.finished.await.map_err(|_| io_error("the snapshot thread ended"))?;
        complete.map(SnapshotData::Arrived)
    }
}
