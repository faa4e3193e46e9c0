//! The cluster of a run: its nodes, and how they start, crash, stop and are called.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use conclave_api::{ApiConfig, Services, Shared};
use conclave_core::replica::Replica;
use conclave_raft::{ClockRate, PeerSide, RaftConfig, RaftNode, Seams};
use conclave_storage::{FatalHook, Journal, JournalConfig, Journals, OpenError};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tonic::Status;
use tonic::service::Routes;
use tonic_types::StatusExt;
use uuid::Uuid;

use super::above::Above;
use super::entropy::SeededEntropy;
use super::evidence::{LifeEnd, LifeRecord};
use super::net::{Alive, SimNet};
use super::plan::Plan;
use super::seat::{Life, Seat, initial_member, peer_address};
use super::trace::{Kind, Trace};
use super::uses::SimJournal;
use crate::{Dice, SimDisk, TaskSpawner};

/// Name of the simulated cluster, as certificates carry it.
pub const CLUSTER: &str = "simulated";

/// Shorter than in production, so that a run sees many elections.
const HEARTBEAT: Duration = Duration::from_millis(100);
const ELECTION: Duration = Duration::from_millis(500);

/// How long a commit of the log takes on a healthy disk.
const COMMIT: Duration = Duration::from_millis(1);

/// So little that segments fill and go during a run.
const KEEP_BYTES: u64 = 64 * 1024;

/// How long members may take to do what nothing hinders.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster; clones share it.
#[derive(Clone)]
pub struct SimCluster(Arc<Inner>);

struct Inner {
    plan: Plan,
    trace: Trace,
    net: SimNet,
    seats: Mutex<BTreeMap<u32, Seat>>,
    lives: Mutex<Vec<LifeRecord>>,
    /// Of all lives so far.
    aboves: Mutex<Vec<Above>>,
    digests: Mutex<BTreeMap<u64, BTreeMap<String, BTreeSet<u32>>>>,
    unrecorded: Mutex<Vec<String>>,
}

/// What a caller gets.
#[derive(Debug)]
pub enum Reply<T> {
    /// An answer.
    Answer(T),
    /// A refusal, with its stable reason: there was no effect.
    Refused(String),
    /// Nobody was reached: there was no effect.
    NotReached,
    /// No answer, or one that says so: there may have been an effect, or may be later.
    Unknown,
}

impl SimCluster {
    /// A cluster of empty data directories, none of them started.
    pub fn new(plan: &Plan, trace: Trace) -> SimCluster {
        let mut dice = Dice::new(plan.seed);
        let net = SimNet::new(trace.clone(), dice.roll());
        let mut seats = BTreeMap::new();
        for node in 1..=plan.voters + plan.learners {
            let seat = Seat::new(node, &mut dice);
            seat.disk.watch(trace.clone(), node);
            seat.disk.set_commit_delay(COMMIT);
            seats.insert(node, seat);
        }
        SimCluster(Arc::new(Inner {
            plan: plan.clone(),
            trace,
            net,
            seats: Mutex::new(seats),
            lives: Mutex::default(),
            aboves: Mutex::default(),
            digests: Mutex::default(),
            unrecorded: Mutex::default(),
        }))
    }

    /// The run.
    pub fn plan(&self) -> &Plan {
        &self.0.plan
    }

    /// Its trace.
    pub fn trace(&self) -> &Trace {
        &self.0.trace
    }

    /// Its network.
    pub fn net(&self) -> &SimNet {
        &self.0.net
    }

    /// All nodes, up or down.
    pub fn nodes(&self) -> Vec<u32> {
        self.seats().keys().copied().collect()
    }

    /// The voting nodes.
    pub fn voters(&self) -> Vec<u32> {
        (1..=self.0.plan.voters).collect()
    }

    /// The node's life, if it is up.
    pub fn life(&self, node: u32) -> Option<Arc<Life>> {
        self.seats()[&node].life.clone().filter(|life| life.alive.is())
    }

    /// All nodes that are up.
    pub fn up(&self) -> Vec<Arc<Life>> {
        self.nodes().into_iter().filter_map(|node| self.life(node)).collect()
    }

    /// Nodes that have ended themselves and lie there.
    pub fn fallen(&self) -> Vec<u32> {
        let seats = self.seats();
        let fallen = |seat: &&Seat| seat.life.as_ref().is_some_and(|life| !life.alive.is());
        seats.values().filter(fallen).map(|seat| seat.node).collect()
    }

    /// All lives so far.
    pub fn lives(&self) -> Vec<LifeRecord> {
        self.0.lives.lock().unwrap().clone()
    }

