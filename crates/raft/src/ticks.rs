//! The leader's clock at work: when the earliest timer of any key is due, an entry runs it.
//!
//! What a timer does is dated at its own instant, and a command on a key runs the timers of that key
//! first, so nothing depends on how soon a tick comes. It comes so that a key is destroyed or purged
//! without anybody asking for it.

use crate::node::Inner;
use crate::types::Runtime;
use crate::wire::Proposed;
use conclave_core::command::{Caller, Command, Proposal};
use conclave_core::ids::RequestId;
use conclave_core::outcome::{Applied, Effect, Outcome};
use conclave_core::state::State;
use openraft::ServerState;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often the leader looks whether something is due.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// After a tick that has found something, so many times as long as it took is left to others: however
/// much is due, ticks take no more than a third of what the cluster can do.
const PAUSE: u32 = 2;
/// How long a tick may take to be committed before it is proposed again: it can do no harm twice.
const TICK_TIMEOUT: Duration = Duration::from_secs(5);

/// Ticks while this member leads, until it stops.
pub(crate) async fn keep_ticking(inner: Arc<Inner>) {
    while !inner.is_stopping() {
        let begun = Instant::now();
        let pause = match is_due(&inner) && tick(&inner).await {
            true => (begun.elapsed() * PAUSE).min(LOOK_EVERY),
            false => LOOK_EVERY,
        };
        tokio::time::sleep(pause).await;
    }
}

fn is_due(inner: &Inner) -> bool {
    let leads = inner.server(|now| now.state == ServerState::Leader) == Some(true);
    leads && {
        let newest = inner.applier.newest();
        let due_ms = State(newest.records()).next_deadline_ms();
        due_ms.is_some_and(|due_ms| due_ms <= inner.now().at_ms)
    }
}

/// Whether the tick has done something, so that more may be due.
async fn tick(inner: &Arc<Inner>) -> bool {
    let proposal = Proposal {
        caller: Caller::Cluster,
        request: RequestId::NONE,
        request_digest: [0; 32],
        seen_index: None,
        command: Command::Tick,
    };
    let proposed = inner.propose_here(proposal, Instant::now() + TICK_TIMEOUT);
    // The library draws from the seed of the task that calls it.
    let proposed = Runtime::scope(inner.next_seed(), proposed).await;
    matches!(
        proposed,
        Proposed::Applied(Applied { outcome: Outcome::Done(Effect::Ticked { keys: 1.. }), .. })
    )
}
