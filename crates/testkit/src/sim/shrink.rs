//! A smaller plan that still fails: fewer faults, then a simpler cluster.

use super::plan::{Fault, Plan, Timed};

/// How long a shortened run goes on after its violation: without some of the faults the same thing may
/// happen a little later.
const SLACK_MS: u64 = 1_000;

/// Numbers of clients and of keys that are tried, the simplest first.
const FEWER: [u32; 4] = [1, 2, 3, 5];

/// Searches a smaller plan that still fails, with at most `budget` runs.
///
/// `fails` runs a plan and says when its first violation happened, in milliseconds on the clock of
/// [`Timed::at_ms`]; `None`: it did not fail, or not in the way that is looked for. The search itself is
/// deterministic, and what it returns has failed, unless the plan it was given did not.
///
/// If the budget lasts, no single fault of the result can be left out.
pub fn shrink(plan: &Plan, fails: impl FnMut(&Plan) -> Option<u64>, budget: usize) -> Plan {
    let mut search =
        Search { fails, budget, tried: Vec::new(), best: plan.clone(), violated_ms: u64::MAX };
    if search.run(plan.clone()) {
        search.exhaust();
    }
    search.best
}

struct Search<F> {
    fails: F,
    /// Runs that are left.
    budget: usize,
    /// What was run: not run again.
    tried: Vec<Plan>,
    /// The smallest plan that failed.
    best: Plan,
    /// When it did.
    violated_ms: u64,
}

impl<F: FnMut(&Plan) -> Option<u64>> Search<F> {
    /// Each step may make room for the others, so until none gets anywhere.
    fn exhaust(&mut self) {
        loop {
            let before = self.best.clone();
            self.shorten();
            self.drop_faults();
            self.simplify();
            if self.best == before {
                return;
            }
        }
    }

    /// Whether the candidate fails too; if so, it is the best so far.
    fn run(&mut self, candidate: Plan) -> bool {
        if self.budget == 0 || self.tried.contains(&candidate) {
            return false;
        }
        self.budget -= 1;
        let violated_ms = (self.fails)(&candidate);
        self.tried.push(candidate.clone());
        let Some(violated_ms) = violated_ms else {
            return false;
        };
        self.violated_ms = violated_ms;
        self.best = candidate;
        true
    }

    /// The shortest prefix: nothing strikes after the violation, and the run ends soon after it.
    fn shorten(&mut self) {
        let mut prefix = self.best.clone();
        prefix.faults.retain(|timed| timed.at_ms <= self.violated_ms);
        prefix.safety_ms = prefix.safety_ms.min(self.violated_ms.saturating_add(SLACK_MS));
        self.run(prefix);
    }

    /// Delta debugging: leaves out ever smaller parts, down to single faults.
    fn drop_faults(&mut self) {
        let mut parts = 2;
        while !self.best.faults.is_empty() {
            let length = self.best.faults.len().div_ceil(parts);
            if self.drop_one_part(length) {
                parts = (parts - 1).max(2);
            } else if length == 1 {
                return;
            } else {
                parts *= 2;
            }
        }
    }

    /// Whether it fails without some part of this length.
    fn drop_one_part(&mut self, length: usize) -> bool {
        // From the front: what struck last before the violation is its likeliest cause.
        (0..self.best.faults.len()).step_by(length).any(|start| {
            let mut candidate = self.best.clone();
            let end = (start + length).min(candidate.faults.len());
            candidate.faults.drain(start..end);
            self.run(candidate)
        })
    }

    fn simplify(&mut self) {
        self.run(Plan { stay_down: Vec::new(), ..self.best.clone() });
        self.run(without_learners(&self.best));
        self.run(with_three_voters(&self.best));
        self.fewer(self.best.clients, |plan, clients| plan.clients = clients);
        self.fewer(self.best.keys, |plan, keys| plan.keys = keys);
    }

    fn fewer(&mut self, now: u32, set: fn(&mut Plan, u32)) {
        FEWER.into_iter().take_while(|few| *few < now).any(|few| {
            let mut candidate = self.best.clone();
            set(&mut candidate, few);
            self.run(candidate)
        });
    }
}

fn without_learners(plan: &Plan) -> Plan {
    let voters: Vec<u32> = (1..=plan.voters).collect();
    with_nodes(plan, &voters)
}

/// The three voters that the faults name most often, and the learners.
fn with_three_voters(plan: &Plan) -> Plan {
    let named = |voter: &u32| {
        plan.faults.iter().filter(|timed| timed.fault.nodes().contains(voter)).count()
    };
    let mut kept: Vec<u32> = (1..=plan.voters).collect();
    kept.sort_by_key(|voter| std::cmp::Reverse(named(voter)));
    kept.truncate(3);
    kept.sort_unstable();
    kept.extend(plan.voters + 1..=plan.nodes());
    with_nodes(plan, &kept)
}

