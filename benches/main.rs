//! `cargo bench`: how long the cases of the hot path take, by criterion. The cases themselves are in
//! `crates/testkit/src/measure`; the program `instructions` counts the same ones.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use conclave_storage::{FsDisk, ThreadSpawner};
use conclave_testkit::measure::{self, CASES, Meter, World};
use criterion::{BatchSize, Criterion};

/// The cases that write files: measured on a real disk, too, each with its sync.
const ON_DISK: [&str; 2] = ["state/switch", "log/append"];

/// Short, because states and logs grow with each operation.
const WARM_UP: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(3);

fn main() {
    let criterion = Criterion::default().warm_up_time(WARM_UP).measurement_time(MEASURED);
    let mut criterion = criterion.configure_from_args();
    for case in CASES {
        let mut timing = Timing { criterion: &mut criterion, name: case };
        measure::measure(case, World::simulated(), &mut timing);
    }
    for case in ON_DISK {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::new(FsDisk::open(folder.path()).unwrap());
        let world = World { disk, spawner: Arc::new(ThreadSpawner) };
        let name = format!("{case}_on_disk");
        measure::measure(case, world, &mut Timing { criterion: &mut criterion, name: &name });
    }
    criterion.final_summary();
}

/// Measures one case under a name.
struct Timing<'a> {
    criterion: &'a mut Criterion,
    name: &'a str,
}

impl Meter for Timing<'_> {
    fn meter<I, O>(&mut self, mut prepare: impl FnMut() -> I, mut run: impl FnMut(I) -> O) {
        self.criterion.bench_function(self.name, |bencher| {
            bencher.iter_batched(&mut prepare, &mut run, BatchSize::SmallInput);
        });
    }
}
