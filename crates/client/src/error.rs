//! The one error type of the SDK.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::reason::Reason;

/// The `domain` of every `google.rpc.ErrorInfo` that a node sends.
pub(crate) const DOMAIN: &str = "conclave";
/// The metadata entry of `ErrorInfo` that says what to do next.
const NEXT: &str = "next";

/// A call that did not do what was asked: by whom it was stopped, why, and what to do next.
///
/// Never holds a secret, a plaintext or a share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Stable reason.
    pub reason: Reason,
    /// What is wrong and what is allowed, for a person.
    pub message: String,
    /// What to do next, for a person; may be empty.
    pub next: Box<str>,
    /// The gRPC code.
    pub code: Code,
    /// Further facts, for example `state` and `allowed` of a `KEY_STATE`.
    pub metadata: BTreeMap<String, String>,
    /// The request id of a mutation: repeating the call with it is safe.
    pub request_id: Option<Uuid>,
    /// How long the node asks to wait before a repeat, milliseconds.
    pub retry_after_ms: Option<u32>,
}

impl Error {
    /// An error with a reason, what is wrong, and what to do next.
    pub fn new(reason: Reason, message: impl Into<String>, next: impl Into<Box<str>>) -> Self {
        let code = code_of(&reason);
        Error {
            reason,
            message: message.into(),
            next: next.into(),
            code,
            metadata: BTreeMap::new(),
            request_id: None,
            retry_after_ms: None,
        }
    }

