//! Handing the wrapping keys to sealed members: each gets them encrypted to a fresh key that it signed
//! with its node key for this ceremony, itself and this seal generation.

use super::message::{Ask, Reply, unexpected};
use super::{OfferedKey, handover_context};
use crate::context::Context;
use crate::error::ApiError;
use crate::limits::{CATCH_UP_TIMEOUT, HANDOVER_TIMEOUT, REPORT_TIMEOUT};
use crate::lock::lock;
use conclave_core::command::WrappedMaterial;
use conclave_core::ids::{CeremonyId, MemberId};
use conclave_core::model::SealRecord;
use conclave_core::outcome::Refusal;
use conclave_core::records::{RecordsRead, Table};
use conclave_core::replica::Member;
use conclave_core::state::{State, key_id_of};
use conclave_crypto::handover::{self, HandoverKey, Purpose};
use conclave_crypto::wrap::{self, MaterialContext};
use conclave_crypto::{WrappingKey, wrapping_keys};
use futures::future::join_all;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

/// Versions among which one with material is looked for, to try the keys on.
const SAMPLED: usize = 1_000;

impl Context {
    /// The collector's side: opens every sealed member that answers, all at the same time.
    pub(super) async fn hand_over_to_all(
        &self,
        seal: &SealRecord,
        ceremony: CeremonyId,
        encoded: &[u8],
    ) {
        let me = self.replica().member_id();
        let reports = self.replica().report_all(None, REPORT_TIMEOUT).await;
        let sealed = reports.into_iter().filter_map(|(member, report)| {
            let is_sealed = report.is_ok_and(|report| report.sealed);
            (is_sealed && member.member != me.0).then_some(member)
        });
        let tasks = sealed.map(|member| async move {
            let handed = self.hand_over(&member, seal, ceremony, encoded);
            let outcome = match tokio::time::timeout(HANDOVER_TIMEOUT, handed).await {
                Ok(outcome) => outcome,
                Err(_) => Err(ApiError::no_quorum("the member did not answer in time")),
            };
            match outcome {
                Ok(()) => tracing::info!(node = member.node_id, "member unsealed"),
                Err(error) => tracing::warn!(node = member.node_id, %error, "member stays sealed"),
            }
        });
        join_all(tasks).await;
    }

    async fn hand_over(
        &self,
        member: &Member,
        seal: &SealRecord,
        ceremony: CeremonyId,
        encoded: &[u8],
    ) -> Result<(), ApiError> {
        let (id, seal_generation) = (MemberId(member.member), seal.generation);
        let context =
            handover_context(Purpose::WrappingKeys, seal.keyspace, ceremony, id, seal_generation);
        let offer = self.ask(id, &Ask::HandoverKey { ceremony, seal_generation }).await?;
        let offer = offer.into_offer()?;
        offer.verify(&member.node_key, &context).map_err(failed)?;
        let sealed = handover::seal_to(&offer.public_key, &context, encoded).map_err(failed)?;
        match self.ask(id, &Ask::WrappingKeys { ceremony, seal_generation, sealed }).await? {
            Reply::Opened => Ok(()),
            Reply::Refused(error) => Err(error.into()),
            _ => Err(unexpected()),
        }
    }

    async fn ask(&self, member: MemberId, ask: &Ask) -> Result<Reply, ApiError> {
        let answer =
            self.replica().send_seal_message(member, ask.encode(), HANDOVER_TIMEOUT).await?;
        Reply::decode(&answer).ok_or_else(unexpected)
    }

    /// The sealed member's side: a fresh key for the collector of the running ceremony.
    pub(super) async fn offer_handover_key(
        &self,
        from: MemberId,
        ceremony: CeremonyId,
        seal_generation: u64,
    ) -> Result<Reply, ApiError> {
        let seal = self.ceremony_of(from, ceremony, seal_generation, CATCH_UP_TIMEOUT).await?;
        let me = self.replica().member_id();
        let context =
            handover_context(Purpose::WrappingKeys, seal.keyspace, ceremony, me, seal_generation);
        let key = HandoverKey::generate(&*self.entropy);
        let offer = key.offer(&self.node_key, &context);
        *lock(&self.ceremonies.offered) = Some(OfferedKey { context, collector: from, key });
        Ok(Reply::key(&offer))
    }

