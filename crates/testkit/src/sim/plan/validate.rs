//! Whether a plan can be run: asked of plans that people write.

use std::collections::BTreeSet;
use std::fmt;

use super::{Fault, Plan, Timed};

/// Most nodes of a plan: a simulated node costs about what a real one does.
pub const MAX_NODES: u32 = 9;

/// Why a plan cannot be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// The text is not a plan.
    NotAPlan(String),
    /// There is nobody to vote.
    NoVoters,
    /// There are too many nodes.
    TooManyNodes(u64),
    /// A count or a time that has to be positive is zero: this one.
    Zero(&'static str),
    /// A node is to stay down that is not of the plan.
    UnknownStaysDown(u32),
    /// So many voters are to stay down that the cluster cannot recover.
    MajorityStaysDown,
    /// One of the faults cannot strike.
    Fault {
        /// Which: the first is 1.
        number: usize,
        /// When it would strike.
        at_ms: u64,
        /// Why it cannot.
        error: FaultError,
    },
}

/// Why a fault cannot strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultError {
    /// It would strike before the one listed before it.
    OutOfOrder,
    /// It would strike after the safety phase.
    TooLate,
    /// It names a node that is not of the plan.
    UnknownNode(u32),
    /// It names a node twice.
    NodeTwice(u32),
    /// It names no node, so nothing happens.
    NoNodes,
    /// All nodes are on one side of a split.
    OneSide,
    /// A share of messages above all of them.
    Percent(u64),
    /// A clock so slow that it stands or runs back, or as much too fast.
    Drift(i64),
}

impl Plan {
    /// Whether the plan can be run. What is drawn from a seed always can.
    pub fn validate(&self) -> Result<(), PlanError> {
        self.validate_shape()?;
        self.validate_stay_down()?;
        let mut earlier_ms = 0;
        for (number, timed) in (1..).zip(&self.faults) {
            let at_ms = timed.at_ms;
            self.validate_fault(timed, earlier_ms).map_err(|error| PlanError::Fault {
                number,
                at_ms,
                error,
            })?;
            earlier_ms = at_ms;
        }
        Ok(())
    }

    fn validate_shape(&self) -> Result<(), PlanError> {
        if self.voters == 0 {
            return Err(PlanError::NoVoters);
        }
        let nodes = u64::from(self.voters) + u64::from(self.learners);
        if nodes > u64::from(MAX_NODES) {
            return Err(PlanError::TooManyNodes(nodes));
        }
        let positive = [
            ("clients", u64::from(self.clients)),
            ("keys", u64::from(self.keys)),
            ("log_kept", self.log_kept),
            ("safety_ms", self.safety_ms),
            ("liveness_ms", self.liveness_ms),
        ];
        match positive.iter().find(|(_, number)| *number == 0) {
            Some((name, _)) => Err(PlanError::Zero(name)),
            None => Ok(()),
        }
    }

    fn validate_stay_down(&self) -> Result<(), PlanError> {
        let down: BTreeSet<u32> = self.stay_down.iter().copied().collect();
        if let Some(node) = down.iter().find(|node| !self.has(**node)) {
            return Err(PlanError::UnknownStaysDown(*node));
        }
        let voters_left = (1..=self.voters).filter(|voter| !down.contains(voter)).count();
        if voters_left < self.majority() as usize {
            return Err(PlanError::MajorityStaysDown);
        }
        Ok(())
    }

    fn validate_fault(&self, timed: &Timed, earlier_ms: u64) -> Result<(), FaultError> {
        if timed.at_ms < earlier_ms {
            return Err(FaultError::OutOfOrder);
        }
        if timed.at_ms > self.safety_ms {
            return Err(FaultError::TooLate);
        }
        self.validate_nodes(&timed.fault.nodes())?;
        match &timed.fault {
            Fault::Split { side, .. } if side.len() == self.nodes() as usize => {
                Err(FaultError::OneSide)
            }
            Fault::Split { side: nodes, .. } | Fault::Crash { nodes, .. } if nodes.is_empty() => {
                Err(FaultError::NoNodes)
            }
            Fault::Storm { loss_percent, duplicate_percent, .. } => {
                let percent = *loss_percent.max(duplicate_percent);
                if percent > 100 { Err(FaultError::Percent(percent)) } else { Ok(()) }
            }
            Fault::Drift { ppm, .. } if ppm.unsigned_abs() >= 1_000_000 => {
                Err(FaultError::Drift(*ppm))
            }
            _ => Ok(()),
        }
    }

    fn validate_nodes(&self, nodes: &[u32]) -> Result<(), FaultError> {
        let mut seen = BTreeSet::new();
        for node in nodes {
            if !self.has(*node) {
                return Err(FaultError::UnknownNode(*node));
            }
            if !seen.insert(node) {
                return Err(FaultError::NodeTwice(*node));
            }
        }
        Ok(())
    }

    fn has(&self, node: u32) -> bool {
        (1..=self.nodes()).contains(&node)
    }
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlanError::NotAPlan(error) => write!(f, "this is not a plan: {error}"),
            PlanError::NoVoters => write!(f, "a plan needs at least one voter"),
            PlanError::TooManyNodes(nodes) => {
                write!(f, "{nodes} nodes are too many: at most {MAX_NODES}")
            }
            PlanError::Zero(name) => write!(f, "{name} is 0; it has to be positive"),
            PlanError::UnknownStaysDown(node) => {
                write!(f, "stay_down names node {node}, which the plan does not have")
            }
            PlanError::MajorityStaysDown => {
                write!(f, "stay_down leaves no majority of the voters; leave more of them up")
            }
            PlanError::Fault { number, at_ms, error } => {
                write!(f, "fault {number}, at {at_ms} ms: {error}")
            }
        }
    }
}

