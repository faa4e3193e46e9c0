//! The read index: how far the cluster has committed, from a leader that a majority confirms.
//!
//! The leader notes in one look at consensus that it leads, how far the cluster has committed, and who
//! votes. Then it asks the other voters whether they have given a vote that surpasses its leadership.
//!
//! *Why that is enough.* Another member leads only after a majority has given it their votes. That
//! majority shares a member with those that confirm. This member had not given the vote yet when it
//! confirmed, which was after the round began: [`Promise`] is raised before a vote becomes durable, and
//! so before it is given. So whatever another leader acknowledges, it acknowledges after the round
//! began, and no request of the round has to see it. What this leader and those before it have
//! acknowledged lies at or below its commit index, once an entry of its own term is committed.
//!
//! *Why not the library's way.* It sends each follower a heartbeat on a stream of its own, through the
//! consensus of both sides, see `docs/adr/0019-barrier-rounds.md`.

use crate::network::target_of;
use crate::node::Inner;
use crate::propose::ROUND_TIMEOUT;
use crate::types::{Membership, TypeConfig, Vote};
use crate::wire::{Answer, Leadership, Request};
use conclave_core::mutants::Mutant;
use conclave_core::replica::Barrier;
use conclave_storage::LogFile;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use openraft::{RaftState, ServerState};
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A voter that has not confirmed after this is not waited for alone.
const PATIENCE: Duration = Duration::from_millis(10);

/// The newest vote that this member has given, or is about to give.
#[derive(Clone, Debug)]
pub struct Promise(Arc<Mutex<Option<Leadership>>>);

impl Promise {
    /// As the log file has it.
    ///
    /// # Errors
    /// The vote cannot be decoded.
    pub fn open(log: &LogFile) -> io::Result<Promise> {
        let stored = crate::log_store::stored_vote(log)?;
        Ok(Promise(Arc::new(Mutex::new(stored.as_ref().map(Leadership::of)))))
    }

    /// A vote is about to be made durable; only then is it given.
    pub(crate) fn raise(&self, vote: &Vote) {
        *lock(&self.0) = Some(Leadership::of(vote));
    }

    /// The newest vote.
    pub(crate) fn newest(&self) -> Option<Leadership> {
        *lock(&self.0)
    }
}

/// A voter's word for a leadership, given with its question for the read index: the newest vote it had
/// given when it asked.
pub(crate) struct Word {
    pub(crate) voter: u64,
    pub(crate) newest: Option<Leadership>,
}

/// What a leader says of itself before it is confirmed.
struct Claim {
    leadership: Leadership,
    /// Everything acknowledged so far lies at or below this.
    index: u64,
    membership: Arc<Membership>,
}

impl Claim {
    /// As the state of consensus has it; `None`: this member does not lead.
    fn of(state: &RaftState<TypeConfig>, own: u64) -> Option<Claim> {
        let leadership = Leadership::of(state.vote_ref());
        // A member that led, was killed and has come back still has its vote. It must not lead on: what it
        // had acknowledged may be missing from its own log. The library takes the commitment off that
        // vote, because `enable_leader_restore` is off.
        let leads = state.server_state == ServerState::Leader && state.vote_ref().committed;
        if !leads || leadership.leader != own {
            return None;
        }
        let committed = state.cluster_committed().max(state.local_committed());
        let own_term = |term: u64| term == leadership.term;
        let index = match committed {
            Some(id) if own_term(id.committed_leader_id().term) => id.index,
            // Nothing of this term is committed yet. When the last entry is, everything is.
            _ => state.log_ids.last()?.index,
        };
        let membership = state.membership_state.effective().clone();
        Some(Claim { leadership, index, membership })
    }

    /// Whether these voters are a majority, in both memberships while it changes.
    fn is_majority(&self, confirmed: &BTreeSet<u64>) -> bool {
        let configs = self.membership.membership().get_joint_config();
        configs.iter().all(|voters| voters.intersection(confirmed).count() * 2 > voters.len())
    }
}

