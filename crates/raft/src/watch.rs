//! Watching over a running member: syncs the state at intervals, compares the replicas' states,
//! remembers what the leader learns of the others, and ends the process when consensus has stopped by
//! itself.

use crate::machine;
use crate::node::Inner;
use crate::types::{Metrics, Payload, Raft};
use futures::future::join_all;
use openraft::ServerState;
use openraft::async_runtime::watch::WatchReceiver;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// The state is synced this often while entries are applied.
const STATE_SYNC_INTERVAL: Duration = Duration::from_secs(3);
/// The leader has the states compared this often while entries are applied …
const CHECK_INTERVAL: Duration = Duration::from_secs(10);
/// … and at the latest after this many entries.
const CHECK_AFTER_ENTRIES: u64 = 1_000;

/// How long a voter has to tell its digest.
const DIGEST_TIMEOUT: Duration = Duration::from_secs(2);
/// The whole state is read this often, and at the start: rot is found before it is needed.
const SCRUB_INTERVAL: Duration = Duration::from_secs(6 * 3_600);

/// Watches until the member stops.
pub(crate) async fn watch_over(inner: Arc<Inner>, raft: Raft) {
    // What consensus reports of its work. The whole is reported after every message, news or not.
    let mut news = raft.data_metrics();
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
            _ = check.tick() => check_digest(&inner, &raft, &mut checked, 1),
            changed = news.changed() => {
                let now = raft.metrics().borrow_watched().clone();
                if has_stopped(&inner, &now, changed.is_err()) {
                    return;
                }
                inner.witness.saw_metrics(&now);
                check_digest(&inner, &raft, &mut checked, CHECK_AFTER_ENTRIES);
            }
        }
    }
}

/// As the leader: has the states compared if at least `after` entries were applied since the last time.
fn check_digest(inner: &Arc<Inner>, raft: &Raft, checked: &mut u64, after: u64) {
    let applied = inner.applied.borrow().unwrap_or(0);
    let leads = inner.server(|now| now.state == ServerState::Leader) == Some(true);
    if !leads || applied < checked.saturating_add(after) {
        return;
    }
    // The check is an entry itself, and no reason for another one.
    *checked = applied + 1;
    tokio::spawn(compare_states(inner.clone(), raft.clone(), applied));
}

/// Asks the voters for their digest after `index`. Only what a majority agrees on is proposed for all
/// to compare with, so that one replica that differs stops alone, also when it leads.
async fn compare_states(inner: Arc<Inner>, raft: Raft, index: u64) {
    let voters: Vec<_> = inner.members().into_iter().filter(|member| member.voter).collect();
    let asked = voters.iter().map(|member| inner.report_of(member, Some(index), DIGEST_TIMEOUT));
    let answers: Vec<String> =
        join_all(asked).await.into_iter().flatten().filter_map(|r| r.state_digest).collect();
    let Some(digest) = inner.digests.at(index) else {
        return;
    };
    match compare(&digest.to_string(), &answers, voters.len()) {
        Comparison::TooFew => {}
        Comparison::Differs(agreed) => {
            inner.seams.fatal.raise(&mismatch(index, &digest.to_string(), &agreed));
        }
        Comparison::Agreed => {
            let proposed = raft.client_write_ff(Payload::DigestCheck { index, digest }, None);
            if let Err(error) = proposed.await {
                tracing::debug!(%error, "a digest check was not proposed");
            }
        }
    }
}

/// What the digests of the voters say about this member's own.
#[derive(Debug, PartialEq, Eq)]
enum Comparison {
    /// A majority has the same.
    Agreed,
    /// A majority agrees on another one.
    Differs(String),
    /// No majority agrees on anything: too few have answered.
    TooFew,
}

/// Judges by the answers of the voters, this member's own among them.
fn compare(own: &str, answers: &[String], voters: usize) -> Comparison {
    let count = |digest: &str| answers.iter().filter(|answer| *answer == digest).count();
    match answers.iter().find(|answer| count(answer) * 2 > voters) {
        Some(agreed) if agreed == own => Comparison::Agreed,
        Some(agreed) => Comparison::Differs(agreed.clone()),
        None => Comparison::TooFew,
    }
}

/// What a member says that differs from the others.
pub(crate) fn mismatch(index: u64, own: &str, agreed: &str) -> String {
    format!(
        "DIGEST_MISMATCH: after log index {index} the state of this member has digest {own}, that of \
         the majority {agreed}. The member stops, the others go on. Keep its data directory for \
         analysis and do not start it again"
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_majority_says_what_is_right() {
        let differs = Comparison::Differs("b".to_owned());
        for (answers, voters, expected) in [
            ("a", 1, Comparison::Agreed),
            ("aaa", 3, Comparison::Agreed),
            ("aab", 3, Comparison::Agreed),
            ("abb", 3, differs),
            ("ab", 3, Comparison::TooFew),
            ("a", 3, Comparison::TooFew),
            ("abc", 3, Comparison::TooFew),
            ("aabb", 5, Comparison::TooFew),
            ("aabbb", 5, Comparison::Differs("b".to_owned())),
        ] {
            let digests: Vec<String> = answers.chars().map(String::from).collect();
            assert_eq!(compare("a", &digests, voters), expected, "{answers} of {voters}");
        }
    }
}
