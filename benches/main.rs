//! `cargo bench`: how long the cases of the hot path take, by criterion. The cases themselves are in
//! `crates/testkit/src/measure`; the program `instructions` counts the same ones.

#![allow(clippy::unwrap_used)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use conclave_storage::{FsDisk, ThreadSpawner};
use conclave_testkit::measure::{self, CASES, Meter, World};
use criterion::{BatchSize, Criterion};

/// The cases that write files: their time is that of a real disk, syncs and all.
const ON_DISK: [&str; 2] = ["state/switch", "log/append"];

/// Short, because states and logs grow with each operation.
const WARM_UP: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(3);

fn main() {
    let criterion = Criterion::default().warm_up_time(WARM_UP).measurement_time(MEASURED);
    let mut criterion = criterion.configure_from_args();
    for case in CASES {
        let folder = tempfile::tempdir().unwrap();
        let world = if ON_DISK.contains(&case) {
            // Made by the disk itself, so that it is open to nobody else.
            let disk = Arc::new(FsDisk::open(folder.path().join("data")).unwrap());
            World { disk, spawner: Arc::new(ThreadSpawner) }
        } else {
            World::simulated()
        };
        measure::measure(case, world, &mut Timing { criterion: &mut criterion, case });
    }
    criterion.final_summary();
}

/// Measures one case.
struct Timing<'a> {
    criterion: &'a mut Criterion,
    case: &'static str,
}

impl Meter for Timing<'_> {
    fn meter<I, O>(&mut self, mut prepare: impl FnMut() -> I, mut run: impl FnMut(I) -> O) {
        // Results go at once, as in a node: criterion would keep those of a whole batch.
        let mut run = |input| drop(black_box(run(input)));
        self.criterion.bench_function(self.case, |bencher| {
            bencher.iter_batched(&mut prepare, &mut run, BatchSize::SmallInput);
        });
    }
}
