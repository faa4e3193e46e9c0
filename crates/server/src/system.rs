//! The one file that reads the system's clocks and draws its entropy.

use conclave_core::seams::{Clock, Entropy};
use rustix::time::{ClockId, Timespec, clock_gettime};
use std::time::{SystemTime, UNIX_EPOCH};

/// The clocks of the operating system: `CLOCK_REALTIME` and `CLOCK_BOOTTIME`.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    // By way of the C library, unlike rustix: so a test can give one process another wall clock.
    #[expect(clippy::disallowed_methods)]
    fn wall_ms(&self) -> u64 {
        // A time before 1970 counts as 1970: nothing here is that old.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn elapsed_ms(&self) -> u64 {
        milliseconds(clock_gettime(ClockId::Boottime))
    }
}

/// The entropy of the operating system (`getrandom`).
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    // The ban sends everybody else here.
    #[expect(clippy::disallowed_methods)]
    fn fill(&self, buffer: &mut [u8]) {
        if let Err(error) = getrandom::fill(buffer) {
            tracing::error!(%error, "the operating system gives no entropy; the process ends");
            std::process::exit(crate::exit::FATAL.into());
        }
    }
}

fn milliseconds(time: Timespec) -> u64 {
    let whole = u64::try_from(time.tv_sec).unwrap_or(0).saturating_mul(1_000);
    whole.saturating_add(u64::try_from(time.tv_nsec / 1_000_000).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clocks_show_the_present_and_go_on() {
        let (wall, elapsed) = (SystemClock.wall_ms(), SystemClock.elapsed_ms());
        assert!(wall > 1_700_000_000_000, "{wall}");
        assert!(elapsed > 0);
        assert!(SystemClock.elapsed_ms() >= elapsed);
    }

    #[test]
    fn a_timespec_becomes_milliseconds() {
        let at = |tv_sec, tv_nsec| milliseconds(Timespec { tv_sec, tv_nsec });
        assert_eq!(at(3, 4_999_999), 3_004);
        assert_eq!(at(-1, 999_999_999), 999);
    }

    #[test]
    fn two_draws_differ() {
        let (mut first, mut second) = ([0u8; 32], [0u8; 32]);
        SystemEntropy.fill(&mut first);
        SystemEntropy.fill(&mut second);
        assert_ne!(first, second);
        assert_ne!(first, [0; 32]);
    }
}
