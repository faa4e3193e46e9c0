//! The journal of uses of a life, and whether it is ahead of the answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use conclave_core::journal::{JournalBlocked, Use, UseJournal, Verdict};
use conclave_storage::Journal;

/// A journal on the node's disk that counts what was done.
pub struct SimJournal {
    inner: Arc<Journal>,
    recorded: AtomicU64,
    answered: AtomicU64,
}

impl SimJournal {
    pub(super) fn new(inner: Arc<Journal>) -> SimJournal {
        SimJournal { inner, recorded: AtomicU64::new(0), answered: AtomicU64::new(0) }
    }

    /// An operation was answered; gives what is wrong if there are fewer records than answers.
    pub(super) fn answered(&self) -> Result<(), String> {
        let answered = self.answered.fetch_add(1, Ordering::SeqCst) + 1;
        let recorded = self.recorded.load(Ordering::SeqCst);
        if answered <= recorded {
            return Ok(());
        }
        Err(format!("{answered} operations were answered, {recorded} are recorded"))
    }
}

impl UseJournal for SimJournal {
    fn append(&self, uses: &[Use]) -> Result<(), JournalBlocked> {
        self.inner.append(uses)?;
        let done = uses.iter().filter(|recorded| recorded.verdict == Verdict::Ok).count();
        self.recorded.fetch_add(done as u64, Ordering::SeqCst);
        Ok(())
    }

    fn is_blocked(&self) -> bool {
        self.inner.is_blocked()
    }
}
