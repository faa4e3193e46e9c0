//! The way of a mutation: authorize, prepare a command, propose, and read back what it came to.

use crate::call::Call;
use crate::context::Context;
use crate::deadline::Deadline;
use crate::error::ApiError;
use crate::limits::PREPARE_ATTEMPTS;
use crate::moment::{Moment, On};
use crate::validate::{InstanceSelector, KeySelector, RingSelector, ScopeSelector};
use conclave_core::command::{Caller, Command, Proposal, Scope};
use conclave_core::ids::{InstanceId, RequestId, RingId};
use conclave_core::model::KeyRecord;
use conclave_core::outcome::{Applied, Effect, Outcome, Refusal, Thing};
use conclave_core::reason::Reason;
use conclave_core::replica::{ProposeError, StateRead};
use conclave_core::requests;
use conclave_core::roles::Action;
use conclave_core::state::State;

/// A mutation before it is prepared.
pub(crate) struct Mutation<'a> {
    pub(crate) call: &'a Call,
    pub(crate) request: RequestId,
    /// See [`crate::digest`].
    pub(crate) digest: [u8; 32],
    /// What the caller must be permitted to do …
    pub(crate) action: Action,
    /// … and on what.
    pub(crate) on: On<'a>,
}

/// From what a command is prepared. Only a hint: apply judges again.
pub(crate) struct Basis<'a> {
    pub(crate) call: &'a Call,
    pub(crate) moment: &'a Moment,
    pub(crate) state: State<'a>,
}

impl Basis<'_> {
    /// The key that is named.
    pub(crate) fn key(&self, selector: &KeySelector) -> Result<KeyRecord, ApiError> {
        let found = self.moment.key(self.call, &self.state, selector);
        found.ok_or_else(|| On::Key(selector).missing(self.call))
    }

    /// The instance that is named.
    pub(crate) fn instance(&self, selector: &InstanceSelector) -> Result<InstanceId, ApiError> {
        let found = self.moment.instance(Some(selector));
        found.ok_or_else(|| On::Instance(selector).missing(self.call))
    }

    /// The key ring that is named, with its instance.
    pub(crate) fn ring(&self, selector: &RingSelector) -> Result<(InstanceId, RingId), ApiError> {
        let found = self.moment.ring(self.call, &self.state, selector);
        found.ok_or_else(|| On::Ring(selector).missing(self.call))
    }

    /// The scope that is named.
    pub(crate) fn scope(&self, selector: &ScopeSelector) -> Result<Scope, ApiError> {
        let found = self.moment.scope(self.call, &self.state, selector);
        found.ok_or_else(|| On::Scope(selector).missing(self.call))
    }
}

/// A mutation that has happened.
#[derive(Debug)]
pub(crate) struct Done {
    /// Log index of the entry that had the effect.
    pub(crate) index: u64,
    /// Whether this is the remembered answer of an earlier request.
    pub(crate) replayed: bool,
    pub(crate) effect: Effect,
}