    /// The sealed member's side: opens, checks and uses the wrapping keys. The offered key serves once.
    pub(super) fn take_wrapping_keys(
        &self,
        from: MemberId,
        ceremony: CeremonyId,
        seal_generation: u64,
        sealed: &[u8],
    ) -> Result<Reply, ApiError> {
        let offered = lock(&self.ceremonies.offered).take_if(|offered| {
            offered.collector == from
                && offered.context.ceremony_id == ceremony.0
                && offered.context.seal_generation == seal_generation
        });
        let offered = offered.ok_or(Refusal::CeremonyOver)?;
        let plain = offered.key.open(&offered.context, sealed).map_err(failed)?;
        let keys = wrapping_keys::decode(&plain).map_err(failed)?;
        drop(plain);
        let view = self.view.load_full();
        let seal = view.seal().ok_or_else(ApiError::not_initialized)?;
        check_keys(&*self.replica().state(), seal, &keys)?;
        self.seal
            .open(seal_generation, seal.keyspace, keys)
            .map_err(|_| ApiError::from(Refusal::CeremonyOver))?;
        tracing::info!(%ceremony, generation = seal_generation, "unsealed by a hand-over");
        Ok(Reply::Opened)
    }

    /// The seal, if `from` collects for this ceremony under this seal generation. A member that is
    /// behind first catches up, or refuses.
    async fn ceremony_of(
        &self,
        from: MemberId,
        ceremony: CeremonyId,
        seal_generation: u64,
        timeout: Duration,
    ) -> Result<Arc<SealRecord>, ApiError> {
        let moment = self.barrier(timeout).await?.moment;
        let seal = moment.view.seal().ok_or_else(ApiError::not_initialized)?;
        let is_its_collector = seal.ceremony.as_ref().is_some_and(|running| {
            running.id == ceremony
                && running.collector == from
                && moment.now.unscaled_ms < running.expires_at_ms
        });
        if seal.generation != seal_generation || !is_its_collector {
            return Err(Refusal::CeremonyOver.into());
        }
        Ok(seal.clone())
    }
}

/// Checks received wrapping keys: exactly the generations that the state has, and each opens what the
/// state holds under it (as far as there is anything yet).
fn check_keys(
    records: &dyn RecordsRead,
    seal: &SealRecord,
    keys: &[WrappingKey],
) -> Result<(), ApiError> {
    let wrong = || ApiError::alarm("the wrapping keys that were handed over are not the cluster's");
    let expected = seal.wrapping_keys.iter().map(|key| key.generation);
    if !expected.eq(keys.iter().map(WrappingKey::generation)) {
        return Err(wrong());
    }
    let some = records.range(Table::Versions, Bound::Unbounded, Bound::Unbounded, SAMPLED);
    let Some((context, material)) = some.iter().find_map(|(place, _)| sample(records, seal, place))
    else {
        return Ok(());
    };
    let key = keys.iter().find(|key| key.generation() == context.generation).ok_or_else(wrong)?;
    wrap::unwrap_material(key, &context, &material.wrapped).map_err(|_| wrong())?;
    Ok(())
}

/// The material of the version under this key of the table, unless it is erased.
fn sample(
    records: &dyn RecordsRead,
    seal: &SealRecord,
    place: &[u8],
) -> Option<(MaterialContext, WrappedMaterial)> {
    let state = State(records);
    let key = state.key(key_id_of(place)?)?;
    let version = place.get(16..)?.try_into().ok().map(u32::from_be_bytes)?;
    let material = state.version(key.id, version)?.material?;
    let context = MaterialContext {
        keyspace_id: seal.keyspace.0,
        key_id: key.id.0,
        version,
        algorithm: crate::crypto::format_algorithm(key.algorithm),
        generation: material.generation,
    };
    Some((context, material))
}

fn failed(error: handover::HandoverError) -> ApiError {
    ApiError::no_quorum(error.to_string())
        .with_next("check that all nodes run the same release, then submit the shares again")
}
