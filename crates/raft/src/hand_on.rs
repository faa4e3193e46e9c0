//! Handing on leadership: a leader that stops names its successor, so that the others need not miss it
//! first.

use crate::node::RaftNode;
use crate::types::Metrics;
use std::time::Duration;

/// A successor that does not lead after this is asked again.
const AGAIN: Duration = Duration::from_millis(500);

impl RaftNode {
    /// If this member leads, names a successor and waits, at most for `timeout`, until another member
    /// leads. The node id of the leader then; `None`: this member did not lead, nobody can succeed it,
    /// or nobody has in time.
    ///
    /// For a member that stops: from the naming on it accepts no proposals. They go to the successor,
    /// those of this member's clients too. A successor that does not come costs one election timeout,
    /// as the death of a leader does.
    pub async fn hand_on_leadership(&self, timeout: Duration) -> Option<u32> {
        let inner = &self.inner;
        let raft = inner.raft.get()?;
        let own = inner.member_id().0;
        let successor = successor(&inner.metrics()?, own)?;
        let handed_on = async {
            // The message to the successor may get lost.
            while raft.trigger().transfer_leader(successor).await.is_ok() {
                let other = inner.leader_other_than(own);
                if tokio::time::timeout(AGAIN, other).await.is_ok() {
                    return Some(());
                }
            }
            None
        };
        tokio::time::timeout(timeout, handed_on).await.ok()??;
        inner.leader().map(|(_, member)| member.node_id)
    }
}

/// The voter that needs least to lead: it has most of the log, and of those it was heard last, because
/// one that is down may have had all of a log to which nothing was added since. `None` on a member
/// that does not lead.
fn successor(metrics: &Metrics, own: u64) -> Option<u64> {
    let (replicated, heard) = (metrics.replication.as_ref()?, metrics.heartbeat.as_ref()?);
    let voters = metrics.membership_config.membership().voter_ids();
    voters.filter(|voter| *voter != own).max_by_key(|voter| {
        (replicated.get(voter).cloned().flatten(), heard.get(voter).copied().flatten())
    })
}
