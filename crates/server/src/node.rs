//! The life of a node: the order in which it starts, and stops.

use std::io::Write;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use conclave_api::{ApiConfig, Services, Shared};
use conclave_core::replica::Member;
use conclave_core::seams::{Entropy, random_uuid};
use conclave_crypto::self_test;
use conclave_raft::{
    ClockRate, InitialMember, LOG_KEPT, RaftConfig, RaftNode, RunningNode, Seams, StartError,
};
use conclave_storage::{FatalHook, ThreadSpawner};
use sd_notify::NotifyState;
use tokio::runtime::Handle;

use crate::config::Config;
use crate::data_dir::DataDir;
use crate::exit;
use crate::failure::Failure;
use crate::journals::NodeJournals;
use crate::limits::HAND_ON;
use crate::listen::{self, HangUp, Workers, local};
use crate::notify::{self, notify};
use crate::seal_watch::SealWatch;
use crate::signals::Stop;
use crate::system::{SystemClock, SystemEntropy};
use crate::tls::NodeTls;
use crate::watchdog::{Part, Watchdog};

/// Version of the software, as `status` shows it.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Starts the node, serves until it is told to stop, stops in order.
///
/// # Errors
/// What the node cannot start or go on without. What cannot be made durable later ends the process
/// with [`exit::FATAL`] and does not return.
pub fn run(config: &Config) -> Result<u8, Failure> {
    self_test::run().map_err(|error| {
        Failure::fatal(error, "install a release build for this processor, or check the machine")
    })?;
    let tls = NodeTls::load(config, &SystemClock)?;
    let directory = DataDir::open(config, &SystemEntropy)?;
    refuse_without_members(config, &directory)?;
    let sockets = Sockets::bind(config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| cannot_run(&error))?;
    runtime.block_on(live(config, &tls, directory, sockets))
}

/// The three listeners, bound before anything is opened.
struct Sockets {
    api: TcpListener,
    peer: TcpListener,
    local: TcpListener,
}

impl Sockets {
    fn bind(config: &Config) -> Result<Sockets, Failure> {
        Ok(Sockets {
            api: listen::bind("api.listen", &config.api.listen)?,
            peer: listen::bind("peer.listen", &config.peer.listen)?,
            local: listen::bind("local.listen", &config.local.listen)?,
        })
    }
}

async fn live(
    config: &Config,
    tls: &NodeTls,
    directory: DataDir,
    sockets: Sockets,
) -> Result<u8, Failure> {
    let mut stop = Stop::new()?;
    let api_tls = tls.api()?;
    let api = tokio::net::TcpListener::from_std(sockets.api).map_err(|e| cannot_run(&e))?;
    let local = tokio::net::TcpListener::from_std(sockets.local).map_err(|e| cannot_run(&e))?;
    let hang_up = Arc::new(HangUp::new());
    let Started { member, services, journals, _lock } =
        start(config, tls, directory, sockets.peer, &hang_up)?;
    let routers = journals.of_workers().map(|journal| services.routes(journal).into_axum_router());
    let workers =
        Workers::start(api_tls, routers.collect(), hang_up).map_err(|error| cannot_run(&error))?;
    ready(config);
    let watchdog = watch(&workers, member.node()).map_err(|error| cannot_run(&error))?;
    let failed = tokio::select! {
        () = listen::accept(&api, &workers) => None,
        served = local::serve(local, services.clone()) => served.err(),
        () = services.keep_rotating() => None,
        () = stop.asked() => None,
    };
    tracing::info!("stopping");
    notify(NotifyState::Stopping);
    drop(watchdog);
    drop(api);
    tokio::select! {
        () = drain(workers, member.node()) => {}
        () = stop.asked() => tracing::warn!("asked again to stop: calls in flight are cut off"),
    }
    journals.stop();
    match (member.shutdown().await, failed) {
        (Ok(()), None) => Ok(exit::DONE),
        (Ok(()), Some(error)) => Err(Failure::fatal(
            format!("local.listen = \"{}\": the listener has failed: {error}", config.local.listen),
            "start the node again",
        )),
        (Err(error), _) => Err(Failure::fatal(
            format!("the node could not make everything durable: {error}"),
            "check the disk, then start the node again",
        )),
    }
}

/// Lets the service manager see that the node lives, and how it is; nothing without one.
fn watch(workers: &Workers, member: &RaftNode) -> std::io::Result<Option<Watchdog>> {
    if !notify::is_managed() {
        return Ok(None);
    }
    let runtimes = workers.runtimes().iter().cloned();
    let mut parts: Vec<Part> = runtimes.map(|(name, handle)| Part::runtime(name, handle)).collect();
    parts.push(Part::runtime("main", Handle::current()));
    parts.push(Part::member(member.clone()));
    let member = member.clone();
    let status =
        async move { notify::tell_status(&member, |line| notify(NotifyState::Status(line))).await };
    let sign = || notify(NotifyState::Watchdog);
    Watchdog::start(parts, notify::sign_interval(), sign, status).map(Some)
}

/// Ends what clients have begun. Leadership goes first: the calls in flight are then finished with the
/// help of a leader that stays, and so are those of the other nodes.
async fn drain(workers: Workers, member: &RaftNode) {
    if let Some(leader) = member.hand_on_leadership(HAND_ON).await {
        tracing::info!(leader, "leadership handed on");
    }
    workers.stop().await;
}

