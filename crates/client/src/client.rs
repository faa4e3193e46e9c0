//! The client.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::attempt::Caller;
use crate::builder::ClientBuilder;
use crate::node::Node;

/// A client of one cluster. Clones share connections. The connections are driven by tasks of the
/// tokio runtime in which they were first used.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    nodes: Vec<Node>,
    caller: Caller,
    timeout: Duration,
    /// Place of the node that answered last.
    preferred: AtomicUsize,
}

impl Client {
    /// Starts the description of a client.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::new()
    }

    /// `nodes` has at least one element.
    pub(crate) fn new(nodes: Vec<Node>, caller: Caller, timeout: Duration) -> Self {
        let preferred = AtomicUsize::new(0);
        Client { inner: Arc::new(Inner { nodes, caller, timeout, preferred }) }
    }

    /// The highest log index that an answer carried. Later calls of this client ask for a state
    /// that is at least this fresh, whichever node they go to.
    pub fn seen_index(&self) -> u64 {
        self.inner.caller.index()
    }

    pub(crate) fn nodes(&self) -> &[Node] {
        &self.inner.nodes
    }

    pub(crate) fn caller(&self) -> &Caller {
        &self.inner.caller
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.inner.timeout
    }

    /// The places of the nodes in the order in which they are asked.
    pub(crate) fn order(&self) -> impl Iterator<Item = usize> + use<> {
        let count = self.inner.nodes.len();
        let first = self.inner.preferred.load(Ordering::Relaxed);
        (0..count).map(move |step| (first + step) % count)
    }

    pub(crate) fn prefer(&self, place: usize) {
        self.inner.preferred.store(place, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let addrs: Vec<&str> = self.inner.nodes.iter().map(Node::addr).collect();
        f.debug_struct("Client").field("addrs", &addrs).finish_non_exhaustive()
    }
}
