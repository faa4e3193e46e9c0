//! What a member is told at its start.

use conclave_core::replica::{Member, Observer, PeerSeal};
use conclave_core::seams::Clock;
use conclave_storage::{Disk, FatalHook, Spawner};
use openraft::{Config, SnapshotPolicy};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// What a member is told at its start.
#[derive(Clone, Debug)]
pub struct RaftConfig {
    /// Name of the cluster: what certificates carry.
    pub cluster_name: String,
    /// The cluster that the data directory belongs to; `None`: it has not joined one.
    pub cluster_id: Option<Uuid>,
    /// The id of the cluster if this member founds it (random, made by the caller).
    pub new_cluster_id: Uuid,
    /// This node: its member id (made with the data directory), label, advertised addresses and
    /// node key.
    pub member: Member,
    /// The members that form the cluster at its first start, this one included.
    pub initial_members: Vec<InitialMember>,
    /// Time between heartbeats of the leader.
    pub heartbeat: Duration,
    /// Lower end of the election timeout; the upper end is twice as long.
    pub election: Duration,
    /// Entries after which a snapshot of a small state is built; that of a large one comes later.
    pub snapshot_after: u64,
    /// A random number of this start, chosen by the simulator: seeds the jitter of election timeouts
    /// and tells two starts with the same count apart.
    pub seed: u64,
    /// Version of the software, for `status`.
    pub version: String,
    /// How fast cluster time passes against the wall clock.
    pub clock_rate: ClockRate,
}

/// How fast cluster time passes against the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockRate {
    /// As fast. A data directory whose cluster time has ever passed at another rate is refused.
    Real,
    /// So many times as fast; for development.
    Development(u32),
}

impl ClockRate {
    pub(crate) fn number(self) -> u32 {
        match self {
            ClockRate::Real => 1,
            ClockRate::Development(rate) => rate.max(1),
        }
    }
}

/// Entries after which a snapshot of a small state is built, unless a test wants it sooner.
pub const SNAPSHOT_AFTER: u64 = 10_000;

/// A member of the first membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitialMember {
    /// Its node id.
    pub id: u32,
    /// Its peer address, `host:port`.
    pub peer: String,
    /// Its API address, `host:port`.
    pub api: String,
}

/// The world around a member.
#[derive(Clone)]
pub struct Seams {
    /// The data directory.
    pub disk: Arc<dyn Disk>,
    /// Where the writers run.
    pub spawner: Arc<dyn Spawner>,
    /// Called when the node cannot go on.
    pub fatal: FatalHook,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The caches above the state.
    pub observer: Arc<dyn Observer>,
    /// The seal protocol.
    pub seal: Arc<dyn PeerSeal>,
    /// Called, once, when the id of the cluster becomes known: must be durable on return.
    pub on_cluster_id: Arc<dyn Fn(Uuid) -> std::io::Result<()> + Send + Sync>,
}

/// Entries of one append request: a follower that is behind takes few round trips. Their bytes are
/// bounded by [`BYTES_PER_APPEND`].
const ENTRIES_PER_APPEND: u64 = 256;

/// Bytes of entries in one append request (a single longer entry goes alone): far below a frame.
pub(crate) const BYTES_PER_APPEND: usize = 4 * 1024 * 1024;

impl RaftConfig {
    /// The configuration of the consensus library.
    pub(crate) fn library(&self) -> Config {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Config {
            cluster_name: self.cluster_name.clone(),
            heartbeat_interval: millis(self.heartbeat),
            election_timeout_min: millis(self.election),
            election_timeout_max: millis(self.election) * 2,
            install_snapshot_timeout: 60_000,
            max_payload_entries: ENTRIES_PER_APPEND,
            // Asked for by `watch`, which knows how large the state is.
            snapshot_policy: SnapshotPolicy::Never,
            // A follower that lags less than two snapshots catches up by entries.
            replication_lag_threshold: self.snapshot_after.saturating_mul(2),
            max_in_snapshot_log_to_keep: self.snapshot_after.min(1_000),
            enable_pre_vote: Some(true),
            // On by default. A leader that has lost what it had sent and not yet stored would write other
            // entries under the same log ids, and followers would take them for what they have.
            enable_leader_restore: Some(false),
            ..Config::default()
        }
    }
}
