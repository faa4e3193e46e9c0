//! The node's side of the seal: init, ceremonies, hand-over of wrapping keys, seal.
//!
//! Shares live only in [`Collection`], in the memory of the one node that collects them. Everything
//! here is lost at a restart by design: a custodian then submits again.

mod collect;
mod finish;
mod forward;
mod handover;
mod init;
mod message;
mod peer;
mod seal_all;
mod submit;

pub(crate) use peer::PeerSide;

use crate::error::ApiError;
use crate::lock::lock;
use conclave_core::command::{Caller, Command, Proposal};
use conclave_core::ids::{CeremonyId, KeyspaceId, MemberId, RequestId};
use conclave_core::model::SealRecord;
use conclave_core::outcome::Applied;
use conclave_core::replica::ProposeError;
use conclave_core::seams::random_uuid;
use conclave_crypto::handover::{HandoverContext, HandoverKey, Purpose};
use conclave_crypto::share::Share;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The ceremonies in which this node plays a part.
#[derive(Default)]
pub(crate) struct Ceremonies {
    /// Held by whoever takes a share in, up to the end of the unseal: one share at a time.
    turn: Arc<tokio::sync::Mutex<()>>,
    /// The ceremony that this node collects for. Locked for moments only, so that a seal can always
    /// wipe it.
    collection: Mutex<Option<Collection>>,
    /// The key that this node offered to a collector.
    offered: Mutex<Option<OfferedKey>>,
}

/// Shares given so far, and the key to which other nodes encrypt theirs; wiped on drop.
struct Collection {
    ceremony: CeremonyId,
    seal_generation: u64,
    key: HandoverKey,
    shares: Vec<Share>,
}

/// A fresh key of a sealed member, good for one hand-over by one collector.
struct OfferedKey {
    context: HandoverContext,
    collector: MemberId,
    key: HandoverKey,
}

impl Ceremonies {
    /// The seal record has changed: what belongs to another ceremony or generation is wiped.
    pub(crate) fn follow(&self, seal: &SealRecord) {
        let running = seal.ceremony.as_ref().map(|ceremony| ceremony.id);
        let is_current = |ceremony: CeremonyId, generation: u64| {
            running == Some(ceremony) && seal.generation == generation
        };
        lock(&self.collection).take_if(|mine| !is_current(mine.ceremony, mine.seal_generation));
        lock(&self.offered).take_if(|mine| {
            !is_current(CeremonyId(mine.context.ceremony_id), mine.context.seal_generation)
        });
    }

    /// Whether this node holds the shares of a ceremony.
    fn collects(&self, ceremony: CeremonyId) -> bool {
        lock(&self.collection).as_ref().is_some_and(|mine| mine.ceremony == ceremony)
    }

    /// Wipes the shares of a ceremony: it has expired or is over.
    fn drop_collection(&self, ceremony: CeremonyId) {
        lock(&self.collection).take_if(|mine| mine.ceremony == ceremony);
    }
}

/// What a hand-over is bound to, as both sides compute it.
fn handover_context(
    purpose: Purpose,
    keyspace: KeyspaceId,
    ceremony: CeremonyId,
    receiver: MemberId,
    seal_generation: u64,
) -> HandoverContext {
    HandoverContext {
        purpose,
        keyspace_id: keyspace.0,
        ceremony_id: ceremony.0,
        member_id: receiver.0,
        seal_generation,
    }
}

impl crate::context::Context {
    /// Proposes a command of the node itself: its request id is fresh, since nobody repeats it.
    pub(crate) async fn propose_own(
        &self,
        caller: Caller,
        command: Command,
        timeout: Duration,
    ) -> Result<Applied, ProposeError> {
        let proposal = Proposal {
            caller,
            request: RequestId(random_uuid(&*self.entropy)),
            request_digest: crate::digest::of_node(command.name()),
            seen_index: None,
            command,
        };
        self.replica().propose(proposal, timeout).await
    }

    /// What each member says of its seal.
    async fn member_seals(
        &self,
        at_index: Option<u64>,
        timeout: Duration,
    ) -> Vec<conclave_proto::v1::MemberSeal> {
        let reports = self.replica().report_all(at_index, timeout).await;
        let seal = |(member, report): (conclave_core::replica::Member, Result<_, _>)| {
            let report: Option<conclave_core::replica::NodeReport> = report.ok();
            conclave_proto::v1::MemberSeal {
                id: member.node_id,
                sealed: report.map(|report| report.sealed),
            }
        };
        reports.into_iter().map(seal).collect()
    }
}

/// The share may or may not have been recorded.
fn share_unknown(message: String) -> ApiError {
    ApiError::outcome_unknown(message)
        .with_next("submit the share again; a share that was recorded is named as repeated")
}

#[cfg(test)]
mod tests;
