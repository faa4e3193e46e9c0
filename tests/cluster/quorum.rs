//! One node down: everything works. Two down: nothing does, in time, and nothing is lost.

use std::time::Duration;

use conclave_harness::{Cli, Cluster, Output, Result, ensure};
use serde_json::Value;

use crate::common::binary;

/// What the commands without a quorum are given.
const TIMEOUT: &str = "3s";
/// Start of the process and answer come on top.
const FAILS_WITHIN: Duration = Duration::from_secs(6);
/// A write whose outcome stayed open, told from all others.
const REQUEST: &str = "6b1f8f9e-61a5-4c55-9f0c-2f6f0d6c2a11";

#[test]
fn one_node_down_all_works_two_down_nothing_is_lost() -> Result<()> {
    let mut cluster = Cluster::unsealed(&binary()?)?;
    cluster.cli().ok(&["key", "create", "steady"])?;

    let leader = cluster.wait_leader(&cluster.ids())?;
    let first = cluster.others(&[leader])[0];
    cluster.node(first).kill9()?;
    let rest = cluster.others(&[first]);
    for id in &rest {
        everything_works(&cluster.cli_at(*id), &format!("one-down-{id}"))?;
    }
    let before = keys(&cluster.cli_for(&rest))?;

    // The survivor had led: a write that it has in its own log may still come to be.
    let second = cluster.others(&[first, leader])[0];
    cluster.node(second).kill9()?;
    nothing_works(&cluster, leader)?;
    cluster.node(second).start()?;
    cluster.unseal(second)?;
    nothing_lost(&cluster, &rest, &before)?;

    // The survivor had followed: it knows of no leader any more.
    let leader = cluster.wait_leader(&rest)?;
    let follower = cluster.others(&[first, leader])[0];
    cluster.node(leader).kill9()?;
    nothing_works(&cluster, follower)?;
    cluster.node(leader).start()?;
    cluster.unseal(leader)?;
    nothing_lost(&cluster, &rest, &before)?;

    cluster.node(first).start()?;
    cluster.unseal(first)?;
    cluster.digests_agree(&cluster.ids())?;
    Ok(())
}

/// One command of each kind.
fn everything_works(cli: &Cli, alias: &str) -> Result<()> {
    cli.ok(&["key", "create", alias])?;
    let cipher = cli.clone().stdin(b"some data").ok(&["encrypt", alias])?;
    for verb in [&["key", "rotate", alias][..], &["key", "disable", alias, "--yes"]] {
        cli.ok(verb)?;
    }
    cli.clone().stdin(&cipher.stdout).refused(&["decrypt"], 1, "KEY_STATE")?;
    cli.ok(&["key", "enable", alias])?;
    let plain = cli.clone().stdin(&cipher.stdout).ok(&["decrypt"])?;
    ensure(plain.stdout == b"some data", || plain.describe())?;
    cli.ok(&["data-key", alias, "--wrapped-out", &format!("{alias}.wrapped")])?;
    cli.ok(&["random"])?;
    let update = ["key", "update", alias, "--description", "with one node down"];
    cli.ok(&update).map(|_| ())
}

/// Every write and every use fails with exit 3 within its time.
fn nothing_works(cluster: &Cluster, survivor: u32) -> Result<()> {
    let cli = cluster.cli_at(survivor).timeout(TIMEOUT);
    let uses: [&[&str]; 2] =
        [&["encrypt", "steady"], &["data-key", "steady", "--wrapped-out", "none.wrapped"]];
    for args in uses {
        let out = json(&cli, args)?;
        out.refused(3, "NO_QUORUM")?;
        in_time(&out)?;
    }
    let writes: [&[&str]; 4] = [
        &["key", "create", "never"],
        &["key", "rotate", "steady"],
        &["key", "disable", "steady", "--yes"],
        &["--request-id", REQUEST, "key", "update", "steady", "--description", "perhaps"],
    ];
    for args in writes {
        let out = json(&cli, args)?;
        let error = out.error()?;
        ensure(out.code == 3 && error["reason"] == "NO_QUORUM", || out.describe())?;
        in_time(&out)?;
    }
    Ok(())
}

/// A quorum is back: what was there is there, and what failed has not happened.
fn nothing_lost(cluster: &Cluster, up: &[u32], before: &Value) -> Result<()> {
    cluster.wait_leader(up)?;
    for id in up {
        let after = keys(&cluster.cli_at(*id))?;
        ensure(&after == before, || format!("node {id}: before {before}\nafter {after}"))?;
    }
    Ok(())
}

fn in_time(out: &Output) -> Result<()> {
    ensure(out.elapsed < FAILS_WITHIN, || format!("took longer than its time: {}", out.describe()))
}

fn json(cli: &Cli, args: &[&str]) -> Result<Output> {
    let mut all = args.to_vec();
    all.extend(["-o", "json"]);
    cli.run(&all)
}

/// All keys, whole.
fn keys(cli: &Cli) -> Result<Value> {
    Ok(cli.json(&["key", "list", "--limit", "1000"])?["keys"].take())
}
