//! `kill -9` of all nodes at a random moment, with commands in flight, again and again.

use std::time::Duration;

use rand::RngExt;

use super::{Context, Report};
use crate::cluster::Cluster;
use crate::failure::{Result, ensure, require};
use crate::scale::generator;
use crate::sdk::Access;
use crate::wait::{let_pass, wait_until};
use crate::workload::block_on;
use crate::workload::lifecycle::{Load, Plan};
use crate::workload::settle::{Tally, settle};

/// Commands that must be in flight when the nodes die.
const IN_FLIGHT: usize = 16;
/// More clients than that: some are always between two commands.
const CLIENTS: u32 = 32;
/// Acknowledged before the nodes die, so that there is something to lose.
const ACKNOWLEDGED_BEFORE: u64 = 40;

/// Runs the scenario.
pub fn run(context: &Context) -> Result<Report> {
    let kills = context.scale.pick(3, 20);
    let mut cluster = Cluster::unsealed(&context.binary)?;
    let mut tally = Tally::default();
    let mut in_flight = usize::MAX;
    for round in 0..kills {
        let (found, flying) = one_kill(&mut cluster, context.seed, round)
            .map_err(|failure| cluster.with_logs(failure.context(format!("kill {round}"))))?;
        tally = tally.plus(found);
        in_flight = in_flight.min(flying);
    }
    require(tally.unknown() > 0, || {
        format!("no outcome was unknown in {kills} kills: the run has shown nothing ({tally:?})")
    })?;
    let mut report = Report::default();
    report.count("kills", kills);
    report.count("least_in_flight", in_flight as u64);
    report.count("keys", tally.keys as u64);
    report.count("acknowledged", tally.acknowledged as u64);
    report.count("unknown_happened", tally.unknown_happened as u64);
    report.count("unknown_not_happened", tally.unknown_not_happened as u64);
    Ok(report)
}

fn one_kill(cluster: &mut Cluster, seed: u64, round: u64) -> Result<(Tally, usize)> {
    let prefix = format!("kill{round}");
    let access = Access::new(cluster, &cluster.ids());
    let plan = Plan {
        clients: CLIENTS,
        prefix: prefix.clone(),
        seed: seed.wrapping_add(round),
        timeout: Duration::from_secs(3),
    };
    let load = Load::start(access.clone(), plan);
    wait_until(Duration::from_secs(60), "acknowledged commands", || match load.acknowledged() {
        few if few < ACKNOWLEDGED_BEFORE => Err(format!("{few}")),
        _ => Ok(()),
    })?;
    let_pass(Duration::from_millis(generator(seed, 1_000 + round).random_range(0..1_500)));
    wait_until(Duration::from_secs(30), "commands in flight", || match load.in_flight() {
        few if few < IN_FLIGHT => Err(format!("{few}")),
        _ => Ok(()),
    })?;
    let flying = load.in_flight();
    cluster.kill_all()?;
    let history = load.stop()?;
    history.save(&cluster.dir().join(format!("{prefix}.jsonl")))?;
    require(flying >= IN_FLIGHT, || format!("only {flying} commands were in flight"))?;
    cluster.start_all()?;
    cluster.unseal_all()?;
    let tally = block_on(settle(&access, &history, &prefix))?;
    let (index, _) = cluster.digests_agree(&cluster.ids())?;
    ensure(index > 0, || "nothing was ever applied".to_owned())?;
    Ok((tally, flying))
}
