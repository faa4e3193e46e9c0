//! Every bound of this crate, with its reason.

use std::time::Duration;

/// Operations that one log commit takes at most: beyond this the sync no longer dominates and the
/// first waiter only waits longer.
pub const LOG_BATCH_OPERATIONS: usize = 256;

/// Bytes of entries that one log commit takes at most (a single larger append goes alone).
pub const LOG_BATCH_BYTES: usize = 1024 * 1024;

/// Whether a log commit uses redb's two-phase commit (two syncs instead of one).
///
/// Off: a group of commands costs one `fdatasync`. What two-phase commit would add here is covered
/// otherwise: each entry carries its own cryptographic check over index and bytes, the log is
/// verified to be without holes when it is opened, and a log that lost its newest commit to rot is
/// noticed by the peers, who remember what this node has shown them.
pub const LOG_TWO_PHASE: bool = false;

/// Page cache of the log file. The retained log is in memory anyway; redb only needs the right edge.
pub const LOG_CACHE_BYTES: usize = 16 * 1024 * 1024;

/// Page cache of the state file. Half of it holds the pages that a sync writes: enough for one that changes
/// as many pages as records may wait for it.
pub const STATE_CACHE_BYTES: usize = 128 * 1024 * 1024;

/// Bytes of the state file and of a snapshot that wait for a sync at most, before whoever writes on syncs
/// them: some milliseconds of a disk, which is what the log may have to wait.
pub const UNSYNCED_BYTES: u64 = 1024 * 1024;

/// Bytes of the check that each stored record carries (BLAKE3, truncated). It detects damage, it is
/// not an authenticator.
pub const CHECK_BYTES: usize = 8;

/// Age in milliseconds from which a read transaction is too old: it pins every page that was freed
/// since, so the file would grow without bound.
pub const MAX_READ_AGE_MS: u64 = 60_000;

/// Size from which the exporter hands out a chunk of a snapshot. A chunk ends with a frame, so it
/// can be longer by one frame.
pub const SNAPSHOT_CHUNK_BYTES: usize = 64 * 1024;

/// Longest payload of a snapshot frame. It bounds what a damaged or hostile length can allocate.
pub const MAX_FRAME_BYTES: usize = 16 * 1024 * 1024;

/// Bytes of records that an installation collects before it hands them to redb in one transaction.
pub const INSTALL_BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Bytes of a key that a message about a damaged record shows, in hex.
pub const SHOWN_KEY_BYTES: usize = 24;

/// Bytes from which a segment of the journal of uses is full: half a million records, and little
/// enough to be read in a fraction of a second at a start.
pub const AUDIT_SEGMENT_BYTES: u64 = 64 * 1024 * 1024;

/// Segments of each worker that fit the bound of the journal at least: one that is written and three
/// that are kept.
pub const AUDIT_SEGMENTS_PER_WORKER: u64 = 4;

/// How long after it was written a record is synced at most, when the disk keeps up.
pub const AUDIT_SYNC_INTERVAL: Duration = Duration::from_millis(50);

/// Bytes that are written, and removed again, to see whether a full disk has room: a block.
pub const AUDIT_PROBE_BYTES: usize = 4096;
