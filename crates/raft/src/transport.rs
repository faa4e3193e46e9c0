//! The seam of the network: how a member reaches another, and what it does when it is reached. The
//! gRPC implementation is in `grpc`; the simulator brings its own.

use crate::wire::{Answer, Header, Request, SnapshotAnswer, SnapshotHead};
use conclave_core::replica::BoxFuture;
use conclave_storage::SnapshotFile;
use futures::stream::BoxStream;
use std::time::Duration;

/// Where a member is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// Its node id: what its certificate must name.
    pub node_id: u32,
    /// Its member id, once it is known.
    pub member: Option<u64>,
    /// Its peer address, `host:port`.
    pub address: String,
}

/// Why a message has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// It was not sent.
    #[error("not reached: {0}")]
    NotSent(String),
    /// It may have been sent.
    #[error("no answer: {0}")]
    Lost(String),
}

/// How a member reaches others.
pub trait Transport: Send + Sync + 'static {
    /// Asks; gives up after `timeout`.
    fn call(
        &self,
        to: Target,
        request: Request,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Answer, TransportError>>;

    /// Opens a pipelined stream of append requests, encoded. Answers come in order; the stream fails
    /// if an answer is outstanding for longer than `idle`.
    fn append(
        &self,
        to: Target,
        requests: BoxStream<'static, Vec<u8>>,
        idle: Duration,
    ) -> BoxFuture<'static, Result<AppendAnswers, TransportError>>;

    /// Sends a snapshot; fails if there is no progress for `idle`.
    fn snapshot(
        &self,
        to: Target,
        head: SnapshotHead,
        file: SnapshotFile,
        idle: Duration,
    ) -> BoxFuture<'static, Result<SnapshotAnswer, TransportError>>;
}

/// Answers to a stream of append requests, encoded.
pub type AppendAnswers = BoxStream<'static, Result<Vec<u8>, TransportError>>;

/// What a member does when it is reached. The transport has checked that the caller's certificate
/// names the node of the header; everything else is checked here.
pub trait Handler: Send + Sync + 'static {
    /// Answers a question.
    ///
    /// # Errors
    /// The caller is not admitted: why, in one sentence.
    fn call(&self, from: Header, request: Request) -> BoxFuture<'_, Result<Answer, NotAdmitted>>;

    /// Answers a stream of append requests; both are encoded. A request that cannot be decoded ends
    /// the stream.
    ///
    /// # Errors
    /// The caller is not admitted, or this node is starting.
    fn append(
        &self,
        from: Header,
        requests: BoxStream<'static, Vec<u8>>,
    ) -> Result<BoxStream<'static, Result<Vec<u8>, NotAdmitted>>, NotAdmitted>;

    /// Takes a snapshot: its head, then chunks of bytes until the stream ends with `Ok`.
    ///
    /// # Errors
    /// The caller is not admitted, this node is starting, or the bytes are not a whole snapshot.
    fn snapshot(
        &self,
        from: Header,
        head: SnapshotHead,
        chunks: BoxStream<'static, Result<Vec<u8>, NotAdmitted>>,
    ) -> BoxFuture<'_, Result<SnapshotAnswer, NotAdmitted>>;
}

/// A caller was turned away: why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAdmitted(pub String);
