//! A snapshot that arrives from another member: written and verified beside the consensus thread.

use crate::types::io_error;
use conclave_storage::{SnapshotFile, SnapshotStore, Spawner};
use std::io;
use tokio::sync::{mpsc, oneshot};

/// Chunks that may wait for the disk before the network waits.
const CHUNKS_WAITING: usize = 16;

/// Takes the bytes of a snapshot.
pub(crate) struct SnapshotReceiver {
    chunks: mpsc::Sender<Vec<u8>>,
    finished: oneshot::Receiver<io::Result<SnapshotFile>>,
}

/// Begins to receive a snapshot.
pub(crate) fn receive(
    store: &SnapshotStore,
    spawner: &dyn Spawner,
) -> io::Result<SnapshotReceiver> {
    let mut writer = store.begin()?;
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
        let finished = result.and_then(|()| writer.finish());
        // The sender is gone when it gave up; the writer has cleaned up then.
        let _ = done.send(finished.map_err(io::Error::from));
    };
    spawner.spawn("snapshot-receive", Box::pin(write))?;
    Ok(SnapshotReceiver { chunks, finished })
}

impl SnapshotReceiver {
    /// Hands bytes over; waits while the disk is behind.
    pub(crate) async fn write(&self, chunk: Vec<u8>) -> io::Result<()> {
        self.chunks.send(chunk).await.map_err(|_| io_error("the snapshot could not be written"))
    }

    /// All bytes were handed over: verifies and gives the file.
    pub(crate) async fn finish(self) -> io::Result<SnapshotFile> {
        drop(self.chunks);
        self.finished.await.map_err(|_| io_error("the snapshot thread ended"))?
    }
}
