//! Commands: everything that changes replicated state. Time, ids and wrapped material are inside.

use crate::ids::{CeremonyId, KeyId, KeyspaceId, MemberId, PrincipalId, RequestId, TokenId};
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

/// The time of an entry. Set by the leader just before the entry enters the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stamp {
    /// Milliseconds since the Unix epoch; apply never lets it go back.
    pub at_ms: u64,
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
}

impl Caller {
    /// The principal under which requests are remembered and audited.
    pub fn principal(&self) -> PrincipalId {
        match self {
            Caller::Principal { principal, .. } => *principal,
            Caller::Operator { .. } | Caller::Custodian => PrincipalId::NOBODY,
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
        }
    }

    /// What a principal must be permitted to do; `None` for commands that no principal gives.
    pub fn action(&self) -> Option<Action> {
        match self {
            Command::InitializeSeal(_) | Command::RecordShare(_) | Command::CompleteUnseal(_) => {
                None
            }
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
        }
    }

    /// The key it is about.
    pub fn key(&self) -> Option<KeyId> {
        match self {
            Command::CreateKey(create) => Some(create.key),
            Command::RotateKey(rotate) => Some(rotate.key),
            Command::EnableKey { key } | Command::DisableKey { key } => Some(*key),
            Command::UpdateKey(update) => Some(update.key),
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
    /// Name beside the id.
    pub alias: Option<String>,
    /// What the key is for.
    pub algorithm: Algorithm,
    /// Free text.
    pub description: String,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
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
}