    /// What the members have said of their states.
    pub fn digests(&self) -> BTreeMap<u64, BTreeMap<String, BTreeSet<u32>>> {
        self.0.digests.lock().unwrap().clone()
    }

    /// Operations that were answered without a record.
    pub fn unrecorded(&self) -> Vec<String> {
        self.0.unrecorded.lock().unwrap().clone()
    }

    /// Starts the voters and waits until each has applied something.
    pub async fn form(&self) {
        for node in self.voters() {
            self.start(node).await;
        }
        for life in self.up() {
            life.raft.read_barrier(PATIENCE).await.expect("new members form a cluster");
        }
    }

    /// Adds the learners and waits until each has applied what the leader had.
    pub async fn add_learners(&self) {
        for node in self.nodes().split_off(self.0.plan.voters as usize) {
            let member = self.seats()[&node].as_member(false);
            self.add_learner(member).await;
            self.start(node).await;
            let life = self.life(node).expect("nothing hinders it");
            life.raft.read_barrier(PATIENCE).await.expect("a learner catches up");
        }
    }

    async fn add_learner(&self, member: conclave_core::replica::Member) {
        loop {
            for life in self.up() {
                if life.raft.add_learner(member.clone()).await.is_ok() {
                    return;
                }
            }
            sleep(HEARTBEAT).await;
        }
    }

    /// Starts a node that is down; one that is up or starting is left alone. One that cannot start
    /// stays down; why is in its record.
    pub async fn start(&self, node: u32) {
        if self.seat(node, |seat| seat.alive.as_ref().is_some_and(Alive::is)) {
            return;
        }
        let (config, seams, alive, shared) = self.prepare(node);
        let journal = match open_journal(&config, &seams, &alive) {
            Ok(journal) => Arc::new(SimJournal::new(journal)),
            Err(error) => return self.ended_itself(node, &alive, &error.to_string()),
        };
        let opened = RaftNode::open(config, seams).await;
        let raft = match opened {
            Ok(raft) if alive.is() => raft,
            Ok(raft) => return retire(raft),
            Err(error) => return self.ended_itself(node, &alive, &error.to_string()),
        };
        let services = Services::new(shared, Arc::new(raft.clone()));
        let routes = services.routes(journal.clone());
        let (lives, replica) = (alive.clone(), raft.clone());
        let life = Life { node, alive: lives, raft: replica, services, journal, routes };
        keep_rotating(&life);
        self.seat(node, |seat| seat.life = Some(Arc::new(life)));
        let side = Arc::new(PeerSide(raft.clone()));
        self.0.net.attach(node, peer_address(node), raft.clone(), side, alive.clone());
        raft.run(self.0.net.transport(node, alive));
    }

    /// What a life begins with.
    fn prepare(&self, node: u32) -> (RaftConfig, Seams, Alive, Shared) {
        let inner = &self.0;
        inner.trace.note(Kind::Node, (node, 0), b"start");
        inner.trace.tell(|| format!("node {node} starts"));
        let alive = Alive::new();
        let record = {
            let mut lives = inner.lives.lock().unwrap();
            lives.push(LifeRecord { node, started: inner.trace.stamp(), ended: None });
            lives.len() - 1
        };
        let mut seats = self.seats();
        let seat = seats.get_mut(&node).expect("a node of the plan");
        seat.lives += 1;
        seat.record = record;
        seat.alive = Some(alive.clone());
        let mut dice = Dice::new(inner.plan.seed ^ u64::from(node) << 32 ^ seat.lives);
        let is_voter = node <= inner.plan.voters;
        let mut initial: Vec<_> = self.voters().into_iter().map(initial_member).collect();
        initial.extend((!is_voter).then(|| initial_member(node)));
        let config = RaftConfig {
            cluster_name: CLUSTER.to_owned(),
            cluster_id: seat.cluster_id,
            new_cluster_id: Uuid::from_u64_pair(dice.roll(), dice.roll()),
            member: seat.as_member(is_voter),
            initial_members: initial,
            heartbeat: HEARTBEAT,
            election: ELECTION,
            log_kept: inner.plan.log_kept,
            seed: dice.roll(),
            version: "simulated".to_owned(),
            clock_rate: ClockRate::Real,
        };
        let clock = Arc::new(seat.clock.clone());
        let entropy = Arc::new(SeededEntropy::new(dice.roll()));
        let shared = Shared::new(api_config(node), clock.clone(), entropy, seat.node_key());
        let above = Above::new(shared.observer(), shared.peer_seal());
        inner.aboves.lock().unwrap().push(above.clone());
        let seams = Seams {
            disk: Arc::new(seat.disk.clone()),
            spawner: Arc::new(TaskSpawner),
            fatal: self.fatal_hook(node, alive.clone()),
            clock,
            observer: Arc::new(above.clone()),
            seal: Arc::new(above),
            on_cluster_id: self.node_file(node),
        };
        (config, seams, alive, shared)
    }

