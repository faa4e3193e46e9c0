//! Taking a share from a custodian: check it, find out who collects, give it there.

use super::collect::Step;
use super::forward::Forwarded;
use crate::call::Call;
use crate::context::Context;
use crate::deadline::Deadline;
use crate::error::ApiError;
use crate::limits::{PREPARE_ATTEMPTS, REPORT_TIMEOUT};
use crate::moment::Moment;
use conclave_core::ids::{CeremonyId, MemberId};
use conclave_core::model::SealRecord;
use conclave_core::outcome::Refusal;
use conclave_core::reason::Reason;
use conclave_crypto::commitment::{CommitmentError, check_share};
use conclave_crypto::share::Share;
use conclave_formats::share_text::{ShareHeader, ShareText, ShareTextError};
use conclave_proto::v1;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Who takes the share.
enum Route {
    /// This node; `replaces` names a ceremony whose shares are lost.
    Here { replaces: Option<CeremonyId>, restarted: String },
    /// The collector of the running ceremony.
    There { collector: MemberId, ceremony: CeremonyId },
}

impl Context {
    /// Takes a share. Needs no login, so it is limited per source; bad shares weigh more.
    pub(crate) async fn submit_share(
        self: &Arc<Self>,
        call: &Call,
        text: Zeroizing<String>,
    ) -> Result<v1::SubmitShareAnswer, ApiError> {
        let source = call.peer.source.map(|address| address.ip());
        self.shares_rate.take(source, self.clock.elapsed_ms())?;
        let answer = self.submit(call, &text).await;
        if answer.as_ref().err().and_then(ApiError::reason).is_some_and(is_bad_share) {
            self.shares_rate.punish(source);
        }
        answer
    }

    async fn submit(
        self: &Arc<Self>,
        call: &Call,
        text: &str,
    ) -> Result<v1::SubmitShareAnswer, ApiError> {
        let text = ShareText::parse(text).map_err(damaged)?;
        let share = Share::from_text(&text).map_err(|error| damaged_share(error.to_string()))?;
        let header = *text.header();
        drop(text);
        let mut lost: Option<(CeremonyId, String)> = None;
        let mut share = Some(share);
        for _ in 0..PREPARE_ATTEMPTS {
            let turn = self.turn(&call.deadline).await?;
            let moment = self.barrier(call.deadline.remaining()).await?.moment;
            let seal = moment.view.seal().ok_or_else(ApiError::not_initialized)?.clone();
            let given = share.take().ok_or_else(over)?;
            check(&seal, Some(&header), &given)?;
            if self.seal.is_open() && !self.is_anybody_sealed(&call.deadline).await {
                return Ok(self.not_needed(&seal, &header));
            }
            match self.route(&moment, &seal, lost.as_ref()) {
                Route::Here { replaces, restarted } => {
                    match self.collect(turn, &call.deadline, seal, given, replaces).await? {
                        Step::Taken { have, needed } => {
                            return Ok(self.answer(call, &header, have, needed, restarted).await);
                        }
                        Step::Again(given) => share = Some(given),
                    }
                }
                Route::There { collector, ceremony } => {
                    // The collector takes its own turn; two nodes must not wait for each other.
                    drop(turn);
                    match self.forward(&call.deadline, &seal, collector, ceremony, &given).await? {
                        Forwarded::Taken { have, needed } => {
                            return Ok(self
                                .answer(call, &header, have, needed, String::new())
                                .await);
                        }
                        Forwarded::Lost(why) => {
                            lost = Some((ceremony, why));
                            share = Some(given);
                        }
                    }
                }
            }
        }
        Err(over())
    }

    fn route(
        &self,
        moment: &Moment,
        seal: &SealRecord,
        lost: Option<&(CeremonyId, String)>,
    ) -> Route {
        let Some(running) = &seal.ceremony else {
            return Route::Here { replaces: None, restarted: String::new() };
        };
        let replace = |why: &str| {
            let restarted = format!("{why}; the shares given before must be given again");
            Route::Here { replaces: Some(running.id), restarted }
        };
        if moment.now.unscaled_ms >= running.expires_at_ms {
            return replace("the ceremony before this one has expired");
        }
        if let Some((_, why)) = lost.filter(|(ceremony, _)| *ceremony == running.id) {
            return replace(why);
        }
        if running.collector != self.replica().member_id() {
            return Route::There { collector: running.collector, ceremony: running.id };
        }
        if self.ceremonies.collects(running.id) {
            return Route::Here { replaces: None, restarted: String::new() };
        }
        replace("this node collected the shares and no longer has them")
    }

