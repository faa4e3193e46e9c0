//! Where clients put down what they asked and were answered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use conclave_core::ids::KeyId;

use super::history::{History, KeyNo, Operation};
use super::trace::{Kind, Trace};

/// The records of a run's clients; clones share them.
#[derive(Clone)]
pub struct Recorder {
    trace: Trace,
    inner: Arc<Mutex<Recorded>>,
}

/// What was put down.
#[derive(Debug, Default)]
pub struct Recorded {
    /// The operations, in the order in which they were answered.
    pub history: History,
    /// Ids of keys.
    pub keys: BTreeMap<KeyNo, KeyId>,
    /// Ids of short-lived keys.
    pub short: BTreeMap<KeyNo, KeyId>,
    /// What can never be.
    pub absurd: Vec<String>,
}

impl Recorder {
    /// No records.
    pub fn new(trace: Trace) -> Recorder {
        Recorder { trace, inner: Arc::default() }
    }

    /// Puts an operation down.
    pub fn add(&self, operation: Operation) {
        let text = format!("{operation:?}");
        self.trace.note(Kind::Call, (operation.client, operation.node), text.as_bytes());
        self.trace.tell(|| {
            format!(
                "client {} at node {} since {} µs: {:?} -> {:?}",
                operation.client,
                operation.node,
                operation.invoked,
                operation.action,
                operation.outcome
            )
        });
        self.inner().history.operations.push(operation);
    }

    /// A client has learned the id of a key.
    pub fn learn_key(&self, number: KeyNo, id: KeyId) {
        self.inner().keys.insert(number, id);
    }

    /// A client has learned the id of a short-lived key.
    pub fn learn_short(&self, number: KeyNo, id: KeyId) {
        self.inner().short.insert(number, id);
    }

    /// Something that can never be was seen.
    pub fn absurd(&self, what: String) {
        self.trace.tell(|| format!("absurd: {what}"));
        self.inner().absurd.push(what);
    }

    /// Everything that was put down.
    pub fn take(&self) -> Recorded {
        std::mem::take(&mut *self.inner())
    }

    fn inner(&self) -> MutexGuard<'_, Recorded> {
        self.inner.lock().unwrap()
    }
}
