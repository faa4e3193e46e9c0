//! `conclave bench` on a cluster for development: figures of everything that was asked for.

use std::fs;

use conclave_harness::dev::Dev;
use conclave_harness::{Failure, Result, ensure};
use serde_json::Value;

use crate::common::binary;

#[test]
fn a_run_reports_all_rounds_and_compares_within_them() -> Result<()> {
    let work = tempfile::tempdir()?;
    let here = work.path();
    let mut dev = Dev::start(&binary()?, &here.join("d"))?;
    let cli = dev.cli(here)?;

    let only = "encrypt_leader_64_cpu,idle_memory";
    let run = ["bench", "--dir", "d", "--seconds", "1", "--only", only, "--json", "bench.json"];
    let report = cli.json(&run)?;
    let written: Value = serde_json::from_slice(&fs::read(here.join("bench.json"))?)
        .map_err(|error| Failure::violation(error.to_string()))?;
    ensure(report == written, || format!("{report}\nis not what was written:\n{written}"))?;

    let rounds = report["rounds"].as_array().cloned().unwrap_or_default();
    ensure(rounds.len() == 5, || report.to_string())?;
    for round in &rounds {
        let measured: Vec<_> = round.as_array().into_iter().flatten().collect();
        let names: Vec<_> = measured.iter().map(|measured| &measured["name"]).collect();
        ensure(names == ["idle", "echo", "encrypt_leader_64"], || round.to_string())?;
        let worked = |measured: &&Value| {
            measured["calls"].as_u64() > Some(50) && measured["cpu_s"].as_f64() > Some(0.0)
        };
        ensure(measured[1..].iter().all(worked), || round.to_string())?;
    }

    let row = |name: &str| {
        let mut rows = report["rows"].as_array().into_iter().flatten();
        rows.find(|row| row["name"] == name).cloned().unwrap_or_default()
    };
    let cpu = row("encrypt_leader_64_cpu");
    ensure(cpu["baseline"] == "echo" && cpu["unit"] == "us", || report.to_string())?;
    // Encrypt does all that echo does, and more.
    ensure(cpu["ratio"].as_f64() > Some(1.0), || report.to_string())?;
    ensure(row("idle_memory")["value"].as_f64() > Some(1.0), || report.to_string())?;

    cli.refused(&["bench", "--dir", "d", "--only", "encypt"], 2, "INVALID_ARGUMENT")?;
    cli.refused(&["bench", "--dir", "nowhere"], 1, "LOCAL_FILE")?;
    let ended = dev.terminate()?;
    ensure(ended.success(), || format!("dev ended with {ended}"))
}
