//! Commands: everything that changes replicated state. Time, ids and wrapped material are inside.

use crate::ids::{
    CeremonyId, InstanceId, KeyId, KeyspaceId, MemberId, PrincipalId, RequestId, RingId, TokenId,
};
use crate::lifecycle::PolicyChange;
use crate::roles::{Action, Role};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use uuid::Uuid;

/// An entry of the log: a proposal with the leader's stamp.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When, by the leader.
    pub stamp: Stamp,
    /// What.
    pub proposal: Proposal,
}

/// The time of an entry. Set by the leader just before the entry enters the log. Apply never lets it
/// go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Cluster time, by which keys are judged: milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The same on the clock that no development clock rate speeds up, by which rights that end and
    /// the request memory are judged.
    pub unscaled_ms: u64,
    /// How fast cluster time passes against it; 1 but in development.
    pub rate: u32,
}

impl Stamp {
    /// A time at which both clocks show the same.
    pub const fn at(at_ms: u64) -> Stamp {
        Stamp { at_ms, unscaled_ms: at_ms, rate: 1 }
    }

    /// The later of each of the two times, at the rate of `self`.
    #[must_use]
    pub fn max(self, other: Stamp) -> Stamp {
        Stamp {
            at_ms: self.at_ms.max(other.at_ms),
            unscaled_ms: self.unscaled_ms.max(other.unscaled_ms),
            rate: self.rate,
        }
    }

    /// What it is when the unscaled clock shows `wall_ms`, at `rate` from here on.
    #[must_use]
    pub fn later(self, wall_ms: u64, rate: u32) -> Stamp {
        if self.unscaled_ms == 0 {
            // Nothing was stamped yet: both clocks start here.
            return Stamp { rate, ..Stamp::at(wall_ms) };
        }
        let passed = wall_ms.saturating_sub(self.unscaled_ms);
        Stamp {
            at_ms: self.at_ms.saturating_add(passed.saturating_mul(u64::from(rate))),
            unscaled_ms: self.unscaled_ms.max(wall_ms),
            rate,
        }
    }
}

impl Default for Stamp {
    fn default() -> Self {
        Stamp::at(0)
    }
}

/// A caller's request as a node hands it to the leader: complete but for the stamp.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// On whose behalf.
    pub caller: Caller,
    /// Id under which the outcome is remembered.
    pub request: RequestId,
    /// Digest of the caller's request in canonical form: what a repeat must match. Does not cover
    /// what the node added (ids, wrapped material).
    pub request_digest: [u8; 32],
    /// Applied index that the client had seen when it made the request id; below the memory's floor
    /// the request is refused rather than perhaps run twice.
    pub seen_index: Option<u64>,
    /// What to do.
    pub command: Command,
}

/// On whose behalf a command runs. The node has checked the proof of the credential; apply checks
/// that it is still worth something at this point of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Caller {
    /// A principal with one of its credentials.
    Principal {
        /// Who.
        principal: PrincipalId,
        /// Shown how.
        credential: CredentialRef,
    },
    /// The holder of an operator certificate of the cluster's own authority; exists before any
    /// principal does.
    Operator {
        /// Name in the certificate.
        name: String,
    },
    /// A custodian: whoever holds a good share. Needs no login.
    Custodian,
    /// The cluster itself: what is due by time. No call from outside becomes this.
    Cluster,
}

impl Caller {
    /// The principal under which requests are remembered and audited.
    pub fn principal(&self) -> PrincipalId {
        match self {
            Caller::Principal { principal, .. } => *principal,
            Caller::Operator { .. } | Caller::Custodian | Caller::Cluster => PrincipalId::NOBODY,
        }
    }
}

/// A credential as apply can check it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CredentialRef {
    /// An API token.
    Token(TokenId),
    /// A client certificate with this SAN URI.
    Certificate(String),
}

