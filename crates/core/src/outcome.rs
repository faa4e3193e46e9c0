//! What a command came to: closed enums, the same on every replica.

use crate::ids::{CeremonyId, InstanceId, KeyId, MemberId, PrincipalId, RingId, TokenId};
use crate::lifecycle::{Allowed, KeyAction, KeyState, PolicyProblem};
use crate::limits;
use crate::reason::Reason;
use crate::roles::{Action, Role};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// The answer of the state machine to a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Log index of the entry that had the effect (of the first one for a repeat).
    pub index: u64,
    /// Whether this is the remembered answer of an earlier request with the same id.
    pub replayed: bool,
    /// What it came to.
    pub outcome: Outcome,
}

/// Done, or refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It has happened.
    Done(Effect),
    /// It was understood and denied; this attempt has changed nothing.
    Refused(Refusal),
}

/// What has happened, as compactly as a repeat of the request needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// A key was created or changed.
    Key {
        /// Which.
        key: KeyId,
        /// Its state then.
        state: KeyState,
        /// Its primary version then.
        primary_version: u32,
        /// Its revision then.
        revision: u64,
    },
    /// A principal was created or changed.
    Principal(PrincipalId),
    /// A token was created or revoked.
    Token {
        /// Which.
        token: TokenId,
        /// When it ends, in milliseconds since the Unix epoch.
        expires_at_ms: Option<u64>,
    },
    /// A role was bound or unbound.
    Binding(Uuid),
    /// The seal was initialized.
    SealInitialized {
        /// When the first credential ends, in milliseconds since the Unix epoch.
        admin_expires_at_ms: Option<u64>,
    },
    /// A share was recorded.
    ShareRecorded {
        /// Its ceremony.
        ceremony: CeremonyId,
        /// Indexes recorded so far.
        accepted: BTreeSet<u8>,
        /// How many are needed.
        needed: u8,
    },
    /// The fact of an unseal was recorded.
    UnsealRecorded,
    /// The seal generation was raised.
    Sealed {
        /// To this.
        generation: u64,
    },
    /// A key was purged.
    Purged {
        /// Which.
        key: KeyId,
    },
    /// Timers have run.
    Ticked {
        /// Of so many keys.
        keys: u32,
    },
    /// An instance was created, changed or deleted.
    Instance(InstanceId),
    /// A key ring was created or deleted.
    Ring {
        /// Where.
        instance: InstanceId,
        /// Which.
        ring: RingId,
    },
    /// The deletion floor of the cluster was set.
    DeletionFloor {
        /// To this, in milliseconds.
        floor_ms: u64,
    },
}

