//! The state machine as the consensus library sees it.

use super::applier::{BATCH, Job, StateSync, Work, read_applied};
use super::snapshot::{SnapshotData, Snapshots, covered_by_file, covered_by_state};
use crate::types::{LogId, Membership, SnapshotMeta, TypeConfig, io_error};
use conclave_storage::{ReadTxn, SnapshotStore, Spawner, StateFile};
use futures::{Stream, StreamExt};
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine, Snapshot};
use openraft::type_config::alias::SnapshotOf;
use std::io;
use std::sync::Arc;

/// How far the log may grow beyond what is kept while a member is sent a snapshot, in entries: without
/// those after it the member would need another one.
const MOST_KEPT_FOR_A_SNAPSHOT: u64 = 200_000;

/// The handle of the consensus library to the applier and the snapshots.
#[derive(Clone)]
pub struct Machine {
    state: StateFile,
    applier: StateSync,
    snapshots: Snapshots,
    /// Index of the newest mark in the log.
    marked: Option<u64>,
}

impl Machine {
    /// Binds the state, its applier and the snapshots; those that are sent are written by `spawner`.
    pub fn new(
        state: StateFile,
        applier: StateSync,
        snapshots: SnapshotStore,
        spawner: Arc<dyn Spawner>,
    ) -> Machine {
        let snapshots = Snapshots::new(snapshots, spawner);
        Machine { state, applier, snapshots, marked: None }
    }

    pub(crate) fn snapshots(&self) -> &Snapshots {
        &self.snapshots
    }

    /// Whether entries are kept for a member that is being sent a snapshot.
    fn keeps_entries(&self, now: &SnapshotMeta) -> bool {
        let index = now.last_log_id.map_or(0, |id| id.index);
        let grown = index.saturating_sub(self.marked.unwrap_or(index));
        self.snapshots.are_sent() && grown < MOST_KEPT_FOR_A_SNAPSHOT
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

    /// What was built is a mark in the log, up to which it may be purged; not while a member is sent a
    /// snapshot.
    async fn try_create_snapshot_builder(&mut self, force: bool) -> Option<SnapshotBuilder> {
        let builder = self.get_snapshot_builder().await;
        let Ok(now) = &builder.covered else { return Some(builder) };
        if !force && self.keeps_entries(now) {
            return None;
        }
        self.marked = now.last_log_id.map(|id| id.index);
        self.snapshots.forget_written();
        Some(builder)
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        // An applier that has stopped has ended consensus; there is nothing to wait for.
        let _ = self.applier.flush().await;
        let read = self.state.read();
        SnapshotBuilder { covered: covered_by_state(&read), read: Some(read) }
    }

    async fn install_snapshot(
        &mut self,
        _meta: &SnapshotMeta,
        snapshot: SnapshotData,
    ) -> Result<(), io::Error> {
        let file = self.snapshots.file_of(snapshot).await?;
        self.applier.run(|done| Job::Install { file, done }).await
    }

    /// Asked for at the start, to know from where on the log is needed, and whenever a member is to be
    /// sent one.
    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<SnapshotOf<TypeConfig, SnapshotData>>, io::Error> {
        if let Some(file) = self.snapshots.written() {
            let meta = covered_by_file(&file)?;
            return Ok(Some(Snapshot { meta, snapshot: SnapshotData::File(file) }));
        }
        let read = self.state.read();
        let meta = covered_by_state(&read)?;
        let is_empty = meta.last_log_id.is_none();
        Ok((!is_empty).then_some(Snapshot { meta, snapshot: SnapshotData::State(Box::new(read)) }))
    }
}

/// Marks one state.
pub struct SnapshotBuilder {
    covered: io::Result<SnapshotMeta>,
    read: Option<ReadTxn>,
}

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<TypeConfig, SnapshotData>, io::Error> {
        let read = self.read.take().ok_or_else(|| io_error("a builder builds one snapshot"))?;
        let meta = std::mem::replace(&mut self.covered, Err(io_error("built before")))?;
        Ok(Snapshot { meta, snapshot: SnapshotData::State(Box::new(read)) })
    }
}