/// Everything that changes replicated state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Writes the commitments of freshly dealt shares; valid until confirmed by the first unseal.
    InitializeSeal(Box<InitializeSeal>),
    /// Records a good share with its ceremony; opens the ceremony if there is none.
    RecordShare(RecordShare),
    /// The collector has recombined the root key and opened.
    CompleteUnseal(CompleteUnseal),
    /// Every node forgets its keys.
    Seal,
    /// Creates a key with version 1.
    CreateKey(CreateKey),
    /// Adds a primary version.
    RotateKey(RotateKey),
    /// Disabled -> Enabled.
    EnableKey {
        /// Which key.
        key: KeyId,
    },
    /// Enabled -> Disabled.
    DisableKey {
        /// Which key.
        key: KeyId,
    },
    /// Changes description and labels.
    UpdateKey(UpdateKey),
    /// Creates a principal.
    CreatePrincipal {
        /// Id, made by the node.
        id: PrincipalId,
        /// Unique name.
        name: String,
        /// SAN URI of client certificates that stand for it.
        certificate: Option<String>,
    },
    /// Switches all credentials of a principal off.
    DisablePrincipal {
        /// Who.
        principal: PrincipalId,
    },
    /// Adds to or removes from a group.
    SetGroupMember {
        /// Name of the group.
        group: String,
        /// Who.
        principal: PrincipalId,
        /// Add (true) or remove (false).
        member: bool,
    },
    /// Creates a token; the command holds only its hash.
    CreateToken(CreateToken),
    /// Revokes a token.
    RevokeToken {
        /// Which.
        token: TokenId,
    },
    /// Binds a role.
    BindRole {
        /// What is bound to whom.
        grant: Grant,
        /// Id of the binding, made by the node.
        id: Uuid,
        /// End, in milliseconds since the Unix epoch.
        until_ms: Option<u64>,
    },
    /// Takes a role away.
    UnbindRole {
        /// What was bound to whom.
        grant: Grant,
    },
    /// Runs timers that are due: a bounded number of keys, the earliest first.
    Tick,
    /// Adds a primary version because the schedule says so.
    ScheduledRotation(RotateKey),
    /// Switches one version on or off.
    SetVersionEnabled {
        /// Which key.
        key: KeyId,
        /// Which version.
        version: u32,
        /// On or off.
        enabled: bool,
    },
    /// Requests deletion.
    DeleteKey {
        /// Which key.
        key: KeyId,
        /// Whether registrations do not hold it up.
        force: bool,
    },
    /// Takes a requested deletion back.
    CancelDeletion {
        /// Which key.
        key: KeyId,
    },
    /// Skips the rest of the grace period.
    DeleteNow {
        /// Which key.
        key: KeyId,
    },
    /// Brings a destroyed key back.
    RestoreKey {
        /// Which key.
        key: KeyId,
    },
    /// Removes everything of a destroyed key but a tombstone.
    PurgeKey {
        /// Which key.
        key: KeyId,
    },
    /// Adds or removes an alias.
    SetAlias {
        /// Which key.
        key: KeyId,
        /// The alias.
        alias: String,
        /// Add (true) or remove (false).
        present: bool,
    },
    /// Changes the rotation schedule, or lengthens the key's own windows.
    SetKeyPolicy(SetKeyPolicy),
    /// Registers a resource that the key protects, or changes a registration.
    RegisterResource(RegisterResource),
    /// Removes a registration.
    UnregisterResource {
        /// Which key.
        key: KeyId,
        /// The resource.
        resource: String,
    },
    /// Creates an instance, with the key ring `default`.
    CreateInstance {
        /// Id, made by the node.
        id: InstanceId,
        /// Unique name.
        name: String,
        /// What its keys copy, as a change of the default policy.
        policy: PolicyChange,
    },
    /// Changes the policy that new keys copy.
    SetInstancePolicy {
        /// Which instance.
        instance: InstanceId,
        /// The change.
        policy: PolicyChange,
    },
    /// Deletes an instance without keys, or with keys that may all be purged.
    DeleteInstance {
        /// Which instance.
        instance: InstanceId,
    },
    /// Sets the least time from a request to delete a key until its material is out of reach.
    SetDeletionFloor {
        /// In milliseconds.
        floor_ms: u64,
    },
    /// Creates a key ring.
    CreateRing {
        /// Id, made by the node.
        id: RingId,
        /// Where.
        instance: InstanceId,
        /// Name, unique in the instance.
        name: String,
    },
    /// Deletes a key ring.
    DeleteRing {
        /// Where.
        instance: InstanceId,
        /// Which ring.
        ring: RingId,
        /// Whether destroyed keys in it move to `default`.
        force: bool,
    },
}

