//! Many seeds on all processors: each run stays on one thread.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use conclave_testkit::sim::plan::Plan;
use conclave_testkit::sim::report::Report;

use super::attempt::How;
use super::failure;
use super::say::say;

/// How many threads there are to be.
pub(super) fn threads(asked: Option<usize>) -> usize {
    asked.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// Runs all of them; true if nothing was violated. The plans of those that fail are kept, the first one
/// is made smaller.
pub(super) fn run(
    seeds: Range<u64>,
    jobs: usize,
    shrink: usize,
    how: &How,
) -> Result<bool, String> {
    let begun = Instant::now();
    let (reports, broken) = run_all(seeds, jobs, how);
    summarize(&reports, jobs, begun.elapsed().as_secs_f64());
    let failed: Vec<&Report> = reports.iter().filter(|r| !r.violations.is_empty()).collect();
    for report in &failed {
        failure::keep(&Plan::from_seed(report.seed), how)?;
    }
    if let Some(first) = failed.first() {
        let plan = Plan::from_seed(first.seed);
        failure::make_smaller(&plan, first, shrink, &failure::name(&plan), how)?;
        return Ok(false);
    }
    if broken > 0 {
        return Err(format!("{broken} runs have no report"));
    }
    Ok(true)
}

/// The reports in order of their seeds, and how many runs have none.
fn run_all(seeds: Range<u64>, jobs: usize, how: &How) -> (Vec<Report>, usize) {
    let next = AtomicU64::new(seeds.start);
    let results = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= seeds.end {
                        return;
                    }
                    let result = how.run(&Plan::from_seed(seed), false);
                    match &result {
                        Ok(report) => say(report),
                        Err(why) => eprintln!("{why}"),
                    }
                    results.lock().unwrap().insert(seed, result);
                }
            });
        }
    });
    let results = results.into_inner().unwrap();
    let all = results.len();
    let reports: Vec<Report> = results.into_values().flatten().collect();
    let broken = all - reports.len();
    (reports, broken)
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
    let threads = jobs.min(reports.len()).max(1);
    say(format_args!(
        "{} seeds, {operations} operations, overlap {overlap:.1} %, unknown {unknown:.1} %, \
         {violations} violations\n\
         {simulated:.0} s simulated ({faults:.0} s under faults) in {wall:.1} s on {threads} \
         threads: {:.1} simulated seconds for each second of a core\n\
         combined hash {}",
        reports.len(),
        simulated / (threads as f64 * wall),
        all.finalize().to_hex()
    ));
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len().max(1) as f64;
    values.sum::<f64>() / count
}
