//! A plan from a seed.

use super::{Fault, Plan, Timed};
use crate::Dice;

/// Keeps the numbers that draw a plan apart from those that the run draws from the same seed.
const STREAM: u64 = 0x706C_616E_5F31_0000;

/// Draws a fault; several if they belong together and begin at the same time.
type Drawn = fn(&mut Draw) -> Vec<Fault>;

/// What strikes, and how often: weights against their sum.
const FAULTS: [(u64, Drawn); 17] = [
    (12, Draw::isolate),
    (5, Draw::split_minority),
    (4, Draw::split_without_majority),
    (8, Draw::one_way),
    (5, Draw::mute_or_deaf),
    (9, Draw::cut),
    (10, Draw::storm),
    (8, Draw::slow_links),
    (12, Draw::crash_one),
    (4, Draw::crash_majority),
    (3, Draw::crash_all),
    (5, Draw::restart),
    (5, Draw::fail_syncs),
    (4, Draw::disk_full),
    (7, Draw::slow_disk),
    (4, Draw::wall_jump),
    (3, Draw::drift),
];

/// Pause between the beginnings of two faults: short enough that they overlap.
const PAUSE_MS: (u64, u64) = (500, 2_500);

/// How long a fault of the network lasts: at the upper end, those who are cut off need a snapshot.
const NETWORK_MS: (u64, u64) = (500, 6_000);

/// How long a node is down.
const DOWN_MS: (u64, u64) = (100, 4_000);

/// The loss of power of all nodes that each run has begins at least this long before the end of the
/// safety phase, so that there is something to see after it.
const AFTER_POWER_LOSS_MS: u64 = 6_000;

/// How long a quiet scene lasts, and how long before and after it nothing else begins.
const SCENE_MS: (u64, u64) = (4_000, 6_000);
const AROUND_SCENE_MS: u64 = 1_000;

/// How long disks are slow before all power is lost: then much is under way.
const SLOW_BEFORE_POWER_LOSS_MS: u64 = 1_000;

/// Part of the safety phase in which the cluster may be unable to work, in percent, drawn for each run:
/// where nothing is acknowledged nothing is found.
const OUTAGE_PERCENT: (u64, u64) = (20, 40);

/// How often a fault that would be too much is replaced by another.
const REDRAWS: usize = 6;

/// Bounds of a jump of a wall clock: seconds, a minute, ten minutes, an hour.
const JUMPS_MS: [u64; 4] = [5_000, 60_000, 600_000, 3_600_000];

impl Plan {
    /// The plan of a seed: the same in each process, of this release.
    pub fn from_seed(seed: u64) -> Plan {
        let mut dice = Dice::new(seed ^ STREAM);
        let voters = if dice.below(8) == 0 { 5 } else { 3 };
        let learners = u32::from(voters == 3 && dice.chance(40));
        let mut draw = Draw { dice, voters, nodes: voters + learners };
        let mut plan = Plan {
            seed,
            voters,
            learners,
            clients: draw.between((6, 10)) as u32,
            keys: draw.between((6, 12)) as u32,
            log_kept: draw.between((8, 32)),
            safety_ms: draw.between((30_000, 36_000)),
            liveness_ms: 15_000,
            stay_down: draw.stay_down(),
            faults: Vec::new(),
        };
        let once = draw.once_a_run(&plan);
        plan.faults.clone_from(&once);
        draw.one_after_the_other(&mut plan);
        draw.quiet_scenes(&mut plan, &once);
        plan.faults.sort_by_key(|timed| timed.at_ms);
        plan
    }
}

struct Draw {
    dice: Dice,
    voters: u32,
    nodes: u32,
}

impl Draw {
    /// Where there is a learner, most runs end with learner and one voter down: then the others have
    /// to do, which are a majority of the voters and only half of all.
    fn stay_down(&mut self) -> Vec<u32> {
        let learner = (self.nodes > self.voters).then_some(self.nodes);
        let case = self.dice.below(100);
        let with_voter = if learner.is_some() { case < 60 } else { case < 20 };
        let with_learner = case < 50 || (60..70).contains(&case);
        let voter = with_voter.then(|| self.voter());
        voter.into_iter().chain(learner.filter(|_| with_learner)).collect()
    }

