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
    /// How many entries stay in the log before a mark.
    log_kept: u64,
    /// Index of the newest mark in the log; before there is one, where the first would have been.
    marked: Option<u64>,
}

impl Machine {
    /// Binds the state, its applier and the snapshots; those that are sent are written by `spawner`.
    pub fn new(
        state: StateFile,
        applier: StateSync,
        snapshots: SnapshotStore,
        spawner: Arc<dyn Spawner>,
        log_kept: u64,
    ) -> Machine {
        let snapshots = Snapshots::new(snapshots, spawner);
        Machine { state, applier, snapshots, log_kept, marked: None }
    }

    pub(crate) fn snapshots(&self) -> &Snapshots {
        &self.snapshots
    }

    /// Whether entries are kept for a member that is being sent a snapshot.
    fn keeps_entries(&mut self, index: u64) -> bool {
        let grown = index.saturating_sub(*self.marked.get_or_insert(index));
        self.snapshots.are_sent() && grown < MOST_KEPT_FOR_A_SNAPSHOT
    }

    /// A snapshot that was written for an earlier attempt, if the log has the entries after it.
    fn written(&self) -> io::Result<Option<SnapshotOf<TypeConfig, SnapshotData>>> {
        let Some(file) = self.snapshots.written() else { return Ok(None) };
        let meta = covered_by_file(&file)?;
        let purged = self.marked.unwrap_or(0).saturating_sub(self.log_kept);
        if index_of(&meta) < purged {
            self.snapshots.forget_written();
            return Ok(None);
        }
        Ok(Some(Snapshot { meta, snapshot: SnapshotData::File(file) }))
    }
}

fn index_of(covered: &SnapshotMeta) -> u64 {
    covered.last_log_id.map_or(0, |id| id.index)
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
        let index = index_of(now);
        if !force && self.keeps_entries(index) {
            return None;
        }
        self.marked = Some(index);
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
        self.snapshots.forget_written();
        let file = self.snapshots.file_of(snapshot).await?;
        self.marked = Some(index_of(&covered_by_file(&file)?));
        self.applier.run(|done| Job::Install { file, done }).await
    }

    /// Asked for at the start, to know from where on the log is needed, and whenever a member is to be
    /// sent one.
    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<SnapshotOf<TypeConfig, SnapshotData>>, io::Error> {
        if let Some(written) = self.written()? {
            return Ok(Some(written));
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
