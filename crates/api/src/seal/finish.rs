//! The threshold is met: recover the root key for a moment, open this node, hand over, record.

use super::Collection;
use super::collect::Turn;
use crate::context::Context;
use crate::deadline::Deadline;
use crate::error::ApiError;
use crate::limits::{RECORD_PAUSE, RECORD_TIMEOUT};
use conclave_core::command::{Caller, Command, CompleteUnseal};
use conclave_core::ids::CeremonyId;
use conclave_core::model::SealRecord;
use conclave_core::outcome::{Outcome, Refusal};
use conclave_core::replica::ProposeError;
use conclave_crypto::share::Share;
use conclave_crypto::wrap::WrappingKeyContext;
use conclave_crypto::{WrappingKey, dealing, wrapping_keys};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

impl Context {
    /// Opens the cluster. Runs as a task of its own: a custodian who hangs up must not leave it half
    /// done. The turn is held to the end, so that no other share starts a ceremony beside it.
    pub(super) async fn finish(
        self: &Arc<Self>,
        turn: Turn,
        deadline: &Deadline,
        seal: Arc<SealRecord>,
        collection: Collection,
    ) -> Result<(), ApiError> {
        let context = self.clone();
        let timeout = deadline.remaining();
        let task = tokio::spawn(async move {
            let opened = context.open_cluster(&seal, collection, timeout).await;
            drop(turn);
            opened
        });
        match tokio::time::timeout(timeout, task).await {
            Ok(Ok(opened)) => opened,
            Ok(Err(_)) => Err(ApiError::alarm("the unseal has ended unexpectedly")),
            // It goes on; only the caller's time is over.
            Err(_) => Err(ApiError::outcome_unknown("there are enough shares, the unseal goes on")
                .with_next("see conclave status for whether the nodes are unsealed")),
        }
    }

    async fn open_cluster(
        self: &Arc<Self>,
        seal: &SealRecord,
        collection: Collection,
        timeout: Duration,
    ) -> Result<(), ApiError> {
        let deadline = Deadline::after(&self.clock, timeout);
        let ceremony = collection.ceremony;
        let fact = CompleteUnseal {
            ceremony,
            epoch: seal.epoch,
            indexes: collection.shares.iter().map(Share::index).collect(),
        };
        let (keys, encoded) = recover(seal, collection)?;
        // First this node: whatever happens to the others, the custodians' work is not lost.
        self.seal.open(seal.generation, seal.keyspace, keys).map_err(|_| sealed_meanwhile())?;
        tracing::info!(%ceremony, generation = seal.generation, "unsealed by a ceremony");
        self.hand_over_to_all(seal, ceremony, &encoded).await;
        drop(encoded);
        self.record_unseal(fact, &deadline).await
    }

    /// Records the fact. Without a quorum it follows as soon as there is one.
    async fn record_unseal(
        self: &Arc<Self>,
        fact: CompleteUnseal,
        deadline: &Deadline,
    ) -> Result<(), ApiError> {
        match self.propose_fact(&fact, deadline.remaining()).await {
            Ok(outcome) => recorded(outcome),
            Err(error) => {
                tracing::warn!(%error, "the unseal is not recorded yet");
                tokio::spawn(self.clone().record_later(fact));
                Ok(())
            }
        }
    }

    async fn record_later(self: Arc<Self>, fact: CompleteUnseal) {
        while self.is_running(fact.ceremony) {
            tokio::time::sleep(RECORD_PAUSE).await;
            if let Ok(outcome) = self.propose_fact(&fact, RECORD_TIMEOUT).await {
                tracing::info!(recorded = recorded(outcome).is_ok(), "the unseal is recorded");
                return;
            }
        }
    }

    /// Whether the ceremony is still the one in the state: a seal or another one ends it.
    fn is_running(&self, ceremony: CeremonyId) -> bool {
        let view = self.view.load();
        let running = view.seal().and_then(|seal| seal.ceremony.as_ref());
        running.is_some_and(|running| running.id == ceremony)
    }

    async fn propose_fact(
        &self,
        fact: &CompleteUnseal,
        timeout: Duration,
    ) -> Result<Outcome, ProposeError> {
        let command = Command::CompleteUnseal(fact.clone());
        let applied = self.propose_own(Caller::Custodian, command, timeout).await?;
        Ok(applied.outcome)
    }
}

/// The wrapping keys, and their encoding for the hand-over. Shares and root key end here.
fn recover(
    seal: &SealRecord,
    collection: Collection,
) -> Result<(Vec<WrappingKey>, Zeroizing<Vec<u8>>), ApiError> {
    let (keyspace_id, epoch) = (seal.keyspace.0, seal.epoch);
    let root =
        dealing::recover(keyspace_id, epoch, seal.threshold, &collection.shares, &seal.check_value);
    drop(collection);
    let root = root.map_err(|_| {
        ApiError::alarm("shares that fit their commitments do not give the root key")
    })?;
    let unwrap = |wrapped: &conclave_core::command::WrappedWrappingKey| {
        let context = WrappingKeyContext { keyspace_id, epoch, generation: wrapped.generation };
        root.unwrap_wrapping_key(&context, &wrapped.wrapped)
    };
    let keys: Result<Vec<_>, _> = seal.wrapping_keys.iter().map(unwrap).collect();
    drop(root);
    let keys =
        keys.map_err(|_| ApiError::alarm("a wrapping key does not open under the root key"))?;
    let encoded = wrapping_keys::encode(&keys.iter().collect::<Vec<_>>())
        .ok_or_else(|| ApiError::alarm("the wrapping keys are not in order"))?;
    Ok((keys, encoded))
}

/// A repeat of the proposal finds the ceremony over: it is recorded, or a later one took its place.
fn recorded(outcome: Outcome) -> Result<(), ApiError> {
    match outcome {
        Outcome::Done(_) | Outcome::Refused(Refusal::CeremonyOver) => Ok(()),
        Outcome::Refused(refusal) => Err(refusal.into()),
    }
}

fn sealed_meanwhile() -> ApiError {
    ApiError::from(Refusal::CeremonyOver)
        .with_next("the cluster was sealed meanwhile; submit the shares again to unseal it")
}
