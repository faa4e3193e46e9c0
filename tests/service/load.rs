//! Clients of the SDK that know all nodes, at work without a pause.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use conclave_client::v1::{CreateKeyRequest, KeyRequest};
use conclave_client::{Client, Error};
use conclave_harness::workload::block_on;
use conclave_harness::{Cluster, Failure, Result};

const PLAIN: &[u8] = b"attack at dawn";

/// A running load.
pub struct Load {
    seen: Arc<Seen>,
    thread: JoinHandle<Result<()>>,
}

/// What clients saw.
#[derive(Debug, Default)]
pub struct Seen {
    stop: AtomicBool,
    in_flight: AtomicUsize,
    answered: AtomicU64,
    longest_us: AtomicU64,
    failed: Mutex<Vec<String>>,
}

impl Load {
    /// Starts clients with a connection of their own each. The first node of a third of them is the
    /// first, of another the second, of the rest the third.
    pub fn start(cluster: &Cluster, clients: usize, prefix: &str) -> Result<Load> {
        let seen = Arc::new(Seen::default());
        let mut workers = Vec::new();
        for number in 0..clients {
            let client = client(cluster, number)?;
            let alias = format!("{prefix}-{number}");
            workers.push(Worker { client, alias, seen: seen.clone() });
        }
        let thread = thread::spawn(move || {
            block_on(async move {
                futures::future::join_all(workers.into_iter().map(Worker::run)).await;
                Ok(())
            })
        });
        Ok(Load { seen, thread })
    }

    /// Calls whose answer is still out.
    pub fn in_flight(&self) -> usize {
        self.seen.in_flight.load(Ordering::SeqCst)
    }

    /// Calls that were answered as they should be.
    pub fn answered(&self) -> u64 {
        self.seen.answered.load(Ordering::SeqCst)
    }

    /// Lets every client finish the call it is in.
    pub fn stop(self) -> Result<Arc<Seen>> {
        self.seen.stop.store(true, Ordering::SeqCst);
        let joined = self.thread.join();
        joined.unwrap_or_else(|_| Err(Failure::harness("the load's thread panicked")))?;
        Ok(self.seen)
    }
}

impl Seen {
    /// Calls that were answered as they should be.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::SeqCst)
    }

    /// The longest call.
    pub fn longest(&self) -> Duration {
        Duration::from_micros(self.longest_us.load(Ordering::SeqCst))
    }

    /// What was refused or lost, or came back wrong.
    pub fn failed(&self) -> Vec<String> {
        self.failed.lock().unwrap().clone()
    }
}

/// A client that knows all nodes, with the default deadline.
fn client(cluster: &Cluster, number: usize) -> Result<Client> {
    let mut addresses: Vec<String> =
        cluster.ids().iter().map(|id| cluster.address(*id).to_owned()).collect();
    let first = number % addresses.len();
    addresses.rotate_left(first);
    let client = Client::builder()
        .addrs(addresses)
        .ca_cert(cluster.pki().cert("ca"))
        .token_file(cluster.token_file())
        .build();
    client.map_err(|error| Failure::harness(format!("no client: {error}")))
}

struct Worker {
    client: Client,
    alias: String,
    seen: Arc<Seen>,
}

impl Worker {
    async fn run(self) {
        let mut number = 0;
        while !self.seen.stop.load(Ordering::SeqCst) {
            let alias = format!("{}-{number}", self.alias);
            // A failure is noted already; the next key starts afresh.
            let _ = self.life(&alias).await;
            number += 1;
        }
    }

    /// The life of one key: each call is one that must succeed.
    async fn life(&self, alias: &str) -> std::result::Result<(), ()> {
        let create = CreateKeyRequest { alias: alias.to_owned(), ..Default::default() };
        let key = || KeyRequest { key: alias.to_owned(), ..Default::default() };
        self.call("create", self.client.create_key(create)).await?;
        let first = self.encrypt(alias).await?;
        self.call("rotate", self.client.rotate_key(key())).await?;
        let second = self.encrypt(alias).await?;
        self.call("disable", self.client.disable_key(key())).await?;
        self.call("enable", self.client.enable_key(key())).await?;
        for ciphertext in [first, second] {
            self.decrypt(ciphertext).await?;
        }
        Ok(())
    }

    async fn encrypt(&self, alias: &str) -> std::result::Result<Vec<u8>, ()> {
        let call = self.client.encrypt(alias, PLAIN.to_vec(), Vec::new());
        Ok(self.call("encrypt", call).await?.ciphertext)
    }

    async fn decrypt(&self, ciphertext: Vec<u8>) -> std::result::Result<(), ()> {
        let call = self.client.decrypt(ciphertext, Vec::new(), None);
        let answer = self.call("decrypt", call).await?;
        if answer.plaintext != PLAIN {
            self.seen.failed.lock().unwrap().push(format!("decrypt: {:?}", answer.plaintext));
        }
        Ok(())
    }

    async fn call<T>(
        &self,
        what: &str,
        call: impl Future<Output = std::result::Result<T, Error>>,
    ) -> std::result::Result<T, ()> {
        let begun = Instant::now();
        self.seen.in_flight.fetch_add(1, Ordering::SeqCst);
        let outcome = call.await;
        self.seen.in_flight.fetch_sub(1, Ordering::SeqCst);
        let took = begun.elapsed();
        self.seen.longest_us.fetch_max(took.as_micros() as u64, Ordering::SeqCst);
        match outcome {
            Ok(answer) => {
                self.seen.answered.fetch_add(1, Ordering::SeqCst);
                Ok(answer)
            }
            Err(error) => {
                let text = format!("{what} of {} after {took:?}: {error}", self.alias);
                self.seen.failed.lock().unwrap().push(text);
                Err(())
            }
        }
    }
}
