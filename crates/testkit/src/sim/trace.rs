//! What happened, as a hash and, if wanted, as lines for people.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::time::Instant;

/// Microseconds of simulated time since the start of a run.
pub type Micros = u64;

/// The trace of one run; clones share it.
#[derive(Clone)]
pub struct Trace {
    start: Instant,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    stamped: Micros,
    hasher: blake3::Hasher,
    events: u64,
    lines: Option<Vec<String>>,
    has_ended: bool,
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A message was sent, from one node to another.
    Message = 1,
    /// A disk was changed: node, number of the file.
    Disk = 2,
    /// A fault struck or ended.
    Fault = 3,
    /// A client's call began or ended: client, node.
    Call = 4,
    /// A node started or ended.
    Node = 5,
}

impl Trace {
    /// A trace that begins now, in simulated time; `with_lines` keeps what [`Trace::tell`] is told.
    pub fn new(with_lines: bool) -> Trace {
        let inner = Inner {
            stamped: 0,
            hasher: blake3::Hasher::new(),
            events: 0,
            lines: with_lines.then(Vec::new),
            has_ended: false,
        };
        Trace { start: Instant::now(), inner: Arc::new(Mutex::new(inner)) }
    }

    /// How many hold it.
    #[cfg(test)]
    pub(super) fn holders(&self) -> usize {
        Arc::strong_count(&self.inner)
    }

    /// Simulated time since the start of the run.
    pub fn now(&self) -> Micros {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// The time for a record: later than that of every record before, so that records keep the order in
    /// which they were made. Timers round to milliseconds, and much happens in one.
    pub fn stamp(&self) -> Micros {
        let now = self.now();
        let mut inner = self.inner();
        inner.stamped = now.max(inner.stamped + 1);
        inner.stamped
    }

    /// Takes an event into the hash, with its time.
    pub fn note(&self, kind: Kind, subject: (u32, u32), detail: &[u8]) {
        let now = self.now();
        let mut inner = self.inner();
        if inner.has_ended {
            return;
        }
        inner.events += 1;
        let mut head = [0u8; 25];
        head[0] = kind as u8;
        head[1..9].copy_from_slice(&now.to_le_bytes());
        head[9..13].copy_from_slice(&subject.0.to_le_bytes());
        head[13..17].copy_from_slice(&subject.1.to_le_bytes());
        head[17..].copy_from_slice(&(detail.len() as u64).to_le_bytes());
        inner.hasher.update(&head);
        inner.hasher.update(detail);
    }

    /// Keeps a line for people, if lines are kept. Not part of the hash.
    pub fn tell(&self, line: impl FnOnce() -> String) {
        let now = self.now();
        let mut inner = self.inner();
        if inner.has_ended {
            return;
        }
        if let Some(lines) = &mut inner.lines {
            lines.push(format!("{:>3}.{:06} {}", now / 1_000_000, now % 1_000_000, line()));
        }
    }

    /// The end of the run: what happens from now on is not part of it. A runtime drops its tasks in an
    /// order that depends on how many tasks other threads have made, and a node that is dropped still
    /// writes to its disk.
    pub fn end(&self) {
        self.inner().has_ended = true;
    }

    /// The hash of everything noted so far.
    pub fn hash(&self) -> blake3::Hash {
        self.inner().hasher.finalize()
    }

    /// How many events were noted.
    pub fn events(&self) -> u64 {
        self.inner().events
    }

    /// The lines that were kept.
    pub fn lines(&self) -> Vec<String> {
        self.inner().lines.clone().unwrap_or_default()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").field("events", &self.events()).finish()
    }
}
