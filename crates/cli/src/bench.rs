//! `conclave bench`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use conclave_bench::growth::{self, Growth};
use conclave_bench::page::{aim, figure, is_met};
use conclave_bench::report::Report;
use conclave_bench::{Options, ROUNDS};
use conclave_client::Reason;
use indicatif::{ProgressBar, ProgressStyle};

use crate::failure::Failure;
use crate::files::{Existing, OutFile};
use crate::globals::Globals;
use crate::output::{Answer, Outcome};
use crate::table::table;

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Folder of a running `conclave dev` on this machine: its nodes, its token, and what they cost
    #[arg(long, value_name = "DEVDIR")]
    dir: Option<PathBuf>,
    /// Seconds for each measurement in each of the five rounds
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Only these rows, and what they are compared with
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Instead of the rows: what commands and ticks cost with so many keys against a thousand. The keys
    /// are created, and stay
    #[arg(long, value_name = "N", conflicts_with = "only", value_parser = clap::value_parser!(u64).range(2_000..=10_000_000))]
    keys: Option<u64>,
    /// Where to write the report with all rounds, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub(crate) async fn run(args: BenchArgs, globals: &Globals) -> Outcome {
    let options = Options {
        addrs: globals.addrs(),
        dev: args.dir,
        ca_cert: globals.ca_cert.clone(),
        token_file: globals.token_file.clone(),
        span: Duration::from_secs(args.seconds),
        only: args.only,
    };
    // Before anything is measured, so that a path that cannot be written costs no time.
    let file = args.json.map(|path| OutFile::create(&path, Existing::Replace)).transpose()?;
    let shown = shown();
    let tell = |step: &str| shown.set_message(step.to_owned());
    let failed = |error: conclave_client::Error| match error.reason {
        Reason::InvalidArgument => Failure::Usage(Box::new(error)),
        _ => Failure::Call(Box::new(error)),
    };
    let (json, text) = match args.keys {
        Some(keys) => {
            let growth = growth::run(&options, keys, tell).await.map_err(failed)?;
            (serde_json::to_value(&growth), growth_text(&growth))
        }
        None => {
            let report = conclave_bench::run(&options, tell).await.map_err(failed)?;
            (serde_json::to_value(&report), text(&report))
        }
    };
    shown.finish_and_clear();
    let json = json.map_err(|error| Failure::usage(error.to_string(), "report this"))?;
    if let Some(mut file) = file {
        file.write(format!("{json:#}\n").as_bytes())?;
        file.finish(Existing::Replace)?;
    }
    Ok(Answer::new(json, text))
}

fn growth_text(growth: &Growth) -> String {
    let rows = growth.rows.iter().map(|row| {
        let verdict = match row.met {
            Some(true) => " met",
            Some(false) => " MISSED",
            None => "",
        };
        let aim = row.at_most.map_or_else(String::new, |most| format!("<= {most}{verdict}"));
        [
            row.name.clone(),
            row.unit.clone(),
            figure(row.few),
            figure(row.many),
            figure(row.ratio),
            aim,
        ]
    });
    format!(
        "{}, {} cores, {} MiB, {}; commit {}; {} keys, loaded at {}/s\n\n{}",
        growth.machine.cpu,
        growth.machine.cores,
        growth.machine.memory_mib,
        growth.machine.kernel,
        growth.commit,
        growth.keys,
        figure(growth.loaded_per_s),
        table(["ROW", "UNIT", "FEW", "MANY", "RATIO", "AIM"], rows)
    )
}

/// What is under way, on a terminal only.
fn shown() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::default_spinner());
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

fn text(report: &Report) -> String {
    let machine = &report.machine;
    let some = |value: Option<f64>| value.map(figure).unwrap_or_default();
    let rows = report.rows.iter().map(|row| {
        let verdict = match is_met(row) {
            Some(true) => " met",
            Some(false) => " MISSED",
            None => "",
        };
        [
            row.name.clone(),
            figure(row.value),
            row.unit.clone(),
            row.baseline.clone().unwrap_or_default(),
            some(row.ratio),
            format!("{}{verdict}", aim(&row.name)),
            some(row.cpu_us_per_call),
            some(row.idle_percent),
        ]
    });
    let header = ["ROW", "VALUE", "UNIT", "BASELINE", "RATIO", "AIM", "CPU US/CALL", "IDLE %"];
    format!(
        "{}, {} cores, {} MiB, {}; commit {}; medians of {ROUNDS} rounds\n\n{}",
        machine.cpu,
        machine.cores,
        machine.memory_mib,
        machine.kernel,
        report.commit,
        table(header, rows)
    )
}
