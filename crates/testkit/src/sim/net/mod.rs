//! The network between the members, and between clients and members: slow, unreliable, and all by
//! dice.
//!
//! What stands alone (a call and its answer) may be delayed, overtaken, lost, or arrive twice. What is
//! part of a stream (append requests, the chunks of a snapshot) arrives in order or not at all: when
//! a part is lost, it is sent again later, or the connection breaks and all that follows is lost
//! with it. A message sent into a cut is lost, refused, or waits in the buffer of its sender until the
//! cut heals: an old message may so arrive seconds later.
//!
//! Each directed link throws its own dice, once a message. A fault somewhere else does not change what
//! happens on a link, as long as the same messages are sent on it.

mod alive;
mod call;
mod fate;
mod state;
mod stream;
mod transport;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use conclave_raft::RaftNode;
use conclave_raft::transport::{Handler, Transport};
use conclave_raft::wire::Header;
use tokio::sync::Notify;

pub use self::alive::Alive;
use self::state::{Fault, State};
use self::transport::{Endpoint, SimTransport};
use super::trace::Trace;

/// The simulated network; clones share it.
#[derive(Clone)]
pub struct SimNet(Arc<Shared>);

struct Shared {
    trace: Trace,
    /// Rung when a fault ends.
    healed: Notify,
    state: Mutex<State>,
}

/// Who a node says it is when it calls: asked for each call and each stream, since the cluster it
/// belongs to becomes known only later.
pub trait Caller: Send + Sync + 'static {
    /// The header, except for the callee.
    fn header(&self) -> Header;
}

impl Caller for RaftNode {
    fn header(&self) -> Header {
        Header::of(self, None)
    }
}

impl Caller for Header {
    fn header(&self) -> Header {
        self.clone()
    }
}

/// A fault, to end it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FaultId(u64);

/// How bad all links are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Storm {
    /// Share of messages that get lost.
    pub loss_percent: u64,
    /// Share of messages that arrive twice.
    pub duplicate_percent: u64,
    /// Upper bound of the delay that each message has on top.
    pub delay_ms: u64,
}

/// What happened to messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetStats {
    /// Sent: requests, answers, parts of streams, and what clients and nodes say to each other.
    pub messages: u64,
    /// Sent and never arrived; a connection that broke counts once.
    pub lost: u64,
    /// Arrived a second time.
    pub duplicated: u64,
    /// Arrived after one that was sent later on the same link.
    pub reordered: u64,
    /// Waited for a cut to heal, and arrived.
    pub held: u64,
    /// Not sent, as its sender knows.
    pub refused: u64,
    /// Snapshots that arrived whole and were taken.
    pub snapshots: u64,
}

impl SimNet {
    /// A network without nodes and without faults.
    pub fn new(trace: Trace, seed: u64) -> SimNet {
        let state = Mutex::new(State::new(seed));
        SimNet(Arc::new(Shared { trace, healed: Notify::new(), state }))
    }

    /// From now on the node is reached under `address`, for as long as `alive` says. An earlier life
    /// of the node is over.
    pub fn attach(
        &self,
        node: u32,
        address: String,
        caller: impl Caller,
        side: Arc<dyn Handler>,
        alive: Alive,
    ) {
        self.detach(node);
        let endpoint = Endpoint { node, address, caller: Box::new(caller), side, alive };
        self.state().endpoints.insert(node, Arc::new(endpoint));
    }

    /// The life of the node is over: it is not reached any more, and what it sends does not arrive.
    pub fn detach(&self, node: u32) {
        let endpoint = self.state().endpoints.remove(&node);
        if let Some(endpoint) = endpoint {
            endpoint.alive.end();
        }
    }

    /// What the node sends with in this life. Does not keep the network, which keeps the node.
    pub fn transport(&self, node: u32, alive: Alive) -> Arc<dyn Transport> {
        Arc::new(SimTransport::new(Arc::downgrade(&self.0), node, alive))
    }

    /// These nodes and the others do not reach each other.
    pub fn split(&self, side: &BTreeSet<u32>) -> FaultId {
        self.begin(Fault::Split(side.clone()))
    }

    /// Nothing gets from one node to another; the way back is open.
    pub fn one_way(&self, from: u32, to: u32) -> FaultId {
        self.begin(Fault::OneWay(from, to))
    }

    /// Two nodes do not reach each other; both reach the rest.
    pub fn cut(&self, a: u32, b: u32) -> FaultId {
        self.begin(Fault::Cut(a, b))
    }

    /// All links are bad. Of several storms the worst counts, in each respect.
    pub fn storm(&self, storm: Storm) -> FaultId {
        self.begin(Fault::Storm(storm))
    }

    /// Everything to and from this node takes up to this much longer.
    pub fn slow_links(&self, node: u32, delay_ms: u64) -> FaultId {
        self.begin(Fault::Slow(node, delay_ms))
    }

    fn begin(&self, fault: Fault) -> FaultId {
        self.state().begin(fault)
    }

    /// Ends a fault, unless it has ended.
    pub fn heal(&self, fault: FaultId) {
        self.state().faults.remove(&fault);
        self.0.healed.notify_waiters();
    }

    /// Ends all faults.
    pub fn heal_all(&self) {
        self.state().faults.clear();
        self.0.healed.notify_waiters();
    }

    /// What becomes of one message between a client and a node: how long it takes, or `None` if it is
    /// lost. Clients reach all nodes, but they feel storms.
    pub fn client_hop(&self) -> Option<Duration> {
        self.state().client_hop()
    }

    /// What happened so far.
    pub fn stats(&self) -> NetStats {
        self.state().stats
    }

    /// For each term the members that sent append requests or a snapshot as its leader.
    pub fn leaders(&self) -> BTreeMap<u64, BTreeSet<u64>> {
        self.state().leaders.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    fn of(shared: &Weak<Shared>) -> Option<SimNet> {
        shared.upgrade().map(SimNet)
    }
}
