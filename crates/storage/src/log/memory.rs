//! What the handles and the writer share: the retained log in memory and the queue of operations.

use std::collections::{BTreeMap, VecDeque};
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

use super::{Done, LogFailure, MetaKey};
use crate::limits::{LOG_BATCH_BYTES, LOG_BATCH_OPERATIONS};

/// Entries in ascending order of their index.
pub(super) type Entries = Vec<(u64, Arc<[u8]>)>;

/// Changes to meta records by name.
pub(super) type NamedChanges = Vec<(String, Option<Vec<u8>>)>;

/// An operation in the queue.
pub(super) enum Op {
    /// Entries to store.
    Append { entries: Entries, epoch: u64, done: Done },
    /// Meta records; without `done` it is a note, which asks for no commit of its own.
    Meta { changes: NamedChanges, done: Option<Done> },
    /// Drop the entries after `last`; `kept` is the last index that is left (filled when queued).
    Truncate { last: Option<u64>, kept: Option<u64>, epoch: u64, done: Done },
    /// Drop the entries up to `last`.
    Purge { last: u64, changes: NamedChanges, done: Done },
    /// Commit what is there and end.
    Close { done: Option<Done> },
}

impl Op {
    fn is_note(&self) -> bool {
        matches!(self, Op::Meta { done: None, .. })
    }

    fn bytes(&self) -> usize {
        match self {
            Op::Append { entries, .. } => entries.iter().map(|(_, bytes)| bytes.len()).sum(),
            _ => 0,
        }
    }

    /// Calls back at once, and not again later; closing waits for the end.
    #[cfg(feature = "mutants")]
    pub(super) fn acknowledge(&mut self) {
        let (Op::Append { done, .. }
        | Op::Truncate { done, .. }
        | Op::Purge { done, .. }
        | Op::Meta { done: Some(done), .. }) = self
        else {
            return;
        };
        std::mem::replace(done, Box::new(|_| {}))(Ok(()));
    }

    /// The callback, if there is one.
    pub(super) fn into_done(self) -> Option<Done> {
        match self {
            Op::Append { done, .. } | Op::Truncate { done, .. } | Op::Purge { done, .. } => {
                Some(done)
            }
            Op::Meta { done, .. } | Op::Close { done } => done,
        }
    }
}

/// What is known at open.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) entries: BTreeMap<u64, Arc<[u8]>>,
    pub(super) purged: Option<u64>,
    pub(super) meta: BTreeMap<String, Vec<u8>>,
}

/// The state behind the lock.
pub(super) struct State {
    pub(super) entries: BTreeMap<u64, Arc<[u8]>>,
    pub(super) purged: Option<u64>,
    pub(super) meta: BTreeMap<String, Vec<u8>>,
    /// Highest index up to which everything is on disk.
    pub(super) synced: Option<u64>,
    /// Number of truncations so far. A commit of entries that were appended before the newest
    /// truncation says nothing about what stands under their indexes now.
    epoch: u64,
    queue: VecDeque<Op>,
    /// Operations in the queue that ask for a commit.
    urgent: usize,
    /// Why no more operations are taken.
    refusing: Option<LogFailure>,
}