impl Command {
    /// The name under which it appears in audit records.
    pub fn name(&self) -> &'static str {
        match self {
            Command::InitializeSeal(_) => "InitializeSeal",
            Command::RecordShare(_) => "RecordShare",
            Command::CompleteUnseal(_) => "CompleteUnseal",
            Command::Seal => "Seal",
            Command::CreateKey(_) => "CreateKey",
            Command::RotateKey(_) => "RotateKey",
            Command::EnableKey { .. } => "EnableKey",
            Command::DisableKey { .. } => "DisableKey",
            Command::UpdateKey(_) => "UpdateKey",
            Command::CreatePrincipal { .. } => "CreatePrincipal",
            Command::DisablePrincipal { .. } => "DisablePrincipal",
            Command::SetGroupMember { .. } => "SetGroupMember",
            Command::CreateToken(_) => "CreateToken",
            Command::RevokeToken { .. } => "RevokeToken",
            Command::BindRole { .. } => "BindRole",
            Command::UnbindRole { .. } => "UnbindRole",
            Command::Tick => "Tick",
            Command::ScheduledRotation(_) => "ScheduledRotation",
            Command::SetVersionEnabled { .. } => "SetVersionEnabled",
            Command::DeleteKey { .. } => "DeleteKey",
            Command::CancelDeletion { .. } => "CancelDeletion",
            Command::DeleteNow { .. } => "DeleteNow",
            Command::RestoreKey { .. } => "RestoreKey",
            Command::PurgeKey { .. } => "PurgeKey",
            Command::SetAlias { present: true, .. } => "AddAlias",
            Command::SetAlias { present: false, .. } => "RemoveAlias",
            Command::SetKeyPolicy(_) => "SetKeyPolicy",
            Command::RegisterResource(_) => "RegisterResource",
            Command::UnregisterResource { .. } => "UnregisterResource",
            Command::CreateInstance { .. } => "CreateInstance",
            Command::SetInstancePolicy { .. } => "SetInstancePolicy",
            Command::DeleteInstance { .. } => "DeleteInstance",
            Command::SetDeletionFloor { .. } => "SetDeletionFloor",
            Command::CreateRing { .. } => "CreateRing",
            Command::DeleteRing { .. } => "DeleteRing",
        }
    }

    /// What a principal must be permitted to do; `None` for commands that no principal gives.
    pub fn action(&self) -> Option<Action> {
        match self {
            Command::InitializeSeal(_)
            | Command::RecordShare(_)
            | Command::CompleteUnseal(_)
            | Command::Tick
            | Command::ScheduledRotation(_) => None,
            Command::Seal => Some(Action::Seal),
            Command::CreateKey(_) => Some(Action::CreateKey),
            Command::RotateKey(_) => Some(Action::RotateKey),
            Command::EnableKey { .. } => Some(Action::EnableKey),
            Command::DisableKey { .. } => Some(Action::DisableKey),
            Command::UpdateKey(_) => Some(Action::UpdateKey),
            Command::CreatePrincipal { .. }
            | Command::DisablePrincipal { .. }
            | Command::SetGroupMember { .. }
            | Command::CreateToken(_)
            | Command::RevokeToken { .. } => Some(Action::ManagePrincipals),
            Command::BindRole { .. } | Command::UnbindRole { .. } => Some(Action::BindRole),
            Command::SetVersionEnabled { enabled: true, .. } => Some(Action::EnableKey),
            Command::SetVersionEnabled { enabled: false, .. } => Some(Action::DisableKey),
            Command::DeleteKey { .. } | Command::DeleteNow { .. } => Some(Action::DeleteKey),
            Command::CancelDeletion { .. } => Some(Action::CancelDeletion),
            Command::RestoreKey { .. } => Some(Action::RestoreKey),
            Command::PurgeKey { .. } => Some(Action::PurgeKey),
            Command::SetAlias { .. } => Some(Action::ManageAliases),
            Command::SetKeyPolicy(_) => Some(Action::SetKeyPolicy),
            Command::RegisterResource(_) | Command::UnregisterResource { .. } => {
                Some(Action::RegisterResource)
            }
            Command::CreateInstance { .. } => Some(Action::CreateInstance),
            Command::SetInstancePolicy { .. } => Some(Action::SetInstancePolicy),
            Command::DeleteInstance { .. } => Some(Action::DeleteInstance),
            Command::SetDeletionFloor { .. } => Some(Action::SetDeletionFloor),
            Command::CreateRing { .. } | Command::DeleteRing { .. } => Some(Action::ManageRings),
        }
    }

    /// The key it is about.
    pub fn key(&self) -> Option<KeyId> {
        match self {
            Command::CreateKey(create) => Some(create.key),
            Command::RotateKey(rotate) | Command::ScheduledRotation(rotate) => Some(rotate.key),
            Command::EnableKey { key }
            | Command::DisableKey { key }
            | Command::SetVersionEnabled { key, .. }
            | Command::DeleteKey { key, .. }
            | Command::CancelDeletion { key }
            | Command::DeleteNow { key }
            | Command::RestoreKey { key }
            | Command::PurgeKey { key }
            | Command::SetAlias { key, .. }
            | Command::UnregisterResource { key, .. } => Some(*key),
            Command::UpdateKey(update) => Some(update.key),
            Command::SetKeyPolicy(change) => Some(change.key),
            Command::RegisterResource(register) => Some(register.key),
            _ => None,
        }
    }
}

