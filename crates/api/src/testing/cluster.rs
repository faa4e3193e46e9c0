//! A cluster without Raft: one log, nodes that apply it at once or only when they must.

use super::clock::ManualClock;
use super::node::FakeNode;
use conclave_core::apply::apply;
use conclave_core::command::{Caller, Command, Entry, Proposal, Stamp};
use conclave_core::digest::StateDigest;
use conclave_core::ids::{MemberId, RequestId};
use conclave_core::outcome::Applied;
use conclave_core::records::MemoryRecords;
use conclave_core::replica::BoxFuture;
use conclave_core::seams::Clock;
use conclave_core::state::State;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

pub(crate) const CLUSTER: &str = "test";

/// A message of the seal protocol as it went over the wire.
#[derive(Clone)]
pub(crate) struct Sent {
    pub(crate) to: MemberId,
    pub(crate) message: Vec<u8>,
}

pub(crate) struct FakeCluster {
    pub(crate) nodes: Vec<Arc<FakeNode>>,
    pub(crate) clock: Arc<ManualClock>,
    /// How fast cluster time passes against the clock, from the next entry on.
    pub(crate) clock_rate: AtomicU32,
    /// Whether anything can be decided.
    pub(crate) quorum: AtomicBool,
    /// The next proposal takes effect and its answer is lost.
    pub(crate) lose_answer: AtomicBool,
    /// Every proposal is sent twice, as a forwarder does whose leader went away.
    pub(crate) send_twice: AtomicBool,
    /// Log indexes whose application is followed by the loss of the quorum.
    pub(crate) lose_quorum_after: AtomicU64,
    /// Runs before the next proposal is committed: another request comes first.
    pub(crate) overtaken: Mutex<Option<BoxFuture<'static, ()>>>,
    pub(crate) sent: Mutex<Vec<Sent>>,
    committed: Mutex<Committed>,
}

#[derive(Default)]
struct Committed {
    log: Vec<Entry>,
    records: MemoryRecords,
    digest: StateDigest,
}

impl FakeCluster {
    /// Nodes 1 to `count`, all of them up, none of them initialized.
    pub(crate) fn new(count: u32) -> Arc<FakeCluster> {
        FakeCluster::of(count, false)
    }

    /// One node with `development.enabled`.
    pub(crate) fn development() -> Arc<FakeCluster> {
        FakeCluster::of(1, true)
    }

    fn of(count: u32, development: bool) -> Arc<FakeCluster> {
        let clock = Arc::new(ManualClock::new());
        let cluster = Arc::new_cyclic(|cluster: &Weak<FakeCluster>| FakeCluster {
            nodes: (1..=count).map(|id| FakeNode::new(id, development, &clock, cluster)).collect(),
            clock: clock.clone(),
            clock_rate: AtomicU32::new(1),
            quorum: AtomicBool::new(true),
            lose_answer: AtomicBool::new(false),
            send_twice: AtomicBool::new(false),
            lose_quorum_after: AtomicU64::new(0),
            overtaken: Mutex::default(),
            sent: Mutex::default(),
            committed: Mutex::default(),
        });
        for node in &cluster.nodes {
            node.attach();
        }
        cluster
    }

    /// Index of the last entry.
    pub(crate) fn index(&self) -> u64 {
        self.committed.lock().unwrap().log.len() as u64
    }

    /// The state after all entries.
    pub(super) fn newest(&self) -> (MemoryRecords, StateDigest, u64) {
        let committed = self.committed.lock().unwrap();
        (committed.records.clone(), committed.digest, committed.log.len() as u64)
    }

    /// The entries from an index (exclusive) on.
    pub(crate) fn entries_after(&self, index: u64) -> Vec<(u64, Entry)> {
        let committed = self.committed.lock().unwrap();
        let entries = (1..).zip(committed.log.iter().cloned());
        entries.filter(|(at, _)| *at > index).collect()
    }

    /// Commits a proposal: every node that is up and not lagging has applied it when this returns.
    pub(crate) fn commit(&self, proposal: Proposal) -> Applied {
        let applied = {
            let mut committed = self.committed.lock().unwrap();
            let Committed { log, records, digest } = &mut *committed;
            let entry = Entry { stamp: self.time_after(records), proposal };
            log.push(entry.clone());
            apply(records, digest, log.len() as u64, &entry).0
        };
        for node in self.nodes.iter().filter(|node| node.is_up() && !node.is_lagging()) {
            node.catch_up();
        }
        if self.lose_quorum_after.load(Ordering::SeqCst) == self.index() {
            self.quorum.store(false, Ordering::SeqCst);
        }
        applied
    }

    /// The leader's time now.
    pub(crate) fn time(&self) -> Stamp {
        self.time_after(&self.committed.lock().unwrap().records)
    }

    fn time_after(&self, records: &MemoryRecords) -> Stamp {
        let before = State(records).machine().time();
        before.later(self.clock.wall_ms(), self.clock_rate.load(Ordering::SeqCst))
    }

    /// Timers that are due get an entry.
    pub(crate) fn tick(&self) -> Applied {
        self.commit(Proposal {
            caller: Caller::Cluster,
            request: RequestId::NONE,
            request_digest: [0; 32],
            seen_index: None,
            command: Command::Tick,
        })
    }

    pub(crate) fn has_quorum(&self) -> bool {
        self.quorum.load(Ordering::SeqCst)
    }

    pub(crate) fn node_of(&self, member: MemberId) -> Option<&Arc<FakeNode>> {
        self.nodes.iter().find(|node| node.member_id() == member)
    }

    /// What went to and fro, decoded by the test.
    pub(crate) fn messages_to(&self, node: u32) -> Vec<Sent> {
        let member = self.nodes[node as usize - 1].member_id();
        let sent = self.sent.lock().unwrap();
        sent.iter().filter(|sent| sent.to == member).cloned().collect()
    }
}
