//! What a member says of itself and of the others, and the [`Replica`] that the API sees.

use crate::RaftNode;
use crate::machine::Reader;
use crate::network::target_of;
use crate::node::Inner;
use crate::wire::{Answer, Request};
use conclave_core::command::Proposal;
use conclave_core::ids::MemberId;
use conclave_core::outcome::Applied;
use conclave_core::replica::{
    Barrier, BoxFuture, Member, NodeReport, NodeRole, ProposeError, Replica, StateRead, Unavailable,
};
use futures::future::join_all;
use openraft::ServerState;
use std::future::Future;
use std::time::Duration;

/// How long a member has to report when nothing has to be waited for.
const REPORT_TIMEOUT: Duration = Duration::from_secs(1);

impl Inner {
    /// What this member says of itself.
    pub(crate) async fn report(&self, at_index: Option<u64>, timeout: Duration) -> NodeReport {
        if let Some(index) = at_index {
            // Not reached in time shows as a missing digest.
            let _ = tokio::time::timeout(timeout, self.wait_applied(index)).await;
        }
        let applied = *self.applied.borrow();
        let asked = at_index.or(applied);
        let metrics = self.metrics();
        let last_log = self.log.last_index().or_else(|| self.log.purged_index());
        let role = match metrics.as_ref().map(|metrics| metrics.state) {
            Some(ServerState::Leader) => NodeRole::Leader,
            Some(ServerState::Follower) => NodeRole::Follower,
            Some(ServerState::Learner) => NodeRole::Learner,
            _ => NodeRole::Candidate,
        };
        NodeReport {
            cluster_id: self.cluster_id.load().as_deref().copied(),
            role,
            leader: self.leader().map(|(_, node)| node.node_id),
            term: metrics.as_ref().map_or(0, |metrics| metrics.current_term),
            sealed: self.seams.seal.is_sealed(),
            version: self.config.version.clone(),
            last_log_index: last_log.unwrap_or(0),
            commit_index: metrics
                .and_then(|metrics| metrics.local_committed)
                .map_or(0, |id| id.index)
                .max(applied.unwrap_or(0)),
            applied_index: asked.unwrap_or(0),
            state_digest: asked
                .filter(|index| Some(*index) <= applied)
                .and_then(|index| self.digests.at(index))
                .map(|digest| digest.to_string()),
            wall_ms: self.seams.clock.wall_ms(),
        }
    }

    /// The members, ascending by node id.
    pub(crate) fn members(&self) -> Vec<Member> {
        let stored = self.membership().unwrap_or_default();
        let membership = stored.membership();
        let voters: Vec<u64> = membership.voter_ids().collect();
        let mut members: Vec<Member> = membership
            .nodes()
            .map(|(id, node)| Member { voter: voters.contains(id), ..node.clone() })
            .collect();
        if members.is_empty() {
            members = self.configured_members();
        }
        members.sort_by_key(|member| member.node_id);
        members
    }

    /// Before there is a membership: what the configuration says, with member id 0 for the others.
    fn configured_members(&self) -> Vec<Member> {
        let own = &self.config.member;
        let configured = self.config.initial_members.iter().map(|initial| {
            if initial.id == own.node_id {
                return Member { voter: true, ..own.clone() };
            }
            Member {
                node_id: initial.id,
                api: initial.api.clone(),
                peer: initial.peer.clone(),
                voter: true,
                ..Member::default()
            }
        });
        configured.collect()
    }

    pub(crate) async fn report_of(
        &self,
        member: &Member,
        at_index: Option<u64>,
        timeout: Duration,
    ) -> Result<NodeReport, Unavailable> {
        if member.member == self.member_id().0 {
            return Ok(self.report(at_index, timeout).await);
        }
        let wait = if at_index.is_some() { timeout } else { timeout.min(REPORT_TIMEOUT) };
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        let request = Request::Report(at_index, wait_ms);
        match self.ask(member, request, wait + REPORT_TIMEOUT).await? {
            Answer::Report(report) => Ok(*report),
            other => Err(Unavailable::Unreachable(format!("{other:?}"))),
        }
    }

    async fn ask(
        &self,
        member: &Member,
        request: Request,
        timeout: Duration,
    ) -> Result<Answer, Unavailable> {
        let unreachable = |why: String| Unavailable::Unreachable(why);
        if member.member == 0 {
            return Err(unreachable("it has not introduced itself".to_owned()));
        }
        let transport = self.transport().ok_or(Unavailable::Stopping)?;
        let asked = transport.call(target_of(member.member, member), request, timeout);
        asked.await.map_err(|error| unreachable(error.to_string()))
    }
}

impl RaftNode {
    /// Runs on the member's own runtime, where its connections live.
    async fn at_home<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Unavailable>> + Send + 'static,
    ) -> Result<T, Unavailable> {
        self.inner.runtime.spawn(work).await.unwrap_or(Err(Unavailable::Stopping))
    }
}

impl Replica for RaftNode {
    fn propose(
        &self,
        proposal: Proposal,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<Applied, ProposeError>> {
        let inner = self.inner.clone();
        Box::pin(async move {
            let work = async move { Ok(inner.propose(proposal, timeout).await) };
            // A runtime that has gone takes the answer with it.
            self.at_home(work).await.unwrap_or(Err(ProposeError::Unknown))
        })
    }

    fn read_barrier(&self, timeout: Duration) -> BoxFuture<'_, Result<Barrier, Unavailable>> {
        Box::pin(self.inner.barrier(timeout))
    }

    fn state(&self) -> Box<dyn StateRead> {
        Box::new(Reader(self.inner.applier.newest()))
    }

    fn members(&self) -> Vec<Member> {
        self.inner.members()
    }

    fn member_id(&self) -> MemberId {
        self.inner.member_id()
    }

    fn report(&self, at_index: Option<u64>, timeout: Duration) -> BoxFuture<'_, NodeReport> {
        Box::pin(self.inner.report(at_index, timeout))
    }

    fn report_all(
        &self,
        at_index: Option<u64>,
        timeout: Duration,
    ) -> BoxFuture<'_, Vec<(Member, Result<NodeReport, Unavailable>)>> {
        let inner = self.inner.clone();
        let work = async move {
            let asked = inner.members().into_iter().map(|member| {
                let inner = inner.clone();
                async move {
                    let report = inner.report_of(&member, at_index, timeout).await;
                    (member, report)
                }
            });
            Ok(join_all(asked).await)
        };
        Box::pin(async move { self.at_home(work).await.unwrap_or_default() })
    }

    fn send_seal_message(
        &self,
        to: MemberId,
        message: Vec<u8>,
        timeout: Duration,
    ) -> BoxFuture<'_, Result<Vec<u8>, Unavailable>> {
        let inner = self.inner.clone();
        let work = async move {
            let members = inner.members();
            let member = members.iter().find(|member| member.member == to.0);
            let member =
                member.ok_or_else(|| Unavailable::Unreachable("it is not a member".to_owned()))?;
            match inner.ask(member, Request::Seal(message), timeout).await? {
                Answer::Seal(answer) => Ok(answer),
                other => Err(Unavailable::Unreachable(format!("{other:?}"))),
            }
        };
        Box::pin(self.at_home(work))
    }
}
