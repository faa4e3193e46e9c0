//! The clocks of a machine in simulated time: one that is right, one that jumps and drifts.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use conclave_core::seams::Clock;
use tokio::time::Instant;

/// What every wall clock shows at first: 2026-01-01T00:00:00Z.
pub const START_WALL_MS: u64 = 1_767_225_600_000;

const NANOS_PER_MS: i128 = 1_000_000;
const MILLION: i128 = 1_000_000;

/// Wall and elapsed clock of one machine, driven by tokio's (paused) time; clones share them.
///
/// The elapsed clock is exact and survives restarts of the node's process. The wall clock runs fast
/// or slow by its drift and jumps when told to; it stops at zero and at `u64::MAX`.
#[derive(Clone)]
pub struct SimClock {
    start: Instant,
    elapsed_at_start_ms: u64,
    wall: Arc<Mutex<Wall>>,
}

/// The wall clock since its drift last changed.
struct Wall {
    since: Instant,
    /// What it showed then.
    shown_ns: i128,
    drift_ppm: i64,
}

impl SimClock {
    /// Clocks that start now. The elapsed clock starts with `elapsed_ms`: how long the machine has
    /// been up, different for each, so that readings of two machines cannot be mixed up unseen.
    pub fn new(elapsed_ms: u64) -> SimClock {
        let start = Instant::now();
        let shown_ns = i128::from(START_WALL_MS) * NANOS_PER_MS;
        let wall = Wall { since: start, shown_ns, drift_ppm: 0 };
        SimClock { start, elapsed_at_start_ms: elapsed_ms, wall: Arc::new(Mutex::new(wall)) }
    }

    /// Lets the wall clock jump, back if negative, as an operator or a bad time server would.
    pub fn jump_ms(&self, by_ms: i64) {
        let mut wall = self.wall();
        let target = wall.now_ns() + i128::from(by_ms) * NANOS_PER_MS;
        wall.restart_at(target);
    }

    /// Lets the wall clock run fast from now on, slow if negative, by parts per million. At minus a
    /// million and below it stands still. What it shows at this moment stays the same.
    pub fn set_drift_ppm(&self, ppm: i64) {
        let mut wall = self.wall();
        let shown = wall.now_ns();
        wall.restart_at(shown);
        wall.drift_ppm = ppm;
    }

    fn wall(&self) -> MutexGuard<'_, Wall> {
        self.wall.lock().unwrap()
    }
}

impl Clock for SimClock {
    fn wall_ms(&self) -> u64 {
        to_u64(self.wall().now_ns() / NANOS_PER_MS)
    }

    fn elapsed_ms(&self) -> u64 {
        let since_start = nanos(self.start.elapsed()) / NANOS_PER_MS;
        to_u64(i128::from(self.elapsed_at_start_ms) + since_start)
    }
}

impl fmt::Debug for SimClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimClock")
            .field("wall_ms", &self.wall_ms())
            .field("elapsed_ms", &self.elapsed_ms())
            .finish()
    }
}

impl Wall {
    fn now_ns(&self) -> i128 {
        let speed = (MILLION + i128::from(self.drift_ppm)).max(0);
        self.shown_ns + nanos(self.since.elapsed()) * speed / MILLION
    }

    fn restart_at(&mut self, shown_ns: i128) {
        self.shown_ns = shown_ns.clamp(0, i128::from(u64::MAX) * NANOS_PER_MS);
        self.since = Instant::now();
    }
}

fn nanos(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}

fn to_u64(ms: i128) -> u64 {
    u64::try_from(ms).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Dice;

    async fn pass_ms(ms: u64) {
        tokio::time::advance(Duration::from_millis(ms)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn both_clocks_follow_simulated_time() {
        let clock = SimClock::new(5_000);
        assert_eq!((clock.wall_ms(), clock.elapsed_ms()), (START_WALL_MS, 5_000));
        pass_ms(1_234).await;
        assert_eq!((clock.wall_ms(), clock.elapsed_ms()), (START_WALL_MS + 1_234, 6_234));
    }

    #[tokio::test(start_paused = true)]
    async fn a_jump_moves_the_wall_clock_of_all_clones_and_nothing_else() {
        let clock = SimClock::new(0);
        let clone = clock.clone();
        pass_ms(10).await;
        clone.jump_ms(7_000);
        assert_eq!((clock.wall_ms(), clock.elapsed_ms()), (START_WALL_MS + 7_010, 10));
        clone.jump_ms(-8_000);
        pass_ms(5).await;
        assert_eq!((clock.wall_ms(), clock.elapsed_ms()), (START_WALL_MS - 985, 15));
    }

    #[tokio::test(start_paused = true)]
    async fn a_drift_changes_the_speed_of_the_wall_clock_alone() {
        let hour = 3_600_000;
        for (ppm, shown) in
            [(0, hour), (500, hour + 1_800), (-500, hour - 1_800), (-1_000_000, 0), (-3_000_000, 0)]
        {
            let clock = SimClock::new(0);
            clock.set_drift_ppm(ppm);
            pass_ms(hour).await;
            assert_eq!(clock.wall_ms() - START_WALL_MS, shown, "{ppm} ppm");
            assert_eq!(clock.elapsed_ms(), hour, "{ppm} ppm");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_of_drift_is_no_jump() {
        let (clock, mut dice) = (SimClock::new(0), Dice::new(1));
        for step in 0..500 {
            tokio::time::advance(Duration::from_micros(dice.below(100_000))).await;
            let (wall, elapsed) = (clock.wall_ms(), clock.elapsed_ms());
            clock.set_drift_ppm(dice.below(1_000_000) as i64 - 500_000);
            assert_eq!((clock.wall_ms(), clock.elapsed_ms()), (wall, elapsed), "step {step}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_wall_clock_stops_at_its_bounds_and_goes_on_from_there() {
        let clock = SimClock::new(0);
        clock.jump_ms(i64::MIN);
        assert_eq!(clock.wall_ms(), 0);
        pass_ms(3).await;
        assert_eq!(clock.wall_ms(), 3);
        for _ in 0..5 {
            clock.jump_ms(i64::MAX);
            pass_ms(3).await;
        }
        assert_eq!(clock.wall_ms(), u64::MAX);
        clock.set_drift_ppm(i64::MAX);
        pass_ms(1_000_000_000).await;
        assert_eq!(clock.wall_ms(), u64::MAX);
        assert_eq!(clock.elapsed_ms(), 1_000_000_018);
    }
}
