//! A member: the consensus library, its storage, its peers, and what the API sees of it.

use crate::barrier;
use crate::config::{ClockRate, RaftConfig, Seams};
use crate::join;
use crate::leadership::Promise;
use crate::log_store::LogStore;
use crate::machine::{Applier, ApplierParts, Digests, Machine, StateSync};
use crate::network::Network;
use crate::transport::Transport;
use crate::types::{Metrics, Raft, Runtime, ServerMetrics, io_error};
use crate::witness::Witness;
use arc_swap::ArcSwapOption;
use conclave_core::command::Stamp;
use conclave_core::ids::MemberId;
use conclave_core::replica::{Barrier, Member, Unavailable};
use conclave_core::state::State;
use conclave_storage::{LogFile, OpenError, Priority, SnapshotStore, StateFile};
use openraft::async_runtime::watch::WatchReceiver;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, watch};
use uuid::Uuid;

/// Why a member could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be used.
    #[error(transparent)]
    Storage(#[from] OpenError),
    /// The time of the data directory is not that of any clock.
    #[error(
        "this data directory belongs to a development cluster whose clock was sped up (clock rate \
         {rate}); a node that is not for development does not start on it: set development.enabled, \
         or use another data directory"
    )]
    ScaledTime {
        /// The rate of its newest entry, or 1 if the cluster time is ahead for another reason.
        rate: u32,
    },
    /// A record of this crate in the data directory cannot be read, or a thread cannot be had.
    #[error("the data directory cannot be used: {0}")]
    Io(#[from] io::Error),
}

/// Why a learner was not added, as far as this member knows. It may have been all the same; asking again
/// is safe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddLearnerError {
    /// Only the leader changes the membership.
    #[error("this member does not lead")]
    NotLeader,
    /// Consensus refused, lost its leader, or is stopping.
    #[error("the membership was not changed: {0}")]
    Failed(String),
}

/// A member. Cheap to clone; all clones are one member.
#[derive(Clone)]
pub struct RaftNode {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) config: RaftConfig,
    pub(crate) seams: Seams,
    pub(crate) log: LogFile,
    pub(crate) state: StateFile,
    pub(crate) machine: Machine,
    pub(crate) applier: StateSync,
    pub(crate) applied: watch::Receiver<Option<u64>>,
    pub(crate) digests: Arc<Digests>,
    pub(crate) witness: Arc<Witness>,
    pub(crate) promise: Promise,
    /// Who confirmed this member's leadership the last time.
    pub(crate) confirmers: std::sync::Mutex<std::collections::BTreeSet<u64>>,
    pub(crate) incarnation: u64,
    pub(crate) cluster_id: ArcSwapOption<Uuid>,
    pub(crate) transport: OnceLock<Arc<dyn Transport>>,
    /// Set when the member takes part.
    pub(crate) raft: OnceLock<Raft>,
    /// The member with which each node has introduced itself last: counts until there is a
    /// membership.
    pub(crate) introduced: std::sync::Mutex<std::collections::BTreeMap<u32, u64>>,
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) barrier_rounds: AtomicU64,
    seeds: AtomicU64,
    latest: std::sync::Mutex<Stamp>,
    waiters: mpsc::UnboundedSender<barrier::Waiter>,
    stopping: AtomicBool,
    pub(crate) stopped: Notify,
}

