//! The stable reasons of errors, as they stand on the wire and in `docs/errors/`.

use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A stable reason. Reasons are only added.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// All reasons.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];

            /// The reason as it stands on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Reason::$name => $text,)*
                }
            }
        }
    };
}

reasons! {
    /// No such object, or it is out of the caller's sight.
    NotFound = "NOT_FOUND",
    /// The name is taken.
    AlreadyExists = "ALREADY_EXISTS",
    /// The state of the key does not allow it.
    KeyState = "KEY_STATE",
    /// The version is switched off.
    VersionState = "VERSION_STATE",
    /// The key has the most versions it can have.
    VersionLimit = "VERSION_LIMIT",
    /// Sooner than the policy of the key allows.
    TooEarly = "TOO_EARLY",
    /// The restore window is over.
    WindowOver = "WINDOW_OVER",
    /// The key has expired.
    Expired = "EXPIRED",
    /// A registration prevents deletion.
    Retention = "RETENTION",
    /// Resources are registered that the key protects.
    Registered = "REGISTERED",
    /// There are keys in it.
    NotEmpty = "NOT_EMPTY",
    /// A policy that cannot be.
    PolicyInvalid = "POLICY_INVALID",
    /// No role permits it.
    PermissionDenied = "PERMISSION_DENIED",
    /// Nobody does this to themselves.
    SamePrincipal = "SAME_PRINCIPAL",
    /// No valid credential.
    Unauthenticated = "UNAUTHENTICATED",
    /// The credential's time is over.
    TokenExpired = "TOKEN_EXPIRED",
    /// The node cannot use keys until custodians unseal it.
    Sealed = "SEALED",
    /// The cluster has no root key.
    NotInitialized = "NOT_INITIALIZED",
    /// The cluster has a confirmed root key.
    AlreadyInitialized = "ALREADY_INITIALIZED",
    /// No majority of the voters answers.
    NoQuorum = "NO_QUORUM",
    /// The request may or may not have happened.
    OutcomeUnknown = "OUTCOME_UNKNOWN",
    /// The request id was used for another body.
    RequestIdReused = "REQUEST_ID_REUSED",
    /// The request may have been forgotten.
    RequestTooOld = "REQUEST_TOO_OLD",
    /// Damaged ciphertext, or other associated data.
    CiphertextInvalid = "CIPHERTEXT_INVALID",
    /// A ciphertext of another key.
    CiphertextWrongKey = "CIPHERTEXT_WRONG_KEY",
    /// The text of a share is damaged.
    ShareDamaged = "SHARE_DAMAGED",
    /// The share is not what was dealt.
    ShareWrong = "SHARE_WRONG",
    /// The share was given before.
    ShareRepeated = "SHARE_REPEATED",
    /// The share is of an older epoch.
    ShareOldEpoch = "SHARE_OLD_EPOCH",
    /// The share is of another keyspace.
    ShareOtherKeyspace = "SHARE_OTHER_KEYSPACE",
    /// The ceremony is over.
    CeremonyExpired = "CEREMONY_EXPIRED",
    /// A limit of size.
    TooLarge = "TOO_LARGE",
    /// A field of the request is wrong.
    InvalidArgument = "INVALID_ARGUMENT",
    /// Too many attempts.
    RateLimited = "RATE_LIMITED",
    /// The node cannot write its journal of uses.
    AuditBlocked = "AUDIT_BLOCKED",
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
