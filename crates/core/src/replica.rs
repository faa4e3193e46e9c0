//! The seam between the API and replication: what the one asks of the other. The two crates do not
//! know each other; `server` hands an implementation over.

use crate::command::{Proposal, Stamp};
use crate::digest::Touched;
use crate::ids::MemberId;
use crate::outcome::Applied;
use crate::records::RecordsRead;
use serde::{Deserialize, Serialize};
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// A boxed future, as trait objects need it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// This node as the API sees it: a replica of the state machine.
pub trait Replica: Send + Sync + 'static {
    /// Hands a proposal to the leader (this node or another) and waits for its answer.
    fn propose(
        &self,
        proposal: Proposal,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<Applied, ProposeError>>;

    /// A linearizable read point: when it returns, this node has applied at least
    /// [`Barrier::index`], which covers everything that was acknowledged before the call.
    fn read_barrier(&self, timeout: Duration) -> BoxFuture<'_, Result<Barrier, Unavailable>>;

    /// The newest applied state. Short-lived: drop it within the request.
    fn state(&self) -> Box<dyn StateRead>;

    /// The members of the cluster as this node knows them, ascending by node id; itself included.
    fn members(&self) -> Vec<Member>;

    /// This node's own member id.
    fn member_id(&self) -> MemberId;

    /// What this node says of itself. With `at_index`: the digest of the state after exactly that
    /// index, waiting for it at most `timeout`.
    fn report(&self, at_index: Option<u64>, timeout: Duration) -> BoxFuture<'_, NodeReport>;

    /// What each member says of itself (this node included), asked in parallel.
    fn report_all(
        &self,
        at_index: Option<u64>,
        timeout: Duration,
    ) -> BoxFuture<'_, Vec<(Member, Result<NodeReport, Unavailable>)>>;

    /// Sends a message of the seal protocol to another member; its [`PeerSeal`] answers.
    fn send_seal_message(
        &self,
        to: MemberId,
        message: Vec<u8>,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<Vec<u8>, Unavailable>>;
}

/// The records of one applied state.
pub trait StateRead: RecordsRead + Send + Sync {
    /// Index of the last entry that this state contains; 0: none.
    fn applied_index(&self) -> u64;
}

/// What replication tells the caches above it. Called by the applier, in log order, **before** the
/// applied index is published to read barriers.
pub trait Observer: Send + Sync + 'static {
    /// Entries up to `index` were applied; `records` is the state after them.
    fn applied(&self, records: &dyn RecordsRead, index: u64, touched: &[Touched]);

    /// A snapshot replaced the state; everything cached is worthless. Also called once at start.
    fn installed(&self, records: &dyn RecordsRead, index: u64);
}

/// The node's side of the seal protocol: answers messages of other members.
pub trait PeerSeal: Send + Sync + 'static {
    /// Answers a message of the member `from`, whose certificate was checked.
    fn answer(&self, from: MemberId, message: Vec<u8>) -> BoxFuture<'_, Vec<u8>>;

    /// Whether this node can use keys now.
    fn is_sealed(&self) -> bool;
}

/// A linearizable read point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Barrier {
    /// This node has applied at least this log index.
    pub index: u64,
    /// The leader's time when it gave the read index.
    pub time: Stamp,
}

/// A member of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its member id.
    pub member: u64,
    /// The label from its configuration.
    pub node_id: u32,
    /// Address of its API, `host:port`.
    pub api: String,
    /// Address for its peers, `host:port`.
    pub peer: String,
    /// Ed25519 public key of the node.
    pub node_key: [u8; 32],
    /// Whether it votes.
    pub voter: bool,
}

/// Whether a node leads or follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodeRole {
    /// It leads.
    Leader,
    /// It follows.
    Follower,
    /// It asks for votes, or waits for enough members to take part.
    Candidate,
    /// It replicates without a vote.
    Learner,
}

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReport {
    /// The cluster it belongs to; `None`: none yet.
    pub cluster_id: Option<uuid::Uuid>,
    /// Whether it leads or follows.
    pub role: NodeRole,
    /// The leader it knows of: its node id.
    pub leader: Option<u32>,
    /// Its term.
    pub term: u64,
    /// Whether it can use keys.
    pub sealed: bool,
    /// Version of the software.
    pub version: String,
    /// Last log index.
    pub last_log_index: u64,
    /// Highest index known to be committed.
    pub commit_index: u64,
    /// Index of the last applied entry, or the index that was asked for.
    pub applied_index: u64,
    /// Hex digest of the state after exactly `applied_index`; `None`: not kept any more, or not
    /// reached in time.
    pub state_digest: Option<String>,
    /// Its wall clock, in milliseconds since the Unix epoch.
    pub wall_ms: u64,
}

/// The cluster cannot serve now; nothing has happened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// No leader that reaches a majority of the voters answered in time.
    #[error("no majority of the voters can be reached from this node")]
    NoQuorum,
    /// The member that was asked does not answer.
    #[error("the member does not answer: {0}")]
    Unreachable(String),
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
}

/// A proposal has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// It did not enter the log.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// It may or may not take effect, or have taken effect before a later attempt was refused; the same
    /// request id is safe to repeat.
    #[error("the outcome is not known: the answer did not come in time")]
    Unknown,
}
