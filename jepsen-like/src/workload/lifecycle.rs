//! Many clients that create, rotate, disable and enable keys, each its own keys.
//!
//! One client is the only writer of its keys, so the order of the changes of a key is known, and at most
//! the last one has an unknown outcome.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use uuid::Uuid;

use super::{InFlight, block_on};
use crate::failure::{Failure, Result};
use crate::history::{Event, History, Op, Outcome};
use crate::scale::generator;
use crate::sdk::{Access, Session};

/// How the load is made.
#[derive(Clone)]
pub struct Plan {
    /// Clients at work at the same time.
    pub clients: u32,
    /// Begins every alias, so that runs on one cluster do not meet.
    pub prefix: String,
    /// Seed of all draws.
    pub seed: u64,
    /// Longest call.
    pub timeout: Duration,
}

/// A running load.
pub struct Load {
    history: Arc<History>,
    shared: Arc<Shared>,
    thread: JoinHandle<Result<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    in_flight: AtomicUsize,
    acknowledged: AtomicU64,
}

impl Load {
    /// Starts the clients, spread over the nodes.
    pub fn start(access: Access, plan: Plan) -> Load {
        let history = Arc::new(History::default());
        let shared = Arc::new(Shared::default());
        let (to_history, to_shared) = (history.clone(), shared.clone());
        let thread = thread::spawn(move || {
            block_on(async move {
                let local = tokio::task::LocalSet::new();
                let sessions = access.sessions(plan.timeout)?;
                for client in 0..plan.clients {
                    let worker = Worker {
                        client,
                        sessions: sessions.clone(),
                        plan: plan.clone(),
                        rng: generator(plan.seed, u64::from(client) + 1),
                        history: to_history.clone(),
                        shared: to_shared.clone(),
                    };
                    local.spawn_local(worker.run());
                }
                local.await;
                Ok(())
            })
        });
        Load { history, shared, thread }
    }

    /// Changes whose answer is still out.
    pub fn in_flight(&self) -> usize {
        self.shared.in_flight.load(Ordering::SeqCst)
    }

    /// Changes that were acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.shared.acknowledged.load(Ordering::SeqCst)
    }

    /// Lets every client finish the call it is in, and returns what they saw.
    pub fn stop(self) -> Result<Arc<History>> {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.thread
            .join()
            .unwrap_or_else(|_| Err(Failure::harness("the load's thread panicked")))?;
        Ok(self.history)
    }
}

struct Worker {
    client: u32,
    sessions: Vec<Session>,
    plan: Plan,
    rng: StdRng,
    history: Arc<History>,
    shared: Arc<Shared>,
}

impl Worker {
    async fn run(mut self) {
        let mut number = 0;
        while !self.stopped() {
            let alias = format!("{}-{}-{number}", self.plan.prefix, self.client);
            self.live(&alias).await;
            number += 1;
        }
    }

    /// The life of one key: created, then a few changes.
    async fn live(&mut self, alias: &str) {
        let mut op = Op::Create;
        for _ in 0..self.rng.random_range(3..9) {
            let Some(enabled) = self.carry_out(op, alias).await else { return };
            op = match (enabled, self.rng.random_bool(0.5)) {
                (true, true) => Op::Rotate,
                (true, false) => Op::Disable,
                (false, _) => Op::Enable,
            };
            if self.stopped() {
                return;
            }
        }
    }

    /// Repeats one change under one request id, going from node to node, until its outcome is certain
    /// or the load ends. Whether the key is enabled then.
    async fn carry_out(&mut self, op: Op, alias: &str) -> Option<bool> {
        let request_id = Uuid::from_u128(self.rng.random());
        let mut place = self.rng.random_range(0..self.sessions.len());
        loop {
            match self.call(place, op, alias, request_id).await {
                Outcome::Changed(key) => return Some(key.enabled),
                Outcome::Unavailable(_) | Outcome::Unknown(_) if !self.stopped() => {
                    place = (place + 1) % self.sessions.len();
                    // A refused connection answers at once: not a busy loop.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                _ => return None,
            }
        }
    }

    async fn call(&self, place: usize, op: Op, alias: &str, request_id: Uuid) -> Outcome {
        let session = &self.sessions[place];
        let in_flight = InFlight::enter(&self.shared.in_flight);
        let invoked = self.history.now();
        let outcome = session.change(op, alias, request_id).await;
        let returned = self.history.now();
        drop(in_flight);
        if matches!(outcome, Outcome::Changed(_)) {
            self.shared.acknowledged.fetch_add(1, Ordering::SeqCst);
        }
        self.history.record(Event {
            client: self.client,
            node: session.node,
            op,
            key: alias.to_owned(),
            request_id: Some(request_id),
            invoked,
            returned,
            outcome: outcome.clone(),
        });
        outcome
    }

    fn stopped(&self) -> bool {
        self.shared.stop.load(Ordering::SeqCst)
    }
}