    fn fatal_hook(&self, node: u32, alive: Alive) -> FatalHook {
        let cluster = self.clone();
        FatalHook::new(move |reason| cluster.ended_itself(node, &alive, reason))
    }

    /// What `node.json` keeps.
    fn node_file(&self, node: u32) -> Arc<dyn Fn(Uuid) -> std::io::Result<()> + Send + Sync> {
        let cluster = self.clone();
        Arc::new(move |id| {
            cluster.seat(node, |seat| seat.cluster_id = Some(id));
            Ok(())
        })
    }

    /// Called by the node itself, in the middle of what it does: from here on it is dead.
    fn ended_itself(&self, node: u32, alive: &Alive, reason: &str) {
        if !alive.is() {
            return;
        }
        let excused = self.seats()[&node].excused;
        self.end(node, alive, LifeEnd::Fatal { reason: reason.to_owned(), excused });
    }

    fn end(&self, node: u32, alive: &Alive, how: LifeEnd) {
        let inner = &self.0;
        alive.end();
        inner.net.detach(node);
        inner.trace.note(Kind::Node, (node, 1), format!("{how:?}").as_bytes());
        inner.trace.tell(|| format!("node {node} ends: {how:?}"));
        let record = self.seats()[&node].record;
        inner.lives.lock().unwrap()[record].ended = Some((inner.trace.stamp(), how));
    }

    /// Cuts the power of a node, or of one that has just ended itself: what it has not synced is lost,
    /// torn or kept.
    pub fn crash(&self, node: u32, seed: u64) {
        let alive = self.seat(node, |seat| seat.alive.take());
        if let Some(alive) = alive.filter(Alive::is) {
            self.end(node, &alive, LifeEnd::Crashed);
        }
        let mut seats = self.seats();
        let seat = seats.get_mut(&node).expect("a node of the plan");
        seat.disk = seat.disk.crash(seed);
        seat.disk.set_commit_delay(COMMIT);
        seat.excused = false;
        let life = seat.life.take();
        drop(seats);
        if let Some(life) = life {
            retire(life.raft.clone());
        }
    }

    /// Stops a node in order.
    pub async fn stop(&self, node: u32) {
        let Some(life) = self.life(node) else { return };
        let stopped = timeout(PATIENCE, life.raft.shutdown()).await;
        let reason = match stopped {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("it does not stop".to_owned()),
        };
        match reason {
            None if life.alive.is() => self.end(node, &life.alive, LifeEnd::Stopped),
            None => {}
            Some(reason) => self.ended_itself(node, &life.alive, &reason),
        }
        self.seat(node, |seat| {
            // What the old life still holds in this process writes no more: an end of a process does not
            // close its files in order.
            seat.disk = seat.disk.hand_over();
            seat.life = None;
        });
    }

    /// Ends all lives and lets go of them: nodes know their cluster and the cluster its nodes, so neither
    /// would ever be freed.
    pub fn dismantle(&self) {
        let seats = std::mem::take(&mut *self.seats());
        for (node, seat) in &seats {
            self.0.net.detach(*node);
            seat.alive.iter().for_each(Alive::end);
        }
        self.0.aboves.lock().unwrap().drain(..).for_each(|above| above.cut());
    }

    /// Lets the disk of a node fail as `fault` says: from now on it may end itself.
    pub fn spoil_disk(&self, node: u32, fault: impl FnOnce(&SimDisk)) {
        self.seat(node, |seat| {
            seat.excused = true;
            fault(&seat.disk);
        });
    }

    /// How much longer a commit takes.
    pub fn slow_disk(&self, node: u32, by: Duration) {
        self.seat(node, |seat| seat.disk.set_commit_delay(COMMIT + by));
    }

    /// Does something to a wall clock.
    pub fn turn_clock(&self, node: u32, turn: impl FnOnce(&super::sim_clock::SimClock)) {
        self.seat(node, |seat| turn(&seat.clock));
    }