/// What runs, and the hold on its directory.
struct Started {
    member: RunningNode,
    services: Services,
    journals: NodeJournals,
    _lock: conclave_storage::DirectoryLock,
}

/// Opens storage, joins replication, puts the services on top.
fn start(
    config: &Config,
    tls: &NodeTls,
    directory: DataDir,
    peer_listener: TcpListener,
    hang_up: &Arc<HangUp>,
) -> Result<Started, Failure> {
    let DataDir { disk, node_key, identity, lock } = directory;
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    let known = identity.current();
    let fatal = FatalHook::new(end_of_the_node);
    let journals = NodeJournals::start(config, &known, disk.clone(), fatal.clone())?;
    let raft = RaftConfig {
        cluster_name: config.cluster.name.clone(),
        cluster_id: known.cluster_id,
        new_cluster_id: random_uuid(&*entropy),
        member: Member {
            member: known.member_id,
            node_id: config.node.id,
            api: config.api_advertise().to_owned(),
            peer: config.peer_advertise().to_owned(),
            node_key: node_key.public_key(),
            voter: true,
        },
        initial_members: initial_members(config),
        heartbeat: Duration::from_millis(config.raft.heartbeat_ms),
        election: Duration::from_millis(config.raft.election_ms),
        log_kept: LOG_KEPT,
        seed: random_seed(&*entropy),
        version: VERSION.to_owned(),
        clock_rate: clock_rate(config),
    };
    let shared = Shared::new(api_config(config), clock.clone(), entropy, node_key);
    let watch = SealWatch::new(shared.observer(), identity.clone(), hang_up.clone(), fatal.clone());
    let seams = Seams {
        disk,
        spawner: Arc::new(ThreadSpawner),
        fatal,
        clock,
        observer: Arc::new(watch),
        seal: shared.peer_seal(),
        on_cluster_id: Arc::new(move |id| identity.learn(Some(id), None)),
    };
    let member = RunningNode::start(raft, seams, tls.peer()?, peer_listener)
        .map_err(|error| storage(config, &error))?;
    let services = Services::new(shared, Arc::new(member.node().clone()));
    Ok(Started { member, services, journals, _lock: lock })
}

fn clock_rate(config: &Config) -> ClockRate {
    match config.development.enabled {
        true => ClockRate::Development(config.development.clock_rate),
        false => ClockRate::Real,
    }
}

fn api_config(config: &Config) -> ApiConfig {
    ApiConfig {
        cluster_name: config.cluster.name.clone(),
        node_id: config.node.id,
        development: config.development.enabled,
        operators: config.cluster.operators.clone(),
        version: VERSION.to_owned(),
    }
}

fn initial_members(config: &Config) -> Vec<InitialMember> {
    let members = config.cluster.initial_members.iter().cloned();
    members.map(|m| InitialMember { id: m.id, peer: m.peer, api: m.api }).collect()
}

fn random_seed(entropy: &dyn Entropy) -> u64 {
    let mut seed = [0u8; 8];
    entropy.fill(&mut seed);
    u64::from_be_bytes(seed)
}

fn refuse_without_members(config: &Config, directory: &DataDir) -> Result<(), Failure> {
    let is_new = directory.identity.current().cluster_id.is_none();
    if is_new && config.cluster.initial_members.is_empty() {
        return Err(Failure::usage(
            "missing field \"cluster.initial_members\"; allowed: the members with which the cluster \
             starts, [{id = 1, peer = \"HOST:PORT\", api = \"HOST:PORT\"}, …]: this node belongs to \
             no cluster yet",
            "set cluster.initial_members, the same on all nodes",
        ));
    }
    Ok(())
}

/// Tells whoever waits that the listeners are open and the log is loaded; sealed or not, with or
/// without a quorum.
fn ready(config: &Config) {
    tracing::info!(
        cluster = config.cluster.name,
        node = config.node.id,
        api = config.api.listen,
        peer = config.peer.listen,
        local = config.local.listen,
        version = VERSION,
        "ready"
    );
    let mut out = std::io::stdout();
    // Who started the node may have closed its output.
    let _ = out.write_all(b"ready\n").and_then(|()| out.flush());
    notify(NotifyState::Ready);
}

/// Something cannot be made durable, is damaged, or replication has ended. The reason is in the log.
fn end_of_the_node(reason: &str) {
    tracing::error!(reason, code = exit::FATAL, "the node ends");
    std::process::exit(exit::FATAL.into())
}

fn storage(config: &Config, error: &StartError) -> Failure {
    let path = config.node.data_dir.display();
    match error {
        StartError::Storage(error) => Failure::data_dir(error),
        StartError::ScaledTime { .. } => Failure::refused(
            format!("node.data_dir = {path}: {error}"),
            "set development.enabled = true, or use another data directory",
        ),
        StartError::Io(_) => Failure::refused(
            format!("node.data_dir = {path}: {error}"),
            "check the disk and that the directory belongs to the user that runs the node",
        ),
    }
}

fn cannot_run(error: &std::io::Error) -> Failure {
    Failure::refused(
        format!("the system does not give what the node needs: {error}"),
        "free memory, threads or descriptors",
    )
}
