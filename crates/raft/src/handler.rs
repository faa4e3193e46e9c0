//! What a member does when another reaches it.

use crate::leadership::Word;
use crate::machine::{SnapshotData, covered_by_file};
use crate::node::Inner;
use crate::transport::{Handler, NotAdmitted};
use crate::types::{AppendRequest, Raft, Runtime, Vote};
use crate::wire::{
    Answer, Header, HelloAnswer, Introduction, PROTOCOL, Proposed, Request, SnapshotAnswer,
    SnapshotHead,
};
use conclave_core::codec;
use conclave_core::ids::MemberId;
use conclave_core::replica::BoxFuture;
use futures::StreamExt;
use futures::stream::BoxStream;
use openraft::storage::Snapshot;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;

/// How long a forwarded proposal may take here; the forwarder watches its own deadline.
const FORWARDED_TIMEOUT: Duration = Duration::from_secs(60);

/// Answers of one append stream that may wait for the network.
const ANSWERS_WAITING: usize = 64;

/// Why this member cannot answer yet.
const STARTING: &str = "the member is starting";

/// The side of a member that its peers reach.
pub struct PeerSide(pub crate::RaftNode);

impl Handler for PeerSide {
    fn call(&self, from: Header, request: Request) -> BoxFuture<'_, Result<Answer, NotAdmitted>> {
        Box::pin(async move {
            let inner = &self.0.inner;
            inner.admit(&from, matches!(request, Request::Hello(_)))?;
            inner.answer(from, request).await
        })
    }

    fn append(
        &self,
        from: Header,
        requests: BoxStream<'static, Vec<u8>>,
    ) -> Result<BoxStream<'static, Result<Vec<u8>, NotAdmitted>>, NotAdmitted> {
        let inner = &self.0.inner;
        inner.admit(&from, false)?;
        let raft = inner.raft.get().ok_or_else(|| NotAdmitted(STARTING.to_owned()))?;
        let (answered, answers) = mpsc::channel(ANSWERS_WAITING);
        let work = answer_appends(raft.clone(), from, requests, answered);
        // The library draws from the seed of the task that calls it.
        tokio::spawn(Runtime::scope(inner.next_seed(), work));
        Ok(ReceiverStream::new(answers).boxed())
    }

    fn snapshot(
        &self,
        from: Header,
        head: SnapshotHead,
        mut chunks: BoxStream<'static, Result<Vec<u8>, NotAdmitted>>,
    ) -> BoxFuture<'_, Result<SnapshotAnswer, NotAdmitted>> {
        Box::pin(async move {
            let inner = &self.0.inner;
            inner.admit(&from, false)?;
            let raft = inner.raft.get().ok_or_else(|| NotAdmitted(STARTING.to_owned()))?;
            let failed = |error: &dyn std::fmt::Display| NotAdmitted(error.to_string());
            own_vote(&from, &head.vote)?;
            let receiver = inner.machine.snapshots().receive().map_err(|e| failed(&e))?;
            while let Some(chunk) = chunks.next().await {
                receiver.write(chunk?).await.map_err(|e| failed(&e))?;
            }
            let arrived = receiver.finish().await.map_err(|e| failed(&e))?;
            if covered_by_file(&arrived).map_err(|e| failed(&e))? != head.meta {
                return Err(NotAdmitted(
                    "the snapshot is not the one it was said to be".to_owned(),
                ));
            }
            let snapshot = Snapshot { meta: head.meta, snapshot: SnapshotData::File(arrived) };
            raft.install_full_snapshot(head.vote, snapshot).await.map_err(|e| failed(&e))
        })
    }
}