impl Context {
    /// Runs a mutation. `prepare` is called again with a newer basis when another mutation came
    /// first or the local state was too old to say no.
    pub(crate) async fn mutate(
        &self,
        mutation: Mutation<'_>,
        mut prepare: impl FnMut(&Basis<'_>) -> Result<Command, ApiError> + Send,
    ) -> Result<Done, ApiError> {
        mutation.call.credential()?;
        let mut moment = self.local();
        let mut is_fresh = false;
        for _ in 0..PREPARE_ATTEMPTS {
            let (caller, command) = match self.prepared(&mutation, &moment, &mut prepare) {
                Ok(prepared) => prepared,
                // A sealed node stays sealed whatever the others know.
                Err(error) if error.reason() == Some(Reason::Sealed) => return Err(error),
                Err(error) if is_fresh && error.reason() == Some(Reason::NotFound) => {
                    return self.remembered(&mutation, &moment).unwrap_or(Err(error));
                }
                Err(error) if is_fresh => return Err(error),
                Err(_) => {
                    moment = self.fresh(mutation.call).await?;
                    is_fresh = true;
                    continue;
                }
            };
            match self.propose(&mutation, caller, command).await? {
                // Nothing has happened, nor will: an error from here on is as good as one at first.
                Applied { outcome: Outcome::Refused(Refusal::Superseded), .. } => {
                    moment = self.fresh(mutation.call).await?;
                    is_fresh = true;
                }
                // Gone, or out of sight, since it was named.
                Applied {
                    outcome: Outcome::Refused(Refusal::NotFound { what: Thing::Key }),
                    ..
                } => {
                    return Err(mutation.on.missing(mutation.call));
                }
                Applied { outcome: Outcome::Refused(refusal), .. } => return Err(refusal.into()),
                Applied { outcome: Outcome::Done(effect), index, replayed } => {
                    return Ok(Done { index, replayed, effect });
                }
            }
        }
        Err(Refusal::Superseded.into())
    }

    /// The first answer of a request that cannot be prepared any more, because it has removed what it
    /// is about. Where that is still there, credential, role and seal of the node come first.
    fn remembered(
        &self,
        mutation: &Mutation<'_>,
        moment: &Moment,
    ) -> Option<Result<Done, ApiError>> {
        let who = moment.authenticate(mutation.call).ok()?;
        let state = self.replica().state();
        if moment.place(mutation.call, &State(&*state), mutation.on).is_some() {
            return None;
        }
        let principal = who.caller().principal();
        let first =
            requests::first_answer(&State(&*state), principal, mutation.request, mutation.digest)?;
        Some(match first.outcome {
            Outcome::Done(effect) => Ok(Done { index: first.index, replayed: true, effect }),
            Outcome::Refused(refusal) => Err(refusal.into()),
        })
    }

    fn prepared(
        &self,
        mutation: &Mutation<'_>,
        moment: &Moment,
        prepare: &mut impl FnMut(&Basis<'_>) -> Result<Command, ApiError>,
    ) -> Result<(Caller, Command), ApiError> {
        let state = self.replica().state();
        let who = moment.judge_on(mutation.call, mutation.action, &State(&*state), mutation.on)?;
        let command = prepare(&Basis { call: mutation.call, moment, state: State(&*state) })?;
        Ok((who.caller().clone(), command))
    }

    async fn propose(
        &self,
        mutation: &Mutation<'_>,
        caller: Caller,
        command: Command,
    ) -> Result<Applied, ApiError> {
        let request = mutation.request;
        let proposal = Proposal {
            caller,
            request,
            request_digest: mutation.digest,
            seen_index: mutation.call.min_index,
            command,
        };
        let answer = self.replica().propose(proposal, mutation.call.deadline.remaining()).await;
        answer.map_err(|error| match error {
            ProposeError::Unknown => ApiError::from(error).with("request_id", request.to_string()),
            ProposeError::Unavailable(_) => error.into(),
        })
    }

    /// The state at or above the entry that a mutation became, from which its answer is rendered.
    pub(crate) async fn state_at(
        &self,
        index: u64,
        deadline: &Deadline,
    ) -> Result<Box<dyn StateRead>, ApiError> {
        let state = self.replica().state();
        if state.applied_index() >= index {
            return Ok(state);
        }
        drop(state);
        // The entry is committed, so a barrier covers it; without one this node cannot tell when it
        // has caught up.
        let covered = self.barrier(deadline.remaining()).await;
        let state = self.replica().state();
        if state.applied_index() >= index {
            return Ok(state);
        }
        Err(ApiError::outcome_unknown(match covered {
            Ok(_) => "the change was made, but this node does not have it yet".to_owned(),
            Err(error) => format!("the change was made, but not read back: {}", error.message()),
        }))
    }
}

/// The state machine answered with something that does not belong to the command.
pub(crate) fn unexpected_effect() -> ApiError {
    ApiError::alarm("the effect of a command is not one that it can have")
}

#[cfg(test)]
mod tests;
