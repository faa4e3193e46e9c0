//! The read barrier: one linearizable read point for all requests that were waiting when its round
//! was sent.
//!
//! A request joins only a round that has **not been sent yet**. The batch is closed first, then the
//! leader is asked; who arrives while a round is out waits for the next one. A read index taken
//! before a request arrived says nothing about what was acknowledged before the request.

use crate::node::Inner;
use conclave_core::mutants::Mutant;
use conclave_core::replica::{Barrier, Unavailable};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Someone who waits for a read point.
pub(crate) type Waiter = oneshot::Sender<Result<Barrier, Unavailable>>;

/// Sends rounds as long as somebody waits; one out, one filling.
pub(crate) async fn collect(node: Arc<Inner>, mut arriving: mpsc::UnboundedReceiver<Waiter>) {
    let mut batch: Vec<Waiter> = Vec::new();
    loop {
        if batch.is_empty() {
            tokio::select! {
                arrived = arriving.recv() => match arrived {
                    Some(waiter) => batch.push(waiter),
                    None => return,
                },
                () = node.stopped.notified() => return,
            }
        }
        drain(&mut arriving, &mut batch);
        // Closed: from here on nobody joins this round.
        let round = node.read_index().await;
        if Mutant::JoinSentRound.active() {
            drain(&mut arriving, &mut batch);
        }
        match round {
            Some(barrier) => {
                let ready = std::mem::take(&mut batch);
                tokio::spawn(release(node.clone(), barrier, ready));
            }
            // Who has waited too long is gone; the others join the next round, which is not sent yet.
            None => batch.retain(|waiter| !waiter.is_closed()),
        }
    }
}

/// Lets a batch go as soon as this node has applied what the leader had committed.
async fn release(node: Arc<Inner>, barrier: Barrier, batch: Vec<Waiter>) {
    let reached = node.wait_applied(barrier.index).await;
    for waiter in batch {
        // A waiter may have given up.
        let _ = waiter.send(if reached { Ok(barrier) } else { Err(Unavailable::Stopping) });
    }
}

fn drain(arriving: &mut mpsc::UnboundedReceiver<Waiter>, batch: &mut Vec<Waiter>) {
    while let Ok(waiter) = arriving.try_recv() {
        batch.push(waiter);
    }
}
