//! What this member has seen of the others, so that an old copy of a data directory is refused.
//!
//! Consensus neither detects nor survives a voter that starts from an old copy of its data: it votes
//! twice and acknowledges what it has forgotten. So each member remembers the furthest vote and log
//! that every other member has shown, and tells a starting member.

use crate::types::{Metrics, Vote, io_error};
use crate::wire::{Knowledge, Seen};
use conclave_core::codec;
use conclave_storage::{LogFile, MetaKey};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};

const SEEN: MetaKey = MetaKey::new("seen");

/// The memory of one member about the others.
pub struct Witness {
    log: LogFile,
    seen: Mutex<BTreeMap<u64, Seen>>,
}

impl Witness {
    /// Reads what was remembered durably.
    ///
    /// # Errors
    /// The record cannot be decoded.
    pub fn open(log: LogFile) -> io::Result<Witness> {
        let seen = match log.meta(SEEN) {
            Some(bytes) => codec::decode(&bytes).map_err(io_error)?,
            None => BTreeMap::new(),
        };
        Ok(Witness { log, seen: Mutex::new(seen) })
    }

    /// The most that was seen of a member.
    pub fn of(&self, member: u64) -> Option<Seen> {
        self.lock().get(&member).copied()
    }

    /// A member has introduced itself: remembered durably before it is answered.
    ///
    /// # Errors
    /// The log file has failed.
    pub async fn saw_introduction(
        &self,
        member: u64,
        incarnation: u64,
        knowledge: Knowledge,
    ) -> io::Result<()> {
        let bytes = {
            let mut seen = self.lock();
            let entry = seen.entry(member).or_default();
            entry.incarnation = entry.incarnation.max(incarnation);
            entry.knowledge = entry.knowledge.max(knowledge);
            codec::encode(&*seen)
        };
        self.log.write_meta(vec![(SEEN, Some(bytes))]).await.map_err(io_error)
    }

    /// A member has answered with this vote, which it had made durable before.
    pub fn saw_vote(&self, member: u64, vote: &Vote) {
        self.raise(member, Knowledge::new(Some(*vote), None));
    }

    /// What the leader's replication knows of the others' logs. A member has the leader's vote only
    /// once it has answered this leader: one that is down since an earlier term has matched nothing.
    pub fn saw_metrics(&self, metrics: &Metrics) {
        for (member, matched) in metrics.replication.iter().flatten() {
            if let Some(matched) = matched {
                self.raise(*member, Knowledge::new(Some(metrics.vote), Some(*matched)));
            }
        }
    }

    fn raise(&self, member: u64, knowledge: Knowledge) {
        let mut seen = self.lock();
        let entry = seen.entry(member).or_default();
        entry.knowledge = entry.knowledge.max(knowledge);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
