//! The records of the state: what the tables hold.

use crate::command::{Algorithm, Grant, WrappedMaterial, WrappedWrappingKey};
use crate::ids::{CeremonyId, KeyId, KeyspaceId, MemberId, PrincipalId, TokenId};
use crate::lifecycle::KeyState;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// A key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// Its id.
    pub id: KeyId,
    /// Names beside the id.
    pub aliases: Vec<String>,
    /// What it is for.
    pub algorithm: Algorithm,
    /// Where in its lifecycle.
    pub state: KeyState,
    /// Free text.
    pub description: String,
    /// Free labels.
    pub labels: BTreeMap<String, String>,
    /// The version that protects new data.
    pub primary_version: u32,
    /// When it was created, in milliseconds since the Unix epoch.
    pub created_at_ms: u64,
    /// By whom.
    pub created_by: PrincipalId,
    /// Rises by one with every change.
    pub revision: u64,
    /// Log index of the last change.
    pub changed_at: u64,
}

/// A version of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionRecord {
    /// Number, from 1.
    pub version: u32,
    /// Its own switch.
    pub enabled: bool,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_at_ms: u64,
    /// The wrapped material.
    pub material: WrappedMaterial,
    /// Log index of the last change.
    pub changed_at: u64,
}

/// A principal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrincipalRecord {
    /// Its id.
    pub id: PrincipalId,
    /// Its unique name.
    pub name: String,
    /// Whether its credentials are switched off.
    pub disabled: bool,
    /// Groups kept in the cluster.
    pub groups: BTreeSet<String>,
    /// SAN URI of client certificates that stand for it.
    pub certificate: Option<String>,
    /// How many tokens it has that were not revoked, expired ones included.
    pub tokens: u32,
}

/// A token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// Its id.
    pub id: TokenId,
    /// Whose it is.
    pub principal: PrincipalId,
    /// SHA-256 of the secret.
    pub hash: [u8; 32],
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_at_ms: u64,
    /// When it ends; `None`: never (development only).
    pub expires_at_ms: Option<u64>,
    /// Whether it was revoked.
    pub revoked: bool,
    /// SHA-256 of the client certificate it is bound to.
    pub bound_certificate: Option<[u8; 32]>,
}

/// A role binding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindingRecord {
    /// Its id.
    pub id: Uuid,
    /// What is bound to whom, where.
    pub grant: Grant,
    /// When it ends, in milliseconds since the Unix epoch.
    pub until_ms: Option<u64>,
}

/// The seal: everything about the root key but the root key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealRecord {
    /// The keyspace.
    pub keyspace: KeyspaceId,
    /// Generation of the shares, from 1.
    pub epoch: u32,
    /// How many shares are needed.
    pub threshold: u8,
    /// Ed25519 public key per share, in order of the index (1 first).
    pub commitments: Vec<[u8; 32]>,
    /// Lets a recombined root key be recognised.
    pub check_value: Vec<u8>,
    /// Wrapping keys under the root key, ascending by generation.
    pub wrapping_keys: Vec<WrappedWrappingKey>,
    /// Whether a first unseal has confirmed the shares.
    pub confirmed: bool,
    /// Rises with every `Seal`: keys unwrapped under an older generation are worthless.
    pub generation: u64,
    /// When each share was last proven, in order of the index.
    pub last_proven_ms: Vec<Option<u64>>,
    /// The running ceremony.
    pub ceremony: Option<CeremonyRecord>,
    /// Principal `admin` as init made it: replaced when init runs again before confirmation.
    pub first_admin: (PrincipalId, TokenId),
}

impl SealRecord {
    /// The newest wrapping key generation.
    pub fn wrapping_generation(&self) -> u32 {
        self.wrapping_keys.last().map_or(0, |key| key.generation)
    }

    /// How many shares were dealt.
    pub fn shares(&self) -> u8 {
        u8::try_from(self.commitments.len()).unwrap_or(u8::MAX)
    }
}

/// A running ceremony.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CeremonyRecord {
    /// Its id.
    pub id: CeremonyId,
    /// The node that holds the shares given so far.
    pub collector: MemberId,
    /// Indexes of the shares given so far.
    pub accepted: BTreeSet<u8>,
    /// When it lapses, in milliseconds since the Unix epoch.
    pub expires_at_ms: u64,
}

/// Counters of the machine itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineRecord {
    /// The newest stamp: cluster time.
    pub cluster_time_ms: u64,
    /// How many requests are remembered.
    pub remembered: u64,
    /// Highest log index of a request that was forgotten.
    pub memory_floor: u64,
    /// Sequence number of the next audit record.
    pub next_audit: u64,
    /// Hash of the newest audit record.
    pub audit_head: [u8; 32],
}