impl RaftNode {
    /// Opens the data directory. Call within the runtime that the member shall live on; it takes part
    /// only after [`RaftNode::run`].
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn open(config: RaftConfig, seams: Seams) -> Result<RaftNode, StartError> {
        let log = LogFile::open(seams.disk.clone(), &*seams.spawner, seams.fatal.clone())?;
        let state = StateFile::open(seams.disk.clone(), seams.clock.clone(), seams.fatal.clone())?;
        let machine = State(&state.read()).machine();
        if config.clock_rate == ClockRate::Real && machine.was_scaled() {
            return Err(StartError::ScaledTime { rate: machine.clock_rate });
        }
        let snapshots = SnapshotStore::open(seams.disk.clone())?;
        let incarnation = join::raise_incarnation(&log).await?;
        let parts = ApplierParts {
            state: state.clone(),
            log: log.clone(),
            observer: seams.observer.clone(),
            spawner: seams.spawner.clone(),
            fatal: seams.fatal.clone(),
        };
        let (task, applier, applied, digests) = Applier::open(parts)?;
        seams.spawner.spawn("state", Priority::Normal, Box::pin(task.run()))?;
        let (waiters, arriving) = mpsc::unbounded_channel();
        let (spawner, log_kept) = (seams.spawner.clone(), config.log_kept);
        let machine = Machine::new(state.clone(), applier.clone(), snapshots, spawner, log_kept);
        let witness = Arc::new(Witness::open(log.clone())?);
        let promise = Promise::open(&log)?;
        let inner = Arc::new(Inner {
            cluster_id: ArcSwapOption::from_pointee(config.cluster_id),
            config,
            seams,
            log,
            state,
            machine,
            applier,
            applied,
            digests,
            witness,
            promise,
            confirmers: std::sync::Mutex::default(),
            incarnation,
            transport: OnceLock::new(),
            raft: OnceLock::new(),
            introduced: std::sync::Mutex::default(),
            runtime: tokio::runtime::Handle::current(),
            barrier_rounds: AtomicU64::new(0),
            seeds: AtomicU64::new(0),
            latest: std::sync::Mutex::default(),
            waiters,
            stopping: AtomicBool::new(false),
            stopped: Notify::new(),
        });
        tokio::spawn(barrier::collect(inner.clone(), arriving));
        Ok(RaftNode { inner })
    }

    /// Takes part: introduces itself to its peers and joins consensus as soon as enough of them have
    /// answered. Goes on in the background; a reason not to take part ends the process through the
    /// fatal hook.
    pub fn run(&self, transport: Arc<dyn Transport>) {
        let inner = self.inner.clone();
        if inner.transport.set(transport).is_err() {
            return;
        }
        tokio::spawn(async move {
            if let Err(error) = join::join(&inner).await
                && !inner.is_stopping()
            {
                inner.seams.fatal.raise(&error.to_string());
            }
        });
    }

    /// Stops taking part and makes everything durable.
    ///
    /// # Errors
    /// Something could not be made durable.
    pub async fn shutdown(&self) -> io::Result<()> {
        let inner = &self.inner;
        inner.stopping.store(true, Ordering::Release);
        inner.stopped.notify_waiters();
        if let Some(raft) = inner.raft.get() {
            raft.shutdown().await.map_err(io_error)?;
        }
        inner.applier.close().await?;
        inner.log.close().await.map_err(io_error)
    }

    /// Adds a member that replicates without a vote, as the leader. Returns when the membership that
    /// names it is committed; from then on it can start, on an empty data directory, and catch up. One
    /// that the membership names already stays what it is.
    ///
    /// # Errors
    /// See [`AddLearnerError`].
    pub async fn add_learner(&self, member: Member) -> Result<(), AddLearnerError> {
        let raft = self.inner.raft.get().ok_or(AddLearnerError::NotLeader)?.clone();
        let learner = Member { voter: false, ..member };
        match raft.add_learner(learner.member, learner, false).await {
            Ok(_) => Ok(()),
            Err(error) if error.forward_to_leader().is_some() => Err(AddLearnerError::NotLeader),
            Err(error) => Err(AddLearnerError::Failed(error.to_string())),
        }
    }

    /// Waits until the member's runtime has had a turn, and consensus too once the member takes part:
    /// whoever gets an answer knows that neither hangs. A member without a quorum has its turns.
    /// False: the member has stopped.
    pub async fn turns(&self) -> bool {
        let inner = self.inner.clone();
        let turn = async move {
            match inner.raft.get() {
                Some(raft) => raft.with_raft_state(|_| ()).await.is_ok(),
                None => true,
            }
        };
        self.inner.runtime.spawn(turn).await.unwrap_or(false)
    }

