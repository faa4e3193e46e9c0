//! The script at the end of the command line's contract, line by line.

use std::fs;
use std::path::Path;

use conclave_harness::dev::Dev;
use conclave_harness::{Cli, Failure, Result, Scale, ensure};
use serde_json::Value;

use crate::common::binary;

#[test]
fn the_example_of_the_contract_works() -> Result<()> {
    let work = tempfile::tempdir()?;
    let here = work.path();
    let mut dev = Dev::start(&binary()?, &here.join("d"))?;
    let cli = dev.cli(here)?;
    let file = dev.file()?;

    let made = cli.json(&["key", "create", "orders"])?;
    let new = &made["key"];
    ensure(new["state"] == "Enabled" && new["primary_version"] == 1, || made.to_string())?;

    big_file(&cli, here)?;
    let n3 = cli.clone().addr(&file.nodes[2].api);
    cli.ok(&["key", "disable", "orders", "--yes"])?;
    let refused = n3.run(&["encrypt", "orders", "big", "--out", "x"])?;
    ensure(refused.code == 1 && !here.join("x").exists(), || refused.describe())?;
    let error = n3.refused(&["encrypt", "orders", "big", "--out", "x"], 1, "KEY_STATE")?;
    ensure(error["metadata"]["state"] == "Disabled", || error.to_string())?;

    let leader = cli.json(&["status"])?["cluster"]["leader"].as_u64();
    let leader = leader.ok_or_else(|| Failure::violation("status names no leader"))?;
    dev.kill_node(leader as u32)?;
    cli.ok(&["key", "enable", "orders"])?;
    let status = cli.json(&["status"])?;
    ensure(digests(&status) == 2, || format!("one digest for each living node: {status}"))?;

    cli.ok(&["operator", "seal", "--yes"])?;
    let sealed = cli.run(&["encrypt", "orders", "big", "--out", "x"])?;
    ensure(sealed.code == 3 && !here.join("x").exists(), || sealed.describe())?;
    for number in [1, 3, 5] {
        let share = format!("d/shares/share-{number}.txt");
        cli.ok(&["operator", "unseal", "--share-file", &share])?;
    }
    let status = cli.json(&["status"])?;
    ensure(status["cluster"]["sealed"] == false, || status.to_string())?;

    let ended = dev.terminate()?;
    ensure(ended.success(), || format!("dev ended with {ended}"))
}

fn big_file(cli: &Cli, here: &Path) -> Result<()> {
    let scale = Scale::from_env().map_err(Failure::harness)?;
    let bytes: Vec<u8> = (0..scale.pick(8, 50) * 1024 * 1024 / 8u64)
        .flat_map(|word| word.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes())
        .collect();
    fs::write(here.join("big"), &bytes)?;
    cli.ok(&["encrypt", "orders", "big", "--out", "big.enc"])?;
    cli.ok(&["decrypt", "big.enc", "--out", "big.dec"])?;
    let back = fs::read(here.join("big.dec"))?;
    ensure(back == bytes, || "the file came back changed".to_owned())
}

/// Digests of the nodes that can be reached, `null` not counted.
fn digests(status: &Value) -> usize {
    let nodes = status["nodes"].as_array().cloned().unwrap_or_default();
    nodes
        .iter()
        .filter(|node| node["state"] != "unreachable" && node["state_digest"].is_string())
        .count()
}