/// Why a command was denied. When several apply, the one that stands first here is the answer.
/// What belongs to a key (a version, an alias, a registration, the ring it is to go to) is looked up only
/// if the state of the key allows the action at all: of a refused action its state is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The credential is unknown, revoked, of another principal, or its principal is disabled.
    #[error("the credential is not valid (unknown, revoked, or its principal is disabled)")]
    CredentialInvalid,
    /// The credential's time is over.
    #[error("the credential has expired")]
    CredentialExpired,
    /// The request id was used for another body.
    #[error("this request id was used before for a different request")]
    RequestIdReused,
    /// The request id may have been forgotten.
    #[error("the request is older than what the cluster remembers (floor: log index {floor})")]
    RequestTooOld {
        /// Log index below which requests are forgotten.
        floor: u64,
    },
    /// No role permits the action.
    #[error("no role of the caller permits {action}")]
    PermissionDenied {
        /// The action.
        action: Action,
    },
    /// The command cannot be given by this kind of caller.
    #[error("this caller cannot do this; it takes an operator certificate of the cluster")]
    WrongCaller,
    /// Nobody binds or unbinds a role of their own, nor joins or leaves a group by themselves.
    #[error("nobody changes their own roles or groups")]
    SelfGrant,
    /// Nobody grants a role they do not hold.
    #[error("the caller may not grant the role {role}")]
    GrantNotHeld {
        /// The role.
        role: Role,
    },
    /// The role means nothing in a part of the cluster.
    #[error("the role {role} is bound in the cluster, not in a part of it")]
    RoleScope {
        /// The role.
        role: Role,
    },
    /// The cluster has no root key, or no unseal has confirmed its shares yet.
    #[error("the cluster is not initialized, or no unseal has confirmed its shares yet")]
    NotInitialized,
    /// The root key exists and was confirmed by a first unseal.
    #[error("the cluster is already initialized and its shares are confirmed")]
    AlreadyInitialized,
    /// The share or material belongs to an older epoch.
    #[error("the share is of epoch {given}; the cluster is at epoch {current}")]
    OldEpoch {
        /// Epoch of the share.
        given: u32,
        /// Epoch of the cluster.
        current: u32,
    },
    /// Another node collects the shares.
    #[error("another node collects the shares of the running ceremony")]
    CeremonyElsewhere {
        /// Its member id.
        collector: MemberId,
        /// The running ceremony.
        ceremony: CeremonyId,
    },
    /// The ceremony is over or was replaced.
    #[error("the ceremony has expired or was replaced")]
    CeremonyOver,
    /// Fewer different shares were recombined than the threshold asks for.
    #[error("{given} different shares of this epoch were recombined; {needed} are needed")]
    ThresholdNotMet {
        /// How many different shares of the epoch were named.
        given: u8,
        /// How many are needed.
        needed: u8,
    },
    /// The share was recorded before.
    #[error("share {index} was already given")]
    ShareRepeated {
        /// Its index.
        index: u8,
        /// Indexes recorded so far.
        accepted: BTreeSet<u8>,
        /// How many are needed.
        needed: u8,
    },
    /// Something that the command names does not exist.
    #[error("there is no {what} with this name or id")]
    NotFound {
        /// What was looked for.
        what: Thing,
    },
    /// A name is taken.
    #[error("this {what} exists already")]
    AlreadyExists {
        /// What was to be made.
        what: Thing,
    },
    /// The state of the key, or its policy in this state, does not allow the action.
    #[error(
        "the key is {state}; {action} is not allowed in this state (allowed: {})",
        allowed.list(", ")
    )]
    KeyState {
        /// Its state.
        state: KeyState,
        /// What was asked.
        action: KeyAction,
        /// What could be asked instead.
        allowed: Allowed,
    },
    /// What has expired is not restored.
    #[error("the key has expired; what has expired is not restored")]
    Expired,
    /// The restore window is over and the material erased.
    #[error("the restore window is over; the material of the key is erased")]
    WindowOver {
        /// When it was over, in milliseconds since the Unix epoch.
        over_ms: u64,
    },
    /// A registration prevents deletion; not even force passes it.
    #[error("a registered resource prevents the deletion of the key ({registrations} of them)")]
    Retention {
        /// How many such registrations stand in the way.
        registrations: u32,
    },
    /// Resources are registered.
    #[error("resources are registered that the key protects ({registrations} of them)")]
    Registered {
        /// How many.
        registrations: u32,
    },
    /// The version's own switch is off.
    #[error("version {version} of the key is disabled")]
    VersionDisabled {
        /// Its number.
        version: u32,
    },
    /// The key has all the versions it can have.
    #[error("the key has {limit} versions, the most a key can have", limit = limits::VERSIONS_PER_KEY)]
    VersionLimit,
    /// The switch of a version cannot be put so.
    #[error("version {version} cannot be switched: {problem}")]
    VersionSwitch {
        /// Its number.
        version: u32,
        /// Why.
        problem: VersionProblem,
    },
    /// It comes sooner than the policy of the key allows.
    #[error("{action} is not allowed yet")]
    TooEarly {
        /// What was asked.
        action: KeyAction,
        /// From when on, in milliseconds since the Unix epoch.
        from_ms: u64,
    },
    /// No rotation by schedule is due.
    #[error("no scheduled rotation of the key is due")]
    NotDue,
    /// It is always there.
    #[error("the {what} default is always there")]
    Permanent {
        /// An instance or a key ring.
        what: Thing,
    },
    /// Something is still in it.
    #[error("there are keys in the {what}")]
    NotEmpty {
        /// An instance or a key ring.
        what: Thing,
    },
    /// The policy cannot be.
    #[error("{0}")]
    PolicyInvalid(PolicyProblem),
    /// The period of a rotation schedule is out of bounds.
    #[error("a rotation period is 1 to 730 days")]
    RotationPeriod,
    /// The expiry date lies in the past.
    #[error("the expiry date lies in the past")]
    ExpiryInThePast,
    /// A bound of the state would be crossed.
    #[error("the limit is {limit} {what}")]
    Limit {
        /// Of what.
        what: Bounded,
        /// How many are allowed.
        limit: u64,
    },
    /// The command was prepared for a state that has moved on: prepare it again. Not remembered.
    #[error("the key was changed by another request at the same time")]
    Superseded,
}

