//! Proposals: to the leader, wherever it is, until there is an answer or no time left.
//!
//! Repeating is safe: the state machine remembers request ids. What must not be blurred is whether a
//! proposal that has no answer may have entered the log: a later attempt may be refused for a reason that
//! says nothing of that one.

use crate::network::target_of;
use crate::node::Inner;
use crate::transport::TransportError;
use crate::types::Payload;
use crate::wire::{Answer, Proposed, Request};
use conclave_core::command::{Entry, Proposal};
use conclave_core::outcome::Applied;
use conclave_core::replica::{Barrier, ProposeError, Unavailable};
use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::{ClientWriteError, RaftError};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// Pause between attempts while there is no leader, unless one appears sooner.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// A repeat is not begun with less time than this: even to be refused takes consensus a moment, and an
/// attempt that is cut off leaves open whether it has entered the log.
const TIME_TO_BE_REFUSED: Duration = Duration::from_millis(200);

/// A round of a read barrier that takes longer than this is asked again: its leader may be gone.
pub(crate) const ROUND_TIMEOUT: Duration = Duration::from_secs(1);

impl Inner {
    /// Hands a proposal to the leader until it is answered or the time is over.
    pub(crate) async fn propose(
        &self,
        proposal: Proposal,
        timeout: Duration,
    ) -> Result<Applied, ProposeError> {
        let deadline = Instant::now() + timeout;
        let mut may_have_entered = false;
        loop {
            match self.propose_once(&proposal, deadline).await {
                Proposed::Applied(applied)
                    if may_have_entered && !applied.outcome.speaks_for_earlier_attempts() =>
                {
                    return Err(ProposeError::Unknown);
                }
                Proposed::Applied(applied) => return Ok(applied),
                Proposed::NotEntered => {}
                Proposed::Unknown => may_have_entered = true,
            }
            if self.is_stopping() || Instant::now() + RETRY_PAUSE + TIME_TO_BE_REFUSED >= deadline {
                return Err(match may_have_entered {
                    true => ProposeError::Unknown,
                    false => Unavailable::NoQuorum.into(),
                });
            }
            self.pause_for_leader().await;
        }
    }

    async fn propose_once(&self, proposal: &Proposal, deadline: Instant) -> Proposed {
        let Some((leader, node)) = self.leader() else {
            return Proposed::NotEntered;
        };
        if leader == self.member_id().0 {
            return self.propose_here(proposal.clone(), deadline).await;
        }
        let Some(transport) = self.transport() else {
            return Proposed::NotEntered;
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let request = Request::Propose(Box::new(proposal.clone()));
        let asked = transport.call(target_of(leader, &node), request, left);
        let answer = tokio::select! {
            biased;
            answer = asked => answer,
            // A leader that is paused would keep us until the end; its successor would not.
            () = self.leader_other_than(leader) => return Proposed::Unknown,
        };
        match answer {
            Ok(Answer::Proposed(proposed)) => proposed,
            Ok(_) | Err(TransportError::NotSent(_)) => Proposed::NotEntered,
            Err(TransportError::Lost(_)) => Proposed::Unknown,
        }
    }

    /// Stamps and proposes, as the leader.
    pub(crate) async fn propose_here(&self, proposal: Proposal, deadline: Instant) -> Proposed {
        let Some(raft) = self.raft.get() else {
            return Proposed::NotEntered;
        };
        let stamp = self.now();
        let payload = Payload::Command(Arc::new(Entry { stamp, proposal }));
        match tokio::time::timeout_at(deadline, raft.client_write(payload)).await {
            Ok(Ok(written)) => match written.data {
                Some(applied) => Proposed::Applied(applied),
                None => Proposed::Unknown,
            },
            Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_)))) => {
                Proposed::NotEntered
            }
            // Discarded by a new leader, stopping, or out of time: it may still be committed.
            Ok(Err(_)) | Err(_) => Proposed::Unknown,
        }
    }

    /// One barrier round: a fresh read index of the leader, or `None` (after a pause).
    pub(crate) async fn read_index(&self) -> Option<Barrier> {
        if Self::skip_round() {
            return self.applied_now();
        }
        self.barrier_rounds.fetch_add(1, Ordering::Relaxed);
        let round = match self.leader() {
            None => None,
            Some((leader, _)) if leader == self.member_id().0 => {
                tokio::time::timeout(ROUND_TIMEOUT, self.read_index_here(None)).await.ok().flatten()
            }
            Some((leader, node)) => {
                let transport = self.transport()?;
                let to = target_of(leader, &node);
                let question = Request::ReadIndex(self.promise.newest());
                let asked = transport.call(to, question, ROUND_TIMEOUT);
                tokio::select! {
                    biased;
                    answer = asked => match answer {
                        Ok(Answer::ReadIndex(barrier)) => {
                            self.saw_time(barrier.time);
                            Some(barrier)
                        }
                        _ => None,
                    },
                    () = self.leader_other_than(leader) => None,
                }
            }
        };
        if round.is_none() {
            self.pause_for_leader().await;
        }
        round
    }

    fn skip_round() -> bool {
        conclave_core::mutants::Mutant::NoReadBarrier.active()
    }

    fn applied_now(&self) -> Option<Barrier> {
        let index = self.applied.borrow().unwrap_or(0);
        Some(Barrier { index, time: self.now() })
    }

    /// Returns when another leader than `leader` is known.
    pub(crate) async fn leader_other_than(&self, leader: u64) {
        let Some(raft) = self.raft.get() else {
            return std::future::pending().await;
        };
        let mut metrics = raft.server_metrics();
        loop {
            let now = metrics.borrow_and_update().current_leader;
            if now.is_some_and(|now| now != leader) {
                return;
            }
            if metrics.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// A short pause, cut short by news of consensus.
    pub(crate) async fn pause_for_leader(&self) {
        let pause = tokio::time::sleep(RETRY_PAUSE);
        match self.raft.get() {
            Some(raft) if self.leader().is_none() => {
                let mut metrics = raft.server_metrics();
                tokio::pin!(pause);
                loop {
                    tokio::select! {
                        () = &mut pause => return,
                        changed = metrics.changed() => {
                            if changed.is_ok() && self.leader().is_some() {
                                return;
                            }
                            if changed.is_err() {
                                return pause.await;
                            }
                        }
                    }
                }
            }
            _ => pause.await,
        }
    }
}
