//! Runs the simulator: one seed, many, a plan from a file, or the known bugs that it must catch.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod failure;
mod many;
#[cfg(feature = "mutants")]
mod mutants;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use conclave_testkit::sim::plan::Plan;
use conclave_testkit::sim::run;

/// Runs whole clusters on one thread, from a seed, under faults, and judges what they did.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(flatten)]
    seeds: Seeds,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Args)]
struct Seeds {
    /// Runs this seed and prints its report
    #[arg(required_unless_present = "seeds")]
    seed: Option<u64>,
    /// Runs the seeds A to B-1
    #[arg(long, value_name = "A..B", conflicts_with = "seed", value_parser = many::range)]
    seeds: Option<std::ops::Range<u64>>,
    #[command(flatten)]
    how: How,
}

/// What holds for every run.
#[derive(Args, Clone)]
struct How {
    /// Where to write what happened, line by line (one seed or plan)
    #[arg(long, value_name = "FILE")]
    narrative: Option<PathBuf>,
    /// Where to put the plans of runs that fail
    #[arg(long, value_name = "DIR", default_value = "target/simulate")]
    out: PathBuf,
    /// Runs spent on making a failing plan smaller; 0: none
    #[arg(long, value_name = "RUNS", default_value_t = 60)]
    shrink: usize,
    /// Threads, one seed each at a time [default: one for each processor]
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// A known bug to build in
    #[cfg(feature = "mutants")]
    #[arg(long, value_name = "NAME", value_parser = mutants::named)]
    mutant: Option<conclave_core::mutants::Mutant>,
}

#[derive(Subcommand)]
enum Command {
    /// Runs a plan from a file, as a failing run leaves it
    Replay {
        /// The plan
        plan: PathBuf,
        #[command(flatten)]
        how: How,
    },
    /// Runs every known bug until it is caught, and prints the table
    #[cfg(feature = "mutants")]
    Mutants(mutants::Options),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let passed = match (cli.command, cli.seeds) {
        (Some(Command::Replay { plan, how }), _) => replay(&plan, &how),
        #[cfg(feature = "mutants")]
        (Some(Command::Mutants(options)), _) => Ok(mutants::run(&options)),
        (None, Seeds { seeds: Some(seeds), how, .. }) => many::run(seeds, &how),
        (None, Seeds { seed, how, .. }) => one(&Plan::from_seed(seed.unwrap_or_default()), &how),
    };
    match passed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("simulate: {why}");
            ExitCode::from(2)
        }
    }
}

fn replay(file: &std::path::Path, how: &How) -> Result<bool, String> {
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|error| format!("{}: {error}", file.display()))?;
    let plan = Plan::from_json(&text).map_err(|error| format!("{}: {error}", file.display()))?;
    one(&plan, how)
}

/// Runs one plan; true if nothing was violated.
fn one(plan: &Plan, how: &How) -> Result<bool, String> {
    let report = how.with(|| run::run(plan, how.narrative.is_some()));
    println!("{report}");
    if let Some(file) = &how.narrative {
        let lines = report.lines.join("\n") + "\n";
        std::fs::write(file, lines).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    if !report.violations.is_empty() {
        failure::keep(plan, how)?;
    }
    Ok(report.violations.is_empty())
}

impl How {
    /// Runs `f` with the bug that was asked for.
    fn with<T>(&self, f: impl FnOnce() -> T) -> T {
        #[cfg(feature = "mutants")]
        if let Some(mutant) = self.mutant {
            return conclave_core::mutants::with(mutant, f);
        }
        f()
    }
}