/// Why the switch of a version cannot be put so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum VersionProblem {
    /// The newest version protects new data.
    #[error("the newest version stays on")]
    Newest,
    /// It is so already.
    #[error("it is so already")]
    AlreadySo,
}

/// A kind of named object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Thing {
    /// A key.
    Key,
    /// An alias of a key.
    Alias,
    /// A version of a key.
    Version,
    /// A principal.
    Principal,
    /// A certificate that stands for a principal.
    Certificate,
    /// A token.
    Token,
    /// A role binding.
    Binding,
    /// A share of the current epoch.
    Share,
    /// An instance.
    Instance,
    /// A key ring.
    Ring,
    /// A registration of a resource.
    Registration,
}

impl std::fmt::Display for Thing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Thing::Key => "key",
            Thing::Alias => "alias",
            Thing::Version => "key version",
            Thing::Principal => "principal",
            Thing::Certificate => "certificate name",
            Thing::Token => "token",
            Thing::Binding => "role binding",
            Thing::Share => "share",
            Thing::Instance => "instance",
            Thing::Ring => "key ring",
            Thing::Registration => "registration",
        })
    }
}

/// Something of which there is a largest number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bounded {
    /// Labels of a key.
    Labels,
    /// Groups of a principal.
    Groups,
    /// Tokens of a principal.
    Tokens,
    /// Bindings of a subject.
    Bindings,
    /// Bytes of an alias, of the name of a principal or of a group.
    NameBytes,
    /// Bytes of the SAN URI of a certificate.
    CertificateBytes,
    /// Bytes of a description.
    DescriptionBytes,
    /// Bytes of the name of a label.
    LabelNameBytes,
    /// Bytes of the value of a label.
    LabelValueBytes,
    /// Shares that are dealt.
    Shares,
    /// The threshold, which is between 1 and the number of shares.
    Threshold,
    /// Aliases of a key.
    Aliases,
    /// Registrations of a key.
    Registrations,
    /// Bytes of the name of a resource.
    ResourceBytes,
    /// Instances of the cluster.
    Instances,
    /// Key rings of an instance.
    Rings,
    /// Keys that one command moves or purges.
    KeysAtOnce,
}

impl Bounded {
    /// Refuses more than `limit` of it.
    pub(crate) fn check(self, count: usize, limit: usize) -> Result<(), Refusal> {
        if count > limit {
            return Err(Refusal::Limit { what: self, limit: limit as u64 });
        }
        Ok(())
    }
}