    /// Whether any member that answers is sealed.
    async fn is_anybody_sealed(&self, deadline: &Deadline) -> bool {
        let members = self.member_seals(None, deadline.at_most(REPORT_TIMEOUT)).await;
        members.iter().any(|member| member.sealed == Some(true))
    }

    /// A good share, but there is nothing to unseal.
    fn not_needed(&self, seal: &SealRecord, header: &ShareHeader) -> v1::SubmitShareAnswer {
        v1::SubmitShareAnswer {
            accepted: false,
            index: header.index.into(),
            have: 0,
            needed: seal.threshold.into(),
            node_unsealed: true,
            members: Vec::new(),
            restarted: String::new(),
        }
    }

    async fn answer(
        &self,
        call: &Call,
        header: &ShareHeader,
        have: u8,
        needed: u8,
        restarted: String,
    ) -> v1::SubmitShareAnswer {
        let timeout = call.deadline.at_most(REPORT_TIMEOUT);
        let members = self.member_seals(None, timeout).await;
        v1::SubmitShareAnswer {
            accepted: true,
            index: header.index.into(),
            have: have.into(),
            needed: needed.into(),
            node_unsealed: self.seal.is_open(),
            members,
            restarted,
        }
    }
}

/// Checks a share against the seal; gives its index. The order is that of the answers: keyspace,
/// epoch, commitment. A forwarded share comes without the words around it.
pub(super) fn check(
    seal: &SealRecord,
    header: Option<&ShareHeader>,
    share: &Share,
) -> Result<u8, ApiError> {
    if let Some(header) = header {
        check_header(seal, header)?;
    }
    check_share(seal.keyspace.0, seal.epoch, &seal.commitments, share).map_err(|error| {
        let (CommitmentError::NoSuchIndex { index, .. } | CommitmentError::Wrong { index }) = error;
        let next = "compare it with the original, or take the share of another custodian";
        ApiError::new(Reason::ShareWrong, error.to_string(), next).with("index", index.to_string())
    })
}

fn check_header(seal: &SealRecord, header: &ShareHeader) -> Result<(), ApiError> {
    if header.keyspace8 != ShareHeader::short_keyspace(seal.keyspace.0) {
        let message = "the share belongs to another keyspace than this cluster's";
        let next = "look for the share whose first line begins with this cluster's short id";
        return Err(ApiError::new(Reason::ShareOtherKeyspace, message, next)
            .with("given", hex8(header.keyspace8))
            .with("expected", hex8(ShareHeader::short_keyspace(seal.keyspace.0))));
    }
    if header.epoch < seal.epoch {
        return Err(Refusal::OldEpoch { given: header.epoch, current: seal.epoch }.into());
    }
    if header.epoch > seal.epoch {
        let (given, current) = (header.epoch, seal.epoch);
        let message = format!("the share is of epoch {given}; the cluster is at epoch {current}");
        let next = "check the first line of the share, and whether this is the right cluster";
        return Err(ApiError::new(Reason::ShareWrong, message, next)
            .with("index", header.index.to_string()));
    }
    Ok(())
}

fn hex8([a, b, c, d]: [u8; 4]) -> String {
    format!("{a:02x}{b:02x}{c:02x}{d:02x}")
}

fn damaged(error: ShareTextError) -> ApiError {
    let line = match error {
        ShareTextError::LineNumber { line }
        | ShareTextError::LineLength { line }
        | ShareTextError::Character { line, .. }
        | ShareTextError::LineCheck { line } => Some(line),
        _ => None,
    };
    let damaged = damaged_share(error.to_string());
    match line {
        Some(line) => damaged.with("line", line.to_string()),
        None => damaged,
    }
}

fn damaged_share(message: String) -> ApiError {
    let next = "compare the share with the original line by line and submit it again";
    ApiError::new(Reason::ShareDamaged, message, next)
}

fn over() -> ApiError {
    Refusal::CeremonyOver.into()
}

fn is_bad_share(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::ShareDamaged
            | Reason::ShareWrong
            | Reason::ShareOldEpoch
            | Reason::ShareOtherKeyspace
    )
}
