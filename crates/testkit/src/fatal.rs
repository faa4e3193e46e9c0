//! What a node would have died of.

use std::sync::{Arc, Mutex};

use conclave_storage::FatalHook;

/// Records the reason that reached the fatal hook instead of ending the process.
#[derive(Clone, Debug, Default)]
pub struct FatalLog {
    reason: Arc<Mutex<Option<String>>>,
}

impl FatalLog {
    /// A hook that records here. Each hook records once.
    pub fn hook(&self) -> FatalHook {
        let log = self.reason.clone();
        FatalHook::new(move |reason| *log.lock().unwrap() = Some(reason.to_owned()))
    }

    /// The reason, if the hook was called.
    pub fn reason(&self) -> Option<String> {
        self.reason.lock().unwrap().clone()
    }
}