impl std::fmt::Display for Bounded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Bounded::Labels => "labels of a key",
            Bounded::Groups => "groups of a principal",
            Bounded::Tokens => "tokens of a principal",
            Bounded::Bindings => "role bindings of a subject",
            Bounded::NameBytes => "bytes of a name",
            Bounded::CertificateBytes => "bytes of a certificate name",
            Bounded::DescriptionBytes => "bytes of a description",
            Bounded::LabelNameBytes => "bytes of the name of a label",
            Bounded::LabelValueBytes => "bytes of the value of a label",
            Bounded::Shares => "shares, and at least one",
            Bounded::Threshold => "shares needed, and at least one",
            Bounded::Aliases => "aliases of a key",
            Bounded::Registrations => "registrations of a key",
            Bounded::ResourceBytes => "bytes of the name of a resource",
            Bounded::Instances => "instances of a cluster",
            Bounded::Rings => "key rings of an instance",
            Bounded::KeysAtOnce => "destroyed keys in it; purge some first",
        })
    }
}

impl Outcome {
    /// Whether this is the outcome of the request, however often it was sent, and not only of the attempt
    /// that was answered. See [`Refusal::speaks_for_earlier_attempts`].
    pub fn speaks_for_earlier_attempts(&self) -> bool {
        match self {
            Outcome::Done(_) => true,
            Outcome::Refused(refusal) => refusal.speaks_for_earlier_attempts(),
        }
    }
}

impl Refusal {
    /// The stable reason.
    pub fn reason(&self) -> Reason {
        match self {
            Refusal::CredentialInvalid => Reason::Unauthenticated,
            Refusal::CredentialExpired => Reason::TokenExpired,
            Refusal::RequestIdReused => Reason::RequestIdReused,
            Refusal::RequestTooOld { .. } => Reason::RequestTooOld,
            Refusal::PermissionDenied { .. }
            | Refusal::WrongCaller
            | Refusal::GrantNotHeld { .. } => Reason::PermissionDenied,
            Refusal::Expired => Reason::Expired,
            Refusal::WindowOver { .. } => Reason::WindowOver,
            Refusal::Retention { .. } => Reason::Retention,
            Refusal::Registered { .. } => Reason::Registered,
            Refusal::VersionSwitch { .. } => Reason::VersionState,
            Refusal::TooEarly { .. } | Refusal::NotDue => Reason::TooEarly,
            Refusal::NotEmpty { .. } => Reason::NotEmpty,
            Refusal::PolicyInvalid(_) => Reason::PolicyInvalid,
            Refusal::RoleScope { .. }
            | Refusal::Permanent { .. }
            | Refusal::RotationPeriod
            | Refusal::ExpiryInThePast => Reason::InvalidArgument,
            Refusal::SelfGrant => Reason::SamePrincipal,
            Refusal::NotInitialized => Reason::NotInitialized,
            Refusal::AlreadyInitialized => Reason::AlreadyInitialized,
            Refusal::OldEpoch { .. } => Reason::ShareOldEpoch,
            Refusal::CeremonyElsewhere { .. } | Refusal::CeremonyOver => Reason::CeremonyExpired,
            Refusal::ThresholdNotMet { .. } => Reason::InvalidArgument,
            Refusal::ShareRepeated { .. } => Reason::ShareRepeated,
            Refusal::NotFound { .. } => Reason::NotFound,
            Refusal::AlreadyExists { .. } => Reason::AlreadyExists,
            Refusal::KeyState { .. } => Reason::KeyState,
            Refusal::VersionDisabled { .. } => Reason::VersionState,
            Refusal::VersionLimit => Reason::VersionLimit,
            Refusal::Limit { .. } => Reason::InvalidArgument,
            Refusal::Superseded => Reason::OutcomeUnknown,
        }
    }