impl Inner {
    /// A fresh read index, as the leader; `None` if this member cannot prove that it leads. `word`: who
    /// asks may be a voter itself, and need not be asked back.
    pub(crate) async fn read_index_here(&self, word: Option<Word>) -> Option<Barrier> {
        let own = self.member_id().0;
        let raft = self.raft.get()?;
        let claim = raft.with_raft_state(move |state| Claim::of(state, own)).await.ok()??;
        let mut confirmed = BTreeSet::from([own]);
        confirmed
            .extend(word.filter(|word| stands(claim.leadership, word.newest)).map(|w| w.voter));
        if !claim.is_majority(&confirmed) && !self.confirm(&claim, confirmed).await {
            return None;
        }
        Some(Barrier { index: claim.index, time: self.now() })
    }

    /// Asks other voters until a majority has confirmed, with those that have: at first only as many as
    /// are needed, those that confirmed the last time; the others when these take long or say no.
    async fn confirm(&self, claim: &Claim, mut confirmed: BTreeSet<u64>) -> bool {
        let mut left = self.in_turn(claim, &confirmed);
        let mut hopes = confirmed.clone();
        let mut asked = FuturesUnordered::new();
        let mut patience = std::pin::pin!(tokio::time::sleep(PATIENCE));
        let mut is_patient = true;
        loop {
            while !(is_patient && claim.is_majority(&hopes))
                && let Some(voter) = left.pop_front()
            {
                hopes.insert(voter);
                asked.push(self.ask_to_confirm(claim, voter));
            }
            tokio::select! {
                biased;
                answered = asked.next() => match answered {
                    Some((voter, true)) => {
                        confirmed.insert(voter);
                        if claim.is_majority(&confirmed) {
                            *lock(&self.confirmers) = confirmed;
                            return true;
                        }
                    }
                    Some((voter, false)) => {
                        hopes.remove(&voter);
                    }
                    None => return false,
                },
                () = &mut patience, if is_patient => is_patient = false,
            }
        }
    }

    /// The voters that have not confirmed, those first that did the last time.
    fn in_turn(&self, claim: &Claim, confirmed: &BTreeSet<u64>) -> VecDeque<u64> {
        let last = lock(&self.confirmers).clone();
        let voters: BTreeSet<u64> = claim.membership.membership().voter_ids().collect();
        let (first, others): (Vec<u64>, Vec<u64>) =
            voters.difference(confirmed).partition(|voter| last.contains(voter));
        first.into_iter().chain(others).collect()
    }

    async fn ask_to_confirm(&self, claim: &Claim, voter: u64) -> (u64, bool) {
        let node = claim.membership.membership().get_node(&voter);
        let (Some(node), Some(transport)) = (node, self.transport()) else {
            return (voter, false);
        };
        let request = Request::Confirm(claim.leadership);
        let answer = transport.call(target_of(voter, node), request, ROUND_TIMEOUT).await;
        (voter, matches!(answer, Ok(Answer::Confirmed(true))))
    }

    /// Whether this member has given no vote that surpasses a leadership.
    pub(crate) fn confirms(&self, leadership: Leadership) -> bool {
        stands(leadership, self.promise.newest())
    }
}

/// Whether a member whose newest vote this is has not helped another one to lead.
fn stands(leadership: Leadership, newest: Option<Leadership>) -> bool {
    Mutant::ConfirmBlindly.active() || !leadership.is_surpassed(newest)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_vote_for_another_in_the_same_term_or_later_surpasses() {
        let claim = Leadership { term: 5, leader: 1 };
        for (newest, surpassed) in [
            (None, false),
            (Some((4, 1)), false),
            (Some((4, 2)), false),
            (Some((5, 1)), false),
            (Some((5, 2)), true),
            (Some((6, 1)), true),
            (Some((6, 2)), true),
        ] {
            let newest = newest.map(|(term, leader)| Leadership { term, leader });
            assert_eq!(claim.is_surpassed(newest), surpassed, "{newest:?}");
        }
    }
}
