//! Cut networks: a leader alone, a pair that cannot talk, one direction only.

use std::sync::Arc;
use std::time::Duration;

use super::{Context, Report};
use crate::cluster::Cluster;
use crate::failure::{Result, ensure, require};
use crate::faults::netns::{self, Lab};
use crate::history::{History, Op};
use crate::sdk::{Access, Session};
use crate::wait::wait_until_async;
use crate::workload::block_on;
use crate::workload::revocation::{Keys, change, must_be_refused};

/// For a cluster to serve again after a cut or a healing.
const SERVES_WITHIN: Duration = Duration::from_secs(40);

/// Runs the scenario.
pub fn run(context: &Context) -> Result<Report> {
    netns::preflight()?;
    let lab = Arc::new(Lab::new(3)?);
    lab.clone().as_client(|| inside(context, &lab))
}

fn inside(context: &Context, lab: &Arc<Lab>) -> Result<Report> {
    let mut cluster = Cluster::builder(&context.binary).lab(lab.clone()).start()?;
    cluster.init()?;
    cluster.unseal_all()?;
    let mut report = Report::default();
    let outcome = leader_alone(&cluster, lab, &mut report)
        .and_then(|()| pair_cut(&cluster, lab, &mut report))
        .and_then(|()| one_way(&cluster, lab, &mut report));
    outcome.map_err(|failure| cluster.with_logs(failure))?;
    cluster.kill_all()?;
    Ok(report)
}

/// The leader is cut off from both others; clients still reach all three.
fn leader_alone(cluster: &Cluster, lab: &Lab, report: &mut Report) -> Result<()> {
    let old = cluster.wait_leader(&cluster.ids())?;
    let rest = cluster.others(&[old]);
    let access = Access::new(cluster, &cluster.ids());
    let history = History::default();
    block_on(async {
        let keys = Keys::create(&access, "alone").await?;
        let sessions = access.sessions(Duration::from_secs(3))?;
        let on_old = by_node(&sessions, old);
        lab.isolate(old)?;
        require(!lab.reaches(old, rest[0])?, || "the cut does not cut".to_owned())?;
        cluster.wait_leader_among(&rest, &rest)?;
        change(by_node(&sessions, rest[0]), Op::Disable, keys.get(0).0).await?;
        // Nothing stale while it is alone: neither the disabled key nor, without a quorum, any other.
        must_be_refused(on_old, keys.get(0), &history).await?;
        let (alone, _) = on_old.encrypt(keys.get(1).0, b"alone").await;
        ensure(!matches!(alone, crate::history::Outcome::Used), || {
            format!("node {old} served a key without a quorum")
        })?;
        lab.heal()?;
        require(lab.reaches(old, rest[0])?, || "the healing does not heal".to_owned())?;
        wait_until_async(SERVES_WITHIN, "the old leader to decide", || async {
            match must_be_refused(on_old, keys.get(0), &history).await {
                Ok([true, true]) => Ok(Ok(())),
                Ok(other) => Err(format!("refused: {other:?}")),
                Err(failure) => Ok(Err(failure)),
            }
        })
        .await??;
        Ok(())
    })?;
    let (index, _) = cluster.digests_agree(&cluster.ids())?;
    report.count("leader_alone_index", index);
    Ok(())
}

/// Leader and one follower cannot talk; both reach the third.
fn pair_cut(cluster: &Cluster, lab: &Lab, report: &mut Report) -> Result<()> {
    let leader = cluster.wait_leader(&cluster.ids())?;
    let follower = cluster.others(&[leader])[0];
    lab.cut(&[(leader, follower), (follower, leader)])?;
    serves(cluster, "pair")?;
    lab.heal()?;
    let (index, _) = cluster.digests_agree(&cluster.ids())?;
    report.count("pair_cut_index", index);
    Ok(())
}

/// The leader's packets to one follower are lost, not those back.
fn one_way(cluster: &Cluster, lab: &Lab, report: &mut Report) -> Result<()> {
    let leader = cluster.wait_leader(&cluster.ids())?;
    let follower = cluster.others(&[leader])[0];
    lab.cut(&[(leader, follower)])?;
    serves(cluster, "oneway")?;
    lab.heal()?;
    let (index, _) = cluster.digests_agree(&cluster.ids())?;
    report.count("one_way_index", index);
    Ok(())
}

/// Some node makes a key and encrypts with it.
fn serves(cluster: &Cluster, alias: &str) -> Result<()> {
    let access = Access::new(cluster, &cluster.ids());
    block_on(async {
        let sessions = access.sessions(Duration::from_secs(3))?;
        let request_id = uuid::Uuid::new_v4();
        wait_until_async(SERVES_WITHIN, &format!("key {alias} made and used"), || async {
            let mut seen = Vec::new();
            for session in &sessions {
                let made = session.change(Op::Create, alias, request_id).await;
                let (used, ciphertext) = session.encrypt(alias, b"data").await;
                if ciphertext.is_some() {
                    return Ok(());
                }
                seen.push((session.node, made, used));
            }
            Err(format!("{seen:?}"))
        })
        .await
    })
}

fn by_node(sessions: &[Session], node: u32) -> &Session {
    // Sessions are made for all nodes, in the order of their ids.
    &sessions[node as usize - 1]
}