/// The plan with only these nodes (in ascending order), numbered anew; faults that no longer strike
/// anybody are gone.
fn with_nodes(plan: &Plan, kept: &[u32]) -> Plan {
    let voters = kept.iter().filter(|node| **node <= plan.voters).count() as u32;
    let faults = plan.faults.iter().filter_map(|timed| {
        let fault = among(&timed.fault, kept)?;
        Some(Timed { at_ms: timed.at_ms, fault })
    });
    let mut smaller = Plan {
        voters,
        learners: kept.len() as u32 - voters,
        stay_down: renumbered(&plan.stay_down, kept),
        faults: faults.collect(),
        ..plan.clone()
    };
    if smaller.validate().is_err() {
        // Of five voters two may stay down, of three they are too many.
        smaller.stay_down.clear();
    }
    smaller
}

fn renumbered(nodes: &[u32], kept: &[u32]) -> Vec<u32> {
    nodes.iter().filter_map(|node| new_number(*node, kept)).collect()
}

fn new_number(node: u32, kept: &[u32]) -> Option<u32> {
    (1..).zip(kept).find(|(_, old)| **old == node).map(|(new, _)| new)
}

/// What is left of a fault among these nodes.
fn among(fault: &Fault, kept: &[u32]) -> Option<Fault> {
    let number = |node: &mut u32| new_number(*node, kept).map(|new| *node = new);
    let mut fault = fault.clone();
    match &mut fault {
        Fault::Split { side, .. } => {
            *side = renumbered(side, kept);
            (!side.is_empty() && side.len() < kept.len()).then_some(())?;
        }
        Fault::Crash { nodes, .. } => {
            *nodes = renumbered(nodes, kept);
            (!nodes.is_empty()).then_some(())?;
        }
        Fault::OneWay { from: a, to: b, .. } | Fault::Cut { a, b, .. } => {
            number(a)?;
            number(b)?;
        }
        Fault::Restart { node, .. }
        | Fault::FailSyncs { node, .. }
        | Fault::DiskFull { node, .. }
        | Fault::SlowDisk { node, .. }
        | Fault::SlowLinks { node, .. }
        | Fault::WallJump { node, .. }
        | Fault::Drift { node, .. } => number(node)?,
        Fault::Storm { .. } | Fault::Seal => {}
    }
    Some(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLENTY: usize = 10_000;

    /// When the last of two faults strikes: one of this kind at this node, and then any crash.
    fn needs(plan: &Plan, kind: &str, node: u32) -> Option<u64> {
        assert_eq!(plan.validate(), Ok(()));
        let first = plan
            .faults
            .iter()
            .position(|timed| timed.fault.kind() == kind && timed.fault.nodes().contains(&node))?;
        let crash = plan.faults[first..].iter().find(|timed| timed.fault.kind() == "crash")?;
        // A run that ends sooner does not see it.
        (crash.at_ms + 300 < plan.safety_ms).then_some(crash.at_ms + 300)
    }

    fn kinds(plan: &Plan) -> Vec<&'static str> {
        plan.faults.iter().map(|timed| timed.fault.kind()).collect()
    }

    #[test]
    fn two_faults_that_are_needed_together_are_all_that_is_left() {
        let mut shrunk = 0;
        for kind in ["split", "one_way", "cut", "slow_disk", "drift"] {
            for seed in 0..100 {
                let plan = Plan::from_seed(seed);
                let Some(violated_ms) = needs(&plan, kind, 2) else { continue };
                let small = shrink(&plan, |plan| needs(plan, kind, 2), PLENTY);
                assert_eq!(kinds(&small), [kind, "crash"], "seed {seed}");
                assert!(needs(&small, kind, 2).is_some(), "seed {seed}");
                let learner = small.voters + 1;
                let named = small.faults.iter().any(|t| t.fault.nodes().contains(&learner));
                assert_eq!(small.learners > 0, named, "seed {seed}");
                assert_eq!((small.clients, small.keys), (1, 1), "seed {seed}");
                assert_eq!(small.stay_down, [0; 0], "seed {seed}");
                assert!(small.safety_ms <= violated_ms + SLACK_MS, "seed {seed}");
                shrunk += 1;
            }
        }
        assert!(shrunk > 150, "{shrunk}");
    }

    #[test]
    fn what_is_needed_stays() {
        let of_5 = (0..).map(Plan::from_seed).find(|plan| plan.voters == 5).unwrap();
        let plan = Plan { learners: 1, stay_down: vec![2, 5, 6], clients: 9, keys: 5, ..of_5 };
        let needed = |small: &Plan| {
            let holds = small.voters == 5
                && small.learners == 1
                && small.stay_down.contains(&6)
                && small.clients >= 4
                && small.keys >= 2;
            holds.then_some(small.safety_ms + 1)
        };
        let small = shrink(&plan, needed, PLENTY);
        let expected = Plan { clients: 5, keys: 2, faults: Vec::new(), ..plan };
        assert_eq!(small, expected);
    }

    #[test]
    fn the_budget_is_the_number_of_runs() {
        let plan = Plan::from_seed(3);
        for budget in 0..60 {
            let mut runs = 0;
            let mut last_failed = plan.clone();
            let small = shrink(
                &plan,
                |plan| {
                    runs += 1;
                    let violated = needs(plan, "split", 2);
                    if violated.is_some() {
                        last_failed = plan.clone();
                    }
                    violated
                },
                budget,
            );
            assert!(runs <= budget, "{runs} runs of {budget}");
            assert_eq!(small, last_failed, "budget {budget}");
        }
    }

    #[test]
    fn few_runs_do_and_none_is_made_twice() {
        for seed in 0..50 {
            let mut runs = Vec::new();
            let run = |plan: &Plan| {
                assert!(!runs.contains(plan), "seed {seed}: run {} again", runs.len());
                runs.push(plan.clone());
                needs(plan, "split", 2)
            };
            let small = shrink(&Plan::from_seed(seed), run, PLENTY);
            assert!(runs.len() <= 30, "seed {seed}: {} runs to {}", runs.len(), small.size());
        }
    }

    #[test]
    fn a_plan_that_does_not_fail_is_run_once_and_returned() {
        let plan = Plan::from_seed(1);
        let mut runs = 0;
        let same = shrink(
            &plan,
            |_| {
                runs += 1;
                None
            },
            PLENTY,
        );
        assert_eq!((same, runs), (plan, 1));
    }

    #[test]
    fn a_violation_that_shows_only_in_the_whole_phase_keeps_it() {
        let plan = Plan::from_seed(1);
        let late = |small: &Plan| (small.safety_ms == plan.safety_ms).then_some(9_000);
        let small = shrink(&plan, late, PLENTY);
        assert_eq!((small.safety_ms, small.size()), (plan.safety_ms, 0));
    }

    #[test]
    fn of_five_voters_the_three_that_the_faults_name_stay() {
        let crash = |at_ms, nodes: &[u32]| {
            let fault = Fault::Crash { nodes: nodes.to_vec(), down_ms: 100 };
            Timed { at_ms, fault }
        };
        let plan = Plan {
            voters: 5,
            learners: 1,
            stay_down: vec![4, 6],
            faults: vec![
                crash(1, &[2, 4]),
                crash(2, &[4, 6]),
                crash(3, &[5, 1]),
                crash(4, &[3]),
                crash(5, &[5]),
                Timed { at_ms: 6, fault: Fault::Cut { a: 1, b: 5, for_ms: 1 } },
                Timed { at_ms: 7, fault: Fault::Cut { a: 5, b: 6, for_ms: 1 } },
                Timed { at_ms: 8, fault: Fault::Split { side: vec![2, 3], for_ms: 1 } },
                Timed { at_ms: 9, fault: Fault::Split { side: vec![3], for_ms: 1 } },
                Timed { at_ms: 9, fault: Fault::Split { side: vec![1, 2, 5, 6], for_ms: 1 } },
            ],
            ..Plan::from_seed(1)
        };
        // Named most often: 5 (five times), then 1, 2 and 3 (three times each), of which 1 and 2 stay.
        let smaller = with_three_voters(&plan);
        let expected = Plan {
            voters: 3,
            stay_down: vec![4],
            faults: vec![
                crash(1, &[2]),
                crash(2, &[4]),
                crash(3, &[3, 1]),
                crash(5, &[3]),
                Timed { at_ms: 6, fault: Fault::Cut { a: 1, b: 3, for_ms: 1 } },
                Timed { at_ms: 7, fault: Fault::Cut { a: 3, b: 4, for_ms: 1 } },
                Timed { at_ms: 8, fault: Fault::Split { side: vec![2], for_ms: 1 } },
            ],
            ..plan.clone()
        };
        assert_eq!(smaller, expected);

        // Of three voters only one may stay down.
        let two_down = Plan { stay_down: vec![1, 2], ..plan };
        assert_eq!(with_three_voters(&two_down).stay_down, [0; 0]);
    }
}
