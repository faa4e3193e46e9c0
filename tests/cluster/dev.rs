//! `conclave dev`: what it writes, what it survives, how it ends.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use conclave_harness::cli::Cli;
use conclave_harness::dev::{Dev, DevFile};
use conclave_harness::{Result, ensure};

use crate::common::binary;

#[test]
fn a_cluster_that_is_there_again_at_the_second_start() -> Result<()> {
    let work = tempfile::tempdir()?;
    let dir = work.path().join("d");
    let mut dev = Dev::start(&binary()?, &dir)?;
    let first = dev.file()?;
    files_are_those_of_the_contract(&dir, &first)?;
    nodes_are_processes_of_their_own(&first)?;

    let cli = dev.cli(work.path())?;
    cli.ok(&["key", "create", "kept"])?;
    fs::write(work.path().join("plain"), b"over two starts")?;
    cli.ok(&["encrypt", "kept", "plain", "--out", "cipher"])?;

    second_dev_is_refused(work.path(), &dir)?;
    dev.kill_node(2)?;
    cli.ok(&["key", "rotate", "kept"])?;
    ensure(dev.process().try_exit()?.is_none(), || "dev ended with one of its nodes".to_owned())?;
    let ended = dev.terminate()?;
    ensure(ended.success(), || format!("dev ended with {ended} after SIGTERM"))?;
    let left = dev.running_nodes()?;
    ensure(left.is_empty(), || format!("dev left nodes {left:?} behind"))?;

    let mut dev = Dev::start(&binary()?, &dir)?;
    let second = dev.file()?;
    ensure(second.cluster_id == first.cluster_id && second.key_id == first.key_id, || {
        format!("the second start made another cluster: {first:?}, {second:?}")
    })?;
    let cli = dev.cli(work.path())?;
    cli.ok(&["decrypt", "cipher", "--out", "again"])?;
    ensure(fs::read(work.path().join("again"))? == b"over two starts", || "changed".to_owned())?;
    let key = cli.json(&["key", "show", "kept"])?;
    ensure(key["key"]["primary_version"] == 2, || key.to_string())?;
    let ended = dev.terminate()?;
    ensure(ended.success(), || format!("dev ended with {ended} after SIGTERM"))
}

#[test]
fn exit_after_the_first_round() -> Result<()> {
    let work = tempfile::tempdir()?;
    let dir = work.path().join("d");
    let mut dev = Dev::spawn(&binary()?, &dir, &["--exit"])?;
    let ended = dev.process().wait_exit(Duration::from_secs(150))?;
    ensure(ended.success(), || format!("dev --exit ended with {ended}"))?;
    let left = dev.running_nodes()?;
    ensure(left.is_empty(), || format!("dev --exit left nodes {left:?} behind"))?;
    let plain = fs::read(dir.join("demo/plain.txt"))?;
    let decrypted = fs::read(dir.join("demo/decrypted.txt"))?;
    let cipher = fs::read(dir.join("demo/cipher.txt"))?;
    ensure(!plain.is_empty() && plain == decrypted && cipher.starts_with(b"conclave:v1:"), || {
        "demo/ does not hold a file encrypted and decrypted".to_owned()
    })
}

#[test]
fn a_port_in_use_is_named() -> Result<()> {
    let work = tempfile::tempdir()?;
    // The second of a row of ports is taken: the API of node 2.
    let (base, _held) = taken_port()?;
    let cli = Cli::new(binary()?, work.path());
    let out = cli.run(&["dev", "--dir", "d", "--base-port", &base.to_string()])?;
    let port = (base + 10).to_string();
    ensure(out.code == 1 && (out.stderr.contains(&port) || out.text().contains(&port)), || {
        format!("expected exit 1 and the port {port}\n{}", out.describe())
    })
}

fn taken_port() -> Result<(u16, TcpListener)> {
    let mut last = None;
    // Below the ports that the system hands out by itself.
    for base in (20_010..30_000).step_by(37) {
        match TcpListener::bind(("127.0.0.1", base + 10)) {
            Ok(held) => return Ok((base, held)),
            Err(error) => last = Some(error),
        }
    }
    Err(last.map_or_else(|| conclave_harness::Failure::harness("no ports"), Into::into))
}

fn second_dev_is_refused(work: &Path, dir: &Path) -> Result<()> {
    let cli = Cli::new(binary()?, work);
    let dir = dir.to_string_lossy();
    let out = cli.run(&["dev", "--base-port", "0", "--dir", &dir])?;
    ensure(out.code == 1 && !out.stderr.is_empty(), || {
        format!("a second dev on the same folder\n{}", out.describe())
    })
}

fn files_are_those_of_the_contract(dir: &Path, file: &DevFile) -> Result<()> {
    ensure(file.nodes.len() == 3 && file.shares.len() == 5 && file.threshold == 3, || {
        format!("{file:?}")
    })?;
    ensure(file.alias == "demo" && file.clock_rate == 1, || format!("{file:?}"))?;
    let mut expected = vec!["README.txt".to_owned(), "env".into(), "dev.json".into()];
    expected.extend(["admin.token".into(), "pki/ca.pem".into(), "pki/ca.key".into()]);
    for name in ["node-1", "node-2", "node-3", "operator", "admin"] {
        expected.extend([format!("pki/{name}.pem"), format!("pki/{name}.key")]);
    }
    expected.extend((1..=5).map(|number| format!("shares/share-{number}.txt")));
    for id in 1..=3 {
        expected
            .extend(["conclave.toml", "log.jsonl", "pid"].map(|name| format!("node-{id}/{name}")));
    }
    expected
        .extend(["plain.txt", "cipher.txt", "decrypted.txt"].map(|name| format!("demo/{name}")));
    for name in expected {
        let path = dir.join(&name);
        let mode = fs::metadata(&path).map(|found| found.permissions().mode() & 0o777);
        ensure(matches!(mode, Ok(0o600)), || format!("{name}: expected mode 600, found {mode:?}"))?;
    }
    for name in ["", "pki", "shares", "node-1", "node-1/data", "demo"] {
        let mode = fs::metadata(dir.join(name))?.permissions().mode() & 0o777;
        ensure(mode == 0o700, || format!("{name:?}: expected mode 700, found {mode:o}"))?;
    }
    Ok(())
}

fn nodes_are_processes_of_their_own(file: &DevFile) -> Result<()> {
    for node in &file.nodes {
        let line = fs::read(format!("/proc/{}/cmdline", node.pid))?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        ensure(
            line.contains("server --config") && node.data_dir.join("node.json").exists(),
            || format!("node {} is not a server process: {line}", node.id),
        )?;
        for address in [&node.api, &node.peer, &node.local] {
            ensure(TcpListener::bind(address).is_err(), || format!("nobody listens on {address}"))?;
        }
    }
    let pids: std::collections::BTreeSet<u32> = file.nodes.iter().map(|node| node.pid).collect();
    ensure(pids.len() == 3, || format!("{file:?}"))
}
