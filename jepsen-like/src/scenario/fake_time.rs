//! One node's wall clock is a day ahead, then a day behind.

use std::time::Duration;

use super::{Context, Report};
use crate::cluster::{Cluster, directory};
use crate::failure::{Failure, Result};
use crate::faults::faketime::FakeClock;
use crate::history::Op;
use crate::sdk::Access;
use crate::wait::wait_until_async;
use crate::workload::block_on;
use crate::workload::revocation::change;

/// A day, less what the run itself may take.
const ABOUT_A_DAY_MS: i64 = 23 * 3_600 * 1_000;
/// Skew is measured by the members now and then.
const MEASURED_WITHIN: Duration = Duration::from_secs(30);

/// Runs the scenario.
pub fn run(context: &Context) -> Result<Report> {
    let dir = directory()?;
    let clock = FakeClock::new(dir.path())?;
    let mut cluster = Cluster::builder(&context.binary).prepare()?;
    cluster.node(2).set_binary(clock.on(context.binary.clone()));
    cluster.start_all()?;
    cluster.init()?;
    cluster.unseal_all()?;
    let mut report = Report::default();
    let outcome = shifted(&cluster, &clock, "+1d", "ahead", &mut report)
        .and_then(|()| shifted(&cluster, &clock, "-1d", "behind", &mut report));
    outcome.map_err(|failure| cluster.with_logs(failure))?;
    Ok(report)
}

fn shifted(
    cluster: &Cluster,
    clock: &FakeClock,
    offset: &str,
    name: &'static str,
    report: &mut Report,
) -> Result<()> {
    clock.shift(offset)?;
    seen_by_the_others(cluster, offset)?;
    let access = Access::new(cluster, &cluster.ids());
    let mut served = 0;
    block_on(async {
        for session in access.sessions(Duration::from_secs(10))? {
            let alias = format!("{name}-{}", session.node);
            for op in [Op::Create, Op::Rotate, Op::Disable, Op::Enable] {
                change(&session, op, &alias).await?;
                served += 1;
            }
            wait_until_async(Duration::from_secs(20), &format!("{alias} used"), || async {
                match session.encrypt(&alias, b"whatever the hour").await {
                    (_, Some(_)) => Ok(()),
                    (outcome, None) => Err(format!("{outcome:?}")),
                }
            })
            .await?;
            served += 1;
        }
        Ok(())
    })?;
    cluster.digests_agree(&cluster.ids())?;
    report.count(name, served);
    Ok(())
}

/// The fault must have had an effect, or the run shows nothing.
fn seen_by_the_others(cluster: &Cluster, offset: &str) -> Result<()> {
    let what = format!("node 2 seen {offset} from the others");
    cluster
        .wait(MEASURED_WITHIN, &what, || {
            let status = cluster.status(1).map_err(|failure| failure.to_string())?;
            let node = status.node(2).map_err(|failure| failure.to_string())?;
            let skew = node.clock_skew_ms.unwrap_or(0);
            let day = if offset.starts_with('-') { -skew } else { skew };
            if day >= ABOUT_A_DAY_MS { Ok(()) } else { Err(format!("skew {skew} ms")) }
        })
        .map_err(|failure| {
            Failure::harness(format!("the fake clock had no effect that status shows: {failure}"))
        })
}
