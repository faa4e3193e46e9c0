//! The closed list of reasons why a call did not do what was asked.

use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// Why a call did not do what was asked. The texts are stable: scripts may compare them.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[$doc])* $variant,)*
            /// A reason that this release of the SDK does not know.
            Other(Box<str>),
        }

        impl Reason {
            /// Every reason that this release knows.
            pub const KNOWN: &[Reason] = &[$(Reason::$variant,)*];

            /// The stable text, for example `KEY_STATE`.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Reason::$variant => $text,)*
                    Reason::Other(text) => text,
                }
            }
        }

        impl From<&str> for Reason {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Reason::$variant,)*
                    other => Reason::Other(other.into()),
                }
            }
        }
    };
}

reasons! {
    /// No such object, or none that the caller may see.
    NotFound = "NOT_FOUND",
    /// The name is taken.
    AlreadyExists = "ALREADY_EXISTS",
    /// The key's state does not permit the action; `metadata` has `state` and `allowed`.
    KeyState = "KEY_STATE",
    /// The key version's state does not permit the action.
    VersionState = "VERSION_STATE",
    /// The key has as many versions as it may have.
    VersionLimit = "VERSION_LIMIT",
    /// Sooner than the policy of the key allows.
    TooEarly = "TOO_EARLY",
    /// The restore window is over.
    WindowOver = "WINDOW_OVER",
    /// The key has expired.
    Expired = "EXPIRED",
    /// A registration prevents deletion; force does not help.
    Retention = "RETENTION",
    /// Resources are registered that the key protects; force passes.
    Registered = "REGISTERED",
    /// There are keys in it.
    NotEmpty = "NOT_EMPTY",
    /// The policy cannot be set as written.
    PolicyInvalid = "POLICY_INVALID",
    /// Other principals must agree first.
    ApprovalRequired = "APPROVAL_REQUIRED",
    /// An approver said no.
    ApprovalDenied = "APPROVAL_DENIED",
    /// The same principal cannot agree twice.
    SamePrincipal = "SAME_PRINCIPAL",
    /// The principal has no role that permits it.
    PermissionDenied = "PERMISSION_DENIED",
    /// No valid credential was shown.
    Unauthenticated = "UNAUTHENTICATED",
    /// The token's life is over.
    TokenExpired = "TOKEN_EXPIRED",
    /// The node is sealed.
    Sealed = "SEALED",
    /// The cluster has no root key yet.
    NotInitialized = "NOT_INITIALIZED",
    /// The cluster has a confirmed root key.
    AlreadyInitialized = "ALREADY_INITIALIZED",
    /// Too few nodes can be reached to decide anything.
    NoQuorum = "NO_QUORUM",
    /// The call may or may not have taken effect; repeat it with the same request id.
    OutcomeUnknown = "OUTCOME_UNKNOWN",
    /// The request id was used with another body.
    RequestIdReused = "REQUEST_ID_REUSED",
    /// The request is older than what the cluster remembers.
    RequestTooOld = "REQUEST_TOO_OLD",
    /// The ciphertext or its associated data is not what was encrypted.
    CiphertextInvalid = "CIPHERTEXT_INVALID",
    /// The ciphertext is of another key than the one asked for.
    CiphertextWrongKey = "CIPHERTEXT_WRONG_KEY",
    /// A line of the share text is mistyped.
    ShareDamaged = "SHARE_DAMAGED",
    /// The share is well formed and not one of this cluster's.
    ShareWrong = "SHARE_WRONG",
    /// The share was given before.
    ShareRepeated = "SHARE_REPEATED",
    /// The share is of an older seal epoch.
    ShareOldEpoch = "SHARE_OLD_EPOCH",
    /// The share is of another keyspace.
    ShareOtherKeyspace = "SHARE_OTHER_KEYSPACE",
    /// The ceremony's time is over.
    CeremonyExpired = "CEREMONY_EXPIRED",
    /// More bytes than the limit.
    TooLarge = "TOO_LARGE",
    /// A field of the request is not acceptable.
    InvalidArgument = "INVALID_ARGUMENT",
    /// Too many calls; wait.
    RateLimited = "RATE_LIMITED",
    /// The node cannot write its audit log and does not serve.
    AuditBlocked = "AUDIT_BLOCKED",
    /// Found here, not by a node: no node could be reached, nothing was sent.
    Unreachable = "UNREACHABLE",
    /// Found here, not by a node: the deadline passed without an answer.
    DeadlineExceeded = "DEADLINE_EXCEEDED",
    /// Found here, not by a node: a local file could not be read or written.
    LocalFile = "LOCAL_FILE",
    /// Found here, not by a node: Ctrl-C.
    Interrupted = "INTERRUPTED",
}

impl Reason {
    /// Whether another node, or the same one later, may well answer: the cluster or the way to it
    /// is the cause, not the request.
    pub fn is_unavailable(&self) -> bool {
        matches!(
            self,
            Reason::Sealed
                | Reason::NoQuorum
                | Reason::OutcomeUnknown
                | Reason::AuditBlocked
                | Reason::Unreachable
                | Reason::DeadlineExceeded
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_names_one_reason_and_comes_back() {
        let mut texts: Vec<&str> = Reason::KNOWN.iter().map(Reason::as_str).collect();
        for text in &texts {
            assert_eq!(Reason::from(*text).as_str(), *text);
            assert!(!matches!(Reason::from(*text), Reason::Other(_)), "{text}");
        }
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), Reason::KNOWN.len());
    }

    #[test]
    fn an_unknown_text_is_kept() {
        assert_eq!(Reason::from("FROM_THE_FUTURE").as_str(), "FROM_THE_FUTURE");
    }
}
