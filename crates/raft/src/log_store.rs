//! The Raft log and vote on [`LogFile`]: one ordered queue for votes, entries, truncation and purge.

use crate::config::BYTES_PER_APPEND;
use crate::leadership::Promise;
use crate::machine::StateSync;
use crate::types::{LogEntry, LogId, TypeConfig, Vote, io_error};
use conclave_core::codec;
use conclave_storage::{LogFile, MetaKey};
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::io;
use std::ops::RangeBounds;
use std::sync::Arc;

const VOTE: MetaKey = MetaKey::new("vote");
const COMMITTED: MetaKey = MetaKey::new("committed");
const PURGED: MetaKey = MetaKey::new("purged");

/// The log of this member.
#[derive(Clone)]
pub struct LogStore {
    log: LogFile,
    state: StateSync,
    promise: Promise,
}

impl LogStore {
    /// Binds a log file; `state` is asked before anything is purged, `promise` is told of
    /// every vote before it is given.
    pub fn new(log: LogFile, state: StateSync, promise: Promise) -> Self {
        Self { log, state, promise }
    }
}

/// The vote in the log file.
pub(crate) fn stored_vote(log: &LogFile) -> io::Result<Option<Vote>> {
    meta(log, VOTE)
}

/// The last log id in the log file, purged ones included.
pub(crate) fn last_log_id(log: &LogFile) -> io::Result<Option<LogId>> {
    match log.last_index().and_then(|index| log.entry(index)) {
        Some(bytes) => Ok(Some(decode_entry(&bytes)?.log_id)),
        None => meta(log, PURGED),
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> Result<Vec<LogEntry>, io::Error>
    where
        RB: RangeBounds<u64> + Clone + Debug + Send,
    {
        let entries = self.log.entries(range, usize::MAX);
        entries.iter().map(|(_, bytes)| decode_entry(bytes)).collect()
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<LogEntry>, io::Error> {
        let entries = self.log.entries(start..end, BYTES_PER_APPEND);
        entries.iter().map(|(_, bytes)| decode_entry(bytes)).collect()
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        stored_vote(&self.log)
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = LogStore;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        Ok(LogState {
            last_purged_log_id: meta(&self.log, PURGED)?,
            last_log_id: last_log_id(&self.log)?,
        })
    }

    async fn get_log_reader(&mut self) -> LogStore {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        self.promise.raise(vote);
        self.log.write_meta(vec![(VOTE, Some(codec::encode(vote)))]).await.map_err(io_error)
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        let Some(id) = committed else {
            return Ok(());
        };
        self.log.note_meta(COMMITTED, codec::encode(&id)).map_err(io_error)?;
        #[cfg(feature = "mutants")]
        if conclave_core::mutants::Mutant::PurgeAhead.active() {
            let changes = vec![(PURGED, Some(codec::encode(&id)))];
            self.log.purge_disk_to(id.index, changes).map_err(io_error)?;
        }
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        meta(&self.log, COMMITTED)
    }

    async fn append<I>(
        &mut self,
        entries: I,
        callback: IOFlushed<TypeConfig>,
    ) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = LogEntry> + Send,
        I::IntoIter: Send,
    {
        let encoded = entries
            .into_iter()
            .map(|entry| (entry.log_id.index, Arc::from(codec::encode(&entry))))
            .collect();
        let done = Box::new(move |synced: Result<(), _>| {
            callback.io_completed(synced.map_err(io_error));
        });
        self.log.append(encoded, done).map_err(io_error)
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        self.log.truncate_after(last.map(|id| id.index)).await.map_err(io_error)
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        #[cfg(feature = "mutants")]
        if conclave_core::mutants::Mutant::PurgeAhead.active() {
            return self.purge_unasked(log_id).await;
        }
        // What leaves the log must be durable in the state first.
        self.state.sync_to(log_id.index).await?;
        let changes = vec![(PURGED, Some(codec::encode(&log_id)))];
        self.log.purge_to(log_id.index, changes).await.map_err(io_error)
    }
}

#[cfg(feature = "mutants")]
impl LogStore {
    /// A known bug: the disk has lost what is committed, and the state is not asked for it.
    async fn purge_unasked(&self, log_id: LogId) -> io::Result<()> {
        let purged = meta(&self.log, COMMITTED)?.max(Some(log_id)).unwrap_or(log_id);
        let changes = vec![(PURGED, Some(codec::encode(&purged)))];
        self.log.purge_to(log_id.index, changes).await.map_err(io_error)
    }
}

fn meta<T: DeserializeOwned>(log: &LogFile, key: MetaKey) -> io::Result<Option<T>> {
    log.meta(key).map(|bytes| codec::decode(&bytes).map_err(io_error)).transpose()
}

fn decode_entry(bytes: &[u8]) -> io::Result<LogEntry> {
    codec::decode(bytes).map_err(io_error)
}
