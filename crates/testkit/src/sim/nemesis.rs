//! Lets the faults of a plan strike, and takes them away again.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::cluster::SimCluster;
use super::net::{Alive, Storm};
use super::plan::Fault;
use super::trace::Kind;
use super::workload::Client;
use crate::{Dice, SimDisk};

/// How long a node whose disk fails has to notice. One that writes nothing notices nothing.
const NOTICES: Duration = Duration::from_secs(3);

/// How often the nemesis looks for nodes that have ended themselves.
const LOOK: Duration = Duration::from_millis(100);

/// The faults of a run.
#[derive(Clone)]
pub struct Nemesis {
    cluster: SimCluster,
    /// Ends when faults are over: whoever waits for the end of a fault waits no longer.
    striking: Alive,
    seed: u64,
}

impl Nemesis {
    /// The faults of the cluster's plan.
    pub fn new(cluster: &SimCluster, seed: u64) -> Nemesis {
        Nemesis { cluster: cluster.clone(), striking: Alive::new(), seed }
    }

    /// Strikes as the plan says, then heals everything. Nodes that stay down are down when this
    /// returns, all others are up.
    pub async fn run(self, client: Client) {
        let start = Instant::now();
        let plan = self.cluster.plan().clone();
        let mut faults = JoinSet::new();
        for (number, timed) in (1u64..).zip(plan.faults) {
            sleep_until(start + Duration::from_millis(timed.at_ms)).await;
            self.note(&timed.fault);
            let dice = Dice::new(self.seed.wrapping_add(number.wrapping_mul(0x9E37_79B9)));
            faults.spawn(self.clone().strike(timed.fault, dice, client.clone()));
        }
        sleep_until(start + Duration::from_millis(plan.safety_ms)).await;
        self.striking.end();
        while faults.join_next().await.is_some() {}
        self.heal().await;
    }

    /// Nodes that ended themselves with cause start again some time later. Runs for ever.
    pub async fn restart_the_fallen(self) {
        while self.striking.is() {
            sleep(LOOK).await;
            for node in self.cluster.fallen() {
                self.pause(500).await;
                if self.cluster.fallen().contains(&node) {
                    self.cluster.crash(node, self.seed ^ u64::from(node));
                    self.cluster.start(node).await;
                }
            }
        }
    }

    async fn strike(self, fault: Fault, mut dice: Dice, mut client: Client) {
        let (cluster, net) = (&self.cluster, self.cluster.net());
        match fault {
            Fault::Split { side, for_ms } => {
                let fault = net.split(&side.iter().copied().collect());
                self.pause(for_ms).await;
                net.heal(fault);
                for node in side {
                    client.visit(node).await;
                }
            }
            Fault::OneWay { from, to, for_ms } => {
                let fault = net.one_way(from, to);
                self.pause(for_ms).await;
                net.heal(fault);
                client.visit(to).await;
            }
            Fault::Cut { a, b, for_ms } => {
                let fault = net.cut(a, b);
                self.pause(for_ms).await;
                net.heal(fault);
            }
            Fault::Storm { loss_percent, duplicate_percent, delay_ms, for_ms } => {
                let fault = net.storm(Storm { loss_percent, duplicate_percent, delay_ms });
                self.pause(for_ms).await;
                net.heal(fault);
            }
            Fault::SlowLinks { node, delay_ms, for_ms } => {
                let fault = net.slow_links(node, delay_ms);
                self.pause(for_ms).await;
                net.heal(fault);
            }
            Fault::Crash { nodes, down_ms } => {
                let struck = self.crash(&nodes, &mut dice);
                self.pause(down_ms).await;
                self.start(&struck).await;
            }
            Fault::Restart { node, down_ms } => {
                if cluster.life(node).is_some() {
                    cluster.stop(node).await;
                    self.pause(down_ms).await;
                    cluster.start(node).await;
                }
            }
            Fault::FailSyncs { node, down_ms } => {
                let spoil = |disk: &SimDisk| disk.fail_syncs_from(disk.syncs());
                self.spoil(node, spoil, down_ms, &mut dice).await;
            }
            Fault::DiskFull { node, down_ms } => {
                self.spoil(node, |disk| disk.set_full(true), down_ms, &mut dice).await;
            }
            Fault::SlowDisk { node, delay_ms, for_ms } => {
                cluster.slow_disk(node, Duration::from_millis(delay_ms));
                self.pause(for_ms).await;
                cluster.slow_disk(node, Duration::ZERO);
            }
            Fault::WallJump { node, by_ms } => cluster.turn_clock(node, |c| c.jump_ms(by_ms)),
            Fault::Drift { node, ppm } => cluster.turn_clock(node, |c| c.set_drift_ppm(ppm)),
            Fault::Seal => client.seal().await,
        }
    }

    /// Those that were up.
    fn crash(&self, nodes: &[u32], dice: &mut Dice) -> Vec<u32> {
        let up = |node: &u32| self.cluster.life(*node).is_some();
        let struck: Vec<u32> = nodes.iter().copied().filter(up).collect();
        for node in &struck {
            self.cluster.crash(*node, dice.roll());
        }
        struck
    }

    async fn start(&self, nodes: &[u32]) {
        for node in nodes {
            self.cluster.start(*node).await;
        }
    }

    /// Lets the disk of a node fail, and waits until the node has noticed; one that does not loses
    /// power.
    async fn spoil(&self, node: u32, fault: impl FnOnce(&SimDisk), down_ms: u64, dice: &mut Dice) {
        let Some(life) = self.cluster.life(node) else { return };
        self.cluster.spoil_disk(node, fault);
        // Whether it noticed or not: power is cut either way.
        let _ = timeout(NOTICES, life.alive.ended()).await;
        self.cluster.crash(node, dice.roll());
        self.pause(down_ms).await;
        self.cluster.start(node).await;
    }

    /// Waits, at most until faults are over.
    async fn pause(&self, for_ms: u64) {
        let _ = timeout(Duration::from_millis(for_ms), self.striking.ended()).await;
    }

    /// All is well again but for the nodes that stay down. The others lose power once more when some
    /// stay down: what is left has to find together without them.
    async fn heal(&self) {
        let cluster = &self.cluster;
        cluster.trace().note(Kind::Fault, (0, 1), b"heal");
        cluster.trace().tell(|| "faults are over".to_owned());
        cluster.net().heal_all();
        let stay_down: BTreeSet<u32> = cluster.plan().stay_down.iter().copied().collect();
        let mut dice = Dice::new(self.seed);
        for node in cluster.nodes() {
            let must_go = !stay_down.is_empty() || cluster.life(node).is_none();
            if must_go {
                cluster.crash(node, dice.roll());
            }
        }
        for node in cluster.nodes() {
            cluster.slow_disk(node, Duration::ZERO);
            if !stay_down.contains(&node) && cluster.life(node).is_none() {
                cluster.start(node).await;
            }
        }
    }

    fn note(&self, fault: &Fault) {
        let text = format!("{fault:?}");
        self.cluster.trace().note(Kind::Fault, (0, 0), text.as_bytes());
        self.cluster.trace().tell(|| text);
    }
}
