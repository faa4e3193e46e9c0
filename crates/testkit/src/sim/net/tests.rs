//! The network, between members that only write down what they hear. Each test prints its seed.

mod calls;
mod crashes;
mod partitions;
mod same_seed;
mod side;
mod snapshots;
mod streams;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use conclave_raft::transport::{Target, Transport, TransportError};
use conclave_raft::wire::{Answer, Header, PROTOCOL, Request};
use futures::future::join_all;
use tokio::runtime::{Builder, RngSeed};
use tokio::time::{Instant, sleep};

use self::side::Side;
use super::{Alive, SimNet, Storm};
use crate::sim::trace::Trace;

const CALL: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(1);

/// Some nodes on a network.
struct World {
    net: SimNet,
    trace: Trace,
    nodes: BTreeMap<u32, Node>,
}

struct Node {
    side: Arc<Side>,
    alive: Alive,
    transport: Arc<dyn Transport>,
}

/// Runs a test of `size` nodes in simulated time.
fn simulate<T, F: Future<Output = T>>(seed: u64, size: u32, test: impl FnOnce(World) -> F) -> T {
    println!("seed {seed}");
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .rng_seed(RngSeed::from_bytes(&seed.to_le_bytes()))
        .build()
        .unwrap();
    runtime.block_on(async {
        let trace = Trace::new(true);
        let net = SimNet::new(trace.clone(), seed);
        let mut world = World { net, trace, nodes: BTreeMap::new() };
        (1..=size).for_each(|node| world.start(node));
        test(world).await
    })
}

impl World {
    /// Begins a life of a node.
    fn start(&mut self, node: u32) {
        let (side, alive) = (Arc::new(Side::default()), Alive::new());
        self.net.attach(node, address(node), header(node), side.clone(), alive.clone());
        let transport = self.net.transport(node, alive.clone());
        self.nodes.insert(node, Node { side, alive, transport });
    }

    fn side(&self, node: u32) -> &Side {
        &self.nodes[&node].side
    }

    async fn call(&self, from: u32, to: u32, request: Request) -> Result<Answer, TransportError> {
        self.nodes[&from].transport.call(target(to), request, CALL).await
    }

    /// Asks with a number, which the answer repeats.
    async fn ask(&self, from: u32, to: u32, number: u64) -> Result<u64, TransportError> {
        match self.call(from, to, question(number)).await? {
            Answer::ReadIndex(barrier) => Ok(barrier.index),
            other => panic!("{other:?}"),
        }
    }

    /// Asks with the numbers `0..count`, all at once.
    async fn ask_at_once(
        &self,
        from: u32,
        to: u32,
        count: u64,
    ) -> Vec<Result<u64, TransportError>> {
        join_all((0..count).map(|number| self.ask(from, to, number))).await
    }
}

/// A question that carries a number.
fn question(number: u64) -> Request {
    Request::Report(Some(number), 0)
}

fn address(node: u32) -> String {
    format!("node-{node}:1")
}

fn target(node: u32) -> Target {
    Target { node_id: node, member: Some(member(node)), address: address(node) }
}

fn member(node: u32) -> u64 {
    u64::from(node) * 111
}

fn header(node: u32) -> Header {
    Header {
        protocol: PROTOCOL,
        cluster_name: "test".to_owned(),
        cluster_id: None,
        node_id: node,
        member: member(node),
        incarnation: 1,
        start: 7,
        to: None,
    }
}

fn storm(loss_percent: u64, duplicate_percent: u64, delay_ms: u64) -> Storm {
    Storm { loss_percent, duplicate_percent, delay_ms }
}

fn is_not_sent<T>(answer: &Result<T, TransportError>) -> bool {
    matches!(answer, Err(TransportError::NotSent(_)))
}

fn is_lost<T>(answer: &Result<T, TransportError>) -> bool {
    matches!(answer, Err(TransportError::Lost(_)))
}

fn count<T>(items: &[T], is: impl Fn(&T) -> bool) -> u64 {
    items.iter().filter(|item| is(item)).count() as u64
}

/// How long it took.
async fn timed<T>(work: impl Future<Output = T>) -> (Duration, T) {
    let began = Instant::now();
    let done = work.await;
    (began.elapsed(), done)
}

async fn seconds(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}
