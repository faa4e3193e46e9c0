//! For how long the faults of a plan leave no cluster: an estimate that keeps drawn plans useful.

use super::{Fault, Plan, Timed};

/// The grain of the estimate.
const STEP_MS: u64 = 250;

/// From the moment at which the nodes could work to the first answer: an election, and after a seal or
/// a loss of power the shares.
const RECOVERY_MS: u64 = 2_000;

/// Loss from which on a storm lets hardly anything be done.
const HEAVY_LOSS_PERCENT: u64 = 20;

/// Delay from which on elections time out.
const HEAVY_DELAY_MS: u64 = 250;

impl Plan {
    /// For how long in the safety phase the cluster is likely not to work.
    pub(super) fn outage_ms(&self) -> u64 {
        let mut works_from = 0;
        let mut steps_out = 0;
        for now in (0..self.safety_ms).step_by(STEP_MS as usize) {
            if !self.could_work(now) {
                works_from = now + RECOVERY_MS;
            }
            steps_out += u64::from(now < works_from);
        }
        steps_out * STEP_MS
    }

    /// Whether there is a voter that is up and exchanges messages with a majority.
    fn could_work(&self, now: u64) -> bool {
        let active: Vec<&Fault> =
            self.faults.iter().filter(|timed| timed.is_active(now)).map(|t| &t.fault).collect();
        let usable = !active.iter().any(|fault| fault.stops_all());
        let up = |node: u32| !active.iter().any(|fault| fault.stops(node));
        let linked = |a: u32, b: u32| a == b || !active.iter().any(|fault| fault.parts(a, b));
        let leads = |leader: u32| {
            let reached = (1..=self.voters).filter(|node| up(*node) && linked(leader, *node));
            up(leader) && reached.count() >= self.majority() as usize
        };
        usable && (1..=self.voters).any(leads)
    }
}

impl Timed {
    fn is_active(&self, now: u64) -> bool {
        let for_ms = match &self.fault {
            Fault::Split { for_ms, .. }
            | Fault::OneWay { for_ms, .. }
            | Fault::Cut { for_ms, .. }
            | Fault::Storm { for_ms, .. }
            | Fault::SlowLinks { for_ms, .. }
            | Fault::SlowDisk { for_ms, .. } => *for_ms,
            Fault::Crash { down_ms, .. }
            | Fault::Restart { down_ms, .. }
            | Fault::FailSyncs { down_ms, .. }
            | Fault::DiskFull { down_ms, .. } => *down_ms,
            Fault::Seal => 0,
            Fault::WallJump { .. } | Fault::Drift { .. } => return false,
        };
        // Also the shortest fault is seen by one step.
        self.at_ms <= now && now < self.at_ms.saturating_add(for_ms.max(STEP_MS))
    }
}

impl Fault {
    fn stops_all(&self) -> bool {
        match self {
            Fault::Seal => true,
            Fault::Storm { loss_percent, delay_ms, .. } => {
                *loss_percent >= HEAVY_LOSS_PERCENT || *delay_ms >= HEAVY_DELAY_MS
            }
            _ => false,
        }
    }

    fn stops(&self, node: u32) -> bool {
        match self {
            Fault::Crash { nodes, .. } => nodes.contains(&node),
            Fault::Restart { node: stopped, .. }
            | Fault::FailSyncs { node: stopped, .. }
            | Fault::DiskFull { node: stopped, .. } => *stopped == node,
            _ => false,
        }
    }

    /// Whether it keeps two nodes from talking; a question without its answer is no talk.
    fn parts(&self, one: u32, other: u32) -> bool {
        match self {
            Fault::Split { side, .. } => side.contains(&one) != side.contains(&other),
            Fault::OneWay { from: a, to: b, .. } | Fault::Cut { a, b, .. } => {
                (*a, *b) == (one, other) || (*a, *b) == (other, one)
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_knows_what_a_cluster_of_three_survives() {
        let for_ms = 3_000;
        let down_ms = 3_000;
        let split = |side: &[u32]| Fault::Split { side: side.to_vec(), for_ms };
        let crash = |nodes: &[u32]| Fault::Crash { nodes: nodes.to_vec(), down_ms };
        let cut = |a, b| Fault::Cut { a, b, for_ms };
        let storm = |loss_percent, delay_ms| Fault::Storm {
            loss_percent,
            duplicate_percent: 0,
            delay_ms,
            for_ms,
        };
        let cases: [(&str, Vec<Fault>, u64); 13] = [
            ("nothing", vec![], 0),
            ("one alone", vec![split(&[2])], 0),
            ("all alone", vec![split(&[1]), split(&[2])], 5_000),
            ("a triangle", vec![cut(1, 2)], 0),
            ("two sides of a triangle", vec![cut(1, 2), cut(2, 3)], 0),
            ("no side of a triangle", vec![cut(1, 2), cut(2, 3), cut(1, 3)], 5_000),
            ("one down", vec![crash(&[1])], 0),
            ("one down, one alone", vec![crash(&[1]), split(&[3])], 5_000),
            ("all down", vec![crash(&[1, 2, 3, 4])], 5_000),
            ("learner down and one alone", vec![crash(&[4]), split(&[3])], 0),
            ("a breeze", vec![storm(3, 40)], 0),
            ("a storm", vec![storm(25, 40)], 5_000),
            ("a seal", vec![Fault::Seal], 2_250),
        ];
        for (name, faults, outage_ms) in cases {
            let at_5_s = |fault| Timed { at_ms: 5_000, fault };
            let plan = Plan {
                voters: 3,
                learners: 1,
                safety_ms: 30_000,
                faults: faults.into_iter().map(at_5_s).collect(),
                ..Plan::from_seed(1)
            };
            // The recovery begins with the last step in which the cluster could not work.
            let within = outage_ms.saturating_sub(STEP_MS)..=outage_ms;
            assert!(within.contains(&plan.outage_ms()), "{name}: {} ms", plan.outage_ms());
        }
    }
}
