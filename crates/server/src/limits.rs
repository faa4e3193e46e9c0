//! Every bound of the listeners and of start and stop, each with its reason.

use std::time::Duration;

/// Open client connections of a node; more wait in the system's queue until one closes. Each costs
/// about 100 KiB of buffers.
pub const MAX_CONNECTIONS: usize = 4_096;

/// A TLS handshake that takes longer is not a client.
pub const HANDSHAKE: Duration = Duration::from_secs(10);

/// A connection on which nothing was asked for this long is closed: it may be nobody.
pub const FIRST_REQUEST: Duration = Duration::from_secs(60);

/// Calls in flight on one connection: more than any client of ours keeps, and bounded.
pub const MAX_CONCURRENT_STREAMS: u32 = 1_024;

/// Bytes of the headers of one call: a token, a deadline and the names of a call need less than one.
pub const MAX_HEADER_BYTES: u32 = 16 * 1024;

/// Bytes that one call may send in all: the largest message, its frame, and as much again for
/// streams of small messages.
pub const MAX_BODY_BYTES: usize = 2 * conclave_formats::limits::MAX_MESSAGE;

/// How often a silent connection is asked whether it is still there.
pub const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);

/// How long it may take to answer that.
pub const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a stopping leader waits until another node leads: an election that nobody has to wait for
/// takes milliseconds. Without a successor the others elect one by themselves, after they missed it.
pub const HAND_ON: Duration = Duration::from_secs(2);

/// How long a stopping node waits for calls in flight. With [`HAND_ON`] far below what service managers
/// give a process that is told to stop.
pub const DRAIN: Duration = Duration::from_secs(5);

/// Signs of life within the time in which a service manager wants one: one may be late.
pub const SIGNS_PER_WATCHDOG: u32 = 3;

/// How often it is looked whether the state that the service manager shows has changed.
pub const STATUS_INTERVAL: Duration = Duration::from_secs(1);

/// Pause after the system refused to accept a connection (no file descriptor left).
pub const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// How long a readiness probe waits for the cluster.
pub const READINESS: Duration = Duration::from_secs(1);