    /// How often the data directory was started, this time included.
    pub fn incarnation(&self) -> u64 {
        self.inner.incarnation
    }

    /// How many barrier rounds were sent since the start.
    pub fn barrier_rounds(&self) -> u64 {
        self.inner.barrier_rounds.load(Ordering::Relaxed)
    }
}

impl Inner {
    pub(crate) fn member_id(&self) -> MemberId {
        MemberId(self.config.member.member)
    }

    /// The time that this member gives out: the newest stamp that it has applied, and what has passed on
    /// its wall clock since; but never before a time it was given. A right that was over stays over when
    /// the leader changes.
    ///
    /// This is the one place where a development clock rate speeds anything up. Counted from the newest
    /// stamp, the times of members with equal clocks are equal, and a rate can be another after a restart.
    pub(crate) fn now(&self) -> Stamp {
        let applied = self.applier.newest().time();
        let rate = self.config.clock_rate.number();
        let now = applied.later(self.seams.clock.wall_ms(), rate);
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        *latest = now.max(*latest);
        *latest
    }

    /// Another member gave this time.
    pub(crate) fn saw_time(&self, time: Stamp) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        *latest = time.max(*latest);
    }

    /// A seed for the next task in which the library works: another one each time, and the same ones
    /// in each run of a simulation.
    pub(crate) fn next_seed(&self) -> u64 {
        let count = self.seeds.fetch_add(1, Ordering::Relaxed);
        self.config.seed.wrapping_add(count)
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    pub(crate) fn transport(&self) -> Option<&Arc<dyn Transport>> {
        self.transport.get()
    }

    pub(crate) fn metrics(&self) -> Option<Metrics> {
        self.raft.get().map(|raft| raft.metrics().borrow_watched().clone())
    }

    /// What this member is at present, without a copy: asked in each message and each barrier round.
    pub(crate) fn server<T>(&self, look: impl FnOnce(&ServerMetrics) -> T) -> Option<T> {
        self.raft.get().map(|raft| look(&raft.server_metrics().borrow_watched()))
    }

    /// The leader that this member knows of.
    pub(crate) fn leader(&self) -> Option<(u64, Member)> {
        self.server(|server| {
            let id = server.current_leader?;
            let node = server.membership_config.membership().get_node(&id)?.clone();
            Some((id, node))
        })?
    }

    /// Waits until this member has applied `index`; false when it stops before.
    pub(crate) async fn wait_applied(&self, index: u64) -> bool {
        let mut applied = self.applied.clone();
        applied.wait_for(|reached| *reached >= Some(index)).await.is_ok()
    }

    /// Joins the next barrier round.
    pub(crate) async fn barrier(&self, timeout: Duration) -> Result<Barrier, Unavailable> {
        let (waiter, waiting) = tokio::sync::oneshot::channel();
        self.waiters.send(waiter).map_err(|_| Unavailable::Stopping)?;
        match tokio::time::timeout(timeout, waiting).await {
            Ok(answer) => answer.map_err(|_| Unavailable::Stopping)?,
            Err(_) => Err(Unavailable::NoQuorum),
        }
    }

    /// Starts the consensus library on the opened storage.
    pub(crate) async fn start_library(&self, transport: Arc<dyn Transport>) -> io::Result<Raft> {
        let library = Arc::new(self.config.library().validate().map_err(io_error)?);
        let snapshots = self.machine.snapshots().clone();
        let network = Network { transport, witness: self.witness.clone(), snapshots };
        let store = LogStore::new(self.log.clone(), self.applier.clone(), self.promise.clone());
        let machine = self.machine.clone();
        let starting = Raft::new(self.member_id().0, library, network, store, machine);
        let raft = Runtime::scope(self.next_seed(), starting).await.map_err(io_error)?;
        Ok(self.raft.get_or_init(|| raft).clone())
    }
}
