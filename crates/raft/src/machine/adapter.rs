//! The state machine as the consensus library sees it.

use super::applier::{BATCH, Job, StateSync, Work, read_applied};
use super::snapshot::{OwnSnapshots, SnapshotData};
use crate::types::{LogId, Membership, SnapshotMeta, TypeConfig, io_error};
use conclave_storage::snapshot::SnapshotStream;
use conclave_storage::{ReadTxn, SnapshotStore, Spawner, StateFile};
use futures::{Stream, StreamExt};
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use openraft::type_config::alias::SnapshotOf;
use std::io;
use std::sync::Arc;
use tokio::sync::oneshot;

/// The handle of the consensus library to the applier and the snapshots.
#[derive(Clone)]
pub struct Machine {
    state: StateFile,
    applier: StateSync,
    snapshots: OwnSnapshots,
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
        Machine { state, applier, snapshots: OwnSnapshots::new(snapshots), spawner }
    }

    pub(crate) fn snapshots(&self) -> &OwnSnapshots {
        &self.snapshots
    }
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, Membership), io::Error> {
        self.applier.flush().await?;
        let meta = read_applied(&self.state.read())?;
        Ok((meta.last, meta.membership))
    }

    /// Returns when the entries are handed over, not when they are applied: those of several calls then
    /// share a transaction. Nothing rests on the library's notion of what is applied: who waits for an
    /// entry is answered by the applier, barriers wait for its index, and the log is purged no further than the state is synced.
    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + Send,
    {
        let mut work: Vec<Work> = Vec::new();
        while let Some(entry) = entries.next().await {
            work.push(entry?);
            if work.len() == BATCH {
                let full = std::mem::take(&mut work);
                self.applier.apply(full).await?;
            }
        }
        if work.is_empty() {
            return Ok(());
        }
        self.applier.apply(work).await
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        // An applier that has stopped has ended consensus; there is nothing to wait for.
        let _ = self.applier.flush().await;
        // The read transaction fixes the state: entries applied from now on are not in it.
        SnapshotBuilder {
            read: Some(self.state.read()),
            snapshots: self.snapshots.clone(),
            spawner: self.spawner.clone(),
        }
    }

    async fn install_snapshot(
        &mut self,
        _meta: &SnapshotMeta,
        snapshot: SnapshotData,
    ) -> Result<(), io::Error> {
        // First among this member's own, durably: whoever starts here again finds the state at least
        // there. Consensus has accepted it, so the log holds nothing that contradicts it.
        let file = match snapshot {
            SnapshotData::Arrived(arrived) => self.snapshots.publish(arrived)?,
            SnapshotData::Own(file) => self.snapshots.copy(&file)?,
        };
        self.applier.run(|done| Job::Install { file, done }).await
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<SnapshotOf<TypeConfig, SnapshotData>>, io::Error> {
        self.snapshots.newest()?.map(describe).transpose()
    }
}

/// Builds one snapshot, on a thread of its own, while writes go on.
pub struct SnapshotBuilder {
    read: Option<ReadTxn>,
    snapshots: OwnSnapshots,
    spawner: Arc<dyn Spawner>,
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<TypeConfig, SnapshotData>, io::Error> {
        let read = self.read.take().ok_or_else(|| io_error("a builder builds one snapshot"))?;
        let snapshots = self.snapshots.clone();
        let (done, waiting) = oneshot::channel();
        let build = async move {
            let written = snapshots.store().write(SnapshotStream::new(read, Vec::new()));
            let built = written.map_err(io::Error::from).and_then(|w| snapshots.publish(w));
            // The library has given up waiting only when the node stops.
            let _ = done.send(built);
        };
        self.spawner.spawn("snapshot", Box::pin(build))?;
        let built = waiting.await.map_err(|_| io_error("the snapshot thread ended"))?;
        describe(SnapshotData::Own(built?))
    }
}

fn describe(snapshot: SnapshotData) -> io::Result<SnapshotOf<TypeConfig, SnapshotData>> {
    Ok(openraft::storage::Snapshot { meta: snapshot.meta()?, snapshot })
}
