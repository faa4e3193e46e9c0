//! The network as the consensus library sees it, over a [`Transport`].

use crate::machine::{SnapshotData, Snapshots};
use crate::transport::{Target, Transport, TransportError};
use crate::types::{AppendRequest, AppendResponse, StreamResult, TypeConfig, Vote};
use crate::wire::{Answer, Request, SnapshotHead};
use crate::witness::Witness;
use conclave_core::codec;
use conclave_core::replica::Member;
use futures::stream::BoxStream;
use futures::{FutureExt, Stream, StreamExt, TryFutureExt};
use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, v2::RaftNetworkV2};
use openraft::raft::{
    SnapshotResponse, TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::type_config::alias::SnapshotOf;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// A snapshot fails when no byte of it moved for this long, not when it takes long.
const SNAPSHOT_IDLE: Duration = Duration::from_secs(10);

/// An append is given up after this, also when the library would give up sooner (after three quarters
/// of a heartbeat interval): on a busy machine an answer may take that long, and asking again costs
/// more than waiting. It is shorter than any sensible election timeout.
const APPEND_PATIENCE: Duration = Duration::from_secs(1);

type RpcError = RPCError<TypeConfig>;

/// Makes connections to members.
pub struct Network {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) witness: Arc<Witness>,
    pub(crate) snapshots: Snapshots,
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Connection;

    async fn new_client(&mut self, target: u64, node: &Member) -> Connection {
        Connection {
            target: target_of(target, node),
            transport: self.transport.clone(),
            witness: self.witness.clone(),
            snapshots: self.snapshots.clone(),
        }
    }
}

/// The address of a member.
pub(crate) fn target_of(member: u64, node: &Member) -> Target {
    Target { node_id: node.node_id, member: Some(member), address: node.peer.clone() }
}

/// One member, as a target.
pub struct Connection {
    target: Target,
    transport: Arc<dyn Transport>,
    witness: Arc<Witness>,
    snapshots: Snapshots,
}

impl Connection {
    async fn send_snapshot(
        &self,
        vote: Vote,
        snapshot: SnapshotOf<TypeConfig, SnapshotData>,
    ) -> Result<SnapshotResponse<TypeConfig>, TransportError> {
        // Nothing is written for a member that is not there.
        let asked = Request::Report(None, 0);
        self.transport.call(self.target.clone(), asked, SNAPSHOT_IDLE).await?;
        let head = SnapshotHead { vote, meta: snapshot.meta };
        let prepared = self.snapshots.prepare(snapshot.snapshot).await;
        let out = prepared.map_err(|error| TransportError::NotSent(error.to_string()))?;
        let file = out.file.clone();
        let sending = self.transport.snapshot(self.target.clone(), head, file, SNAPSHOT_IDLE);
        let answer = sending.await?;
        out.taken();
        Ok(answer)
    }

    async fn ask(&self, request: Request, option: &RPCOption) -> Result<Answer, RpcError> {
        match self.transport.call(self.target.clone(), request, option.soft_ttl()).await {
            Ok(Answer::NotNow(why)) => Err(unreachable(why)),
            Ok(answer) => Ok(answer),
            Err(error) => Err(unreachable(error)),
        }
    }
}

impl RaftNetworkV2<TypeConfig> for Connection {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &mut self,
        rpc: AppendRequest,
        option: RPCOption,
    ) -> Result<AppendResponse, RpcError> {
        let patience = RPCOption::new(option.hard_ttl().max(APPEND_PATIENCE));
        match self.ask(Request::Append(rpc), &patience).await? {
            Answer::Append(answer) => Ok(answer),
            other => Err(misfit(&other)),
        }
    }

    fn stream_append<'s, S>(
        &'s mut self,
        mut input: S,
        option: RPCOption,
    ) -> openraft::base::BoxFuture<
        's,
        Result<openraft::base::BoxStream<'s, Result<StreamResult, RpcError>>, RpcError>,
    >
    where
        S: Stream<Item = AppendRequest> + Send + Unpin + 'static,
    {
        // The library pauses after failures inside its request stream, so nothing may fail before the
        // first request was drawn from it: a member that is down would be asked without a pause.
        let (transport, target) = (self.transport.clone(), self.target.clone());
        let opened = async move {
            let Some(first) = input.next().await else {
                return Ok(futures::stream::empty().boxed());
            };
            let requests = futures::stream::once(std::future::ready(first)).chain(input);
            let encoded = requests.map(|request| codec::encode(&request)).boxed();
            let patience = option.soft_ttl().max(APPEND_PATIENCE);
            let answers = transport.append(target, encoded, patience).await;
            Ok(answers.map_err(unreachable)?.map(append_answer).boxed())
        };
        let answers: BoxStream<'s, _> = opened.try_flatten_stream().boxed();
        std::future::ready(Ok(answers)).boxed()
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        match self.ask(Request::Vote(rpc), &option).await? {
            Answer::Vote(answer) => {
                if let Some(member) = self.target.member {
                    self.witness.saw_vote(member, &answer.vote);
                }
                Ok(answer)
            }
            other => Err(misfit(&other)),
        }
    }

    async fn pre_vote(
        &mut self,
        rpc: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RpcError> {
        match self.ask(Request::PreVote(rpc), &option).await? {
            Answer::Vote(answer) => Ok(answer),
            other => Err(misfit(&other)),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: SnapshotOf<TypeConfig, SnapshotData>,
        cancel: impl Future<Output = ReplicationClosed> + Send + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        tokio::select! {
            biased;
            closed = cancel => {
                self.snapshots.forget_written();
                Err(StreamingError::Closed(closed))
            }
            sent = self.send_snapshot(vote, snapshot) => sent.map_err(|error| {
                StreamingError::Unreachable(Unreachable::from_string(error))
            }),
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RpcError> {
        match self.ask(Request::TransferLeader(request), &option).await? {
            Answer::TransferLeader(answer) => Ok(answer),
            other => Err(misfit(&other)),
        }
    }
}

fn append_answer(answer: Result<Vec<u8>, TransportError>) -> Result<StreamResult, RpcError> {
    codec::decode(&answer.map_err(unreachable)?).map_err(unreachable)
}

/// A member that does not answer gets a pause before the next attempt.
fn unreachable(error: impl ToString) -> RpcError {
    RPCError::Unreachable(Unreachable::from_string(error))
}

fn misfit(answer: &Answer) -> RpcError {
    let error = TransportError::Lost(format!("the answer does not fit the question: {answer:?}"));
    unreachable(error)
}
