//! The command line.

use std::ops::Range;
use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand};

use super::attempt::How;

/// Runs whole clusters on one thread, from a seed, under faults, and judges what they did
///
/// Ends with 0 if nothing was violated, with 1 if something was, and with 2 if it could not be run.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) seeds: Seeds,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

#[derive(Args)]
pub(super) struct Seeds {
    #[command(flatten)]
    pub(super) which: Which,
    /// Threads, one seed each at a time [default: one for each processor]
    #[arg(long, value_name = "N", conflicts_with = "seed", value_parser = threads())]
    pub(super) jobs: Option<usize>,
    /// Runs spent on making the plan of the first seed that fails smaller; 0: none
    #[arg(long, value_name = "RUNS", default_value_t = 60)]
    pub(super) shrink: usize,
    /// Where to write what happened, line by line
    #[arg(long, value_name = "FILE", conflicts_with = "seeds")]
    pub(super) narrative: Option<PathBuf>,
    #[command(flatten)]
    pub(super) how: How,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct Which {
    /// Runs this seed and prints its report
    #[arg(value_parser = seed)]
    pub(super) seed: Option<u64>,
    /// Runs the seeds A to B-1
    #[arg(long, value_name = "A..B", value_parser = range)]
    pub(super) seeds: Option<Range<u64>>,
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Runs a plan from a file, as a run that fails leaves it
    Replay(Replay),
    /// Runs every known bug until it is caught, and prints the table
    #[cfg(feature = "mutants")]
    Mutants(super::mutants::Options),
}

#[derive(Args)]
pub(super) struct Replay {
    /// The plan
    pub(super) plan: PathBuf,
    /// Runs spent on making the plan smaller, if it fails; 0: none
    #[arg(long, value_name = "RUNS", default_value_t = 0)]
    pub(super) shrink: usize,
    /// Where to write what happened, line by line
    #[arg(long, value_name = "FILE")]
    pub(super) narrative: Option<PathBuf>,
    #[command(flatten)]
    pub(super) how: How,
}

/// A number of threads.
pub(super) fn threads() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=256)
}

fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "a seed is a whole number".to_owned())
}

/// Seeds `A..B`.
fn range(text: &str) -> Result<Range<u64>, String> {
    let (first, end) = text.split_once("..").ok_or("allowed is A..B, for example 1..201")?;
    let (first, end) = (seed(first)?, seed(end)?);
    if first < end { Ok(first..end) } else { Err("there is no seed in it".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
