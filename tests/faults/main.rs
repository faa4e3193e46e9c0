//! End to end: faults under load. The same runs, longer and on a release build, are `jepsen-like`'s.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[path = "../common.rs"]
mod common;

use conclave_harness::scale::seed_from_env;
use conclave_harness::scenario::{Context, Report, kill_all, revocation};
use conclave_harness::{Failure, Result, Scale};

/// `kill -9` of all three with commands in flight: what was acknowledged is there, nothing twice.
#[test]
fn nothing_acknowledged_is_lost_when_all_nodes_are_killed() -> Result<()> {
    run("kill-all", kill_all::run)
}

/// After a disable has returned, no use that begins then succeeds: on any node, with a node down, and on
/// an old leader that slept through it.
#[test]
fn a_disabled_key_is_not_used_anywhere() -> Result<()> {
    run("revocation", revocation::run)
}

fn run(name: &str, scenario: fn(&Context) -> Result<Report>) -> Result<()> {
    let context = Context {
        binary: common::binary()?,
        mutant_binary: None,
        scale: Scale::from_env().map_err(Failure::harness)?,
        seed: seed_from_env().map_err(Failure::harness)?,
    };
    let again = format!("{name}: CONCLAVE_TEST_SEED={}", context.seed);
    println!("{again}");
    let report = scenario(&context).map_err(|failure| failure.context(&again))?;
    println!("{name}: {report}");
    Ok(())
}
