//! A node of the fake cluster: real services over a fake replica.

use super::clock::ManualClock;
use super::cluster::{CLUSTER, FakeCluster, Sent};
use super::entropy::SeededEntropy;
use super::journal::FakeJournal;
use crate::config::ApiConfig;
use crate::context::Context;
use crate::journaled::Journaled;
use crate::services::{Services, Shared};
use conclave_core::apply::apply;
use conclave_core::command::Proposal;
use conclave_core::digest::StateDigest;
use conclave_core::ids::MemberId;
use conclave_core::outcome::Applied;
use conclave_core::records::{MemoryRecords, Record, RecordsRead, Table};
use conclave_core::replica::{
    Barrier, BoxFuture, Member, NodeReport, NodeRole, PeerSeal, ProposeError, Replica, StateRead,
    Unavailable,
};
use conclave_core::seams::Clock;
use conclave_core::view::NoRecords;
use conclave_crypto::node_key::NodeKey;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock, Weak};
use std::time::Duration;
use tokio::sync::watch;
use uuid::Uuid;

pub(crate) struct FakeNode {
    id: u32,
    development: bool,
    clock: Arc<ManualClock>,
    cluster: Weak<FakeCluster>,
    running: RwLock<Running>,
    state: Mutex<Applying>,
    up: AtomicBool,
    lagging: AtomicBool,
    /// Barriers wait while this is false.
    pub(crate) barriers_open: watch::Sender<bool>,
    /// Barriers that were asked for.
    pub(crate) barriers: AtomicUsize,
    restarts: AtomicUsize,
    pub(crate) journal: Arc<FakeJournal>,
}

/// What a restart loses.
#[derive(Clone)]
struct Running {
    shared: Shared,
    services: Option<Services>,
    journaled: Option<Arc<Journaled>>,
}

struct Applying {
    records: MemoryRecords,
    digest: StateDigest,
    index: u64,
}

impl FakeNode {
    pub(super) fn new(
        id: u32,
        development: bool,
        clock: &Arc<ManualClock>,
        cluster: &Weak<FakeCluster>,
    ) -> Arc<FakeNode> {
        Arc::new(FakeNode {
            id,
            development,
            clock: clock.clone(),
            cluster: cluster.clone(),
            running: RwLock::new(Running {
                shared: shared(id, development, 0, clock),
                services: None,
                journaled: None,
            }),
            state: Mutex::new(Applying {
                records: MemoryRecords::default(),
                digest: StateDigest::default(),
                index: 0,
            }),
            up: AtomicBool::new(true),
            lagging: AtomicBool::new(false),
            barriers_open: watch::Sender::new(true),
            barriers: AtomicUsize::new(0),
            restarts: AtomicUsize::new(0),
            journal: Arc::default(),
        })
    }

    /// Starts the services over this node's replica.
    pub(super) fn attach(self: &Arc<Self>) {
        let state = self.state.lock().unwrap();
        let mut running = self.running.write().unwrap();
        let observer = running.shared.observer();
        observer.installed(&NoRecords, 0);
        observer.installed(&state.records, state.index);
        let replica = Arc::new(FakeReplica(self.clone()));
        running.journaled = Some(running.shared.context().journaled(self.journal.clone()));
        running.services = Some(Services::new(running.shared.clone(), replica));
    }

    /// The process ends and starts again: only the replicated state is still there.
    pub(crate) fn restart(self: &Arc<Self>) {
        let restarts = self.restarts.fetch_add(1, Ordering::SeqCst) as u64 + 1;
        let fresh = Running {
            shared: shared(self.id, self.development, restarts, &self.clock),
            services: None,
            journaled: None,
        };
        *self.running.write().unwrap() = fresh;
        self.attach();
        self.catch_up();
    }

    pub(crate) fn context(&self) -> Arc<Context> {
        self.running.read().unwrap().shared.context()
    }

    pub(crate) fn journaled(&self) -> Arc<Journaled> {
        self.running.read().unwrap().journaled.clone().unwrap()
    }

    pub(crate) fn services(&self) -> Services {
        self.running.read().unwrap().services.clone().unwrap()
    }

    pub(crate) fn peer_seal(&self) -> Arc<dyn PeerSeal> {
        self.running.read().unwrap().shared.peer_seal()
    }

    pub(crate) fn member_id(&self) -> MemberId {
        MemberId(u64::from(self.id) * 1_000)
    }