impl fmt::Display for Command {
    /// Only the name: contents do not belong into log lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// See [`Command::InitializeSeal`]. Holds commitments and wrapped keys, never shares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitializeSeal {
    /// The keyspace; a repeat before confirmation keeps the first one.
    pub keyspace: KeyspaceId,
    /// The epoch the shares were dealt for: one more than that of the record it replaces, 1 at first.
    pub epoch: u32,
    /// How many shares are needed.
    pub threshold: u8,
    /// Ed25519 public key per share, in order of the index (1 first).
    pub commitments: Vec<[u8; 32]>,
    /// Lets a recombined root key be recognised.
    pub check_value: Vec<u8>,
    /// The first wrapping key, wrapped by the root key.
    pub wrapping_key: WrappedWrappingKey,
    /// The first credential.
    pub admin: FirstAdmin,
    /// Id of the instance `default`; a repeat before confirmation keeps the first one.
    pub instance: InstanceId,
}

/// A wrapping key under the root key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrappedWrappingKey {
    /// Number of the generation, from 1.
    pub generation: u32,
    /// AES-SIV output.
    pub wrapped: Vec<u8>,
}

/// The first principal and its token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstAdmin {
    /// Id of principal `admin`.
    pub principal: PrincipalId,
    /// SAN URI that stands for it (development only).
    pub certificate: Option<String>,
    /// Its token.
    pub token: TokenId,
    /// SHA-256 of the token's secret.
    pub token_hash: [u8; 32],
    /// Life of the token; `None`: does not expire (development only).
    pub ttl_ms: Option<u64>,
}

/// See [`Command::RecordShare`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordShare {
    /// The ceremony that the collector runs.
    pub ceremony: CeremonyId,
    /// Who collects.
    pub collector: MemberId,
    /// Epoch of the share.
    pub epoch: u32,
    /// Index of the share.
    pub index: u8,
    /// A ceremony whose collector is lost and which this one replaces.
    pub replaces: Option<CeremonyId>,
}

/// See [`Command::CompleteUnseal`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompleteUnseal {
    /// The ceremony that is complete.
    pub ceremony: CeremonyId,
    /// Epoch of the shares.
    pub epoch: u32,
    /// Indexes of the shares that were recombined.
    pub indexes: Vec<u8>,
}

