//! One node's disk refuses one `fdatasync` under write load.

use std::time::Duration;

use super::{Context, Report};
use crate::cluster::Cluster;
use crate::failure::{Result, ensure};
use crate::faults::strace::{self, Injection, Tracer};
use crate::sdk::Access;
use crate::wait::wait_until;
use crate::workload::block_on;
use crate::workload::lifecycle::{Load, Plan};
use crate::workload::settle::settle;

/// The how-manieth sync fails: deep enough in the load that commands are in flight.
const WHEN: u32 = 25;
/// More acknowledgements after the node's end: the others serve on.
const SERVED_AFTER: u64 = 50;

/// Runs the scenario: once on the leader, once on a follower.
pub fn run(context: &Context) -> Result<Report> {
    strace::preflight()?;
    let mut cluster = Cluster::unsealed(&context.binary)?;
    let leader = cluster.wait_leader(&cluster.ids())?;
    let mut report = Report::default();
    on_node(&mut cluster, leader, "leader", context.seed, &mut report)?;
    let leader = cluster.wait_leader(&cluster.ids())?;
    let follower = cluster.others(&[leader])[0];
    // Request ids are drawn from the seed: two loads of one cluster must not share them.
    on_node(&mut cluster, follower, "follower", context.seed.wrapping_add(1), &mut report)?;
    Ok(report)
}

fn on_node(
    cluster: &mut Cluster,
    victim: u32,
    role: &'static str,
    seed: u64,
    report: &mut Report,
) -> Result<()> {
    failed_sync(cluster, victim, role, seed, report)
        .map_err(|failure| cluster.with_logs(failure.context(format!("node {victim} ({role})"))))
}

fn failed_sync(
    cluster: &mut Cluster,
    victim: u32,
    role: &'static str,
    seed: u64,
    report: &mut Report,
) -> Result<()> {
    let prefix = format!("sync-{role}");
    let everybody = Access::new(cluster, &cluster.ids());
    let plan = Plan { clients: 16, prefix: prefix.clone(), seed, timeout: Duration::from_secs(5) };
    let load = Load::start(everybody.clone(), plan);
    let injection = Injection { call: "fdatasync", error: "EIO", when: WHEN };
    let pid = cluster.node(victim).pid()?;
    let tracer = Tracer::attach(pid, &injection, cluster.dir())?;
    tracer.wait_injected(Duration::from_secs(120))?;
    let ended = cluster.node(victim).gone(Duration::from_secs(20))?;
    ensure(!ended.success(), || format!("the node ended as if all were well: {ended}"))?;

    let at_end = load.acknowledged();
    wait_until(Duration::from_secs(60), "acknowledgements of the others", || {
        match load.acknowledged() - at_end {
            few if few < SERVED_AFTER => Err(format!("{few}")),
            _ => Ok(()),
        }
    })?;
    let injected = tracer.injected()?;
    drop(tracer);
    let history = load.stop()?;
    history.save(&cluster.dir().join(format!("{prefix}.jsonl")))?;

    cluster.node(victim).start()?;
    cluster.unseal_each(&[victim])?;
    let tally = block_on(settle(&everybody, &history, &prefix))?;
    cluster.digests_agree(&cluster.ids())?;
    report.count(role, u64::from(victim));
    report.count("failed_syncs", injected as u64);
    report.count("acknowledged", tally.acknowledged as u64);
    report.count("served_after", load_after(&history, at_end));
    Ok(())
}

fn load_after(history: &crate::history::History, at_end: u64) -> u64 {
    let all = history.count(|event| matches!(event.outcome, crate::history::Outcome::Changed(_)));
    (all as u64).saturating_sub(at_end)
}
