//! One run: set up, strike, heal, prove life, judge.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::time::Duration;

use conclave_core::records::{MemoryRecords, Records, RecordsRead, Table};
use conclave_core::replica::Replica;
use tokio::runtime::{Builder, RngSeed};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::ceremony::{self, Custodians};
use super::cluster::{PATIENCE, SimCluster};
use super::evidence::{Evidence, MemberEnd, Probe};
use super::history::Action;
use super::nemesis::Nemesis;
use super::net::Alive;
use super::panics;
use super::plan::Plan;
use super::recorder::Recorder;
use super::report::Report;
use super::short;
use super::trace::{Micros, Trace};
use super::workload::{Client, Workload};
use crate::Dice;

/// How often the members' states are compared.
const COMPARE: Duration = Duration::from_millis(250);

/// Numbers of clients that are none of the plan's.
const SHOWS_TOKENS: u32 = 500;
const REVOKES_TOKENS: u32 = 510;
const OF_THE_NEMESIS: u32 = 520;
const PROVES_LIFE: u32 = 530;
const HAS_SHORT_KEYS: u32 = 600;

/// Clients of short-lived keys.
const SHORT_CLIENTS: u32 = 3;

/// How long nothing is asked once life is proven: what is due is done by the cluster itself.
const REST: Duration = Duration::from_secs(5);

/// Runs a plan to its end, on this thread alone. `with_lines` keeps a narrative.
pub fn run(plan: &Plan, with_lines: bool) -> Report {
    traced(plan, with_lines).0
}

/// A run, and the trace that all its parts held.
fn traced(plan: &Plan, with_lines: bool) -> (Report, Trace) {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .rng_seed(RngSeed::from_bytes(&plan.seed.to_le_bytes()))
        .build()
        .expect("a runtime without drivers of the system");
    let watched = panics::Watch::begin();
    let (mut evidence, trace, net) = runtime.block_on(async {
        let run = Run::new(plan, with_lines);
        let evidence = run.to_the_end().await;
        run.cluster.dismantle();
        run.trace.end();
        (evidence, run.trace.clone(), run.cluster.net().stats())
    });
    drop(runtime);
    evidence.panics = watched.seen();
    (Report::new(&evidence, &trace, net), trace)
}

struct Run {
    plan: Plan,
    trace: Trace,
    cluster: SimCluster,
    recorder: Recorder,
    dice: Dice,
}

impl Run {
    fn new(plan: &Plan, with_lines: bool) -> Run {
        let trace = Trace::new(with_lines);
        Run {
            plan: plan.clone(),
            cluster: SimCluster::new(plan, trace.clone()),
            recorder: Recorder::new(trace.clone()),
            trace,
            // Another stream than that of the cluster.
            dice: Dice::new(!plan.seed),
        }
    }

    async fn to_the_end(&self) -> Evidence {
        let mut dice = self.dice.clone();
        self.cluster.form().await;
        let secrets = ceremony::initialize(&self.cluster, 1).await;
        let mut custodians =
            Custodians::new(&self.cluster, &self.recorder, secrets.shares, next(&mut dice));
        custodians.unseal_all().await;
        let workload =
            Workload::prepare(&self.cluster, &self.recorder, &secrets.admin, next(&mut dice)).await;
        self.cluster.add_learners().await;
        custodians.unseal_all().await;
        let ready = self.trace.stamp();
        self.trace.tell(|| "the cluster is ready; faults begin".to_owned());

        let mut background = JoinSet::new();
        let duty = Alive::new();
        let custodians = tokio::spawn(custodians.run(duty.clone()));
        background.spawn(compare_for_ever(self.cluster.clone()));
        let going = Alive::new();
        let mut clients = self.clients(&workload, &going, &mut dice);
        let nemesis = Nemesis::new(&self.cluster, dice.roll());
        background.spawn(nemesis.clone().restart_the_fallen());
        nemesis.run(workload.client(OF_THE_NEMESIS, next(&mut dice))).await;
        let healed = self.trace.stamp();
        going.end();
        let probes = self.prove_life(&workload, &mut clients, &mut dice).await;
        self.rest(workload.client(PROVES_LIFE, next(&mut dice))).await;
        duty.end();
        // A task that has panicked is over, too; the panic is kept elsewhere.
        let _ = custodians.await;
        background.shutdown().await;
        let ends = self.ends().await;
        self.evidence(ready, healed, probes, ends)
    }