    /// The same error with one more fact.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.metadata.insert(name.to_owned(), value.into());
        self
    }

    /// The same error with the request id of its call.
    pub(crate) fn with_request_id(mut self, id: Option<Uuid>) -> Self {
        self.request_id = id;
        self
    }

    /// The gRPC code as it is written in the protocol, for example `FAILED_PRECONDITION`.
    pub fn code_name(&self) -> &'static str {
        code_name(self.code)
    }

    /// Whether the cause is the cluster or the way to it, not the request.
    pub fn is_unavailable(&self) -> bool {
        self.reason.is_unavailable()
            || matches!(self.code, Code::Unavailable | Code::DeadlineExceeded)
    }

    /// Reads the status of a call that was made by a generated client: a node's refusal, or what the
    /// transport made of a failure. `addr` is the node's address.
    pub fn from_status(status: &Status, addr: &str) -> Self {
        Error::from_refusal(status).unwrap_or_else(|| Error::from_bare_status(status, addr))
    }

    /// Reads a node's refusal. `None`: the status carries no `ErrorInfo` of ours, so it was made by
    /// the transport and not by a decision of the node.
    pub(crate) fn from_refusal(status: &Status) -> Option<Self> {
        let details = status.check_error_details().ok()?;
        let info = details.error_info().filter(|info| info.domain == DOMAIN)?;
        let mut metadata: BTreeMap<String, String> =
            info.metadata.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let next = metadata.remove(NEXT).unwrap_or_default().into();
        Some(Error {
            reason: Reason::from(info.reason.as_str()),
            message: status.message().to_owned(),
            next,
            code: status.code(),
            metadata,
            request_id: None,
            retry_after_ms: details.retry_info().and_then(|info| info.retry_delay).map(millis),
        })
    }

    /// Reads a status that carries no `ErrorInfo`: the reason follows from its code.
    pub(crate) fn from_bare_status(status: &Status, addr: &str) -> Self {
        let (reason, next) = match status.code() {
            Code::Unauthenticated => (Reason::Unauthenticated, "show a token or a certificate"),
            Code::PermissionDenied => (Reason::PermissionDenied, "ask for a role"),
            Code::NotFound => (Reason::NotFound, ""),
            Code::AlreadyExists => (Reason::AlreadyExists, ""),
            Code::InvalidArgument => (Reason::InvalidArgument, ""),
            Code::ResourceExhausted | Code::OutOfRange => (Reason::TooLarge, "send less at once"),
            Code::Unavailable => (Reason::Unreachable, "try another node"),
            Code::DeadlineExceeded | Code::Cancelled => {
                (Reason::DeadlineExceeded, "try again with a longer timeout")
            }
            Code::Unimplemented => (
                Reason::Other("UNIMPLEMENTED".into()),
                "the node's release does not have this call: check the address and the release",
            ),
            _ => (Reason::Other("INTERNAL".into()), "look into the node's log"),
        };
        let text = status.message();
        let text = if text.is_empty() { code_name(status.code()) } else { text };
        let mut error = Error::new(reason, format!("{addr}: {text}"), next);
        error.code = status.code();
        error
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.message)?;
        if !self.next.is_empty() {
            write!(f, " (next: {})", self.next)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

fn millis(delay: Duration) -> u32 {
    u32::try_from(delay.as_millis()).unwrap_or(u32::MAX)
}

/// The gRPC code that fits an error found on the client's side.
fn code_of(reason: &Reason) -> Code {
    match reason {
        Reason::Unreachable | Reason::NoQuorum | Reason::OutcomeUnknown => Code::Unavailable,
        Reason::DeadlineExceeded => Code::DeadlineExceeded,
        Reason::Interrupted => Code::Cancelled,
        Reason::LocalFile => Code::Aborted,
        Reason::NotFound => Code::NotFound,
        Reason::AlreadyExists => Code::AlreadyExists,
        Reason::Unauthenticated | Reason::TokenExpired => Code::Unauthenticated,
        Reason::PermissionDenied => Code::PermissionDenied,
        Reason::InvalidArgument
        | Reason::ShareDamaged
        | Reason::CiphertextInvalid
        | Reason::TooLarge => Code::InvalidArgument,
        Reason::Other(_) => Code::Internal,
        _ => Code::FailedPrecondition,
    }
}

/// The code as the protocol writes it.
fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tonic_types::ErrorDetails;

    use super::*;

    fn refusal(reason: &str, code: Code, metadata: &[(&str, &str)]) -> Status {
        let metadata: HashMap<String, String> =
            metadata.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let details = ErrorDetails::with_error_info(reason, DOMAIN, metadata);
        Status::with_error_details(code, "the key is Disabled", details)
    }

    #[test]
    fn every_known_reason_is_decoded_with_its_metadata_and_next() {
        for reason in Reason::KNOWN {
            let status = refusal(
                reason.as_str(),
                Code::FailedPrecondition,
                &[("state", "Disabled"), ("next", "enable it")],
            );
            let error = Error::from_refusal(&status).unwrap();
            assert_eq!(&error.reason, reason);
            assert_eq!(error.message, "the key is Disabled");
            assert_eq!(&*error.next, "enable it");
            assert_eq!(error.code_name(), "FAILED_PRECONDITION");
            assert_eq!(error.metadata.get("state").map(String::as_str), Some("Disabled"));
            assert!(!error.metadata.contains_key("next"));
        }
    }

    #[test]
    fn a_retry_delay_is_decoded() {
        let mut details = ErrorDetails::with_error_info("NO_QUORUM", DOMAIN, HashMap::new());
        details.set_retry_info(Some(Duration::from_millis(250)));
        let status = Status::with_error_details(Code::Unavailable, "no leader", details);
        let error = Error::from_refusal(&status).unwrap();
        assert_eq!(error.retry_after_ms, Some(250));
        assert!(error.is_unavailable());
    }

    #[test]
    fn a_status_of_another_domain_or_without_details_is_not_a_refusal() {
        let details = ErrorDetails::with_error_info("KEY_STATE", "elsewhere", HashMap::new());
        let foreign = Status::with_error_details(Code::FailedPrecondition, "x", details);
        assert_eq!(Error::from_refusal(&foreign), None);
        assert_eq!(Error::from_refusal(&Status::unavailable("x")), None);
    }

    #[test]
    fn a_bare_status_gets_a_reason_from_its_code() {
        let table = [
            (Code::Unauthenticated, "UNAUTHENTICATED"),
            (Code::PermissionDenied, "PERMISSION_DENIED"),
            (Code::ResourceExhausted, "TOO_LARGE"),
            (Code::Unavailable, "UNREACHABLE"),
            (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"),
            (Code::Cancelled, "DEADLINE_EXCEEDED"),
            (Code::Unimplemented, "UNIMPLEMENTED"),
            (Code::Internal, "INTERNAL"),
        ];
        for (code, reason) in table {
            let error = Error::from_bare_status(&Status::new(code, "text"), "n1:7400");
            assert_eq!(error.reason.as_str(), reason);
            assert_eq!(error.message, "n1:7400: text");
            assert_eq!(error.code, code);
        }
    }
}
