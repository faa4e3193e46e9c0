//! Counts the instructions of the hot path, and compares them with what is written down.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod allocator;
mod budget;
mod callgrind;
mod counted;
mod verdict;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use clap::builder::PossibleValuesParser;
use conclave_testkit::measure::CASES;

use budget::Budget;
use verdict::Verdict;

/// Counts the instructions of the hot path under valgrind and compares them with the budget
///
/// Ends with 0 if every count is within the tolerance, with 1 if one is not, on either side, and
/// with 2 if nothing could be compared.
#[derive(Parser)]
#[command(version)]
struct Cli {
    /// Only these cases [default: all]
    #[arg(value_name = "CASE", value_parser = PossibleValuesParser::new(CASES))]
    cases: Vec<String>,
    /// The budget
    #[arg(long, value_name = "FILE", default_value = budget::FILE)]
    budget: PathBuf,
    /// Writes what was counted into the budget
    #[arg(long, conflicts_with_all = ["cases", "count"])]
    record: bool,
    /// Runs one case so that callgrind can count it
    #[arg(long, hide = true, value_name = "CASE", conflicts_with = "cases")]
    count: Option<String>,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("instructions: {why}");
            ExitCode::from(2)
        }
    }
}

/// Does what it was asked for; true if the budget is kept.
fn run(cli: &Cli) -> Result<bool, String> {
    if let Some(case) = &cli.count {
        println!("{}", counted::run(case));
        return Ok(true);
    }
    check_machine()?;
    let valgrind = callgrind::version()?;
    let budget = Budget::read(&cli.budget)?;
    if cli.record {
        return record(cli, budget, valgrind);
    }
    budget.check_compiler(budget::RUSTC)?;
    let cases = CASES
        .into_iter()
        .filter(|case| cli.cases.is_empty() || cli.cases.iter().any(|chosen| chosen == case));
    let mut verdicts = Vec::new();
    println!("{}", verdict::HEAD);
    for case in cases {
        let verdict = Verdict::of(case, callgrind::count(case)?, &budget);
        println!("{verdict}");
        verdicts.push(verdict);
    }
    let complaints: Vec<_> = verdicts.iter().filter_map(Verdict::complaint).collect();
    if !complaints.is_empty() {
        eprintln!("\n{}\n{}", complaints.join("\n"), budget.what_to_do(&valgrind));
    }
    Ok(complaints.is_empty())
}

fn record(cli: &Cli, mut budget: Budget, valgrind: String) -> Result<bool, String> {
    let before = budget.clone();
    budget.start_anew(valgrind);
    println!("{}", verdict::HEAD);
    for case in CASES {
        let count = callgrind::count(case)?;
        println!("{}", Verdict::of(case, count, &before));
        budget.set(case, count);
    }
    budget.write(&cli.budget)?;
    println!("written: {}", cli.budget.display());
    Ok(true)
}

/// The ciphers have other code for other processors, so counts belong to a kind of processor.
fn check_machine() -> Result<(), String> {
    if cfg!(debug_assertions) {
        return Err("the budget is for what ships: build this with --release".to_owned());
    }
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("aes") {
        return Ok(());
    }
    Err("the budget is for x86-64 with AVX2 and AES-NI; count on such a machine".to_owned())
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
