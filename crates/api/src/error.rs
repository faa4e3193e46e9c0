//! The one error type of the services and its form on the wire: a gRPC status with
//! `google.rpc.ErrorInfo` (stable reason, domain, metadata) and `RetryInfo` where a repeat helps.

use crate::render;
use conclave_core::outcome::{Refusal, Thing};
use conclave_core::reason::Reason;
use conclave_core::replica::{ProposeError, Unavailable};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// `domain` of every `ErrorInfo` of ours.
pub(crate) const DOMAIN: &str = "conclave";
/// Metadata entry of `ErrorInfo` that says what to do next.
pub(crate) const NEXT: &str = "next";
/// Stands where a reason stands when an invariant is broken; no caller can do anything about it.
const INTERNAL: &str = "INTERNAL";
/// Pause that a caller is asked for where a repeat helps.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// Why a call did not do what was asked. Never holds a secret, a plaintext or a share.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// `None`: an alarm, see [`ApiError::alarm`].
    reason: Option<Reason>,
    message: Cow<'static, str>,
    next: Cow<'static, str>,
    metadata: BTreeMap<String, String>,
    retry_after: Option<Duration>,
}

impl ApiError {
    /// An error with its stable reason, what is wrong and allowed, and what to do next.
    pub fn new(
        reason: Reason,
        message: impl Into<Cow<'static, str>>,
        next: impl Into<Cow<'static, str>>,
    ) -> ApiError {
        let retry_after =
            matches!(reason, Reason::NoQuorum | Reason::OutcomeUnknown).then_some(RETRY_AFTER);
        ApiError {
            reason: Some(reason),
            message: message.into(),
            next: next.into(),
            metadata: BTreeMap::new(),
            retry_after,
        }
    }

    /// A field of the request that is not acceptable. The sentence says what is allowed.
    pub(crate) fn field(name: &str, sentence: impl std::fmt::Display) -> ApiError {
        let message = format!("{name}: {sentence}");
        let next = format!("correct the field {name} and send the request again");
        ApiError::new(Reason::InvalidArgument, message, next).with("field", name)
    }

    /// Something larger than allowed.
    pub(crate) fn too_large(name: &str, given: usize, limit: usize) -> ApiError {
        let message = format!("{name} has {given} bytes, allowed are {limit}");
        let next = "encrypt larger data as a stream under a data key, or send less at once";
        ApiError::new(Reason::TooLarge, message, next)
            .with("field", name)
            .with("given", given.to_string())
            .with("limit", limit.to_string())
    }

    /// An invariant is broken on this node. Logged where it is found; the caller learns only that.
    pub(crate) fn alarm(message: &'static str) -> ApiError {
        tracing::error!(message, "alarm");
        ApiError {
            reason: None,
            message: Cow::Borrowed(message),
            next: Cow::Borrowed("look into this node's log; use another node meanwhile"),
            metadata: BTreeMap::new(),
            retry_after: None,
        }
    }

    /// The node cannot use keys.
    pub(crate) fn sealed() -> ApiError {
        ApiError::new(
            Reason::Sealed,
            "this node is sealed: it replicates, but cannot use keys",
            "custodians unseal it: conclave operator unseal; or use another node",
        )
    }

    /// The cluster has no root key yet.
    pub(crate) fn not_initialized() -> ApiError {
        Refusal::NotInitialized.into()
    }

    /// The deadline has passed and nothing has happened.
    pub(crate) fn no_quorum(message: impl Into<Cow<'static, str>>) -> ApiError {
        let next = "try again; if it stays so, see conclave status for which nodes answer";
        ApiError::new(Reason::NoQuorum, message, next)
    }

    /// It may have happened.
    pub(crate) fn outcome_unknown(message: impl Into<Cow<'static, str>>) -> ApiError {
        let next = "send the request again with the same request id; it runs at most once";
        ApiError::new(Reason::OutcomeUnknown, message, next)
    }

