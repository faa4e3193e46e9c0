//! The type parameters of the consensus library, in this one file.

use conclave_core::command::Entry;
use conclave_core::digest::StateDigest;
use conclave_core::outcome::Applied;
use conclave_core::replica::Member;
use openraft::impls::leader_id_std;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::sync::Arc;

/// Draws its jitter from the seed of the scope in which the library was started, so that a simulation
/// can be repeated.
pub type Runtime =
    openraft_rt::deterministic_rng::DeterministicRng<openraft_rt_tokio::TokioRuntime>;

openraft::declare_raft_types!(
    /// What the consensus library is instantiated with. One leader a term, as in the Raft paper.
    pub TypeConfig:
        D = Payload,
        R = Option<Applied>,
        NodeId = u64,
        Node = Member,
        Term = u64,
        LeaderId = leader_id_std::LeaderId<u64, u64>,
        AsyncRuntime = Runtime,
);

/// The consensus library, bound to our state machine.
pub type Raft = openraft::Raft<TypeConfig, crate::machine::Machine>;
/// An entry as the library sees it: command, membership or blank.
pub type LogEntry = openraft::type_config::alias::EntryOf<TypeConfig>;
/// Term and index of an entry.
pub type LogId = openraft::type_config::alias::LogIdOf<TypeConfig>;
/// A vote, or the leadership that a vote led to.
pub type Vote = openraft::type_config::alias::VoteOf<TypeConfig>;
/// Membership with the log id that set it.
pub type Membership = openraft::type_config::alias::StoredMembershipOf<TypeConfig>;
/// What a snapshot covers.
pub type SnapshotMeta = openraft::type_config::alias::SnapshotMetaOf<TypeConfig>;
/// Metrics of the library.
pub type Metrics = openraft::RaftMetrics<TypeConfig>;
/// The part of them that seldom changes.
pub type ServerMetrics = openraft::metrics::RaftServerMetrics<TypeConfig>;
/// A request to append.
pub type AppendRequest = openraft::raft::AppendEntriesRequest<TypeConfig>;
/// Its answer.
pub type AppendResponse = openraft::raft::AppendEntriesResponse<TypeConfig>;
/// The answer to one request of a stream.
pub type StreamResult = openraft::raft::StreamAppendResult<TypeConfig>;

/// What the log carries for us. Prints only names: contents do not belong into log lines.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Payload {
    /// A command for the state machine.
    Command(Arc<Entry>),
    /// The state digest after an earlier entry that a majority agrees on, for every replica to compare
    /// with its own.
    DigestCheck {
        /// Index of that entry.
        index: u64,
        /// The digest.
        digest: StateDigest,
    },
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Payload::Command(entry) => entry.proposal.command.fmt(f),
            Payload::DigestCheck { index, .. } => write!(f, "DigestCheck({index})"),
        }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An error of storage or decoding, in the form the library wants: it is fatal for the node.
pub(crate) fn io_error(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::other(error)
}