    /// What the caller can do next, in one sentence.
    pub fn next(&self) -> &'static str {
        match self {
            Refusal::CredentialInvalid => {
                "use a valid token or client certificate; an Administrator can create one"
            }
            Refusal::CredentialExpired => "ask an Administrator for a new token",
            Refusal::RequestIdReused => "use a new request id for a new request",
            Refusal::RequestTooOld { .. } => {
                "check what the request did, then send it with a new request id"
            }
            Refusal::PermissionDenied { .. } => {
                "ask an Administrator or a Manager to bind a role that permits it"
            }
            Refusal::WrongCaller => {
                "use --client-cert and --client-key with an operator certificate of this cluster"
            }
            Refusal::SelfGrant => "ask another Administrator or Manager",
            Refusal::GrantNotHeld { .. } => "ask an Administrator to bind the role",
            Refusal::NotInitialized => {
                "run conclave operator init, then conclave operator unseal with its shares"
            }
            Refusal::AlreadyInitialized => "unseal it with its shares: conclave operator unseal",
            Refusal::OldEpoch { .. } => "use a share of the current epoch; destroy the old one",
            Refusal::CeremonyElsewhere { .. } | Refusal::CeremonyOver => "submit the shares again",
            Refusal::ThresholdNotMet { .. } => "submit the missing shares",
            Refusal::ShareRepeated { .. } => "give the share of another custodian",
            Refusal::NotFound { .. } => "check the name or id",
            Refusal::AlreadyExists { .. } => "choose another name",
            Refusal::KeyState { state, action, allowed } => {
                after_key_state(*state, *action, *allowed)
            }
            Refusal::Expired => "create a new key; an expired one can still be purged",
            Refusal::WindowOver { .. } => "nothing brings it back; create a new key",
            Refusal::Retention { .. } => {
                "let the principal that registered the resource unregister it: conclave key impact KEY"
            }
            Refusal::Registered { .. } => {
                "see conclave key impact KEY; unregister them, or delete with --force"
            }
            Refusal::VersionSwitch { problem: VersionProblem::Newest, .. } => {
                "rotate the key first, or disable the whole key"
            }
            Refusal::VersionSwitch { .. } => "nothing is needed: the version is so already",
            Refusal::TooEarly { .. } => "try again later, see not_before",
            Refusal::NotDue => "wait until it is due, or rotate by hand",
            Refusal::NotEmpty { what: Thing::Ring } => {
                "move or delete its keys; --force moves destroyed ones to the ring default"
            }
            Refusal::NotEmpty { .. } => {
                "delete its keys; destroyed ones go with it past their purge floor, with KeyPurge"
            }
            Refusal::Permanent { .. } => "use another one",
            Refusal::PolicyInvalid(problem) => after_policy(*problem),
            Refusal::RotationPeriod => "choose 1 to 730 days",
            Refusal::ExpiryInThePast => "give a date in the future",
            Refusal::RoleScope { .. } => "bind it with --scope cluster",
            Refusal::VersionDisabled { .. } => {
                "enable the version first: conclave key version-enable KEY VERSION"
            }
            Refusal::VersionLimit => "create a new key and move to it",
            Refusal::Limit { .. } => "stay within the limit, or remove some first",
            Refusal::Superseded => "send the request again with the same request id",
        }
    }

    /// Facts for programs.
    pub fn metadata(&self) -> BTreeMap<&'static str, String> {
        let mut facts = BTreeMap::new();
        match self {
            Refusal::KeyState { state, action, allowed } => {
                facts.insert("state", state.to_string());
                facts.insert("action", action.to_string());
                facts.insert("allowed", allowed.list(","));
            }
            Refusal::TooEarly { action, from_ms } => {
                facts.insert("action", action.to_string());
                facts.insert("not_before_ms", from_ms.to_string());
            }
            Refusal::WindowOver { over_ms } => {
                facts.insert("over_ms", over_ms.to_string());
            }
            Refusal::Retention { registrations } | Refusal::Registered { registrations } => {
                facts.insert("registrations", registrations.to_string());
            }
            Refusal::VersionSwitch { version, .. } => {
                facts.insert("version", version.to_string());
            }
            Refusal::VersionDisabled { version } => {
                facts.insert("version", version.to_string());
            }
            Refusal::RequestTooOld { floor } => {
                facts.insert("floor", floor.to_string());
            }
            Refusal::PermissionDenied { action } => {
                facts.insert("action", action.to_string());
            }
            Refusal::OldEpoch { given, current } => {
                facts.insert("given", given.to_string());
                facts.insert("current", current.to_string());
            }
            Refusal::ThresholdNotMet { given, needed } => {
                facts.insert("have", given.to_string());
                facts.insert("needed", needed.to_string());
            }
            Refusal::ShareRepeated { index, accepted, needed } => {
                facts.insert("index", index.to_string());
                facts.insert("have", accepted.len().to_string());
                facts.insert("needed", needed.to_string());
            }
            Refusal::VersionLimit => {
                facts.insert("limit", limits::VERSIONS_PER_KEY.to_string());
            }
            Refusal::Limit { limit, .. } => {
                facts.insert("limit", limit.to_string());
            }
            _ => {}
        }
        facts
    }

    /// Whether a repeat of the request gets this answer again. What depends on the credential or on
    /// how the request was prepared is decided anew each time.
    pub(crate) fn is_remembered(&self) -> bool {
        let is_decided_anew =
            matches!(self, Refusal::RequestIdReused | Refusal::Superseded | Refusal::NotDue);
        self.speaks_for_earlier_attempts() && !is_decided_anew
    }

    /// Whether "nothing has changed" is said of every attempt under the same request id, not only of
    /// the one that was answered.
    ///
    /// Not by what is decided before the request memory is asked, and not where the memory no longer
    /// reaches back: an earlier attempt may have been done. Whatever is decided afterwards has not found
    /// it there, and an attempt that is still under way gets the remembered answer. That which is not
    /// remembered is no exception: a reused id stays taken, and the state for which a superseded command
    /// was prepared never comes back.
    pub fn speaks_for_earlier_attempts(&self) -> bool {
        !matches!(
            self,
            Refusal::CredentialInvalid | Refusal::CredentialExpired | Refusal::RequestTooOld { .. }
        )
    }
}