    pub(crate) fn set_up(&self, up: bool) {
        self.up.store(up, Ordering::SeqCst);
        if up {
            self.catch_up();
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.up.load(Ordering::SeqCst)
    }

    /// A lagging node applies only what a barrier asks it to.
    pub(crate) fn set_lagging(&self, lagging: bool) {
        self.lagging.store(lagging, Ordering::SeqCst);
    }

    pub(crate) fn is_lagging(&self) -> bool {
        self.lagging.load(Ordering::SeqCst)
    }

    pub(crate) fn is_sealed(&self) -> bool {
        self.peer_seal().is_sealed()
    }

    /// Applies what is committed, telling the observer in log order.
    pub(crate) fn catch_up(&self) {
        let mut state = self.state.lock().unwrap();
        let observer = self.running.read().unwrap().shared.observer();
        for (index, entry) in self.cluster().entries_after(state.index) {
            let Applying { records, digest, .. } = &mut *state;
            let (_, changes) = apply(records, digest, index, &entry);
            observer.applied(records, index, &changes.touched);
            state.index = index;
        }
    }

    /// Takes the newest state as a snapshot, in place of the entries that lead to it.
    pub(crate) fn install_newest(&self) {
        let mut state = self.state.lock().unwrap();
        let (records, digest, index) = self.cluster().newest();
        *state = Applying { records, digest, index };
        let observer = self.running.read().unwrap().shared.observer();
        observer.installed(&state.records, index);
    }

    pub(super) fn cluster(&self) -> Arc<FakeCluster> {
        self.cluster.upgrade().unwrap()
    }

    fn member(&self) -> Member {
        Member {
            member: self.member_id().0,
            node_id: self.id,
            api: format!("node{}:7400", self.id),
            peer: format!("node{}:7401", self.id),
            node_key: node_key(self.id).public_key(),
            voter: true,
        }
    }

    fn report_now(&self) -> NodeReport {
        let quorum = self.cluster().has_quorum();
        let role = match self.id {
            1 if quorum => NodeRole::Leader,
            _ if quorum => NodeRole::Follower,
            _ => NodeRole::Candidate,
        };
        let state = self.state.lock().unwrap();
        NodeReport {
            cluster_id: Some(Uuid::from_u128(42)),
            role,
            leader: quorum.then_some(1),
            term: 3,
            sealed: self.is_sealed(),
            version: "test".to_owned(),
            last_log_index: self.cluster().index(),
            commit_index: self.cluster().index(),
            applied_index: state.index,
            state_digest: Some(state.digest.to_string()),
            wall_ms: self.clock.wall_ms(),
        }
    }
}

fn shared(id: u32, development: bool, restarts: u64, clock: &Arc<ManualClock>) -> Shared {
    let config = ApiConfig {
        cluster_name: CLUSTER.to_owned(),
        node_id: id,
        development,
        operators: vec!["olga".to_owned()],
        version: "test".to_owned(),
    };
    let entropy = SeededEntropy::new(u64::from(id) + restarts * 1_000);
    Shared::new(config, clock.clone(), Arc::new(entropy), node_key(id))
}

fn node_key(id: u32) -> NodeKey {
    NodeKey::generate(&SeededEntropy::new(1_000_000 + u64::from(id)))
}

struct FakeReplica(Arc<FakeNode>);

impl Replica for FakeReplica {
    fn propose(
        &self,
        proposal: Proposal,
        _: Duration,
    ) -> BoxFuture<'_, Result<Applied, ProposeError>> {
        Box::pin(async move {
            let cluster = self.0.cluster();
            if !cluster.has_quorum() {
                return Err(Unavailable::NoQuorum.into());
            }
            let first = cluster.overtaken.lock().unwrap().take();
            if let Some(first) = first {
                first.await;
            }
            let mut applied = cluster.commit(proposal.clone());
            if cluster.send_twice.load(Ordering::SeqCst) {
                applied = cluster.commit(proposal);
            }
            if cluster.lose_answer.swap(false, Ordering::SeqCst) {
                return Err(ProposeError::Unknown);
            }
            Ok(applied)
        })
    }

    fn read_barrier(&self, _: Duration) -> BoxFuture<'_, Result<Barrier, Unavailable>> {
        Box::pin(async move {
            let node = &self.0;
            node.barriers.fetch_add(1, Ordering::SeqCst);
            let mut open = node.barriers_open.subscribe();
            open.wait_for(|open| *open).await.map_err(|_| Unavailable::Stopping)?;
            if !node.cluster().has_quorum() {
                return Err(Unavailable::NoQuorum);
            }
            node.catch_up();
            let cluster = node.cluster();
            Ok(Barrier { index: cluster.index(), time: cluster.time() })
        })
    }

    fn state(&self) -> Box<dyn StateRead> {
        let state = self.0.state.lock().unwrap();
        Box::new(Snapshot { records: state.records.clone(), index: state.index })
    }

    fn members(&self) -> Vec<Member> {
        self.0.cluster().nodes.iter().map(|node| node.member()).collect()
    }

    fn member_id(&self) -> MemberId {
        self.0.member_id()
    }

    fn report(&self, _: Option<u64>, _: Duration) -> BoxFuture<'_, NodeReport> {
        Box::pin(async move { self.0.report_now() })
    }

    fn report_all(
        &self,
        at_index: Option<u64>,
        _: Duration,
    ) -> BoxFuture<'_, Vec<(Member, Result<NodeReport, Unavailable>)>> {
        Box::pin(async move {
            let report = |node: &Arc<FakeNode>| {
                if !node.is_up() {
                    return Err(Unavailable::Unreachable("down".to_owned()));
                }
                if at_index.is_some() {
                    node.catch_up();
                }
                Ok(node.report_now())
            };
            self.0.cluster().nodes.iter().map(|node| (node.member(), report(node))).collect()
        })
    }

    fn send_seal_message(
        &self,
        to: MemberId,
        message: Vec<u8>,
        _: Duration,
    ) -> BoxFuture<'_, Result<Vec<u8>, Unavailable>> {
        Box::pin(async move {
            let cluster = self.0.cluster();
            let from = self.0.member_id();
            cluster.sent.lock().unwrap().push(Sent { to, message: message.clone() });
            match cluster.node_of(to) {
                Some(node) if node.is_up() => Ok(node.peer_seal().answer(from, message).await),
                _ => Err(Unavailable::Unreachable("down".to_owned())),
            }
        })
    }
}

struct Snapshot {
    records: MemoryRecords,
    index: u64,
}

impl RecordsRead for Snapshot {
    fn get(&self, table: Table, key: &[u8]) -> Option<Vec<u8>> {
        self.records.get(table, key)
    }

    fn range(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Vec<Record> {
        self.records.range(table, from, to, limit)
    }
}

impl StateRead for Snapshot {
    fn applied_index(&self) -> u64 {
        self.index
    }
}