    /// All power is lost once, while the disks are slow; and some runs are sealed once.
    fn once_a_run(&mut self, plan: &Plan) -> Vec<Timed> {
        let window = (PAUSE_MS.1, plan.safety_ms - AFTER_POWER_LOSS_MS);
        let at_ms = self.between(window);
        let delay_ms = self.between((30, 200));
        let slow = (1..=self.nodes).map(|node| Fault::SlowDisk { node, delay_ms, for_ms: 2_000 });
        let slow = slow.map(|fault| Timed { at_ms: at_ms - SLOW_BEFORE_POWER_LOSS_MS, fault });
        let all = self.crash_all().into_iter().map(|fault| Timed { at_ms, fault });
        let mut once: Vec<Timed> = slow.chain(all).collect();
        if self.dice.chance(33) {
            once.push(Timed { at_ms: self.between(window), fault: Fault::Seal });
        }
        once
    }

    fn one_after_the_other(&mut self, plan: &mut Plan) {
        let most_ms = plan.safety_ms * self.between(OUTAGE_PERCENT) / 100;
        let mut at_ms = self.between(PAUSE_MS);
        while at_ms < plan.safety_ms {
            self.strike(plan, at_ms, most_ms);
            at_ms += self.between(PAUSE_MS);
        }
    }

    /// Two scenes in which little else happens. A node is cut off for long: the others go on without it,
    /// and it comes back alive, with caches, to a snapshot. And a node is slow to reach: what it knows is
    /// old while it serves.
    fn quiet_scenes(&mut self, plan: &mut Plan, once: &[Timed]) {
        let (absent, slow) = (self.node(), self.node());
        let (for_ms, delay_ms) = (self.between(SCENE_MS), self.between((150, 400)));
        let mut scenes = [
            Fault::Split { side: vec![absent], for_ms },
            Fault::SlowLinks { node: slow, delay_ms, for_ms },
        ];
        if self.dice.chance(50) {
            scenes.reverse();
        }
        let half = plan.safety_ms / 2;
        for (scene, begins) in scenes.into_iter().zip([PAUSE_MS.1, half]) {
            let latest = begins + half - for_ms - AROUND_SCENE_MS - PAUSE_MS.1;
            let at_ms = self.between((begins, latest));
            let quiet = at_ms - AROUND_SCENE_MS..at_ms + for_ms + AROUND_SCENE_MS;
            plan.faults.retain(|t| !quiet.contains(&t.at_ms) || once.contains(t));
            plan.faults.push(Timed { at_ms, fault: scene });
        }
    }

    /// A fault from the table that does not bring the outage above `most_ms`; none if none is found.
    fn strike(&mut self, plan: &mut Plan, at_ms: u64, most_ms: u64) {
        let before = plan.faults.len();
        let most_ms = most_ms.max(plan.outage_ms());
        for _ in 0..REDRAWS {
            let faults = self.any_fault();
            plan.faults.extend(faults.into_iter().map(|fault| Timed { at_ms, fault }));
            if plan.outage_ms() <= most_ms {
                return;
            }
            plan.faults.truncate(before);
        }
    }

    fn any_fault(&mut self) -> Vec<Fault> {
        let mut point = self.dice.below(FAULTS.iter().map(|(weight, _)| weight).sum());
        for (weight, draw) in FAULTS {
            if point < weight {
                return draw(self);
            }
            point -= weight;
        }
        unreachable!("the point is below the sum of the weights")
    }

    fn isolate(&mut self) -> Vec<Fault> {
        let side = vec![self.node()];
        vec![Fault::Split { side, for_ms: self.between(NETWORK_MS) }]
    }

    /// As many voters as there can be without a majority, and perhaps the learner.
    fn split_minority(&mut self) -> Vec<Fault> {
        let mut side = self.minority();
        if self.nodes > self.voters && self.dice.chance(50) {
            side.push(self.nodes);
        }
        vec![Fault::Split { side, for_ms: self.between(NETWORK_MS) }]
    }

    /// Three sides, none with a majority: it takes two splits.
    fn split_without_majority(&mut self) -> Vec<Fault> {
        let for_ms = self.between(NETWORK_MS);
        let voters = self.some_of(self.voters, self.voters - 1);
        let (left, right) = voters.split_at(voters.len() / 2);
        let split = |side: &[u32]| Fault::Split { side: side.to_vec(), for_ms };
        vec![split(left), split(right)]
    }

    fn one_way(&mut self) -> Vec<Fault> {
        let (from, to) = self.two_nodes();
        vec![Fault::OneWay { from, to, for_ms: self.between(NETWORK_MS) }]
    }

    /// A node that nobody hears, or that hears nobody.
    fn mute_or_deaf(&mut self) -> Vec<Fault> {
        let (node, mute) = (self.node(), self.dice.chance(50));
        let for_ms = self.between(NETWORK_MS);
        let others = (1..=self.nodes).filter(|other| *other != node);
        let link = |other| if mute { (node, other) } else { (other, node) };
        others.map(link).map(|(from, to)| Fault::OneWay { from, to, for_ms }).collect()
    }

