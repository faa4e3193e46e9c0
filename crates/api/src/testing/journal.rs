//! A journal in memory that can refuse to be written.

use conclave_core::journal::{JournalBlocked, Use, UseJournal};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Default)]
pub(crate) struct FakeJournal {
    /// What was written, one element a write.
    writes: Mutex<Vec<Vec<Use>>>,
    blocked: AtomicBool,
}

impl FakeJournal {
    /// From now on writes fail, or no longer.
    pub(crate) fn set_blocked(&self, blocked: bool) {
        self.blocked.store(blocked, Ordering::SeqCst);
    }

    /// How many records each write had, since this was asked last.
    pub(crate) fn take_writes(&self) -> Vec<usize> {
        std::mem::take(&mut *self.writes.lock().unwrap()).iter().map(Vec::len).collect()
    }

    /// The records, since they were taken last.
    pub(crate) fn take(&self) -> Vec<Use> {
        std::mem::take(&mut *self.writes.lock().unwrap()).into_iter().flatten().collect()
    }
}

impl UseJournal for FakeJournal {
    fn append(&self, uses: &[Use]) -> Result<(), JournalBlocked> {
        if self.is_blocked() {
            return Err(JournalBlocked);
        }
        self.writes.lock().unwrap().push(uses.to_vec());
        Ok(())
    }

    fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::SeqCst)
    }
}
