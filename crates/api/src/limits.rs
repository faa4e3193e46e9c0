//! Bounds of the services, each with its reason. Bounds of the formats are in `conclave-formats`,
//! bounds of the replicated state in `conclave-core`.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Deadline of a call that names none: longer than an election, shorter than a person's patience.
pub(crate) const DEFAULT_DEADLINE: Duration = Duration::from_secs(10);
/// Longest deadline: a call that waits longer only holds memory.
pub(crate) const MAX_DEADLINE: Duration = Duration::from_secs(60);
/// Part of the caller's time kept back, so that the answer arrives before the caller gives up: a
/// tenth, at most this.
pub(crate) const DEADLINE_MARGIN: Duration = Duration::from_millis(100);

/// How often a mutation is prepared anew when another one came first. Each attempt follows a fresh
/// barrier, so losing five times in a row means a crowd on one key.
pub(crate) const PREPARE_ATTEMPTS: usize = 5;

/// Entries of a list answer when the caller names no number, and the most.
pub(crate) const LIST_DEFAULT: u32 = 100;
pub(crate) const LIST_MAX: u32 = 1_000;
/// Keys looked at for one page of a filtered list: bounds the work of one call.
pub(crate) const LIST_SCANNED: usize = 10_000;

/// Length of a data key made for a caller, bytes (`GenerateDataKeyRequest.bytes`).
pub(crate) const DATA_KEY_BYTES: RangeInclusive<u32> = 16..=64;
pub(crate) const DATA_KEY_DEFAULT: u32 = 32;
/// Random bytes of one call when the caller names no number.
pub(crate) const RANDOM_DEFAULT: u32 = 32;

/// Life of a token, seconds: from a minute to a year.
pub(crate) const TOKEN_TTL_S: RangeInclusive<u64> = 60..=31_536_000;
pub(crate) const TOKEN_TTL_DEFAULT_S: u64 = 30 * 86_400;
/// Life of the first credential when init names none: it is meant to be replaced the same day.
pub(crate) const ADMIN_TTL_DEFAULT_S: u64 = 86_400;

/// Shares and threshold when init names none.
pub(crate) const SHARES_DEFAULT: u32 = 5;
pub(crate) const THRESHOLD_DEFAULT: u32 = 3;

/// How long a collector may take to offer its ceremony key before it counts as lost. A share that
/// waits for a dead collector must not look like a hung command.
pub(crate) const COLLECTOR_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the hand-over to one member may take; others do not wait longer for it.
pub(crate) const HANDOVER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a sealed member may take to catch up with the ceremony before it refuses a hand-over.
/// Shorter than [`HANDOVER_TIMEOUT`], so that the refusal still arrives.
pub(crate) const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a seal waits for members to report; an unreachable one is reported as such.
pub(crate) const SEAL_REPORT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long members may take to report for a status, and to say whether they are sealed.
pub(crate) const REPORT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a status waits for a barrier before it judges by what this node knows.
pub(crate) const STATUS_BARRIER_TIMEOUT: Duration = Duration::from_millis(500);
/// Pauses between attempts to record the fact of an unseal while there is no quorum.
pub(crate) const RECORD_PAUSE: Duration = Duration::from_millis(500);
/// Time of one such attempt.
pub(crate) const RECORD_TIMEOUT: Duration = Duration::from_secs(10);

/// Shares per second and source that are looked at, and how many may come at once.
pub(crate) const SHARES_PER_SECOND: u64 = 10;
pub(crate) const SHARES_BURST: u64 = 50;
/// What a bad share costs in good ones: guessing is hopeless anyway (256 bits), noise is not.
pub(crate) const BAD_SHARE_COST: u64 = 5;
/// Sources that are told apart; beyond it those that have been quiet are forgotten first.
pub(crate) const RATE_LIMITED_SOURCES: usize = 10_000;

/// Shards of the tables on the data path: many more than runtimes, so that they rarely meet.
pub(crate) const SHARDS: usize = 64;
/// Records of keys, versions and aliases kept in one shard of a table; a full shard starts anew.
pub(crate) const RECORDS_PER_SHARD: usize = 4_096;
/// Keys with unwrapped versions in one shard; a full shard starts anew.
pub(crate) const KEYS_PER_SHARD: usize = 1_024;

/// How often a health watch looks whether the answer has changed.
pub(crate) const HEALTH_PAUSE: Duration = Duration::from_millis(500);
/// Entries that a ready node may be behind what it knows to be committed.
pub(crate) const READY_LAG: u64 = 1_000;