    /// The same error with one more fact.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> ApiError {
        self.metadata.insert(name.to_owned(), value.into());
        self
    }

    /// The same error, told of the name or id that the caller gave.
    pub(crate) fn naming(mut self, given: impl std::fmt::Display) -> ApiError {
        self.message = Cow::Owned(format!("{}: {given}", self.message));
        self.with("name", given.to_string())
    }

    /// Nothing has the name or id that the caller gave.
    pub(crate) fn not_found(what: Thing, given: impl std::fmt::Display) -> ApiError {
        ApiError::from(Refusal::NotFound { what }).naming(given)
    }

    /// The same error with another advice.
    pub(crate) fn with_next(mut self, next: impl Into<Cow<'static, str>>) -> ApiError {
        self.next = next.into();
        self
    }

    /// The same error with the time after which a repeat helps.
    pub(crate) fn with_retry_after(mut self, pause: Duration) -> ApiError {
        self.retry_after = Some(pause);
        self
    }

    /// The stable reason; `None`: an invariant is broken on the node.
    pub fn reason(&self) -> Option<Reason> {
        self.reason
    }

    /// The reason as it stands on the wire; that of an alarm, too.
    pub(crate) fn reason_text(&self) -> &'static str {
        self.reason.map_or(INTERNAL, Reason::as_str)
    }

    /// What is wrong and what is allowed.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do next.
    pub fn next(&self) -> &str {
        &self.next
    }

    /// Facts for programs.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// The gRPC code.
    pub fn code(&self) -> Code {
        self.reason.map_or(Code::Internal, code_of)
    }
}

/// The gRPC code of a reason. `OUTCOME_UNKNOWN` is `DEADLINE_EXCEEDED`, which is gRPC's word for "it
/// may have happened"; `UNAVAILABLE` would make other clients repeat without a request id.
fn code_of(reason: Reason) -> Code {
    match reason {
        Reason::NotFound => Code::NotFound,
        Reason::AlreadyExists | Reason::ShareRepeated => Code::AlreadyExists,
        Reason::KeyState
        | Reason::VersionState
        | Reason::VersionLimit
        | Reason::TooEarly
        | Reason::WindowOver
        | Reason::Expired
        | Reason::Retention
        | Reason::Registered
        | Reason::NotEmpty
        | Reason::AlreadyInitialized
        | Reason::RequestIdReused
        | Reason::RequestTooOld
        | Reason::ShareOldEpoch
        | Reason::CeremonyExpired => Code::FailedPrecondition,
        Reason::PermissionDenied | Reason::SamePrincipal => Code::PermissionDenied,
        Reason::Unauthenticated | Reason::TokenExpired => Code::Unauthenticated,
        Reason::Sealed | Reason::NotInitialized | Reason::NoQuorum | Reason::AuditBlocked => {
            Code::Unavailable
        }
        Reason::OutcomeUnknown => Code::DeadlineExceeded,
        Reason::CiphertextInvalid
        | Reason::CiphertextWrongKey
        | Reason::ShareDamaged
        | Reason::ShareWrong
        | Reason::ShareOtherKeyspace
        | Reason::TooLarge
        | Reason::PolicyInvalid
        | Reason::InvalidArgument => Code::InvalidArgument,
        Reason::RateLimited => Code::ResourceExhausted,
    }
}

impl From<ApiError> for Status {
    fn from(error: ApiError) -> Status {
        let code = error.code();
        let reason = error.reason_text();
        let mut metadata: HashMap<String, String> = error.metadata.into_iter().collect();
        metadata.insert(NEXT.to_owned(), error.next.into_owned());
        let mut details = ErrorDetails::with_error_info(reason, DOMAIN, metadata);
        if let Some(pause) = error.retry_after {
            details.set_retry_info(Some(pause));
        }
        Status::with_error_details(code, error.message, details)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> ApiError {
        let mut error = ApiError::new(refusal.reason(), refusal.to_string(), refusal.next());
        for (name, value) in refusal.metadata() {
            // Core has no words for times; here they are written as everywhere.
            match (name.strip_suffix("_ms"), value.parse().ok().and_then(render::rfc3339)) {
                (Some(name), Some(time)) => error.metadata.insert(name.to_owned(), time),
                _ => error.metadata.insert(name.to_owned(), value),
            };
        }
        error
    }
}

impl From<Unavailable> for ApiError {
    fn from(unavailable: Unavailable) -> ApiError {
        ApiError::no_quorum(unavailable.to_string())
    }
}

impl From<ProposeError> for ApiError {
    fn from(error: ProposeError) -> ApiError {
        match error {
            ProposeError::Unavailable(unavailable) => unavailable.into(),
            ProposeError::Unknown => ApiError::outcome_unknown(ProposeError::Unknown.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
