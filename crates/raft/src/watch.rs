//! Watching over a running member: syncs the state at intervals, compares the replicas' states,
//! remembers what the leader learns of the others, and ends the process when consensus has stopped by
//! itself.

use crate::machine;
use crate::node::Inner;
use crate::types::{Metrics, Payload, Raft};
use openraft::ServerState;
use openraft::async_runtime::watch::WatchReceiver;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// The state is synced this often while entries are applied.
const STATE_SYNC_INTERVAL: Duration = Duration::from_secs(1);
/// The leader has the states compared this often while entries are applied …
const CHECK_INTERVAL: Duration = Duration::from_secs(10);
/// … and at the latest after this many entries.
const CHECK_AFTER_ENTRIES: u64 = 1_000;

/// The whole state is read this often, and at the start: rot is found before it is needed.
const SCRUB_INTERVAL: Duration = Duration::from_secs(6 * 3_600);

/// Watches until the member stops.
pub(crate) async fn watch_over(inner: Arc<Inner>, raft: Raft) {
    let mut metrics = raft.metrics();
    let mut sync = tokio::time::interval(STATE_SYNC_INTERVAL);
    sync.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut check = tokio::time::interval(CHECK_INTERVAL);
    check.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut scrub = tokio::time::interval(SCRUB_INTERVAL);
    scrub.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut checked = 0;
    loop {
        tokio::select! {
            _ = sync.tick() => inner.applier.sync_soon(),
            _ = scrub.tick() => machine::scrub(&inner),
            _ = check.tick() => check_digest(&inner, &raft, &mut checked, 1).await,
            changed = metrics.changed() => {
                let now = metrics.borrow_watched().clone();
                if has_stopped(&inner, &now, changed.is_err()) {
                    return;
                }
                inner.witness.saw_metrics(&now);
                check_digest(&inner, &raft, &mut checked, CHECK_AFTER_ENTRIES).await;
            }
        }
    }
}

/// As the leader: proposes a comparison if at least `after` entries were applied since the last one.
async fn check_digest(inner: &Inner, raft: &Raft, checked: &mut u64, after: u64) {
    let applied = inner.applied.borrow().unwrap_or(0);
    let leads = inner.metrics().is_some_and(|now| now.state == ServerState::Leader);
    if !leads || applied < checked.saturating_add(after) {
        return;
    }
    if let Some(digest) = inner.digests.at(applied) {
        // The check is an entry itself, and no reason for another one.
        *checked = applied + 1;
        let proposed = raft.client_write_ff(Payload::DigestCheck { index: applied, digest }, None);
        if let Err(error) = proposed.await {
            tracing::debug!(%error, "a digest check was not proposed");
        }
    }
}

/// Whether consensus has ended; unless the member is stopping, that ends the process.
fn has_stopped(inner: &Inner, now: &Metrics, gone: bool) -> bool {
    let why = match &now.running_state {
        Err(error) => format!("consensus has stopped: {error}"),
        Ok(()) if gone => "the consensus task has ended".to_owned(),
        Ok(()) => return false,
    };
    if !inner.is_stopping() {
        inner.seams.fatal.raise(&why);
    }
    true
}
