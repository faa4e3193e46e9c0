//! Many seeds on all processors: each run stays on one thread.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use conclave_testkit::sim::plan::Plan;
use conclave_testkit::sim::report::Report;
use conclave_testkit::sim::run;

use super::{How, failure};

/// Seeds `A..B`, as the command line has them.
pub(super) fn range(text: &str) -> Result<Range<u64>, String> {
    let number = |text: &str| text.parse::<u64>().map_err(|_| format!("{text:?} is no number"));
    let (first, end) = text.split_once("..").ok_or("allowed is A..B, for example 1..201")?;
    let (first, end) = (number(first)?, number(end)?);
    if first < end { Ok(first..end) } else { Err(format!("{first}..{end} holds no seed")) }
}

/// How many threads there are to be.
pub(super) fn threads(asked: Option<usize>) -> usize {
    let available = || std::thread::available_parallelism().map_or(1, usize::from);
    asked.unwrap_or_else(available).max(1)
}

/// Runs all of them; true if nothing was violated.
pub(super) fn run(seeds: Range<u64>, how: &How) -> Result<bool, String> {
    let begun = Instant::now();
    let next = AtomicU64::new(seeds.start);
    let reports = Mutex::new(BTreeMap::new());
    let jobs = threads(how.jobs);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= seeds.end {
                        return;
                    }
                    let report = how.with(|| run::run(&Plan::from_seed(seed), false));
                    println!("{report}");
                    reports.lock().unwrap().insert(seed, report);
                }
            });
        }
    });
    let reports: Vec<Report> = reports.into_inner().unwrap().into_values().collect();
    summarize(&reports, jobs, begun.elapsed().as_secs_f64());
    let failed: Vec<&Report> = reports.iter().filter(|r| !r.violations.is_empty()).collect();
    for report in &failed {
        failure::keep(&Plan::from_seed(report.seed), how)?;
    }
    Ok(failed.is_empty())
}

fn summarize(reports: &[Report], jobs: usize, wall: f64) {
    let mut all = blake3::Hasher::new();
    for report in reports {
        all.update(report.hash.as_bytes());
    }
    let seconds = |micros: u64| micros as f64 / 1e6;
    let faults = seconds(reports.iter().map(|r| r.under_faults).sum());
    let simulated = seconds(reports.iter().map(|r| r.simulated).sum());
    let operations: usize = reports.iter().map(|r| r.overlap.operations).sum();
    let overlap = mean(reports.iter().map(|r| r.overlap.overlap_percent()));
    let unknown = mean(reports.iter().map(|r| r.overlap.unknown_percent()));
    let violations: usize = reports.iter().map(|r| r.violations.len()).sum();
    let busy = jobs.min(reports.len()) as f64 * wall;
    println!(
        "{} seeds, {operations} operations, overlap {overlap:.1} %, unknown {unknown:.1} %, \
         {violations} violations\n\
         {simulated:.0} s simulated ({faults:.0} s under faults) in {wall:.1} s on {jobs} threads: \
         {:.1} simulated seconds for each second of a core\n\
         combined hash {}",
        reports.len(),
        simulated / busy,
        all.finalize().to_hex()
    );
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len().max(1) as f64;
    values.sum::<f64>() / count
}