    fn cut(&mut self) -> Vec<Fault> {
        let (a, b) = self.two_nodes();
        vec![Fault::Cut { a, b, for_ms: self.between(NETWORK_MS) }]
    }

    fn storm(&mut self) -> Vec<Fault> {
        vec![Fault::Storm {
            loss_percent: self.between((1, 30)),
            duplicate_percent: self.between((0, 20)),
            delay_ms: self.between((10, 400)),
            for_ms: self.between(NETWORK_MS),
        }]
    }

    fn slow_links(&mut self) -> Vec<Fault> {
        vec![Fault::SlowLinks {
            node: self.node(),
            delay_ms: self.between((50, 400)),
            for_ms: self.between(NETWORK_MS),
        }]
    }

    fn crash_one(&mut self) -> Vec<Fault> {
        let nodes = vec![self.node()];
        vec![Fault::Crash { nodes, down_ms: self.between(DOWN_MS) }]
    }

    fn crash_majority(&mut self) -> Vec<Fault> {
        let nodes = self.some_of(self.voters, self.voters / 2 + 1);
        vec![Fault::Crash { nodes, down_ms: self.between(DOWN_MS) }]
    }

    fn crash_all(&mut self) -> Vec<Fault> {
        let nodes = (1..=self.nodes).collect();
        vec![Fault::Crash { nodes, down_ms: self.between(DOWN_MS) }]
    }

    fn restart(&mut self) -> Vec<Fault> {
        vec![Fault::Restart { node: self.node(), down_ms: self.between(DOWN_MS) }]
    }

    fn fail_syncs(&mut self) -> Vec<Fault> {
        vec![Fault::FailSyncs { node: self.node(), down_ms: self.between(DOWN_MS) }]
    }

    fn disk_full(&mut self) -> Vec<Fault> {
        vec![Fault::DiskFull { node: self.node(), down_ms: self.between(DOWN_MS) }]
    }

    fn slow_disk(&mut self) -> Vec<Fault> {
        vec![Fault::SlowDisk {
            node: self.node(),
            delay_ms: self.between((20, 300)),
            for_ms: self.between(NETWORK_MS),
        }]
    }

    fn wall_jump(&mut self) -> Vec<Fault> {
        let bound = JUMPS_MS[self.dice.below(JUMPS_MS.len() as u64) as usize];
        vec![Fault::WallJump { node: self.node(), by_ms: self.signed(bound) }]
    }

    fn drift(&mut self) -> Vec<Fault> {
        vec![Fault::Drift { node: self.node(), ppm: self.signed(20_000) }]
    }

    /// A number of the range, both ends included.
    fn between(&mut self, (low, high): (u64, u64)) -> u64 {
        low + self.dice.below(high - low + 1)
    }

    /// A number from 1 to `bound`, or its negative.
    fn signed(&mut self, bound: u64) -> i64 {
        let size = self.between((1, bound)) as i64;
        if self.dice.chance(50) { size } else { -size }
    }

    fn node(&mut self) -> u32 {
        self.between((1, u64::from(self.nodes))) as u32
    }

    fn voter(&mut self) -> u32 {
        self.between((1, u64::from(self.voters))) as u32
    }

    fn two_nodes(&mut self) -> (u32, u32) {
        let first = self.node();
        let step = self.between((1, u64::from(self.nodes) - 1)) as u32;
        (first, (first - 1 + step) % self.nodes + 1)
    }

    fn minority(&mut self) -> Vec<u32> {
        self.some_of(self.voters, (self.voters - 1) / 2)
    }

    /// This many of the nodes 1 to `highest`, in ascending order.
    fn some_of(&mut self, highest: u32, count: u32) -> Vec<u32> {
        let mut nodes: Vec<u32> = (1..=highest).collect();
        while nodes.len() > count as usize {
            nodes.remove(self.dice.below(nodes.len() as u64) as usize);
        }
        nodes
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::ops::RangeInclusive;
    use std::sync::LazyLock;

    use super::*;

    const SEEDS: u64 = 1_000;

    static PLANS: LazyLock<Vec<Plan>> = LazyLock::new(|| (0..SEEDS).map(Plan::from_seed).collect());

    fn plans() -> impl Iterator<Item = &'static Plan> {
        PLANS.iter()
    }

    /// Of a thousand.
    fn count(wanted: impl Fn(&Plan) -> bool) -> usize {
        plans().filter(|plan| wanted(plan)).count()
    }

