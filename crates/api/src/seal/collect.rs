//! The collector: records good shares and holds them until there are enough.

use super::{Collection, share_unknown};
use crate::context::Context;
use crate::deadline::Deadline;
use crate::error::ApiError;
use crate::lock::lock;
use conclave_core::command::{Caller, Command, RecordShare};
use conclave_core::ids::CeremonyId;
use conclave_core::limits::CEREMONY_MS;
use conclave_core::model::SealRecord;
use conclave_core::outcome::{Effect, Outcome, Refusal};
use conclave_core::replica::ProposeError;
use conclave_core::seams::random_uuid;
use conclave_crypto::handover::HandoverKey;
use conclave_crypto::share::Share;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;

/// The right to take a share in; see [`super::Ceremonies`].
pub(super) type Turn = OwnedMutexGuard<()>;

/// What became of a share.
pub(super) enum Step {
    Taken {
        have: u8,
        needed: u8,
    },
    /// The ceremony has changed under it: look again who collects.
    Again(Share),
}

impl Context {
    /// Waits for the turn to take a share in.
    pub(super) async fn turn(&self, deadline: &Deadline) -> Result<Turn, ApiError> {
        let turn = self.ceremonies.turn.clone().lock_owned();
        tokio::time::timeout(deadline.remaining(), turn).await.map_err(|_| {
            ApiError::no_quorum("another share is being worked on; this one was not looked at")
                .with_next("submit the share again")
        })
    }

    /// Takes a checked share in. With the one that completes the threshold the cluster opens.
    pub(super) async fn collect(
        self: &Arc<Self>,
        turn: Turn,
        deadline: &Deadline,
        seal: Arc<SealRecord>,
        share: Share,
        replaces: Option<CeremonyId>,
    ) -> Result<Step, ApiError> {
        let ceremony = self.current_ceremony(&seal, share.index())?;
        let id = ceremony.unwrap_or_else(|| CeremonyId(random_uuid(&*self.entropy)));
        match self.record(deadline, &seal, id, share.index(), replaces).await? {
            Recorded::Yes => {}
            Recorded::Repeated(_) if ceremony.is_some() => {}
            Recorded::Repeated(refusal) => return Err(refusal.into()),
            Recorded::Elsewhere => {
                self.ceremonies.drop_collection(id);
                return Ok(Step::Again(share));
            }
        }
        if ceremony.is_none() {
            self.open_collection(&seal, id);
        }
        let needed = seal.threshold;
        let (have, complete) = self.hold(id, share, needed)?;
        if let Some(collection) = complete {
            self.finish(turn, deadline, seal, collection).await?;
        }
        Ok(Step::Taken { have, needed })
    }

    /// The ceremony that this node collects for, if it is the running one. A share that is held
    /// already is refused.
    fn current_ceremony(
        &self,
        seal: &SealRecord,
        index: u8,
    ) -> Result<Option<CeremonyId>, ApiError> {
        let collection = lock(&self.ceremonies.collection);
        let running = seal.ceremony.as_ref().map(|ceremony| ceremony.id);
        let mine = collection.as_ref().filter(|mine| Some(mine.ceremony) == running);
        let Some(mine) = mine else { return Ok(None) };
        let accepted: BTreeSet<u8> = mine.shares.iter().map(Share::index).collect();
        if accepted.contains(&index) {
            return Err(Refusal::ShareRepeated { index, accepted, needed: seal.threshold }.into());
        }
        Ok(Some(mine.ceremony))
    }

    async fn record(
        &self,
        deadline: &Deadline,
        seal: &SealRecord,
        ceremony: CeremonyId,
        index: u8,
        replaces: Option<CeremonyId>,
    ) -> Result<Recorded, ApiError> {
        let command = Command::RecordShare(RecordShare {
            ceremony,
            collector: self.replica().member_id(),
            epoch: seal.epoch,
            index,
            replaces,
        });
        let applied = self.propose_own(Caller::Custodian, command, deadline.remaining()).await;
        let applied = applied.map_err(|error| match error {
            ProposeError::Unknown => share_unknown(error.to_string()),
            ProposeError::Unavailable(unavailable) => unavailable.into(),
        })?;
        // Whoever collects must see its own ceremony, or an older seal record would wipe the shares.
        self.state_at(applied.index, deadline)
            .await
            .map_err(|error| share_unknown(error.message().to_owned()))?;
        match applied.outcome {
            Outcome::Done(Effect::ShareRecorded { .. }) => Ok(Recorded::Yes),
            Outcome::Done(_) => Err(crate::mutate::unexpected_effect()),
            Outcome::Refused(refusal @ Refusal::ShareRepeated { .. }) => {
                Ok(Recorded::Repeated(refusal))
            }
            Outcome::Refused(Refusal::CeremonyElsewhere { .. } | Refusal::CeremonyOver) => {
                Ok(Recorded::Elsewhere)
            }
            Outcome::Refused(refusal) => Err(refusal.into()),
        }
    }

    /// This node collects from now on. The shares are wiped when the ceremony lapses.
    fn open_collection(self: &Arc<Self>, seal: &SealRecord, ceremony: CeremonyId) {
        let key = HandoverKey::generate(&*self.entropy);
        let (seal_generation, shares) = (seal.generation, Vec::new());
        *lock(&self.ceremonies.collection) =
            Some(Collection { ceremony, seal_generation, key, shares });
        let context = Arc::downgrade(self);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(CEREMONY_MS)).await;
            if let Some(context) = context.upgrade() {
                context.ceremonies.drop_collection(ceremony);
            }
        });
    }

    /// Keeps a recorded share; gives how many there are, and all of them when that is enough.
    fn hold(
        &self,
        ceremony: CeremonyId,
        share: Share,
        needed: u8,
    ) -> Result<(u8, Option<Collection>), ApiError> {
        let mut collection = lock(&self.ceremonies.collection);
        let mine = collection.as_mut().filter(|mine| mine.ceremony == ceremony);
        // A seal, or another ceremony, came between: the share is wiped with the others.
        let mine = mine.ok_or(Refusal::CeremonyOver)?;
        mine.shares.push(share);
        let have = u8::try_from(mine.shares.len()).unwrap_or(u8::MAX);
        let complete = if have >= needed { collection.take() } else { None };
        Ok((have, complete))
    }
}

enum Recorded {
    Yes,
    /// The state has it. If this node collects but does not hold it, an earlier answer was lost: the
    /// share is good and is taken now.
    Repeated(Refusal),
    Elsewhere,
}
