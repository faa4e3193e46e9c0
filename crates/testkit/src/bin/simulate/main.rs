//! Runs the simulator: one seed, many, a plan from a file, or the known bugs that it must catch.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod args;
mod attempt;
mod failure;
mod many;
#[cfg(feature = "mutants")]
mod mutants;
mod say;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use conclave_testkit::sim::plan::Plan;
use conclave_testkit::sim::report::Report;

use args::{Cli, Command, Replay, Seeds};
use attempt::How;
use say::say;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("simulate: {why}");
            ExitCode::from(2)
        }
    }
}

/// Does what it was asked for; true if nothing was violated.
fn run(cli: Cli) -> Result<bool, String> {
    if cfg!(panic = "abort") {
        return Err(
            "a node that ends itself would end this process, which was built to abort on a \
                    panic: build it without --release"
                .to_owned(),
        );
    }
    match cli.command {
        None => seeds(cli.seeds),
        Some(Command::Replay(options)) => replay(&options),
        #[cfg(feature = "mutants")]
        Some(Command::Mutants(options)) => Ok(mutants::run(&options)),
    }
}

fn seeds(options: Seeds) -> Result<bool, String> {
    let Seeds { which, jobs, shrink, narrative, how } = options;
    how.prepare()?;
    if let Some(seeds) = which.seeds {
        return many::run(seeds, many::threads(jobs), shrink, &how);
    }
    let plan = Plan::from_seed(which.seed.unwrap_or_default());
    let report = one(&plan, narrative.as_deref(), &how)?;
    if !report.violations.is_empty() {
        failure::keep(&plan, &how)?;
        failure::make_smaller(&plan, &report, shrink, &failure::name(&plan), &how)?;
    }
    Ok(report.violations.is_empty())
}

fn replay(options: &Replay) -> Result<bool, String> {
    let Replay { plan: file, shrink, narrative, how } = options;
    let plan = std::fs::read_to_string(file).map_err(|error| error.to_string());
    let plan = plan.and_then(|text| Plan::from_json(&text).map_err(|error| error.to_string()));
    let plan = plan.map_err(|error| format!("{}: {error}", file.display()))?;
    if *shrink > 0 {
        how.prepare()?;
    }
    let report = one(&plan, narrative.as_deref(), how)?;
    if !report.violations.is_empty() {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        failure::make_smaller(&plan, &report, *shrink, &name, how)?;
    }
    Ok(report.violations.is_empty())
}

/// Runs one plan and says what it came to.
fn one(plan: &Plan, narrative: Option<&Path>, how: &How) -> Result<Report, String> {
    let told = |file: &Path, error| format!("{}: {error}", file.display());
    // Opened before the run, so that a path that cannot be written costs no time.
    let mut lines = match narrative {
        Some(path) => Some((path, File::create(path).map_err(|error| told(path, error))?)),
        None => None,
    };
    let report = how.run(plan, lines.is_some())?;
    say(&report);
    if let Some((path, file)) = &mut lines {
        let text = report.lines.join("\n") + "\n";
        file.write_all(text.as_bytes()).map_err(|error| told(path, error))?;
    }
    Ok(report)
}
