//! Revocation on a whole cluster, with a node down, and with the old leader paused across the disable.

use std::time::Duration;

use rustix::process::Signal;

use super::{Context, Report};
use crate::cluster::Cluster;
use crate::failure::{Failure, Result, ensure};
use crate::history::{History, Op};
use crate::sdk::{Access, Session};
use crate::wait::wait_until_async;
use crate::workload::revocation::{Judge, Keys, Uses, change, must_be_refused, rounds};
use crate::workload::{asleep, block_on};

/// For an old leader to find its place again after a pause.
const SETTLES_WITHIN: Duration = Duration::from_secs(30);

/// Runs the scenario.
pub fn run(context: &Context) -> Result<Report> {
    let mut cluster = Cluster::unsealed(&context.binary)?;
    let history = History::default();
    let outcome = all(context, &mut cluster, &history);
    history.save(&cluster.dir().join("revocation.jsonl"))?;
    outcome.map_err(|failure| cluster.with_logs(failure))
}

fn all(context: &Context, cluster: &mut Cluster, history: &History) -> Result<Report> {
    let scale = context.scale;
    let (both, count) = (Judge::Both, scale.pick(60, 1_000));
    let all_up = on_nodes(context, cluster, &cluster.ids(), count, both, history)?;
    all_up.check_spread()?;

    let asleep = followers_asleep(context, cluster, scale.pick(30, 300), history)?;
    asleep.check_spread()?;

    let pauses = scale.pick(2, 20);
    for number in 0..pauses {
        leader_paused(cluster, number, history)
            .map_err(|failure| failure.context(format!("pause {number}")))?;
    }

    let down = cluster.wait_leader(&cluster.ids())?;
    cluster.node(down).kill9()?;
    let up = cluster.others(&[down]);
    cluster.wait_leader(&up)?;
    let one_down = on_nodes(context, cluster, &up, scale.pick(20, 200), both, history)?;
    one_down.check_spread()?;

    let mut report = Report::default();
    report.count("rounds", all_up.rounds);
    report.count("uses_after_disable", all_up.after_disable);
    report.count("on_followers", all_up.on_followers);
    report.count("inconclusive", all_up.inconclusive);
    report.count("load", all_up.load);
    report.count("rounds_one_down", one_down.rounds);
    report.count("rounds_follower_asleep", asleep.rounds);
    report.count("leader_pauses", pauses);
    Ok(report)
}

/// Rounds on these nodes of a cluster.
pub fn on_nodes(
    context: &Context,
    cluster: &Cluster,
    nodes: &[u32],
    count: u32,
    judge: Judge,
    history: &History,
) -> Result<Uses> {
    let access = Access::new(cluster, nodes);
    block_on(async {
        let keys = Keys::create(&access, &fresh_prefix("round")).await?;
        rounds(&access, &keys, count, context.seed, judge, history).await
    })
}

/// Rounds in which a follower sleeps through the disable.
pub fn followers_asleep(
    context: &Context,
    cluster: &mut Cluster,
    count: u32,
    history: &History,
) -> Result<Uses> {
    let access = Access::new(cluster, &cluster.ids());
    block_on(async {
        let keys = Keys::create(&access, &fresh_prefix("asleep")).await?;
        asleep::rounds(&access, &keys, count, context.seed, history, |node, signal| match signal {
            Signal::STOP => cluster.node(node).pause(),
            _ => cluster.node(node).resume(),
        })
        .await
    })
}

fn fresh_prefix(stem: &str) -> String {
    format!("{stem}{}", uuid::Uuid::new_v4().simple())
}

/// The leader sleeps through its own replacement and the disable, then wakes with calls waiting in its
/// sockets: it must refuse them, and every later one.
fn leader_paused(cluster: &mut Cluster, number: u64, history: &History) -> Result<()> {
    let old = cluster.wait_leader(&cluster.ids())?;
    let rest = cluster.others(&[old]);
    let everybody = Access::new(cluster, &cluster.ids());
    block_on(async {
        let prefix = format!("pause{number}");
        let keys = Keys::create(&everybody, &prefix).await?;
        let key = keys.get(0);
        let sessions = everybody.sessions(Duration::from_secs(20))?;
        let on_old = session(&sessions, old)?;
        // The connection is open and the key is unwrapped there before the pause.
        let served = wait_until_async(SETTLES_WITHIN, "a use on the leader", || async {
            match on_old.encrypt(key.0, b"before").await {
                (_, Some(_)) => Ok(()),
                (outcome, None) => Err(format!("{outcome:?}")),
            }
        });
        served.await?;
        cluster.node(old).pause()?;
        let asleep = disabled_meanwhile(cluster, &rest, &sessions, on_old, key, history).await;
        cluster.node(old).resume()?;
        asleep?.finish().await?;
        refused_in_the_end(on_old, key, history).await
    })
}

/// Calls that were sent to the sleeping leader after the disable had returned.
struct Waiting<'a> {
    calls: std::pin::Pin<Box<dyn Future<Output = Result<[bool; 2]>> + 'a>>,
}

impl Waiting<'_> {
    /// The leader is awake: its answers, whatever they are, are no successes.
    async fn finish(self) -> Result<()> {
        self.calls.await.map(|_| ())
    }
}

async fn disabled_meanwhile<'a>(
    cluster: &Cluster,
    rest: &[u32],
    sessions: &[Session],
    on_old: &'a Session,
    key: (&'a str, &'a [u8]),
    history: &'a History,
) -> Result<Waiting<'a>> {
    cluster.wait_leader_among(rest, rest)?;
    let other = session(sessions, rest[0])?;
    change(other, Op::Disable, key.0).await?;
    let mut calls = Box::pin(must_be_refused(on_old, key, history));
    // Polled until the bytes are in the socket; the sleeping leader cannot answer.
    let answered = tokio::time::timeout(Duration::from_millis(200), &mut calls).await;
    ensure(answered.is_err(), || format!("a paused process answered: {answered:?}"))?;
    Ok(Waiting { calls })
}

/// Asks until the old leader decides, and holds it to its decision.
async fn refused_in_the_end(
    session: &Session,
    key: (&str, &[u8]),
    history: &History,
) -> Result<()> {
    let decided = wait_until_async(SETTLES_WITHIN, "a decision of the old leader", || {
        let asked = must_be_refused(session, key, history);
        async {
            match asked.await {
                Ok([true, true]) => Ok(None),
                Ok(other) => Err(format!("refused: {other:?}")),
                Err(failure) => Ok(Some(failure)),
            }
        }
    })
    .await?;
    decided.map_or(Ok(()), Err)
}

fn session(sessions: &[Session], node: u32) -> Result<&Session> {
    sessions
        .iter()
        .find(|session| session.node == node)
        .ok_or_else(|| Failure::harness(format!("no session with node {node}")))
}
