//! What members say to each other. Encoded with [`conclave_core::codec`], so every message carries a
//! format byte; [`PROTOCOL`] stands for the meaning.

use crate::RaftNode;
use crate::types::{AppendRequest, AppendResponse, LogId, SnapshotMeta, TypeConfig, Vote};
use conclave_core::codec;
use conclave_core::command::Proposal;
use conclave_core::outcome::Applied;
use conclave_core::replica::{Barrier, Member, NodeReport};
use openraft::raft::{
    SnapshotResponse, TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Version of the protocol between members.
pub const PROTOCOL: u32 = 1;

/// Longest frame: the largest append request (bounded in `config`) with room to spare.
pub const MAX_FRAME_BYTES: usize = 16 * 1024 * 1024;

/// Who calls whom; checked against the certificate before anything else is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`PROTOCOL`] of the caller.
    pub protocol: u32,
    /// Name of the cluster in the caller's configuration.
    pub cluster_name: String,
    /// The cluster that the caller belongs to; `None`: none yet.
    pub cluster_id: Option<Uuid>,
    /// Node id of the caller: what its certificate must name.
    pub node_id: u32,
    /// Member id of the caller.
    pub member: u64,
    /// How often the caller's data directory was started.
    pub incarnation: u64,
    /// A random number of this start: two starts with the same count are told apart by it.
    pub start: u64,
    /// Member id of the callee, once it is known.
    pub to: Option<u64>,
}

impl Header {
    /// What this member calls with, at this moment.
    pub fn of(node: &RaftNode, to: Option<u64>) -> Header {
        let config = &node.inner.config;
        Header {
            protocol: PROTOCOL,
            cluster_name: config.cluster_name.clone(),
            cluster_id: node.inner.cluster_id.load().as_deref().copied(),
            node_id: config.member.node_id,
            member: config.member.member,
            incarnation: node.inner.incarnation,
            start: config.seed,
            to,
        }
    }
}

/// The leadership that an encoded append request speaks for: its term and the member that leads.
pub fn leadership(append: &[u8]) -> Option<(u64, u64)> {
    let body = append.strip_prefix(&[codec::FORMAT])?;
    // The vote is the first field; the entries, which may be long, need not be read.
    let (vote, _) = postcard::take_from_bytes::<Vote>(body).ok()?;
    vote.committed.then_some((vote.leader_id.term, vote.leader_id.voted_for))
}

/// Who leads in a term; as a vote: who was voted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leadership {
    /// The term.
    pub term: u64,
    /// The member.
    pub leader: u64,
}

impl Leadership {
    pub(crate) fn of(vote: &Vote) -> Leadership {
        Leadership { term: vote.leader_id.term, leader: vote.leader_id.voted_for }
    }

    /// Whether a member with this newest vote may have helped another one to lead: in a later term, or
    /// in this one, in which it cannot vote for this leader any more.
    pub fn is_surpassed(self, newest: Option<Leadership>) -> bool {
        newest.is_some_and(|newest| newest.term >= self.term && newest != self)
    }
}

/// A question.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Request {
    /// Who are you, and what do you know of me?
    Hello(Introduction),
    /// Append outside of a stream.
    Append(AppendRequest),
    /// Ask for a vote.
    Vote(VoteRequest<TypeConfig>),
    /// Ask whether a vote would be given.
    PreVote(VoteRequest<TypeConfig>),
    /// Take leadership over.
    TransferLeader(TransferLeaderRequest<TypeConfig>),
    /// A fresh read index; with the newest vote that the asking member has given when it asks.
    ReadIndex(Option<Leadership>),
    /// Have you given no vote that surpasses this leadership?
    Confirm(Leadership),
    /// Propose for me.
    Propose(Box<Proposal>),
    /// What do you say of yourself? With the index to report the digest of, and how long to wait for
    /// it in milliseconds.
    Report(Option<u64>, u64),
    /// A message of the seal protocol.
    Seal(Vec<u8>),
}

/// An answer; the variant fits the question.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Answer {
    /// To [`Request::Hello`].
    Hello(Box<HelloAnswer>),
    /// To [`Request::Append`].
    Append(AppendResponse),
    /// To [`Request::Vote`] and [`Request::PreVote`].
    Vote(VoteResponse<TypeConfig>),
    /// To [`Request::TransferLeader`].
    TransferLeader(TransferLeaderResponse<TypeConfig>),
    /// To [`Request::ReadIndex`].
    ReadIndex(Barrier),
    /// To [`Request::Confirm`].
    Confirmed(bool),
    /// To [`Request::Propose`].
    Proposed(Proposed),
    /// To [`Request::Report`].
    Report(Box<NodeReport>),
    /// To [`Request::Seal`].
    Seal(Vec<u8>),
    /// The callee cannot serve this now: it is starting, or it does not lead. Nothing has happened.
    NotNow(String),
}

/// What became of a forwarded proposal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Proposed {
    /// It was applied.
    Applied(Applied),
    /// It did not enter the log.
    NotEntered,
    /// It may or may not take effect.
    Unknown,
}

/// What a node shows of itself before it takes part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Introduction {
    /// Itself.
    pub member: Member,
    /// Its vote and log.
    pub knowledge: Knowledge,
}

/// To [`Request::Hello`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelloAnswer {
    /// The node that answers.
    pub member: Member,
    /// Its cluster.
    pub cluster_id: Option<Uuid>,
    /// Whether it knows of a membership: the cluster has been formed.
    pub has_members: bool,
    /// Whether the caller is in its membership.
    pub knows_caller: bool,
    /// The most it has seen of the caller.
    pub seen: Option<Seen>,
}

/// The most that was seen of a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Its highest incarnation.
    pub incarnation: u64,
    /// The random number of that start.
    pub start: u64,
    /// Its newest vote and log.
    pub knowledge: Knowledge,
}

impl Seen {
    /// Whether a start with this count and number comes before the one that was seen, or beside it:
    /// that of an older copy of the data directory.
    pub fn outdates(&self, incarnation: u64, start: u64) -> bool {
        let same_count = self.incarnation == incarnation && incarnation > 0;
        self.incarnation > incarnation || (same_count && self.start != start)
    }
}

/// How far a member is: first by vote, then by log. Under one vote both only grow, so an older copy
/// of a data directory compares lower than what its peers saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Knowledge {
    term: u64,
    committed: bool,
    last_log: Option<(u64, u64)>,
}

impl Knowledge {
    /// From a vote and the last log id.
    pub fn new(vote: Option<Vote>, last: Option<LogId>) -> Knowledge {
        let last_log = last.map(|id| (id.committed_leader_id().term, id.index));
        match vote {
            Some(vote) => {
                Knowledge { term: vote.leader_id.term, committed: vote.committed, last_log }
            }
            None => Knowledge { term: 0, committed: false, last_log },
        }
    }

    /// The vote alone. A member that introduces itself may hold entries that a leader will have it
    /// drop; only what it has acknowledged under a vote stays its log from then on.
    pub fn vote_only(self) -> Knowledge {
        Knowledge { last_log: None, ..self }
    }
}

/// First frame of a snapshot.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SnapshotHead {
    /// The leadership that sends it.
    pub vote: Vote,
    /// What it covers.
    pub meta: SnapshotMeta,
}

/// The answer to a snapshot.
pub type SnapshotAnswer = SnapshotResponse<TypeConfig>;
