//! Giving a share to the collector of the running ceremony, encrypted to the key it made for it.

use super::collect::Step;
use super::message::{Ask, Reply, unexpected};
use super::{handover_context, share_unknown};
use crate::context::Context;
use crate::deadline::Deadline;
use crate::error::ApiError;
use crate::limits::{COLLECTOR_TIMEOUT, MAX_DEADLINE};
use crate::lock::lock;
use conclave_core::ids::{CeremonyId, MemberId};
use conclave_core::model::SealRecord;
use conclave_core::replica::Member;
use conclave_crypto::handover::{self, HandoverContext, HandoverOffer, Purpose};
use conclave_crypto::share::Share;
use std::sync::Arc;
use std::time::Duration;

/// What became of a share that was given to the collector.
pub(super) enum Forwarded {
    Taken {
        have: u8,
        needed: u8,
    },
    /// The collector does not answer or has lost the shares: why.
    Lost(String),
}

impl Context {
    /// Gives a checked share to the collector. The node keeps nothing of it.
    pub(super) async fn forward(
        &self,
        deadline: &Deadline,
        seal: &SealRecord,
        collector: MemberId,
        ceremony: CeremonyId,
        share: &Share,
    ) -> Result<Forwarded, ApiError> {
        let Some(member) = self.member(collector) else {
            return Ok(Forwarded::Lost("the collector is no longer a member".to_owned()));
        };
        let context =
            handover_context(Purpose::Share, seal.keyspace, ceremony, collector, seal.generation);
        let offer = match self.collector_key(deadline, &member, ceremony, seal.generation).await? {
            Ok(offer) => offer,
            Err(why) => return Ok(Forwarded::Lost(why)),
        };
        offer.verify(&member.node_key, &context).map_err(not_signed)?;
        let sealed = handover::seal_to(&offer.public_key, &context, &share.to_bytes())
            .map_err(not_signed)?;
        let timeout = deadline.remaining();
        let ask = Ask::Share {
            ceremony,
            seal_generation: seal.generation,
            sealed,
            timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
        };
        let answer = self.replica().send_seal_message(collector, ask.encode(), timeout).await;
        // It may have been taken, and the collector may have fallen over it.
        let answer = answer.map_err(|error| share_unknown(error.to_string()))?;
        match Reply::decode(&answer) {
            Some(Reply::Taken { have, needed }) => Ok(Forwarded::Taken { have, needed }),
            Some(Reply::NotCollecting) => Ok(Forwarded::Lost(lost(&member))),
            Some(Reply::Refused(error)) => Err(error.into()),
            _ => Err(unexpected()),
        }
    }

    /// The collector's key for this ceremony; the inner error says why it counts as lost.
    async fn collector_key(
        &self,
        deadline: &Deadline,
        member: &Member,
        ceremony: CeremonyId,
        seal_generation: u64,
    ) -> Result<Result<HandoverOffer, String>, ApiError> {
        let ask = Ask::CeremonyKey { ceremony, seal_generation }.encode();
        let timeout = deadline.at_most(COLLECTOR_TIMEOUT);
        let answer = self.replica().send_seal_message(MemberId(member.member), ask, timeout).await;
        let Ok(answer) = answer else {
            let id = member.node_id;
            return Ok(Err(format!("node {id} collected the shares and does not answer")));
        };
        match Reply::decode(&answer) {
            Some(Reply::NotCollecting) => Ok(Err(lost(member))),
            Some(reply) => reply.into_offer().map(Ok),
            None => Err(unexpected()),
        }
    }

    /// The collector's side: its key for the ceremony, signed.
    pub(super) fn offer_ceremony_key(&self, ceremony: CeremonyId, seal_generation: u64) -> Reply {
        let Some(context) = self.share_context(ceremony, seal_generation) else {
            return Reply::NotCollecting;
        };
        let collection = lock(&self.ceremonies.collection);
        match collection.as_ref().filter(|mine| mine.ceremony == ceremony) {
            Some(mine) => Reply::key(&mine.key.offer(&self.node_key, &context)),
            None => Reply::NotCollecting,
        }
    }

    /// The collector's side: takes a share that another node has checked, and checks it again.
    pub(super) async fn take_forwarded(
        self: &Arc<Self>,
        ceremony: CeremonyId,
        seal_generation: u64,
        sealed: &[u8],
        timeout_ms: u64,
    ) -> Result<Reply, ApiError> {
        let timeout = Duration::from_millis(timeout_ms).min(MAX_DEADLINE);
        let deadline = Deadline::after(&self.clock, timeout);
        let turn = self.turn(&deadline).await?;
        let Some(context) = self.share_context(ceremony, seal_generation) else {
            return Ok(Reply::NotCollecting);
        };
        let Some(share) = self.open_share(ceremony, &context, sealed)? else {
            return Ok(Reply::NotCollecting);
        };
        let view = self.view.load_full();
        let seal = view.seal().ok_or_else(ApiError::not_initialized)?.clone();
        super::submit::check(&seal, None, &share)?;
        match self.collect(turn, &deadline, seal, share, None).await? {
            Step::Taken { have, needed } => Ok(Reply::Taken { have, needed }),
            Step::Again(_) => Ok(Reply::NotCollecting),
        }
    }

    fn open_share(
        &self,
        ceremony: CeremonyId,
        context: &HandoverContext,
        sealed: &[u8],
    ) -> Result<Option<Share>, ApiError> {
        let collection = lock(&self.ceremonies.collection);
        let Some(mine) = collection.as_ref().filter(|mine| mine.ceremony == ceremony) else {
            return Ok(None);
        };
        let bytes = mine.key.open(context, sealed).map_err(not_signed)?;
        Share::from_bytes(&bytes).map(Some).map_err(|_| unexpected())
    }

    /// What shares to this node are bound to; `None`: it does not collect for this ceremony.
    fn share_context(&self, ceremony: CeremonyId, seal_generation: u64) -> Option<HandoverContext> {
        let view = self.view.load();
        let seal = view.seal().filter(|seal| seal.generation == seal_generation)?;
        let receiver = self.replica().member_id();
        self.ceremonies.collects(ceremony).then(|| {
            handover_context(Purpose::Share, seal.keyspace, ceremony, receiver, seal_generation)
        })
    }

    /// A member by its member id.
    pub(super) fn member(&self, id: MemberId) -> Option<Member> {
        self.replica().members().into_iter().find(|member| member.member == id.0)
    }
}

fn lost(member: &Member) -> String {
    format!("node {} collected the shares and no longer has them", member.node_id)
}

fn not_signed(error: handover::HandoverError) -> ApiError {
    tracing::error!(%error, "a hand-over between members failed");
    ApiError::no_quorum(format!("the collector cannot be given the share: {error}"))
        .with_next("check that all nodes run the same release, then submit the share again")
}