/// Memory and queue, and the bell that wakes the writer.
pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) wake: Notify,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Shared {
    pub(super) fn new(loaded: Loaded) -> Shared {
        let synced = loaded.entries.keys().next_back().copied().or(loaded.purged);
        let state = State {
            entries: loaded.entries,
            purged: loaded.purged,
            meta: loaded.meta,
            synced,
            epoch: 0,
            queue: VecDeque::new(),
            urgent: 0,
            refusing: None,
        };
        Shared { state: Mutex::new(state), wake: Notify::new() }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds this lock")
    }

    /// Puts entries into memory and into the queue, in one step.
    pub(super) fn append(&self, entries: Entries, done: Done) -> Result<(), LogFailure> {
        let mut state = self.lock();
        state.accepting()?;
        state.contiguous(&entries)?;
        state.entries.extend(entries.iter().cloned());
        let epoch = state.epoch;
        state.push(Op::Append { entries, epoch, done });
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    /// Puts an operation into the queue; what it drops is gone from memory at once.
    pub(super) fn enqueue(&self, operation: Op) -> Result<(), LogFailure> {
        let mut state = self.lock();
        state.accepting()?;
        let operation = state.prepare(operation);
        state.push(operation);
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    /// Puts an operation into the queue that memory does not follow.
    #[cfg(feature = "mutants")]
    pub(super) fn enqueue_for_disk(&self, operation: Op) -> Result<(), LogFailure> {
        let mut state = self.lock();
        state.accepting()?;
        state.push(operation);
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    /// Notes a meta record without waking the writer.
    pub(super) fn note(&self, key: MetaKey, value: Vec<u8>) -> Result<(), LogFailure> {
        let mut state = self.lock();
        state.accepting()?;
        state.meta.insert(key.name().to_owned(), value.clone());
        if let Some(Op::Meta { changes, done: None }) = state.queue.back_mut() {
            // Notes in a row become one, so that they stay bounded while nothing is committed.
            changes.retain(|(name, _)| name != key.name());
            changes.push((key.name().to_owned(), Some(value)));
        } else {
            let changes = vec![(key.name().to_owned(), Some(value))];
            state.push(Op::Meta { changes, done: None });
        }
        Ok(())
    }

    /// Whether something asks for a commit.
    pub(super) fn has_work(&self) -> bool {
        self.lock().urgent > 0
    }

    /// What goes into the next commit, in order; empty if nothing asks for one.
    pub(super) fn take_batch(&self) -> Vec<Op> {
        let mut state = self.lock();
        let mut batch = Vec::new();
        let mut bytes = 0;
        while state.urgent > 0 && batch.len() < LOG_BATCH_OPERATIONS {
            let Some(next) = state.queue.front() else { break };
            bytes += next.bytes();
            if bytes > LOG_BATCH_BYTES && !batch.is_empty() {
                break;
            }
            let next = state.queue.pop_front().expect("the front was just seen");
            state.urgent -= usize::from(!next.is_note());
            batch.push(next);
        }
        batch
    }

    /// Takes note of what a commit made durable.
    pub(super) fn committed(&self, batch: &[Op]) {
        let mut state = self.lock();
        for operation in batch {
            state.committed(operation);
        }
    }

    /// Refuses everything from now on and returns what was waiting.
    pub(super) fn refuse(&self, failure: LogFailure) -> VecDeque<Op> {
        let mut state = self.lock();
        state.refusing = Some(failure);
        state.urgent = 0;
        std::mem::take(&mut state.queue)
    }

    /// The writer is gone. If nobody said why (its runtime was torn down), nobody shall wait for it.
    pub(super) fn ended(&self) {
        let known = self.lock().refusing.clone();
        let ended = || LogFailure::Failed("the log writer has ended".into());
        drop(self.refuse(known.unwrap_or_else(ended)));
    }
}

impl State {
    fn accepting(&self) -> Result<(), LogFailure> {
        self.refusing.clone().map_or(Ok(()), Err)
    }

    fn push(&mut self, operation: Op) {
        self.urgent += usize::from(!operation.is_note());
        self.queue.push_back(operation);
    }

    fn contiguous(&self, entries: &Entries) -> Result<(), LogFailure> {
        let mut last = self.last();
        for (found, _) in entries {
            let expected = last.map_or(*found, |last| after(Some(last)));
            if *found != expected {
                return Err(LogFailure::NotContiguous { expected, found: *found });
            }
            last = Some(*found);
        }
        Ok(())
    }

    /// The index after which an append goes on; `None` if the log is empty and was never purged.
    fn last(&self) -> Option<u64> {
        self.entries.keys().next_back().copied().or(self.purged)
    }

    /// Does to memory what the operation will do to the file.
    fn prepare(&mut self, operation: Op) -> Op {
        match operation {
            Op::Truncate { last, done, .. } => {
                self.entries.split_off(&after(last));
                let kept = self.last();
                self.synced = self.synced.min(kept);
                self.epoch += 1;
                Op::Truncate { last, kept, epoch: self.epoch, done }
            }
            Op::Purge { last, changes, done } => {
                self.entries = self.entries.split_off(&after(Some(last)));
                self.purged = self.purged.max(Some(last));
                Op::Purge { last, changes, done }
            }
            Op::Close { done } => {
                self.refusing = Some(LogFailure::Closed);
                Op::Close { done }
            }
            other => other,
        }
    }

    fn committed(&mut self, operation: &Op) {
        match operation {
            Op::Append { entries, epoch, .. } if *epoch == self.epoch => {
                self.synced = self.synced.max(entries.last().map(|(index, _)| *index));
            }
            // What was kept had been queued earlier, so it is on disk as well.
            Op::Truncate { kept, epoch, .. } if *epoch == self.epoch => {
                self.synced = self.synced.max(*kept);
            }
            Op::Meta { changes, done: Some(_) } => self.remember(changes),
            Op::Purge { last, changes, .. } => {
                self.synced = self.synced.max(Some(*last));
                self.remember(changes);
            }
            _ => {}
        }
    }

    fn remember(&mut self, changes: &NamedChanges) {
        for (name, value) in changes {
            match value {
                Some(value) => self.meta.insert(name.clone(), value.clone()),
                None => self.meta.remove(name),
            };
        }
    }

    /// See `LogFile::entries`.
    pub(super) fn entries(&self, range: impl RangeBounds<u64>, max_bytes: usize) -> Entries {
        let first = match range.start_bound() {
            Bound::Included(index) => *index,
            Bound::Excluded(index) => after(Some(*index)),
            Bound::Unbounded => 0,
        };
        let mut bytes = 0;
        self.entries
            .range(first..)
            .take_while(|(index, _)| range.contains(index))
            .enumerate()
            .take_while(|(position, (_, entry))| {
                bytes += entry.len();
                *position == 0 || bytes <= max_bytes
            })
            .map(|(_, (index, entry))| (*index, entry.clone()))
            .collect()
    }
}

/// The first index after `last`.
pub(super) fn after(last: Option<u64>) -> u64 {
    last.map_or(0, |last| last.saturating_add(1))
}