impl Inner {
    /// Whether this caller may speak to this member at all.
    fn admit(&self, from: &Header, introducing: bool) -> Result<(), NotAdmitted> {
        let refuse = |why: String| Err(NotAdmitted(why));
        if from.protocol != PROTOCOL {
            return refuse(format!("protocol {} is not spoken here", from.protocol));
        }
        if from.cluster_name != self.config.cluster_name {
            return refuse(format!("this is cluster {:?}", self.config.cluster_name));
        }
        if from.to.is_some_and(|to| to != self.member_id().0) {
            return refuse(format!("this is member {}", self.member_id()));
        }
        if introducing {
            return Ok(());
        }
        if from.cluster_id.is_none()
            || from.cluster_id != self.cluster_id.load().as_deref().copied()
        {
            return refuse("the caller does not belong to this cluster".to_owned());
        }
        if self.is_outdated(from) {
            return refuse("a newer start of this member was seen".to_owned());
        }
        if !self.is_member(from) {
            return refuse(format!("member {:016x} is not in the cluster", from.member));
        }
        Ok(())
    }

    /// By membership; before there is one, by introduction.
    fn is_member(&self, from: &Header) -> bool {
        let Ok(stored) = self.membership() else {
            return false;
        };
        let membership = stored.membership();
        match membership.get_node(&from.member) {
            Some(node) => node.node_id == from.node_id,
            None => {
                let introduced = self.introduced.lock().unwrap_or_else(PoisonError::into_inner);
                membership.nodes().next().is_none()
                    && introduced.get(&from.node_id) == Some(&from.member)
            }
        }
    }

    /// Whether a newer start of the member was seen.
    fn is_outdated(&self, from: &Header) -> bool {
        let seen = self.witness.of(from.member);
        seen.is_some_and(|seen| seen.outdates(from.incarnation, from.start))
    }

    /// Before there is a membership: one member for each node, the last one it came with.
    pub(crate) fn introduce_first(&self, node_id: u32, member: u64) -> Result<(), NotAdmitted> {
        let mut introduced = self.introduced.lock().unwrap_or_else(PoisonError::into_inner);
        if introduced.iter().any(|(node, other)| *other == member && *node != node_id) {
            return Err(NotAdmitted(format!(
                "member {member:016x} has come as another node; a data directory was copied"
            )));
        }
        if let Some(before) = introduced.insert(node_id, member).filter(|before| *before != member)
        {
            self.witness.forget(before);
        }
        Ok(())
    }

    async fn answer(&self, from: Header, request: Request) -> Result<Answer, NotAdmitted> {
        let failed = |error: &dyn std::fmt::Display| NotAdmitted(error.to_string());
        match request {
            Request::Hello(introduction) => self.hello(from, introduction).await,
            Request::Report(at_index, wait_ms) => {
                let report = self.report(at_index, Duration::from_millis(wait_ms)).await;
                Ok(Answer::Report(Box::new(report)))
            }
            Request::Seal(message) => {
                let from = MemberId(from.member);
                Ok(Answer::Seal(self.seams.seal.answer(from, message).await))
            }
            Request::ReadIndex(newest) => {
                let word = Word { voter: from.member, newest };
                Ok(match self.read_index_here(Some(word)).await {
                    Some(barrier) => Answer::ReadIndex(barrier),
                    None => Answer::NotNow("this member does not lead".to_owned()),
                })
            }
            Request::Confirm(leadership) if leadership.leader != from.member => {
                Err(NotAdmitted("a member asks for its own leadership only".to_owned()))
            }
            Request::Confirm(_) if self.raft.get().is_none() => {
                Ok(Answer::NotNow(STARTING.to_owned()))
            }
            Request::Confirm(leadership) => Ok(Answer::Confirmed(self.confirms(leadership))),
            Request::Propose(proposal) => {
                let deadline = Instant::now() + FORWARDED_TIMEOUT;
                let proposed = match self.leader() {
                    Some((leader, _)) if leader == self.member_id().0 => {
                        self.propose_here(*proposal, deadline).await
                    }
                    _ => Proposed::NotEntered,
                };
                Ok(Answer::Proposed(proposed))
            }
            Request::Append(_)
            | Request::Vote(_)
            | Request::PreVote(_)
            | Request::TransferLeader(_) => {
                let Some(raft) = self.raft.get() else {
                    return Ok(Answer::NotNow(STARTING.to_owned()));
                };
                speaks_for_itself(&from, &request)?;
                consensus(raft, request).await.map_err(|error| failed(&error))
            }
        }
    }

