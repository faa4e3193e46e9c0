//! What a run consists of: drawn from a seed, or read from a file.

mod draw;
mod outage;
mod validate;

use serde::{Deserialize, Serialize};

pub use validate::{FaultError, MAX_NODES, PlanError};

/// A run: everything that decides it beside the code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Seed of everything that the plan does not name: delays, what clients do, entropy.
    pub seed: u64,
    /// Voting members: nodes 1 to `voters`.
    pub voters: u32,
    /// Members that replicate without a vote: the nodes after the voters.
    pub learners: u32,
    /// Clients, each with one operation at a time.
    pub clients: u32,
    /// Keys that the clients share.
    pub keys: u32,
    /// Entries after which a member builds a snapshot.
    pub log_kept: u64,
    /// How long faults strike, in milliseconds of simulated time.
    pub safety_ms: u64,
    /// How long the cluster has to show afterwards that it works.
    pub liveness_ms: u64,
    /// Nodes that stay down in the liveness phase: fewer voters than a majority, any learner.
    pub stay_down: Vec<u32>,
    /// What strikes, in order of time.
    pub faults: Vec<Timed>,
}

/// A fault and when it strikes, in milliseconds since the cluster was unsealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timed {
    /// When.
    pub at_ms: u64,
    /// What.
    pub fault: Fault,
}

/// What goes wrong. Faults of the network end by themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// These nodes and the others do not reach each other; clients reach all.
    Split {
        /// One side.
        side: Vec<u32>,
        /// For how long.
        for_ms: u64,
    },
    /// Nothing gets from one node to another; the way back is open.
    OneWay {
        /// Who is not heard.
        from: u32,
        /// By whom.
        to: u32,
        /// For how long.
        for_ms: u64,
    },
    /// Two nodes do not reach each other; both reach the rest (a triangle with a side cut).
    Cut {
        /// One of them.
        a: u32,
        /// The other.
        b: u32,
        /// For how long.
        for_ms: u64,
    },
    /// All links between nodes are bad. Clients lose messages, too, but wait no longer for the rest.
    Storm {
        /// Share of messages that get lost.
        loss_percent: u64,
        /// Share of messages that arrive twice.
        duplicate_percent: u64,
        /// Upper bound of the delay that each message has on top.
        delay_ms: u64,
        /// For how long.
        for_ms: u64,
    },
    /// Everything to and from one node takes longer: it knows late what the others know, and is up.
    SlowLinks {
        /// Which.
        node: u32,
        /// Upper bound of the delay that each message has on top.
        delay_ms: u64,
        /// For how long.
        for_ms: u64,
    },
    /// Nodes lose power at the same moment.
    Crash {
        /// Which.
        nodes: Vec<u32>,
        /// Until they start again.
        down_ms: u64,
    },
    /// A node is stopped in order and started again.
    Restart {
        /// Which.
        node: u32,
        /// Until it starts again.
        down_ms: u64,
    },
    /// Syncs to a disk fail from now on, until the node starts again.
    FailSyncs {
        /// Whose.
        node: u32,
        /// How long the node is down after it has noticed.
        down_ms: u64,
    },
    /// A disk is full from now on, until the node starts again.
    DiskFull {
        /// Whose.
        node: u32,
        /// How long the node is down after it has noticed.
        down_ms: u64,
    },
    /// Each commit of the log takes this much longer.
    SlowDisk {
        /// Whose.
        node: u32,
        /// How much longer.
        delay_ms: u64,
        /// For how long.
        for_ms: u64,
    },
    /// A wall clock jumps, for good.
    WallJump {
        /// Whose.
        node: u32,
        /// How far, back if negative.
        by_ms: i64,
    },
    /// A wall clock runs fast or slow from now on.
    Drift {
        /// Whose.
        node: u32,
        /// Parts per million, slow if negative.
        ppm: i64,
    },
    /// An operator seals the cluster; custodians unseal it afterwards.
    Seal,
}

impl Plan {
    /// The plan as a file.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a plan has only numbers, lists and names")
    }

    /// The plan in a file, if it is one that can be run.
    pub fn from_json(text: &str) -> Result<Plan, PlanError> {
        let plan: Plan =
            serde_json::from_str(text).map_err(|error| PlanError::NotAPlan(error.to_string()))?;
        plan.validate()?;
        Ok(plan)
    }

    /// How much of a plan it is for people: the number of its faults.
    pub fn size(&self) -> usize {
        self.faults.len()
    }

    /// Voters and learners.
    pub fn nodes(&self) -> u32 {
        self.voters + self.learners
    }

    /// Voters that are needed to commit.
    pub fn majority(&self) -> u32 {
        self.voters / 2 + 1
    }
}

impl Fault {
    /// Its kind, as in a file.
    pub fn kind(&self) -> &'static str {
        match self {
            Fault::Split { .. } => "split",
            Fault::OneWay { .. } => "one_way",
            Fault::Cut { .. } => "cut",
            Fault::Storm { .. } => "storm",
            Fault::SlowLinks { .. } => "slow_links",
            Fault::Crash { .. } => "crash",
            Fault::Restart { .. } => "restart",
            Fault::FailSyncs { .. } => "fail_syncs",
            Fault::DiskFull { .. } => "disk_full",
            Fault::SlowDisk { .. } => "slow_disk",
            Fault::WallJump { .. } => "wall_jump",
            Fault::Drift { .. } => "drift",
            Fault::Seal => "seal",
        }
    }

    /// The nodes it names; none if it strikes all alike.
    pub fn nodes(&self) -> Vec<u32> {
        match self {
            Fault::Split { side: nodes, .. } | Fault::Crash { nodes, .. } => nodes.clone(),
            Fault::OneWay { from: a, to: b, .. } | Fault::Cut { a, b, .. } => vec![*a, *b],
            Fault::Restart { node, .. }
            | Fault::FailSyncs { node, .. }
            | Fault::DiskFull { node, .. }
            | Fault::SlowDisk { node, .. }
            | Fault::SlowLinks { node, .. }
            | Fault::WallJump { node, .. }
            | Fault::Drift { node, .. } => vec![*node],
            Fault::Storm { .. } | Fault::Seal => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_survives_its_file() {
        for seed in 0..50 {
            let plan = Plan::from_seed(seed);
            assert_eq!(Plan::from_json(&plan.to_json()), Ok(plan));
        }
    }

    #[test]
    fn a_kind_is_called_as_in_a_file() {
        for timed in (0..20).flat_map(|seed| Plan::from_seed(seed).faults) {
            let name = match serde_json::to_value(&timed.fault).unwrap() {
                serde_json::Value::Object(fields) => fields.keys().next().cloned(),
                value => value.as_str().map(str::to_owned),
            };
            assert_eq!(name.as_deref(), Some(timed.fault.kind()));
        }
    }
}
