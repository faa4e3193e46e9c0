//! A clock that only moves when the test moves it.

use conclave_core::seams::Clock;
use std::sync::atomic::{AtomicU64, Ordering};

/// 2027-01-01T00:00:00Z.
pub(crate) const START_MS: u64 = 1_798_761_600_000;

pub(crate) struct ManualClock(AtomicU64);

impl ManualClock {
    pub(crate) fn new() -> ManualClock {
        ManualClock(AtomicU64::new(0))
    }

    pub(crate) fn advance_ms(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn wall_ms(&self) -> u64 {
        START_MS + self.elapsed_ms()
    }

    fn elapsed_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}
