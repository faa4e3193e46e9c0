//! What runs under callgrind: one case, of which only the operation itself is counted.

use std::hint::black_box;

use conclave_testkit::measure::{self, Meter, World};

use super::allocator::allocations;

/// Operations before any is counted: caches are filled, lazily made things are made.
const WARM_UP: u32 = 64;

/// Operations that are counted. Even, because some cases do two things in turn.
pub(super) const TIMES: u32 = 128;

/// Room for every case, in bytes.
const STACK: usize = 16 * 1024 * 1024;

/// Runs a case. Gives the allocations of all operations that are counted.
pub(super) fn run(case: &str) -> u64 {
    let case = case.to_owned();
    // On a stack of its own: where the first one begins depends on the length of the environment,
    // and what a copy of memory takes depends on where it lies.
    let work = move || {
        let mut counting = Counting { allocations: 0 };
        measure::measure(&case, World::simulated(), &mut counting);
        counting.allocations
    };
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(work);
    thread.expect("a thread can be had").join().expect("the case succeeds")
}

struct Counting {
    allocations: u64,
}

impl Meter for Counting {
    fn meter<I, O>(&mut self, mut prepare: impl FnMut() -> I, mut run: impl FnMut(I) -> O) {
        for _ in 0..WARM_UP {
            drop(black_box(run(prepare())));
        }
        for _ in 0..TIMES {
            let mut input = Some(prepare());
            let before = allocations();
            counted(&mut || drop(black_box(input.take().map(&mut run))));
            self.allocations += allocations() - before;
        }
    }
}

/// Callgrind knows this function by its name and counts from its beginning to its end.
#[inline(never)]
fn counted(work: &mut dyn FnMut()) {
    work();
    // Without it the call above would be a jump, and this function never end.
    black_box(());
}
