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

/// What members have shown by introducing themselves: durable before they are answered.
const SEEN: MetaKey = MetaKey::new("seen");
/// The same, as it goes on: rides along with the next commit, so that a restart forgets little.
const NOTED: MetaKey = MetaKey::new("seen-noted");

fn stored(log: &LogFile, key: MetaKey) -> io::Result<BTreeMap<u64, Seen>> {
    log.meta(key).map_or_else(|| Ok(BTreeMap::new()), |b| codec::decode(&b).map_err(io_error))
}

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
        let mut seen = stored(&log, SEEN)?;
        for (member, noted) in stored(&log, NOTED)? {
            let entry: &mut Seen = seen.entry(member).or_default();
            entry.knowledge = entry.knowledge.max(noted.knowledge);
        }
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
        (incarnation, start): (u64, u64),
        knowledge: Knowledge,
    ) -> io::Result<()> {
        let bytes = {
            let mut seen = self.lock();
            let entry = seen.entry(member).or_default();
            if incarnation > entry.incarnation {
                (entry.incarnation, entry.start) = (incarnation, start);
            }
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

    /// A node has come with another member before the cluster was formed: the one before is gone.
    pub fn forget(&self, member: u64) {
        self.lock().remove(&member);
    }

    fn raise(&self, member: u64, knowledge: Knowledge) {
        let mut seen = self.lock();
        let entry = seen.entry(member).or_default();
        if knowledge > entry.knowledge {
            entry.knowledge = knowledge;
            // A log that has failed has ended the process.
            let _ = self.log.note_meta(NOTED, codec::encode(&*seen));
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
