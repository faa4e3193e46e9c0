//! What clients do to a cluster, and the judgement of what they saw.

pub mod asleep;
pub mod expect;
pub mod lifecycle;
pub mod revocation;
pub mod settle;

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::failure::Result;

/// Runs a future to its end on a runtime of its own, on this thread.
pub fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// Counts itself in a gauge while it lives.
pub(crate) struct InFlight<'a>(&'a AtomicUsize);

impl<'a> InFlight<'a> {
    pub(crate) fn enter(gauge: &'a AtomicUsize) -> InFlight<'a> {
        gauge.fetch_add(1, Ordering::SeqCst);
        InFlight(gauge)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
