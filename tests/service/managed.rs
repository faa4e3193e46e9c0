//! A node under a service manager: readiness, state, signs of life, and what happens when it hangs.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use conclave_harness::network::LOCAL_PORT;
use conclave_harness::{Cluster, Result, ensure};
use rustix::process::Signal;

use crate::common::binary;
use crate::manager::{Manager, WATCHDOG};

/// A debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Signs of life that are looked at in a row: more than one watchdog interval of them.
const SIGNS: usize = 6;

#[test]
fn a_node_is_ready_when_it_serves_and_tells_its_state() -> Result<()> {
    let manager = Manager::start()?;
    let mut cluster = manager.manage(1, Cluster::builder(&binary()?).members(1)).prepare()?;
    cluster.node(1).spawn()?;
    let (before, _) = manager.wait("READY=1", PATIENCE)?;
    ensure(before.is_empty(), || format!("told before it was ready: {before:?}"))?;
    // No waiting: what was said is true now.
    ensure(probe(&cluster)?.starts_with("HTTP/1.1 200"), || "no health".to_owned())?;
    cluster.cli_bare(&[1]).ok(&["status"])?;

    manager.wait("STATUS=sealed; leads", PATIENCE)?;
    cluster.init()?;
    cluster.unseal_all()?;
    manager.wait("STATUS=unsealed; leads", PATIENCE)?;
    cluster.cli().ok(&["operator", "seal", "--yes"])?;
    manager.wait("STATUS=sealed; leads", PATIENCE)?;

    let status = cluster.node(1).terminate()?;
    ensure(status.success(), || format!("it ended with {status}"))?;
    manager.wait("STOPPING=1", PATIENCE)?;
    // Stopping has a limit of its own.
    let after = manager.so_far();
    ensure(after.len() <= 1, || format!("told after it had stopped: {after:?}"))
}

#[test]
fn a_start_that_is_refused_is_never_ready() -> Result<()> {
    let manager = Manager::start()?;
    let mut cluster = manager.manage(1, Cluster::builder(&binary()?).members(1)).prepare()?;
    let taken = TcpListener::bind(cluster.address(1))?;
    cluster.node(1).spawn()?;
    let status = cluster.node(1).gone(PATIENCE)?;
    ensure(status.code() == Some(1), || format!("it ended with {status}"))?;
    let told = manager.so_far();
    ensure(told.is_empty(), || format!("told: {told:?}"))?;
    drop(taken);
    cluster.node(1).start()?;
    manager.wait("READY=1", PATIENCE).map(|_| ())
}

/// Alone, sealed and without a leader a node is well; stopped in the middle of its work it is not.
#[test]
fn a_node_that_hangs_is_ended_and_serves_again() -> Result<()> {
    let manager = Manager::start()?;
    let mut cluster = manager.manage(2, Cluster::builder(&binary()?)).prepare()?;
    cluster.node(2).start()?;
    lives(&manager)?;
    for id in [1, 3] {
        cluster.node(id).start()?;
    }
    cluster.init()?;
    cluster.unseal_all()?;
    lives(&manager)?;

    cluster.node(2).pause()?;
    manager.wait_hung(PATIENCE)?;
    let status = manager.end_hung(cluster.node(2))?;
    ensure(status.signal() == Some(Signal::ABORT.as_raw()), || format!("it ended with {status}"))?;
    cluster.cli_for(&[1, 3]).ok(&["key", "create", "meanwhile"])?;

    cluster.node(2).start()?;
    manager.wait("READY=1", PATIENCE)?;
    lives(&manager)?;
    cluster.unseal(2)?;
    let cli = cluster.cli_at(2);
    cli.ok(&["key", "create", "afterwards"])?;
    let cipher = cli.clone().stdin(b"some data").ok(&["encrypt", "meanwhile"])?;
    let plain = cli.stdin(&cipher.stdout).ok(&["decrypt"])?;
    ensure(plain.stdout == b"some data", || plain.describe())
}

/// Signs of life come, one within each interval of the watchdog.
fn lives(manager: &Manager) -> Result<()> {
    manager.so_far();
    let mut last = Instant::now();
    for sign in 0..SIGNS {
        let (_, at) = manager.wait("WATCHDOG=1", WATCHDOG)?;
        let gap = at.saturating_duration_since(last);
        ensure(gap < WATCHDOG, || format!("sign {sign} came after {gap:?}"))?;
        last = at;
    }
    Ok(())
}

/// The answer of `/healthz`.
fn probe(cluster: &Cluster) -> Result<String> {
    let address = (cluster.network().local_ip(1), LOCAL_PORT);
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