    fn has(plan: &Plan, wanted: impl Fn(&Fault) -> bool) -> bool {
        plan.faults.iter().any(|timed| wanted(&timed.fault))
    }

    fn is_power_loss(plan: &Plan, fault: &Fault) -> bool {
        matches!(fault, Fault::Crash { nodes, .. } if nodes.len() == plan.nodes() as usize)
    }

    #[test]
    fn a_seed_gives_one_plan_and_another_seed_another() {
        for seed in 0..100 {
            assert_eq!(Plan::from_seed(seed), Plan::from_seed(seed));
            let next = Plan { seed, ..Plan::from_seed(seed + 1) };
            assert_ne!(Plan::from_seed(seed), next);
        }
    }

    #[test]
    fn every_plan_can_be_run() {
        for plan in plans() {
            assert_eq!(plan.validate(), Ok(()), "seed {}", plan.seed);
        }
    }

    #[test]
    fn the_shapes_come_as_often_as_wanted() {
        type Case = (&'static str, fn(&Plan) -> bool, RangeInclusive<usize>);
        let cases: [Case; 8] = [
            ("5 voters", |plan| plan.voters == 5, 90..=160),
            ("a learner", |plan| plan.learners == 1, 310..=400),
            ("a learner beside 5 voters", |plan| plan.nodes() > 5, 0..=0),
            ("all up at the end", |plan| plan.stay_down.is_empty(), 620..=800),
            ("voter and learner down at the end", |plan| plan.stay_down.len() == 2, 130..=210),
            ("one down at the end", |plan| plan.stay_down.len() == 1, 120..=260),
            ("sealed", |plan| has(plan, |fault| *fault == Fault::Seal), 280..=380),
            ("fewer than 12 faults", |plan| plan.faults.len() < 12, 0..=0),
        ];
        for (name, wanted, range) in cases {
            let seen = count(wanted);
            assert!(range.contains(&seen), "{name}: {seen} of {SEEDS}");
        }
    }

    #[test]
    fn numbers_stay_in_their_ranges() {
        for plan in plans() {
            assert!((6..=10).contains(&plan.clients));
            assert!((6..=12).contains(&plan.keys));
            assert!((8..=32).contains(&plan.log_kept));
            assert!((30_000..=36_000).contains(&plan.safety_ms));
            assert!(plan.faults.is_sorted_by_key(|timed| timed.at_ms));
            assert!(plan.faults.iter().all(|timed| timed.at_ms < plan.safety_ms));
        }
    }

    #[test]
    fn every_run_loses_all_power_once_and_is_sealed_at_most_once() {
        for plan in plans() {
            assert!(has(plan, |fault| is_power_loss(plan, fault)), "seed {}", plan.seed);
            let seals = plan.faults.iter().filter(|timed| timed.fault == Fault::Seal).count();
            assert!(seals <= 1, "seed {}", plan.seed);
        }
    }

    #[test]
    fn twenty_seeds_have_every_kind_of_fault() {
        for twenty in PLANS.chunks(20) {
            let faults = twenty.iter().flat_map(|plan| &plan.faults);
            let mut kinds: BTreeSet<&str> = faults.map(|timed| timed.fault.kind()).collect();
            // Not drawn from the table.
            kinds.remove("seal");
            assert_eq!(kinds.len(), 12, "seeds from {}: {kinds:?}", twenty[0].seed);
        }
    }

    #[test]
    fn every_kind_of_fault_hits_every_node() {
        let mut hit = BTreeSet::new();
        for plan in plans() {
            for timed in &plan.faults {
                hit.extend(timed.fault.nodes().into_iter().map(|node| {
                    let role = if node <= plan.voters { "voter" } else { "learner" };
                    (timed.fault.kind(), role, plan.voters, node)
                }));
            }
        }
        // Eleven kinds name nodes; 3 voters and a learner, and 5 voters.
        assert_eq!(hit.len(), 11 * (3 + 1 + 5), "{hit:?}");
    }

    #[test]
    fn the_cluster_is_able_to_work_for_most_of_the_time() {
        let mut total = (0, 0);
        for plan in plans() {
            let outage = plan.outage_ms();
            let most_ms = plan.safety_ms * OUTAGE_PERCENT.1 / 100 + SCENE_MS.1;
            assert!(outage <= most_ms, "seed {}", plan.seed);
            total = (total.0 + outage, total.1 + plan.safety_ms);
        }
        let percent = total.0 * 100 / total.1;
        assert!((20..=34).contains(&percent), "out for {percent} % of the time");
    }
}