    /// Asks every member that is up for its digest after the newest index that all of them have
    /// applied.
    pub async fn compare_digests(&self) {
        let mut applied = Vec::new();
        for life in self.up() {
            applied.push(life.raft.report(None, Duration::ZERO).await.applied_index);
        }
        let Some(index) = applied.into_iter().min() else { return };
        for life in self.up() {
            let report = life.raft.report(Some(index), Duration::ZERO).await;
            if let Some(digest) = report.state_digest.filter(|_| report.applied_index == index) {
                let mut digests = self.0.digests.lock().unwrap();
                digests.entry(index).or_default().entry(digest).or_default().insert(life.node);
            }
        }
    }

    /// Calls a node as a client does: there and back over the network, in `patience`. `is_use`: it is an
    /// operation of the data plane.
    pub async fn call<T, F, A>(
        &self,
        node: u32,
        patience: Duration,
        is_use: bool,
        ask: F,
    ) -> Reply<T>
    where
        T: Send + 'static,
        F: FnOnce(Routes) -> A,
        A: Future<Output = Result<tonic::Response<T>, Status>> + Send + 'static,
    {
        let end = Instant::now() + patience;
        let Some(there) = self.0.net.client_hop() else {
            sleep_until(end).await;
            return Reply::Unknown;
        };
        sleep(there).await;
        let Some(life) = self.life(node) else { return Reply::NotReached };
        // A task of its own: a node goes on with a call whose caller has gone.
        let mut answering = tokio::spawn(ask(life.routes.clone()));
        let answer = tokio::select! {
            biased;
            () = life.alive.ended() => return Reply::Unknown,
            answer = &mut answering => answer,
            () = sleep_until(end) => return Reply::Unknown,
        };
        if is_use && matches!(answer, Ok(Ok(_))) {
            self.answered(&life);
        }
        let Some(back) = self.0.net.client_hop() else {
            sleep_until(end).await;
            return Reply::Unknown;
        };
        sleep(back).await;
        // A task that has panicked answers nobody; the panic is kept elsewhere.
        answer.map_or(Reply::Unknown, reply)
    }

    fn answered(&self, life: &Life) {
        if let Err(what) = life.journal.answered() {
            self.0.unrecorded.lock().unwrap().push(format!("node {}: {what}", life.node));
        }
    }

    fn seats(&self) -> MutexGuard<'_, BTreeMap<u32, Seat>> {
        self.0.seats.lock().unwrap()
    }

    fn seat<T>(&self, node: u32, change: impl FnOnce(&mut Seat) -> T) -> T {
        change(self.seats().get_mut(&node).expect("a node of the plan"))
    }
}

/// A journal of the one runtime that a simulated node has, synced for as long as the node lives.
fn open_journal(
    config: &RaftConfig,
    seams: &Seams,
    alive: &Alive,
) -> Result<Arc<Journal>, OpenError> {
    let settings = JournalConfig {
        cluster: config.cluster_name.clone(),
        node: config.member.node_id,
        member: config.member.member,
        workers: 1,
        keep_bytes: KEEP_BYTES,
    };
    let (disk, clock) = (seams.disk.clone(), seams.clock.clone());
    let journals = Journals::open(disk, clock, settings, seams.fatal.clone())?;
    let journal = journals.all()[0].clone();
    let alive = alive.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = alive.ended() => {}
            () = journals.keep_synced() => {}
        }
    });
    Ok(journal)
}

/// Lets a node rotate what is due, for as long as it lives.
fn keep_rotating(life: &Life) {
    let (services, alive) = (life.services.clone(), life.alive.clone());
    tokio::spawn(async move {
        tokio::select! {
            biased;
            () = alive.ended() => {}
            () = services.keep_rotating() => {}
        }
    });
}

fn reply<T>(answer: Result<tonic::Response<T>, Status>) -> Reply<T> {
    match answer {
        Ok(response) => Reply::Answer(response.into_inner()),
        Err(status) => match status.get_error_details().error_info() {
            Some(info) if info.reason == "OUTCOME_UNKNOWN" => Reply::Unknown,
            Some(info) => Reply::Refused(info.reason.clone()),
            None => Reply::Refused(format!("{:?}: {}", status.code(), status.message())),
        },
    }
}

/// Ends what a dead node left running. Its disk and network are gone, so it can do nothing any more.
fn retire(raft: RaftNode) {
    tokio::spawn(async move {
        let _ = raft.shutdown().await;
    });
}

fn api_config(node: u32) -> ApiConfig {
    ApiConfig {
        cluster_name: CLUSTER.to_owned(),
        node_id: node,
        development: false,
        operators: Vec::new(),
        version: "simulated".to_owned(),
    }
}