/// What leads out of a refusal by state.
fn after_key_state(state: KeyState, action: KeyAction, allowed: Allowed) -> &'static str {
    use KeyAction as A;
    use KeyState::{Deactivated, Destroyed, Disabled, Enabled, PendingDeletion};
    let may = |wanted: KeyAction| allowed.actions().any(|action| action == wanted);
    match (state, action) {
        (Enabled, A::Enable) | (Disabled, A::Disable) => {
            "nothing is needed: the key is in this state already"
        }
        (Enabled | Disabled | Deactivated, A::Restore | A::CancelDeletion | A::DeleteNow) => {
            "nothing is needed: no deletion is under way"
        }
        (Enabled | Disabled | Deactivated, A::Purge) => {
            "request deletion first: conclave key delete KEY"
        }
        (Enabled, _) => "see what is allowed in this state",
        (Disabled, _) => "enable the key first: conclave key enable KEY",
        (Deactivated, A::Disable) => "nothing is needed: it protects no new data any more",
        (Deactivated, _) => "it has expired; create a new key for new data",
        (PendingDeletion, A::Delete) => "nothing is needed: deletion is requested already",
        (PendingDeletion, A::DeleteNow) => {
            "wait: the policy of the key does not let the grace period be skipped"
        }
        (PendingDeletion, A::Purge) => "wait until it is destroyed, or conclave key delete-now KEY",
        (PendingDeletion, _) => "take the deletion back first: conclave key cancel-deletion KEY",
        (Destroyed, A::Delete | A::DeleteNow) => "nothing is needed: the key is deleted already",
        (Destroyed, _) if may(A::Restore) => "restore the key first: conclave key restore KEY",
        (Destroyed, _) => "nothing but purge is left: conclave key purge KEY",
    }
}

fn after_policy(problem: PolicyProblem) -> &'static str {
    match problem {
        PolicyProblem::RestoreAfterPurge => "shorten the restore window, or purge later",
        PolicyProblem::FloorAfterPurge => "lower the purge floor, or purge later",
        PolicyProblem::TooLong => "check the unit: 30s 15m 72h 30d",
        PolicyProblem::UnderFloor { .. } => {
            "lengthen grace or restore window; an Administrator sets the floor"
        }
        PolicyProblem::Shortened => "give windows that are as long or longer, and nothing else",
    }
}
