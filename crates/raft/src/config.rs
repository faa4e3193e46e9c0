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
    /// Entries that stay in the log, in memory and on disk, when all are applied: a member that lags
    /// further is sent a snapshot.
    pub log_kept: u64,
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

/// Entries that stay in the log, unless a test wants fewer: a member that was away for seconds under
/// full load catches up by entries.
pub const LOG_KEPT: u64 = 16_000;

/// The log is purged in steps of this part of what is kept: short ones, which hold up no append.
const PURGES_PER_LOG: u64 = 8;

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
            // A snapshot is no more than a mark up to where the log may be purged: the state file is
            // what it stands for, and its bytes are written when a member needs them.
            snapshot_policy: SnapshotPolicy::LogsSinceLast((self.log_kept / PURGES_PER_LOG).max(1)),
            max_in_snapshot_log_to_keep: self.log_kept,
            replication_lag_threshold: self.log_kept.saturating_mul(2),
            enable_pre_vote: Some(true),
            // On by default. A leader that has lost what it had sent and not yet stored would write other
            // entries under the same log ids, and followers would take them for what they have.
            enable_leader_restore: Some(false),
            ..Config::default()
        }
    }
}
