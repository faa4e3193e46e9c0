//! `conclave status -o json`, as far as the harness looks at it.

use serde::Deserialize;
use serde_json::Value;

use crate::failure::{Failure, Result};

/// The answer of one node about the whole cluster.
#[derive(Clone, Debug, Deserialize)]
pub struct Status {
    /// The cluster as the answering node sees it.
    pub cluster: ClusterStatus,
    /// Ceremonies and shares.
    pub seal: SealStatus,
    /// One entry a member.
    pub nodes: Vec<NodeStatus>,
}

/// `cluster` of the status.
#[derive(Clone, Debug, Deserialize)]
pub struct ClusterStatus {
    /// Init was confirmed by an unseal.
    pub initialized: bool,
    /// No reachable node is unsealed.
    pub sealed: bool,
    /// Node id of the leader, if one is known.
    pub leader: Option<u32>,
    /// Raft term.
    #[serde(default)]
    pub term: u64,
    /// How many more members may fail.
    #[serde(default)]
    pub failures_survivable: u32,
}

/// `seal` of the status.
#[derive(Clone, Debug, Deserialize)]
pub struct SealStatus {
    /// How many shares open the cluster.
    pub threshold: u32,
    /// The running ceremony, if any.
    pub ceremony: Option<Value>,
}

/// One member; the figures of an unreachable one are absent.
#[derive(Clone, Debug, Deserialize)]
pub struct NodeStatus {
    /// Node id.
    pub id: u32,
    /// `leader`, `follower`, `candidate`, `learner` or `unreachable`.
    pub state: String,
    /// Whether it holds no keys.
    pub sealed: Option<bool>,
    /// The newest entry it has applied.
    pub applied_index: Option<u64>,
    /// Digest of its state after `applied_index`, or after the index that was asked for.
    pub state_digest: Option<String>,
    /// How far its wall clock is ahead, milliseconds.
    pub clock_skew_ms: Option<i64>,
}

impl Status {
    /// Reads what `status -o json` printed.
    pub fn parse(value: Value) -> Result<Status> {
        let shown = value.to_string();
        serde_json::from_value(value)
            .map_err(|error| Failure::violation(format!("status lacks a field: {error}: {shown}")))
    }

    /// The entry of one member.
    pub fn node(&self, id: u32) -> Result<&NodeStatus> {
        self.nodes
            .iter()
            .find(|node| node.id == id)
            .ok_or_else(|| Failure::violation(format!("status does not list node {id}: {self:?}")))
    }

    /// Ids of the members that answered.
    pub fn reachable(&self) -> Vec<u32> {
        self.nodes.iter().filter(|node| node.state != "unreachable").map(|node| node.id).collect()
    }
}
