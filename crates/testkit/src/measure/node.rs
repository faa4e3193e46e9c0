//! A replica without peers and without a log: what is proposed is applied at once, and a barrier is
//! where the state is. What it leaves out is replication, which is not measured here.

use std::ops::Bound;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use conclave_core::apply::apply;
use conclave_core::command::{Entry, Proposal, Stamp};
use conclave_core::digest::StateDigest;
use conclave_core::ids::MemberId;
use conclave_core::outcome::Applied;
use conclave_core::records::{MemoryRecords, Record, RecordsRead, Table};
use conclave_core::replica::{
    Barrier, BoxFuture, Member, NodeReport, NodeRole, Observer, ProposeError, Replica, StateRead,
    Unavailable,
};
use conclave_core::seams::Clock;
use uuid::Uuid;

use crate::ManualClock;

/// A state: records, digest, and the index of the last entry.
#[derive(Clone, Default)]
pub(super) struct Machine {
    pub(super) records: MemoryRecords,
    pub(super) digest: StateDigest,
    pub(super) index: u64,
}

/// The replica. Whoever holds the services holds it.
pub(super) struct Node {
    clock: Arc<ManualClock>,
    machine: Mutex<Arc<Machine>>,
    observer: OnceLock<Weak<dyn Observer>>,
}

impl Node {
    pub(super) fn new(clock: Arc<ManualClock>) -> Node {
        Node { clock, machine: Mutex::default(), observer: OnceLock::new() }
    }

    /// From now on this observer is told. It holds this node, so it is held weakly.
    pub(super) fn tell(&self, observer: &Arc<dyn Observer>) {
        observer.installed(&self.machine().records, 0);
        assert!(self.observer.set(Arc::downgrade(observer)).is_ok(), "a node has one observer");
    }

    /// The newest state.
    pub(super) fn machine(&self) -> Arc<Machine> {
        self.machine.lock().unwrap().clone()
    }

    fn apply(&self, proposal: Proposal) -> Applied {
        let entry = Entry { stamp: Stamp::at(self.clock.wall_ms()), proposal };
        let mut shared = self.machine.lock().unwrap();
        let machine = Arc::make_mut(&mut shared);
        machine.index += 1;
        let index = machine.index;
        let (applied, changes) = apply(&mut machine.records, &mut machine.digest, index, &entry);
        if let Some(observer) = self.observer.get().and_then(Weak::upgrade) {
            observer.applied(&machine.records, index, &changes.touched);
        }
        applied
    }

    fn report(&self) -> NodeReport {
        let machine = self.machine();
        NodeReport {
            cluster_id: Some(Uuid::from_u128(1)),
            role: NodeRole::Leader,
            leader: Some(1),
            term: 1,
            sealed: false,
            version: String::new(),
            last_log_index: machine.index,
            commit_index: machine.index,
            applied_index: machine.index,
            state_digest: Some(machine.digest.to_string()),
            wall_ms: self.clock.wall_ms(),
        }
    }
}

impl Replica for Node {
    fn propose(
        &self,
        proposal: Proposal,
        _: Duration,
    ) -> BoxFuture<'_, Result<Applied, ProposeError>> {
        Box::pin(async move { Ok(self.apply(proposal)) })
    }

    fn read_barrier(&self, _: Duration) -> BoxFuture<'_, Result<Barrier, Unavailable>> {
        Box::pin(async move {
            let index = self.machine.lock().unwrap().index;
            Ok(Barrier { index, time: Stamp::at(self.clock.wall_ms()) })
        })
    }

    fn state(&self) -> Box<dyn StateRead> {
        Box::new(Fixed(self.machine()))
    }

    fn members(&self) -> Vec<Member> {
        vec![Member { member: self.member_id().0, node_id: 1, voter: true, ..Member::default() }]
    }

    fn member_id(&self) -> MemberId {
        MemberId(1)
    }

    fn report(&self, _: Option<u64>, _: Duration) -> BoxFuture<'_, NodeReport> {
        Box::pin(async move { self.report() })
    }

    fn report_all(
        &self,
        _: Option<u64>,
        _: Duration,
    ) -> BoxFuture<'_, Vec<(Member, Result<NodeReport, Unavailable>)>> {
        let members = self.members().into_iter();
        let reports = members.map(|member| (member, Ok(self.report()))).collect();
        Box::pin(async move { reports })
    }

    fn send_seal_message(
        &self,
        _: MemberId,
        _: Vec<u8>,
        _: Duration,
    ) -> BoxFuture<'_, Result<Vec<u8>, Unavailable>> {
        Box::pin(async { Err(Unavailable::Unreachable("there are no peers".to_owned())) })
    }
}

/// A state that does not change.
struct Fixed(Arc<Machine>);

impl RecordsRead for Fixed {
    fn get(&self, table: Table, key: &[u8]) -> Option<Vec<u8>> {
        self.0.records.get(table, key)
    }

    fn range(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Vec<Record> {
        self.0.records.range(table, from, to, limit)
    }
}

impl StateRead for Fixed {
    fn applied_index(&self) -> u64 {
        self.0.index
    }
}