    async fn hello(&self, from: Header, introduction: Introduction) -> Result<Answer, NotAdmitted> {
        let Introduction { member, knowledge } = introduction;
        if member.member != from.member || member.node_id != from.node_id {
            return Err(NotAdmitted("the introduction is of another member".to_owned()));
        }
        let configured = self.config.initial_members.iter().any(|m| m.id == member.node_id);
        let failed = |error: std::io::Error| NotAdmitted(error.to_string());
        let membership = self.membership().map_err(failed)?;
        let known = membership.membership().get_node(&from.member);
        let has_members = membership.membership().nodes().next().is_some();
        let id = from.node_id;
        if !configured && known.is_none() {
            return Err(NotAdmitted(format!("node {id} is not among the initial members")));
        }
        // A node speaks for its own member only, or it could make the others refuse another's restart.
        if known.is_some_and(|known| known.node_id != id) {
            return Err(NotAdmitted(format!("member {:016x} is not node {id}", from.member)));
        }
        if !has_members {
            self.introduce_first(id, from.member)?;
        }
        let seen = self.witness.of(from.member);
        // An old copy is answered, but what it shows is not remembered as if it were news.
        if !self.is_outdated(&from) && (known.is_some() || !has_members) {
            let start = (from.incarnation, from.start);
            self.witness
                .saw_introduction(from.member, start, knowledge.vote_only())
                .await
                .map_err(failed)?;
        }
        Ok(Answer::Hello(Box::new(HelloAnswer {
            member: self.config.member.clone(),
            cluster_id: self.cluster_id.load().as_deref().copied(),
            has_members,
            knows_caller: known.is_some(),
            seen,
        })))
    }
}

/// Messages of consensus carry the vote of their sender, nobody else's.
fn speaks_for_itself(from: &Header, request: &Request) -> Result<(), NotAdmitted> {
    let vote = match request {
        Request::Append(request) => &request.vote,
        Request::Vote(request) | Request::PreVote(request) => &request.vote,
        Request::TransferLeader(request) => request.from_leader(),
        _ => return Ok(()),
    };
    own_vote(from, vote)
}

fn own_vote(from: &Header, vote: &Vote) -> Result<(), NotAdmitted> {
    if vote.leader_id.voted_for == from.member {
        return Ok(());
    }
    Err(NotAdmitted("the message carries the vote of another member".to_owned()))
}

/// Hands append requests to consensus until one cannot be decoded, the leader closes the stream, or
/// nobody wants the answers. The leader opens a new stream after one that has ended.
async fn answer_appends(
    raft: Raft,
    from: Header,
    requests: BoxStream<'static, Vec<u8>>,
    answered: mpsc::Sender<Result<Vec<u8>, NotAdmitted>>,
) {
    let requests = requests.map(|bytes| codec::decode::<AppendRequest>(&bytes)).scan(
        (),
        move |(), request| {
            let own = request.ok().filter(|request| own_vote(&from, &request.vote).is_ok());
            std::future::ready(own)
        },
    );
    let mut answers = std::pin::pin!(raft.stream_append(requests));
    while let Some(answer) = answers.next().await {
        let answer = match answer {
            Ok(answer) => Ok(codec::encode(&answer)),
            Err(fatal) => Err(NotAdmitted(fatal.to_string())),
        };
        if answered.send(answer).await.is_err() {
            return;
        }
    }
}

/// Messages of consensus itself.
async fn consensus(raft: &Raft, request: Request) -> Result<Answer, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    match request {
        Request::Append(request) => {
            raft.append_entries(request).await.map(Answer::Append).map_err(|e| text(&e))
        }
        Request::Vote(request) => raft.vote(request).await.map(Answer::Vote).map_err(|e| text(&e)),
        Request::PreVote(request) => {
            raft.pre_vote(request).await.map(Answer::Vote).map_err(|e| text(&e))
        }
        Request::TransferLeader(request) => raft
            .handle_transfer_leader(request)
            .await
            .map(Answer::TransferLeader)
            .map_err(|e| text(&e)),
        other => Err(format!("not a message of consensus: {other:?}")),
    }
}
