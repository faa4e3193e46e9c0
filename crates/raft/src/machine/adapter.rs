//! The state machine as the consensus library sees it.

use super::applier::{Job, StateSync, Work, read_applied, snapshot_applied};
use crate::types::{LogId, Membership, SnapshotMeta, TypeConfig, io_error};
use conclave_storage::snapshot::SnapshotStream;
use conclave_storage::{ReadTxn, SnapshotFile, SnapshotStore, Spawner, StateFile};
use futures::{Stream, StreamExt};
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use openraft::type_config::alias::SnapshotOf;
use std::io;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Entries of one transaction: enough to share its cost, few enough that answers do not wait long.
const BATCH: usize = 256;

/// Bytes of a snapshot that are copied at once.
const COPY_CHUNK: usize = 256 * 1024;

/// The handle of the consensus library to the applier and the snapshots.
#[derive(Clone)]
pub struct Machine {
    state: StateFile,
    applier: StateSync,
    snapshots: SnapshotStore,
    spawner: Arc<dyn Spawner>,
}

impl Machine {
    /// Binds the state, its applier and the snapshots; snapshots are built by `spawner`.
    pub fn new(
        state: StateFile,
        applier: StateSync,
        snapshots: SnapshotStore,
        spawner: Arc<dyn Spawner>,
    ) -> Machine {
        Machine { state, applier, snapshots, spawner }
    }

    /// Makes sure that the snapshot is among this member's own, to be sent on. One that came over the
    /// network is already; one that was handed over in memory is copied.
    fn keep(&self, meta: &SnapshotMeta, snapshot: &SnapshotFile) -> io::Result<()> {
        if let Some(newest) = self.snapshots.newest()?
            && snapshot_applied(&newest)?.last == meta.last_log_id
        {
            return Ok(());
        }
        let mut writer = self.snapshots.begin()?;
        loop {
            let chunk = snapshot.read_chunk(writer.len(), COPY_CHUNK)?;
            if chunk.is_empty() {
                writer.finish()?;
                return Ok(());
            }
            writer.write_chunk(&chunk)?;
        }
    }
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotData = SnapshotFile;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, Membership), io::Error> {
        let meta = read_applied(&self.state.read())?;
        Ok((meta.last, meta.membership))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + Send,
    {
        let mut work: Vec<Work> = Vec::new();
        while let Some(entry) = entries.next().await {
            work.push(entry?);
            if work.len() == BATCH {
                let full = std::mem::take(&mut work);
                self.applier.run(|done| Job::Apply { work: full, done }).await?;
            }
        }
        if work.is_empty() {
            return Ok(());
        }
        self.applier.run(|done| Job::Apply { work, done }).await
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        // The read transaction fixes the state: entries applied from now on are not in it.
        SnapshotBuilder {
            read: Some(self.state.read()),
            snapshots: self.snapshots.clone(),
            spawner: self.spawner.clone(),
        }
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: SnapshotFile,
    ) -> Result<(), io::Error> {
        self.keep(meta, &snapshot)?;
        self.applier.run(|done| Job::Install { file: snapshot, done }).await
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<SnapshotOf<TypeConfig, SnapshotFile>>, io::Error> {
        self.snapshots.newest()?.map(describe).transpose()
    }
}

/// Builds one snapshot, on a thread of its own, while writes go on.
pub struct SnapshotBuilder {
    read: Option<ReadTxn>,
    snapshots: SnapshotStore,
    spawner: Arc<dyn Spawner>,
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    type SnapshotData = SnapshotFile;

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<TypeConfig, SnapshotFile>, io::Error> {
        let read = self.read.take().ok_or_else(|| io_error("a builder builds one snapshot"))?;
        let snapshots = self.snapshots.clone();
        let (done, waiting) = oneshot::channel();
        let build = async move {
            let built = snapshots.build(SnapshotStream::new(read, Vec::new()));
            // The library has given up waiting only when the node stops.
            let _ = done.send(built);
        };
        self.spawner.spawn("snapshot", Box::pin(build))?;
        let built = waiting.await.map_err(|_| io_error("the snapshot thread ended"))?;
        describe(built?)
    }
}

fn describe(file: SnapshotFile) -> io::Result<SnapshotOf<TypeConfig, SnapshotFile>> {
    let applied = snapshot_applied(&file)?;
    let meta = SnapshotMeta { last_log_id: applied.last, last_membership: applied.membership };
    Ok(openraft::storage::Snapshot { meta, snapshot: file })
}
