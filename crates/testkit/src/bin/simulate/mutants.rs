//! The known bugs: each must be caught by ordinary runs, in bounded time.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use conclave_core::mutants::{self, Mutant};
use conclave_testkit::sim::plan::Plan;
use conclave_testkit::sim::run;

use super::args;
use super::attempt::caught;
use super::many::threads;
use super::say::say;

/// Stands for an invariant where a run had no report.
const PANICKED: &str = "the run panicked";

/// Mutants that no run can meet, and why; a test of the crate that they are in does. They are hunted when
/// they are named.
const OUT_OF_REACH: [(Mutant, &str); 1] = [(
    Mutant::StaleFront,
    "queues grow at their end only: nothing is due before the time that a tick has reached",
)];

/// How mutants are hunted.
#[derive(Args)]
pub(super) struct Options {
    /// Only these [default: all that runs can meet]
    #[arg(value_parser = parser())]
    mutants: Vec<Mutant>,
    /// First seed; each mutant is tried with this one, then the next ones
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    from: u64,
    /// Seconds of wall time in which each must be caught
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    within: u64,
    /// Threads, one mutant each at a time [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = args::threads())]
    jobs: Option<usize>,
}

/// A mutant by its name.
pub(super) fn parser() -> impl TypedValueParser<Value = Mutant> {
    PossibleValuesParser::new(Mutant::ALL.map(Mutant::name)).try_map(|name| Mutant::named(&name))
}

/// How a hunt ended.
struct Hunt {
    mutant: Mutant,
    seeds: u64,
    took: Duration,
    /// The invariants that were violated; empty: not caught.
    caught_by: Vec<&'static str>,
}

/// Hunts them; true if all were caught.
pub(super) fn run(options: &Options) -> bool {
    let (mut chosen, mut left_out) = (options.mutants.clone(), Vec::new());
    if chosen.is_empty() {
        (left_out, chosen) = Mutant::ALL.into_iter().partition(|one| out_of_reach(*one).is_some());
    }
    let next = AtomicUsize::new(0);
    let hunts = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads(options.jobs) {
            scope.spawn(|| {
                while let Some(mutant) = chosen.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let hunt = hunt(*mutant, options);
                    let how = if hunt.caught_by.is_empty() { "NOT caught" } else { "caught" };
                    let (name, last) = (mutant.name(), options.from + hunt.seeds - 1);
                    eprintln!("{name}: {how} by seeds {}..={last}", options.from);
                    hunts.lock().unwrap().push(hunt);
                }
            });
        }
    });
    let mut hunts = hunts.into_inner().unwrap();
    hunts.sort_by_key(|hunt| Mutant::ALL.iter().position(|mutant| *mutant == hunt.mutant));
    say(format_args!("{:<28} {:>5} {:>8}  caught by", "mutant", "seeds", "seconds"));
    for Hunt { mutant, seeds, took, caught_by } in &hunts {
        let by = if caught_by.is_empty() { "NOT CAUGHT".to_owned() } else { caught_by.join(", ") };
        say(format_args!("{:<28} {seeds:>5} {:>8.1}  {by}", mutant.name(), took.as_secs_f64()));
    }
    for mutant in left_out {
        let why = out_of_reach(mutant).unwrap_or_default();
        say(format_args!("{:<28} not hunted: {why}", mutant.name()));
    }
    hunts.iter().all(|hunt| !hunt.caught_by.is_empty())
}

/// Why no run can meet a mutant, if so.
fn out_of_reach(mutant: Mutant) -> Option<&'static str> {
    OUT_OF_REACH.into_iter().find(|(known, _)| *known == mutant).map(|(_, why)| why)
}

fn hunt(mutant: Mutant, options: &Options) -> Hunt {
    let begun = Instant::now();
    let mut seeds = 0;
    let mut caught_by = Vec::new();
    while caught_by.is_empty() && begun.elapsed() < Duration::from_secs(options.within) {
        let plan = Plan::from_seed(options.from + seeds);
        seeds += 1;
        let result = mutants::with(mutant, || caught(plan.seed, || run::run(&plan, false)));
        let by: BTreeSet<_> = match &result {
            Ok(report) => report.violations.iter().map(|violation| violation.invariant).collect(),
            Err(_) => BTreeSet::from([PANICKED]),
        };
        caught_by = by.into_iter().collect();
    }
    Hunt { mutant, seeds, took: begun.elapsed(), caught_by }
}