impl fmt::Display for FaultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FaultError::OutOfOrder => write!(f, "it is listed after a later one"),
            FaultError::TooLate => write!(f, "it comes after the safety phase (safety_ms)"),
            FaultError::UnknownNode(node) => write!(f, "the plan has no node {node}"),
            FaultError::NodeTwice(node) => write!(f, "it names node {node} twice"),
            FaultError::NoNodes => write!(f, "it names no node"),
            FaultError::OneSide => write!(f, "all nodes are on one side; leave one out"),
            FaultError::Percent(percent) => write!(f, "{percent} percent are more than all"),
            FaultError::Drift(ppm) => {
                write!(f, "{ppm} ppm are too much; stay below a million either way")
            }
        }
    }
}

impl std::error::Error for PlanError {}

impl std::error::Error for FaultError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three voters, a learner, and two faults that are in order.
    fn plan() -> Plan {
        Plan {
            seed: 7,
            voters: 3,
            learners: 1,
            clients: 6,
            keys: 3,
            log_kept: 100,
            safety_ms: 30_000,
            liveness_ms: 15_000,
            stay_down: vec![4, 2],
            faults: vec![
                Timed { at_ms: 1_000, fault: Fault::Crash { nodes: vec![1, 4], down_ms: 500 } },
                Timed { at_ms: 1_000, fault: Fault::Cut { a: 1, b: 3, for_ms: 500 } },
            ],
        }
    }

    fn refused(change: impl Fn(&mut Plan)) -> String {
        let mut plan = plan();
        change(&mut plan);
        let error = plan.validate().unwrap_err();
        assert_eq!(Plan::from_json(&plan.to_json()), Err(error.clone()));
        error.to_string()
    }

    #[test]
    fn a_plan_that_is_in_order_is_taken() {
        assert_eq!(plan().validate(), Ok(()));
    }

    #[test]
    fn a_plan_that_cannot_be_run_is_told_why() {
        type Case = (fn(&mut Plan), &'static str);
        let cases: [Case; 9] = [
            (|plan| plan.voters = 0, "a plan needs at least one voter"),
            (|plan| plan.voters = u32::MAX, "4294967296 nodes are too many: at most 9"),
            (|plan| plan.clients = 0, "clients is 0; it has to be positive"),
            (|plan| plan.keys = 0, "keys is 0; it has to be positive"),
            (|plan| plan.log_kept = 0, "log_kept is 0; it has to be positive"),
            (|plan| plan.liveness_ms = 0, "liveness_ms is 0; it has to be positive"),
            (
                |plan| plan.stay_down = vec![5],
                "stay_down names node 5, which the plan does not have",
            ),
            (
                |plan| plan.stay_down = vec![1, 2],
                "stay_down leaves no majority of the voters; leave more of them up",
            ),
            (
                |plan| plan.faults[1].at_ms = 999,
                "fault 2, at 999 ms: it is listed after a later one",
            ),
        ];
        for (change, message) in cases {
            assert_eq!(refused(change), message);
        }
    }

    #[test]
    fn a_fault_that_cannot_strike_is_told_why() {
        let storm = |loss_percent, duplicate_percent| Fault::Storm {
            loss_percent,
            duplicate_percent,
            delay_ms: 1,
            for_ms: 1,
        };
        let cases = [
            (Fault::Split { side: vec![], for_ms: 1 }, "it names no node"),
            (
                Fault::Split { side: vec![1, 2, 3, 4], for_ms: 1 },
                "all nodes are on one side; leave one out",
            ),
            (Fault::Crash { nodes: vec![], down_ms: 1 }, "it names no node"),
            (Fault::Crash { nodes: vec![1, 1], down_ms: 1 }, "it names node 1 twice"),
            (Fault::OneWay { from: 2, to: 2, for_ms: 1 }, "it names node 2 twice"),
            (Fault::Cut { a: 0, b: 2, for_ms: 1 }, "the plan has no node 0"),
            (Fault::Restart { node: 5, down_ms: 1 }, "the plan has no node 5"),
            (storm(101, 0), "101 percent are more than all"),
            (storm(100, 400), "400 percent are more than all"),
            (
                Fault::Drift { node: 1, ppm: -1_000_000 },
                "-1000000 ppm are too much; stay below a million either way",
            ),
        ];
        for (fault, message) in cases {
            let at_the_end = Timed { at_ms: 30_000, fault: fault.clone() };
            let told = refused(|plan| plan.faults.push(at_the_end.clone()));
            assert_eq!(told, format!("fault 3, at 30000 ms: {message}"));
        }
        let late = Timed { at_ms: 30_001, fault: Fault::Seal };
        assert_eq!(
            refused(|plan| plan.faults.push(late.clone())),
            "fault 3, at 30001 ms: it comes after the safety phase (safety_ms)"
        );
    }

    #[test]
    fn a_text_that_is_no_plan_is_told_where() {
        let text = plan().to_json().replace("\"voters\"", "\"foters\"");
        let error = Plan::from_json(&text).unwrap_err().to_string();
        assert!(error.starts_with("this is not a plan: missing field `voters`"), "{error}");
    }
}
