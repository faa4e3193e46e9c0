//! SIGTERM under load: what clients have asked for is finished, and the others serve on.

use std::fs;
use std::time::Duration;

use conclave_harness::{Cluster, Failure, Result, Scale, ensure};

use crate::common::binary;
use crate::load::Load;

/// Clients at work.
const CLIENTS: usize = 24;
/// Calls that must be in flight when the node is told to stop: some clients are between two calls.
const IN_FLIGHT: usize = 16;
/// Calls that are answered before, while a node is away, and after it is back: several of each client.
const ANSWERED: u64 = 5 * CLIENTS as u64;
const PATIENCE: Duration = Duration::from_secs(90);

/// Each of the three nodes in turn, and so the leader too, is told to stop and started again.
#[test]
fn no_request_fails_while_a_node_stops_and_starts() -> Result<()> {
    let rounds = Scale::from_env().map_err(Failure::harness)?.pick(1, 5);
    let mut cluster = Cluster::unsealed(&binary()?)?;
    let mut leaders = 0;
    for round in 1..=rounds {
        for id in cluster.ids() {
            let what = format!("round {round}, node {id}");
            leaders += u32::from(cluster.wait_leader(&cluster.ids())? == id);
            one_stop(&mut cluster, id, &format!("r{round}-n{id}"))
                .map_err(|failure| cluster.with_logs(failure.context(what)))?;
        }
    }
    ensure(leaders > 0, || "no leader was stopped: the run has not shown it".to_owned())?;
    for id in cluster.ids() {
        let log = fs::read_to_string(cluster.node(id).log_file())?;
        ensure(!log.contains("cut off"), || format!("node {id} cut off calls:\n{log}"))?;
    }
    println!("drain: rounds={rounds} leaders_stopped={leaders}");
    cluster.digests_agree(&cluster.ids()).map(|_| ())
}

fn one_stop(cluster: &mut Cluster, id: u32, prefix: &str) -> Result<()> {
    let load = Load::start(cluster, CLIENTS, prefix)?;
    more(cluster, &load)?;
    cluster.wait(PATIENCE, "calls in flight", || match load.in_flight() {
        few if few < IN_FLIGHT => Err(format!("{few}")),
        _ => Ok(()),
    })?;
    let status = cluster.node(id).terminate()?;
    ensure(status.success(), || format!("it ended with {status}"))?;
    more(cluster, &load)?;
    cluster.node(id).start()?;
    cluster.unseal(id)?;
    more(cluster, &load)?;
    let seen = load.stop()?;
    let (answered, longest, failed) = (seen.answered(), seen.longest(), seen.failed());
    println!("drain: {prefix} answered={answered} longest={longest:?} failed={}", failed.len());
    ensure(failed.is_empty(), || format!("{} calls failed:\n{}", failed.len(), failed.join("\n")))
}

/// Waits until some more calls were answered.
fn more(cluster: &Cluster, load: &Load) -> Result<()> {
    let enough = load.answered() + ANSWERED;
    cluster.wait(PATIENCE, "answered calls", || match load.answered() {
        few if few < enough => Err(format!("{few} of {enough}")),
        _ => Ok(()),
    })
}
