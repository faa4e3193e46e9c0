//! What is measured works: benches and counts do not run in `cargo test`.

use conclave_testkit::measure::{CASES, Meter, World, measure};

/// Even, because some cases do two things in turn.
const TIMES: u32 = 4;

/// Runs what is measured a few times, and counts.
struct Few(u32);

impl Meter for Few {
    fn meter<I, O>(&mut self, mut prepare: impl FnMut() -> I, mut run: impl FnMut(I) -> O) {
        for _ in 0..TIMES {
            run(prepare());
            self.0 += 1;
        }
    }
}

/// Each case checks by itself that what it measures succeeds.
#[test]
fn every_case_runs() {
    for case in CASES {
        let mut few = Few(0);
        measure(case, World::simulated(), &mut few);
        assert_eq!(few.0, TIMES, "{case}");
    }
}