/// Wrapped key material: its only replicated form.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrappedMaterial {
    /// Generation of the wrapping key.
    pub generation: u32,
    /// AES-SIV output.
    pub wrapped: Vec<u8>,
}

impl fmt::Debug for WrappedMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappedMaterial(generation {}, {} bytes)", self.generation, self.wrapped.len())
    }
}

/// Algorithm of a key. The number is that of the ciphertext envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Algorithm {
    /// AES-256-GCM-SIV (RFC 8452).
    Aes256GcmSiv,
}

impl Algorithm {
    /// All algorithms that can be asked for.
    pub const ALL: [Algorithm; 1] = [Algorithm::Aes256GcmSiv];

    /// The name on the wire and the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Algorithm::Aes256GcmSiv => "aes-256-gcm-siv",
        }
    }

    /// The number in envelopes and authenticated encodings.
    pub const fn number(self) -> u8 {
        match self {
            Algorithm::Aes256GcmSiv => 1,
        }
    }
}

/// See [`Command::CreateKey`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateKey {
    /// Id, made by the node.
    pub key: KeyId,
    /// Where.
    pub instance: InstanceId,
    /// In which ring.
    pub ring: RingId,
    /// Name beside the id.
    pub alias: Option<String>,
    /// What the key is for.
    pub algorithm: Algorithm,
    /// Free text.
    pub description: String,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
    /// From when on it only decrypts, in milliseconds since the Unix epoch.
    pub expires_at_ms: Option<u64>,
    /// Period of the rotation schedule, in milliseconds.
    pub rotate_every_ms: Option<u64>,
    /// Material of version 1.
    pub material: WrappedMaterial,
}

/// See [`Command::RotateKey`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotateKey {
    /// Which key.
    pub key: KeyId,
    /// The number that the material is bound to; if another rotation came first the command is
    /// refused as superseded and the node wraps again.
    pub version: u32,
    /// Material of the new version.
    pub material: WrappedMaterial,
}

/// See [`Command::UpdateKey`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateKey {
    /// Which key.
    pub key: KeyId,
    /// New description, if it changes.
    pub description: Option<String>,
    /// Labels to set.
    pub set_labels: BTreeMap<String, String>,
    /// Names of labels to remove.
    pub remove_labels: Vec<String>,
    /// The ring to move to.
    pub ring: Option<RingId>,
}

/// See [`Command::SetKeyPolicy`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetKeyPolicy {
    /// Which key.
    pub key: KeyId,
    /// The schedule, if it changes.
    pub rotation: Option<RotationChange>,
    /// Longer windows.
    pub windows: PolicyChange,
}

/// A change of a rotation schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RotationChange {
    /// Rotate after each such period, in milliseconds, from now on.
    Every(u64),
    /// Do not rotate by schedule.
    Off,
}

/// See [`Command::RegisterResource`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterResource {
    /// Which key.
    pub key: KeyId,
    /// Name of the resource.
    pub resource: String,
    /// Free text.
    pub description: String,
    /// Whether the key must not be deleted while it stands.
    pub prevent_deletion: bool,
}

/// See [`Command::CreateToken`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateToken {
    /// Id, made by the node.
    pub token: TokenId,
    /// Whose token.
    pub principal: PrincipalId,
    /// SHA-256 of the secret.
    pub hash: [u8; 32],
    /// Life from the stamp on.
    pub ttl_ms: u64,
    /// SHA-256 of the client certificate it is bound to.
    pub bound_certificate: Option<[u8; 32]>,
}

/// A role for a subject in a scope.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Grant {
    /// Which role.
    pub role: Role,
    /// To whom.
    pub subject: Subject,
    /// Where.
    pub scope: Scope,
}

/// To whom a role is bound.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Subject {
    /// One principal.
    Principal(PrincipalId),
    /// All members of a group.
    Group(String),
}

/// Where a role holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scope {
    /// Everywhere.
    Cluster,
    /// In an instance.
    Instance(InstanceId),
    /// In a key ring.
    Ring(InstanceId, RingId),
    /// On one key.
    Key(KeyId),
}