    fn clients(&self, workload: &Workload, going: &Alive, dice: &mut Dice) -> JoinSet<()> {
        let mut clients = JoinSet::new();
        for number in 1..=self.plan.clients {
            clients.spawn(workload.client(number, next(dice)).use_keys(going.clone()));
        }
        for number in 0..2 {
            let client = workload.client(SHOWS_TOKENS + number, next(dice));
            clients.spawn(client.show_tokens(going.clone()));
        }
        for number in 0..SHORT_CLIENTS {
            let client = workload.client(HAS_SHORT_KEYS + number, next(dice));
            clients.spawn(client.use_short_keys(going.clone()));
        }
        let revoker = workload.client(REVOKES_TOKENS, next(dice));
        clients.spawn(revoker.revoke_tokens(going.clone()));
        clients
    }

    /// After the heal each node that is up must serve, and every call must come to an end.
    async fn prove_life(
        &self,
        workload: &Workload,
        clients: &mut JoinSet<()>,
        dice: &mut Dice,
    ) -> Vec<Probe> {
        let within = Duration::from_millis(self.plan.liveness_ms);
        let mut probes = Vec::new();
        let ended = timeout(PATIENCE, async { while clients.join_next().await.is_some() {} }).await;
        probes.push(Probe {
            what: "every call comes to an end".to_owned(),
            failure: ended.err().map(|_| "some are still waiting".to_owned()),
        });
        for node in self.cluster.nodes() {
            if self.plan.stay_down.contains(&node) {
                continue;
            }
            let mut client = workload.client(PROVES_LIFE + node, next(dice));
            let failure = client.prove_life(node, within).await;
            probes.push(Probe { what: format!("node {node} changes and uses a key"), failure });
        }
        probes
    }

    /// Lets deletions take their course, then looks at the time of the cluster by a last change, and waits
    /// until what was due by then is done.
    async fn rest(&self, mut client: Client) {
        sleep(REST).await;
        client.mutate(Action::Update(0)).await;
        let done = async {
            while self.cluster.up().iter().any(|life| short::is_behind(&*life.raft.state())) {
                sleep(Duration::from_millis(50)).await;
            }
        };
        // What is still not done then is an invariant's to report.
        let _ = timeout(Duration::from_millis(self.plan.liveness_ms), done).await;
    }

    /// The members once all that are up have applied the same; those that never get there are taken
    /// as they are.
    async fn ends(&self) -> Vec<MemberEnd> {
        let _ = timeout(PATIENCE, self.until_all_are_even()).await;
        let mut ends = Vec::new();
        for life in self.cluster.up() {
            let state = life.raft.state();
            let applied = state.applied_index();
            let report = life.raft.report(Some(applied), Duration::ZERO).await;
            let records = copy(&*state);
            ends.push(MemberEnd { node: life.node, applied, digest: report.state_digest, records });
        }
        ends
    }

    async fn until_all_are_even(&self) {
        loop {
            let up = self.cluster.up();
            let applied: BTreeSet<u64> =
                up.iter().map(|life| life.raft.state().applied_index()).collect();
            if applied.len() <= 1 {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    fn evidence(
        &self,
        ready: Micros,
        healed: Micros,
        probes: Vec<Probe>,
        ends: Vec<MemberEnd>,
    ) -> Evidence {
        let recorded = self.recorder.take();
        Evidence {
            plan: self.plan.clone(),
            ready,
            healed,
            ended: self.trace.stamp(),
            history: recorded.history,
            keys: recorded.keys,
            short: recorded.short,
            lives: self.cluster.lives(),
            ends,
            digests: self.cluster.digests(),
            leaders: self.cluster.net().leaders(),
            probes,
            absurd: recorded.absurd,
            unrecorded: self.cluster.unrecorded(),
            panics: Vec::new(),
        }
    }
}

async fn compare_for_ever(cluster: SimCluster) {
    loop {
        sleep(COMPARE).await;
        cluster.compare_digests().await;
    }
}

/// Dice of their own for somebody.
fn next(dice: &mut Dice) -> Dice {
    Dice::new(dice.roll())
}

fn copy(state: &dyn RecordsRead) -> MemoryRecords {
    let mut copy = MemoryRecords::default();
    for table in Table::ALL {
        for (key, value) in state.range(table, Bound::Unbounded, Bound::Unbounded, usize::MAX) {
            copy.put(table, &key, value);
        }
    }
    copy
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Thousands of runs go on in one process. Every disk holds the trace, every node a disk.
    #[test]
    fn a_run_leaves_nothing_in_memory() {
        let mut plan = Plan::from_seed(2);
        plan.safety_ms = 5_000;
        plan.faults.retain(|timed| timed.at_ms < plan.safety_ms);
        let (report, trace) = traced(&plan, false);
        assert!(report.lives > plan.voters as usize, "nobody was started again: {report}");
        assert_eq!(trace.holders(), 1);
    }
}
