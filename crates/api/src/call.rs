//! What a call brings beside its message: credential, deadline, freshness, connection.

use crate::context::Context;
use crate::credential::{self, Claim};
use crate::deadline::Deadline;
use crate::error::ApiError;
use crate::identity::PeerIdentity;
use crate::rounds::Rounds;
use crate::validate::{self, InstanceSelector};
use http::{Extensions, HeaderMap};
use std::sync::Arc;
use tonic::Request;

/// Applied index that the caller has seen and wants to be covered.
pub(crate) const MIN_INDEX: &str = "x-conclave-min-index";
/// Applied index in each answer.
pub(crate) const INDEX: &str = "x-conclave-index";

/// The instance in which names are looked up and keys are made; by id or name.
pub(crate) const INSTANCE: &str = "x-conclave-instance";

/// A call before anything about it has been decided.
pub(crate) struct Call {
    claim: Result<Claim, ApiError>,
    /// The connection.
    pub(crate) peer: PeerIdentity,
    /// Until when it may run.
    pub(crate) deadline: Deadline,
    /// See [`MIN_INDEX`].
    pub(crate) min_index: Option<u64>,
    /// See [`INSTANCE`].
    pub(crate) instance: Option<InstanceSelector>,
    /// Those of the runtime that serves it.
    pub(crate) rounds: Arc<Rounds>,
}

impl Call {
    /// Reads the metadata of a request.
    pub(crate) fn of<T>(context: &Context, request: &Request<T>) -> Result<Call, ApiError> {
        Call::from_parts(context, request.metadata().as_ref(), request.extensions())
    }

    /// The same from the parts of an HTTP request.
    pub(crate) fn from_parts(
        context: &Context,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Result<Call, ApiError> {
        let peer: PeerIdentity = extensions.get().cloned().unwrap_or_default();
        Ok(Call {
            claim: Claim::of(headers, &peer, &context.config),
            peer,
            deadline: Deadline::of(headers, &context.clock)?,
            min_index: min_index(headers)?,
            instance: instance(headers)?,
            rounds: extensions.get().cloned().unwrap_or_default(),
        })
    }

    /// What the caller shows, or why that cannot be read.
    pub(crate) fn claim(&self) -> Result<&Claim, ApiError> {
        self.claim.as_ref().map_err(Clone::clone)
    }

    /// The same where a credential is needed: a caller without one is refused before anything is
    /// asked of anybody.
    pub(crate) fn credential(&self) -> Result<&Claim, ApiError> {
        match self.claim()? {
            Claim::Nothing => Err(credential::missing()),
            claim => Ok(claim),
        }
    }
}

fn instance(headers: &HeaderMap) -> Result<Option<InstanceSelector>, ApiError> {
    let Some(value) = headers.get(INSTANCE) else { return Ok(None) };
    validate::instance(INSTANCE, value.to_str().unwrap_or_default()).map(Some)
}

fn min_index(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(value) = headers.get(MIN_INDEX) else { return Ok(None) };
    let index = value.to_str().ok().and_then(|text| text.parse().ok());
    index.map(Some).ok_or_else(|| {
        ApiError::field(
            MIN_INDEX,
            "a log index in decimal is needed, as an answer's x-conclave-index has it",
        )
    })
}

#[cfg(test)]
mod tests;
