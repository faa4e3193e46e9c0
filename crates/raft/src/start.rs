//! A member on a thread of its own: consensus, the barrier and the connections of peers share one
//! single-threaded runtime, so that a message costs no wake-up across threads.

use crate::config::{RaftConfig, Seams};
use crate::grpc::{self, GrpcTransport, PeerTls};
use crate::handler::PeerSide;
use crate::node::{RaftNode, StartError};
use std::io;
use std::sync::Arc;
use tokio::sync::oneshot;

/// A running member and its thread.
pub struct RunningNode {
    node: RaftNode,
    stop: oneshot::Sender<oneshot::Sender<io::Result<()>>>,
    thread: std::thread::JoinHandle<()>,
}

impl RunningNode {
    /// Opens the data directory and starts the member on a thread of its own. Returns when the log is
    /// loaded and peers can connect, not when there is a quorum.
    ///
    /// `listener` is bound to the peer address.
    ///
    /// # Errors
    /// See [`StartError`]. What happens later ends the process through the fatal hook.
    pub fn start(
        config: RaftConfig,
        seams: Seams,
        tls: PeerTls,
        listener: std::net::TcpListener,
    ) -> Result<RunningNode, StartError> {
        let (opened, opening) = std::sync::mpsc::channel();
        let (stop, stopping) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("raft".to_owned()).spawn(move || {
            runtime.block_on(live(config, seams, tls, listener, opened, stopping));
        })?;
        let node = opening.recv().map_err(|_| io::Error::other("the raft thread ended"))??;
        Ok(RunningNode { node, stop, thread })
    }

    /// The member.
    pub fn node(&self) -> &RaftNode {
        &self.node
    }

    /// Stops taking part, makes everything durable and ends the thread.
    ///
    /// # Errors
    /// Something could not be made durable.
    pub async fn shutdown(self) -> io::Result<()> {
        let gone = || io::Error::other("the raft thread ended before it was stopped");
        let (done, waiting) = oneshot::channel();
        self.stop.send(done).map_err(|_| gone())?;
        let stopped = waiting.await.map_err(|_| gone())?;
        self.thread.join().map_err(|_| io::Error::other("the raft thread panicked"))?;
        stopped
    }
}

async fn live(
    config: RaftConfig,
    seams: Seams,
    tls: PeerTls,
    listener: std::net::TcpListener,
    opened: std::sync::mpsc::Sender<Result<RaftNode, StartError>>,
    stopping: oneshot::Receiver<oneshot::Sender<io::Result<()>>>,
) {
    let cluster = config.cluster_name.clone();
    let fatal = seams.fatal.clone();
    let started = async {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        Ok::<_, StartError>((listener, RaftNode::open(config, seams).await?))
    };
    // The starter waits for exactly one answer.
    let (listener, node) = match started.await {
        Ok(started) => started,
        Err(error) => {
            let _ = opened.send(Err(error));
            return;
        }
    };
    let handler = Arc::new(PeerSide(node.clone()));
    let serving = grpc::serve(listener, tls.clone(), cluster, handler);
    node.run(GrpcTransport::new(&node, tls));
    let _ = opened.send(Ok(node.clone()));
    tokio::select! {
        served = serving => {
            let why = served.err().map_or("it ended".to_owned(), |error| error.to_string());
            fatal.raise(&format!("the peer listener has failed: {why}"));
        }
        asked = stopping => {
            if let Ok(done) = asked {
                let _ = done.send(node.shutdown().await);
            }
        }
    }
}
