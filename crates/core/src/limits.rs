//! Bounds of the replicated state, each with its reason. Crossing one is an error, never a panic.

/// Versions of a key: what both reference services allow.
pub const VERSIONS_PER_KEY: u32 = 100;
/// Events warn from this version on that the end is near.
pub const VERSIONS_WARNED: u32 = 90;
/// Aliases of a key: what IBM Key Protect allows.
pub const ALIASES_PER_KEY: usize = 5;
/// Registrations of a key: they are listed before a deletion and removed with it.
pub const REGISTRATIONS_PER_KEY: usize = 1_000;
/// Bytes of the name of a registered resource: it is part of a key of a table.
pub const RESOURCE_BYTES: usize = 512;
/// Entries in the history of a key; the oldest go first.
pub const HISTORY_PER_KEY: u64 = 1_000;
/// Instances of a cluster: each is an administrative boundary, and requests name them.
pub const INSTANCES: u32 = 1_000;
/// Key rings of an instance.
pub const RINGS_PER_INSTANCE: u32 = 1_000;
/// Keys that one entry may move or purge when a ring or an instance is deleted.
pub const KEYS_PER_BULK: usize = 256;
/// The longest window of a deletion policy: ten years. Longer is a mistake in the unit.
pub const LONGEST_WINDOW_MS: u64 = 3_650 * 24 * 3_600 * 1_000;
/// The shortest and the longest period of a rotation schedule: 1 and 730 days.
pub const ROTATION_MS: std::ops::RangeInclusive<u64> =
    24 * 3_600 * 1_000..=730 * 24 * 3_600 * 1_000;
/// Keys whose timers run in one tick …
pub const KEYS_PER_TICK: usize = 64;
/// … and records that it removes, after which it leaves the rest to the next one.
pub const RECORDS_PER_TICK: usize = 512;
/// Status changes kept for subscribers.
pub const EVENTS: u64 = 10_000;
/// Labels of a key: enough for tagging; the front ends allow as many.
pub const LABELS_PER_KEY: usize = 20;
/// Bytes of a label name.
pub const LABEL_NAME_BYTES: usize = 63;
/// Bytes of a label value: 256 characters of any script.
pub const LABEL_VALUE_BYTES: usize = 1_024;
/// Bytes of a key's description: 240 characters of any script.
pub const DESCRIPTION_BYTES: usize = 1_024;
/// Bytes of an alias, of the name of a principal or of a group: they are keys of tables.
pub const NAME_BYTES: usize = 128;
/// Bytes of the SAN URI of a certificate: it is a key of a table; browsers stop at the same size.
pub const CERTIFICATE_URI_BYTES: usize = 2_048;
/// Shares of a root key: an index is one byte that is not zero.
pub const SHARES: usize = 255;
/// Groups of a principal.
pub const GROUPS_PER_PRINCIPAL: usize = 64;
/// Live tokens of a principal: a script that makes tokens in a loop is stopped here.
pub const TOKENS_PER_PRINCIPAL: usize = 1_000;
/// Role bindings of one subject: roles times scopes.
pub const BINDINGS_PER_SUBJECT: usize = 1_000;
/// Remembered requests: the newest this many are kept, and none longer than [`REQUEST_MEMORY_MS`].
pub const REQUEST_MEMORY_COUNT: u64 = 1_000_000;
/// How long a request is remembered: a client that retries for more than a day has other problems.
pub const REQUEST_MEMORY_MS: u64 = 24 * 3_600 * 1_000;
/// Remembered requests dropped in one entry, so that no entry pays for a backlog.
pub const REQUESTS_DROPPED_PER_ENTRY: usize = 8;
/// Audit records kept in the state.
pub const AUDIT_RECORDS: u64 = 100_000;
/// Life of an unseal ceremony: custodians may have to be woken up.
pub const CEREMONY_MS: u64 = 3_600 * 1_000;
