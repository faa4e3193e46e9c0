//! Runs scenarios against a built `conclave` and prints one verdict line each.
//!
//! Exit: 0 nothing found, 1 a violation, 2 the harness itself could not run.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};
use conclave_harness::scale::seed_from_env;
use conclave_harness::scenario::{ALL, Context, Scenario};
use conclave_harness::{Binary, Failure, Result, Scale};

#[derive(Parser)]
#[command(
    name = "jepsen-like",
    about = "Breaks a running Conclave cluster and judges what clients saw"
)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Lists the scenarios
    List,
    /// Runs scenarios one after the other
    Run {
        /// Names from `list`
        #[arg(required = true)]
        scenarios: Vec<String>,
        /// The program under test; default: the environment variable CONCLAVE_BIN
        #[arg(long)]
        bin: Option<PathBuf>,
        /// The program built with the feature `mutants`
        #[arg(long)]
        mutant_bin: Option<PathBuf>,
        /// Short (ci) or long (full) counts; default: CONCLAVE_TEST_SCALE, else ci
        #[arg(long)]
        scale: Option<Scale>,
        /// Makes a run again; default: CONCLAVE_TEST_SEED, else a fresh one
        #[arg(long)]
        seed: Option<u64>,
    },
}

fn main() -> ExitCode {
    match Arguments::parse().verb {
        Verb::List => list(),
        Verb::Run { scenarios, bin, mutant_bin, scale, seed } => {
            match prepare(&scenarios, bin, mutant_bin, scale, seed) {
                Ok((chosen, context)) => run_all(&chosen, &context),
                Err(failure) => {
                    say(&failure.to_string());
                    ExitCode::from(2)
                }
            }
        }
    }
}

fn list() -> ExitCode {
    for scenario in ALL {
        say(&format!("{:16} {}", scenario.name, scenario.about));
    }
    ExitCode::SUCCESS
}

fn prepare(
    names: &[String],
    bin: Option<PathBuf>,
    mutant_bin: Option<PathBuf>,
    scale: Option<Scale>,
    seed: Option<u64>,
) -> Result<(Vec<&'static Scenario>, Context)> {
    let chosen = names.iter().map(|name| named(name)).collect::<Result<_>>()?;
    let context = Context {
        binary: bin.map_or_else(Binary::from_env, Binary::new)?,
        mutant_binary: mutant_bin.map(Binary::new).transpose()?,
        scale: scale.map_or_else(Scale::from_env, Ok).map_err(Failure::harness)?,
        seed: seed.map_or_else(seed_from_env, Ok).map_err(Failure::harness)?,
    };
    Ok((chosen, context))
}

fn named(name: &str) -> Result<&'static Scenario> {
    ALL.iter().find(|scenario| scenario.name == name).ok_or_else(|| {
        let names: Vec<&str> = ALL.iter().map(|scenario| scenario.name).collect();
        Failure::harness(format!("no scenario {name:?}; there are {}", names.join(", ")))
    })
}

fn run_all(chosen: &[&Scenario], context: &Context) -> ExitCode {
    let mut worst = 0;
    for scenario in chosen {
        say(&format!("{} scale={} seed={}", scenario.name, context.scale, context.seed));
        let started = Instant::now();
        let outcome = (scenario.run)(context);
        let seconds = started.elapsed().as_secs();
        match outcome {
            Ok(report) => say(&format!("{} OK in {seconds} s: {report}", scenario.name)),
            Err(failure) => {
                say(&format!("{failure}"));
                let (verdict, code) =
                    if failure.is_violation() { ("VIOLATION", 1) } else { ("NOT RUN", 2) };
                say(&format!("{} {verdict} in {seconds} s, seed={}", scenario.name, context.seed));
                // A violation outweighs a scenario that could not be run.
                worst = if worst == 1 { 1 } else { code };
            }
        }
    }
    ExitCode::from(worst)
}

fn say(line: &str) {
    // Nobody reads any more: nothing is left to be done about it.
    let _ = writeln!(std::io::stdout(), "{line}");
}
