//! What clients asked, when, and what they learned: one record, one monotonic clock.

use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use uuid::Uuid;

use crate::failure::Result;

/// What a client asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Create a key under an alias.
    Create,
    /// Make a new primary version.
    Rotate,
    /// Enable a key.
    Enable,
    /// Disable a key.
    Disable,
    /// Encrypt with a key.
    Encrypt,
    /// Decrypt with a key.
    Decrypt,
}

/// A key as an answer showed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeySeen {
    /// Key id.
    pub id: String,
    /// Whether it can be used.
    pub enabled: bool,
    /// The version that protects new data.
    pub primary_version: u32,
    /// Rises by one with each change.
    pub revision: u64,
    /// Numbers of all versions, ascending.
    pub versions: Vec<u32>,
    /// Where the change stands in the log.
    pub log_index: u64,
    /// The answer of an earlier request with the same request id.
    pub replayed: bool,
}

/// What a client learned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A change of a key was made.
    Changed(KeySeen),
    /// A cryptographic operation succeeded.
    Used,
    /// Decided against, on every node alike.
    Refused(String),
    /// Not served, and certainly without an effect.
    Unavailable(String),
    /// It may have had an effect, or may yet have one.
    Unknown(String),
}

/// One call of one client.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// Number of the client.
    pub client: u32,
    /// The node it asked.
    pub node: u32,
    /// What it asked.
    pub op: Op,
    /// Alias of the key.
    pub key: String,
    /// Request id of a change.
    pub request_id: Option<Uuid>,
    /// When the call was about to be sent, since the start of the history.
    pub invoked: Duration,
    /// When its outcome was known.
    pub returned: Duration,
    /// What came of it.
    pub outcome: Outcome,
}

/// A growing record of events.
pub struct History {
    start: Instant,
    events: Mutex<Vec<Event>>,
}

impl Default for History {
    fn default() -> History {
        History { start: Instant::now(), events: Mutex::new(Vec::new()) }
    }
}

impl History {
    /// Now, on the clock of all events.
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Adds an event.
    pub fn record(&self, event: Event) {
        self.lock().push(event);
    }

    /// All events so far, in the order in which they were invoked.
    pub fn events(&self) -> Vec<Event> {
        let mut events = self.lock().clone();
        events.sort_by_key(|event| event.invoked);
        events
    }

    /// How many events have this kind of outcome.
    pub fn count(&self, which: impl Fn(&Event) -> bool) -> usize {
        self.lock().iter().filter(|event| which(event)).count()
    }

    /// Writes all events as JSON lines.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
        for event in self.events() {
            serde_json::to_writer(&mut file, &event).map_err(std::io::Error::from)?;
            file.write_all(b"\n")?;
        }
        Ok(file.flush()?)
    }

    // A panic elsewhere does not make the events before it wrong.
    fn lock(&self) -> MutexGuard<'_, Vec<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
