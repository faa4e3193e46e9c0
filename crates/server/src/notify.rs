//! What the service manager is told, in the notify protocol of systemd: ready, stopping, one line on
//! the state of the node, signs of life. Without a service manager (no `NOTIFY_SOCKET`) nothing is
//! sent.

use std::time::Duration;

use conclave_core::replica::{NodeReport, NodeRole, Replica};
use conclave_raft::RaftNode;
use sd_notify::NotifyState;
use tokio::time::{MissedTickBehavior, interval};

use crate::limits::{SIGNS_PER_WATCHDOG, STATUS_INTERVAL};

/// Tells the service manager, if there is one.
pub fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the service manager cannot be told");
    }
}

/// Whether there is a service manager that listens.
pub fn is_managed() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// How often the service manager wants a sign of life, so that several fit into its limit; `None`: it
/// watches over another process, or none.
pub fn sign_interval() -> Option<Duration> {
    let limit = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero())?;
    Some(limit / SIGNS_PER_WATCHDOG)
}

/// Tells `told` the state of the member in one line, at once and whenever it has changed; runs until
/// it is dropped.
pub async fn tell_status(member: &RaftNode, told: impl Fn(&str)) {
    let mut ticks = interval(STATUS_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = String::new();
    loop {
        ticks.tick().await;
        let now = line(&member.report(None, Duration::ZERO).await);
        if now != last {
            told(&now);
            last = now;
        }
    }
}

/// What `systemctl status` shows of the node.
fn line(report: &NodeReport) -> String {
    let seal = if report.sealed { "sealed" } else { "unsealed" };
    match (report.role, report.leader) {
        (NodeRole::Leader, _) => format!("{seal}; leads"),
        (_, Some(leader)) => format!("{seal}; follows node {leader}"),
        (_, None) => format!("{seal}; knows no leader"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_says_seal_and_leader() {
        let report = NodeReport {
            cluster_id: None,
            role: NodeRole::Candidate,
            leader: None,
            term: 0,
            sealed: true,
            version: String::new(),
            last_log_index: 0,
            commit_index: 0,
            applied_index: 0,
            state_digest: None,
            wall_ms: 0,
        };
        let table = [
            (NodeRole::Candidate, None, true, "sealed; knows no leader"),
            (NodeRole::Follower, None, false, "unsealed; knows no leader"),
            (NodeRole::Follower, Some(2), true, "sealed; follows node 2"),
            (NodeRole::Learner, Some(3), false, "unsealed; follows node 3"),
            (NodeRole::Leader, Some(1), false, "unsealed; leads"),
        ];
        for (role, leader, sealed, expected) in table {
            assert_eq!(line(&NodeReport { role, leader, sealed, ..report.clone() }), expected);
        }
    }
}
