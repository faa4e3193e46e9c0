//! The threads that serve clients.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use axum::Router;
use rustls::ServerConfig;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::JoinSet;

use super::connection::Service;
use super::hang_up::{HangUp, Wishes};
use crate::limits::DRAIN;

/// A connection on its way to a worker.
pub struct Accepted {
    /// The socket, not in any runtime.
    pub stream: TcpStream,
    /// Where it comes from.
    pub source: SocketAddr,
    /// Its place among the open connections; given back when it is dropped.
    pub permit: OwnedSemaphorePermit,
}

/// Threads with a single-threaded runtime each.
pub struct Workers {
    queues: Vec<mpsc::UnboundedSender<Accepted>>,
    threads: Vec<JoinHandle<()>>,
    runtimes: Vec<(String, Handle)>,
    next: AtomicUsize,
    hang_up: Arc<HangUp>,
}

impl Workers {
    /// Starts a thread for each of `routers` that serves it over TLS until `hang_up` says otherwise.
    ///
    /// # Errors
    /// No thread or runtime can be had.
    pub fn start(
        tls: Arc<ServerConfig>,
        routers: Vec<Router>,
        hang_up: Arc<HangUp>,
    ) -> io::Result<Workers> {
        let next = AtomicUsize::new(0);
        let mut workers = Workers {
            queues: Vec::new(),
            threads: Vec::new(),
            runtimes: Vec::new(),
            next,
            hang_up,
        };
        for (number, router) in (1..).zip(routers) {
            let service = Arc::new(Service::new(tls.clone(), router));
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let (queue, waiting) = mpsc::unbounded_channel();
            let work = work(waiting, service, workers.hang_up.wishes());
            let name = format!("api-{number}");
            workers.runtimes.push((name.clone(), runtime.handle().clone()));
            let thread =
                std::thread::Builder::new().name(name).spawn(move || runtime.block_on(work))?;
            workers.queues.push(queue);
            workers.threads.push(thread);
        }
        Ok(workers)
    }

    /// Gives a connection to the next thread in turn.
    pub fn hand_over(&self, accepted: Accepted) {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.queues.len();
        if self.queues[turn].send(accepted).is_err() {
            tracing::error!(worker = turn + 1, "a worker has ended; the connection is closed");
        }
    }

    /// The runtime of each thread, with the thread's name.
    pub fn runtimes(&self) -> &[(String, Handle)] {
        &self.runtimes
    }

    /// Asks every connection to finish and waits for the calls in flight, at most [`DRAIN`].
    pub async fn stop(self) {
        self.hang_up.stop();
        drop(self.queues);
        let threads = self.threads;
        let joined = tokio::task::spawn_blocking(move || {
            threads.into_iter().map(JoinHandle::join).filter(Result::is_err).count()
        });
        match joined.await {
            Ok(0) => {}
            other => tracing::error!(?other, "a worker did not end in order"),
        }
    }
}

/// What a worker does: serves what it is given until the queue is closed, then drains.
async fn work(
    mut waiting: mpsc::UnboundedReceiver<Accepted>,
    service: Arc<Service>,
    wishes: Wishes,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = waiting.recv() => match accepted {
                Some(accepted) => {
                    connections.spawn(service.clone().serve(accepted, wishes.clone()));
                }
                None => break,
            },
            Some(_) = connections.join_next() => {}
        }
    }
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        tracing::warn!(open = connections.len(), "calls in flight were cut off");
    }
}
