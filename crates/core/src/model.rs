//! The records of the state: what the tables hold.

use crate::command::{Algorithm, Grant, WrappedMaterial, WrappedWrappingKey};
use crate::ids::{
    CeremonyId, InstanceId, KeyId, KeyspaceId, MemberId, PrincipalId, RequestId, RingId, TokenId,
};
use crate::lifecycle::{self, Allowed, DeletionPolicy, KeyAction, KeyState, Situation};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// A key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// Its id.
    pub id: KeyId,
    /// The instance it belongs to.
    pub instance: InstanceId,
    /// The ring it lies in.
    pub ring: RingId,
    /// Names beside the id, in the order in which they were given.
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
    /// From when on it only decrypts, in milliseconds since the Unix epoch.
    pub expires_at_ms: Option<u64>,
    /// What happens when it is deleted: copied from the instance when the key was created.
    pub policy: DeletionPolicy,
    /// The schedule of its rotations.
    pub rotation: Option<Rotation>,
    /// When it was last rotated, in milliseconds since the Unix epoch.
    pub rotated_at_ms: Option<u64>,
    /// When it was last disabled, in milliseconds since the Unix epoch.
    pub disabled_at_ms: Option<u64>,
    /// The deletion it is in.
    pub deletion: Option<Deletion>,
    /// How many resources are registered …
    pub registrations: u32,
    /// … and how many of them prevent deletion.
    pub protecting: u32,
    /// How many entries its history has had.
    pub history: u64,
    /// Rises by one with every change.
    pub revision: u64,
    /// Log index of the last change.
    pub changed_at: u64,
}

impl KeyRecord {
    /// The actions that it allows at a time in milliseconds since the Unix epoch. What is erased is not
    /// restored, whatever its state would allow.
    pub fn allowed(&self, now_ms: u64) -> Allowed {
        let erased = self.deletion.as_ref().is_some_and(|deletion| deletion.erased);
        let by_state = lifecycle::allowed(&self.policy, self.situation(now_ms));
        by_state.actions().filter(|action| !erased || *action != KeyAction::Restore).collect()
    }

    /// What the lifecycle table judges by, at a time in milliseconds since the Unix epoch.
    pub fn situation(&self, now_ms: u64) -> Situation {
        Situation {
            state: self.state,
            expired: self.expires_at_ms.is_some_and(|end| now_ms >= end),
            asked_from: self.deletion.as_ref().map_or(self.state, |deletion| deletion.asked_from),
        }
    }
}

/// A schedule of rotations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotation {
    /// The period, in milliseconds.
    pub every_ms: u64,
    /// When the next one is due, in milliseconds since the Unix epoch.
    pub next_at_ms: u64,
    /// Off: the key has as many versions as it can have.
    pub on: bool,
}

/// A deletion under way. All times are in milliseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletion {
    /// When it was asked for.
    pub requested_at_ms: u64,
    /// By whom.
    pub requested_by: PrincipalId,
    /// In which state the key was then.
    pub asked_from: KeyState,
    /// Whether registrations do not hold it up.
    pub force: bool,
    /// When the key was destroyed.
    pub destroyed_at_ms: Option<u64>,
    /// Whether the material of all versions is gone.
    pub erased: bool,
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
    /// The wrapped material; `None`: erased.
    pub material: Option<WrappedMaterial>,
    /// Log index of the last change.
    pub changed_at: u64,
}

/// An instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceRecord {
    /// Its id.
    pub id: InstanceId,
    /// Its unique name.
    pub name: String,
    /// What new keys copy.
    pub policy: DeletionPolicy,
    /// When it was created, in milliseconds since the Unix epoch.
    pub created_at_ms: u64,
    /// By whom.
    pub created_by: PrincipalId,
    /// How many key rings it has, `default` included.
    pub rings: u32,
}

/// How many keys and versions an instance has in each state, in the order of [`KeyState::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Keys.
    pub keys: [u64; 5],
    /// Their versions.
    pub versions: [u64; 5],
}

/// A key ring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingRecord {
    /// Its id.
    pub id: RingId,
    /// The instance it belongs to.
    pub instance: InstanceId,
    /// Its name, unique in the instance.
    pub name: String,
    /// When it was created, in milliseconds since the Unix epoch.
    pub created_at_ms: u64,
    /// By whom.
    pub created_by: PrincipalId,
    /// How many keys lie in it.
    pub keys: u64,
}

/// A resource that a key protects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistrationRecord {
    /// Its name: a URI, ARN, CRN or the like.
    pub resource: String,
    /// Free text.
    pub description: String,
    /// Whether the key must not be deleted while it stands.
    pub prevent_deletion: bool,
    /// The primary version when it was registered.
    pub version: u32,
    /// When it was registered, in milliseconds since the Unix epoch.
    pub registered_at_ms: u64,
    /// By whom.
    pub registered_by: PrincipalId,
}

/// An entry in the history of a key: a command, a refused one too, or a timer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryRecord {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// On whose behalf; [`PrincipalId::NOBODY`] for the cluster itself.
    pub principal: PrincipalId,
    /// Name of the command or of the timer.
    pub action: String,
    /// Reason of a refusal; `None`: done.
    pub refused: Option<String>,
    /// The state before.
    pub from: Option<KeyState>,
    /// The state after.
    pub to: Option<KeyState>,
    /// The primary version after it.
    pub version: u32,
    /// The caller's request id.
    pub request: RequestId,
    /// Log index of the entry.
    pub index: u64,
}

/// What is left of a purged key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// The instance it belonged to.
    pub instance: InstanceId,
    /// Log index of the purge.
    pub index: u64,
    /// When it was purged, in milliseconds since the Unix epoch.
    pub purged_at_ms: u64,
}

/// Something that subscribers of a key are to learn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// Its number, from 0.
    pub seq: u64,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The key.
    pub key: KeyId,
    /// Its instance.
    pub instance: InstanceId,
    /// What happened.
    pub kind: EventKind,
}

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventKind {
    /// Its state changed; `from` is `None` for a new key, `to` for a purged one.
    StateChanged {
        /// Before.
        from: Option<KeyState>,
        /// After.
        to: Option<KeyState>,
    },
    /// It has a new primary version, with at least 90 of the 100 it can have.
    VersionsNearLimit {
        /// How many it has.
        versions: u32,
    },
    /// Its schedule turned itself off: it has as many versions as it can have.
    RotationStopped,
    /// The material of all versions is gone.
    MaterialErased,
    /// Its deletion was called off at the end of the grace period: something protects it. An alarm.
    DeletionHeld,
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
    /// The newest stamp on the clock that no development clock rate speeds up.
    pub unscaled_ms: u64,
    /// The clock rate of that stamp; 1 but in development.
    pub clock_rate: u32,
    /// The least time from a request to delete a key until its material is out of reach.
    pub deletion_floor_ms: u64,
    /// Number of the next event.
    pub next_event: u64,
    /// How many requests are remembered.
    pub remembered: u64,
    /// Highest log index of a request that was forgotten.
    pub memory_floor: u64,
    /// No remembered request is older than this, on the unscaled clock.
    pub oldest_request_ms: u64,
    /// Sequence number of the next audit record.
    pub next_audit: u64,
    /// Hash of the newest audit record.
    pub audit_head: [u8; 32],
}

impl MachineRecord {
    /// Whether cluster time has ever passed at another rate than real time.
    pub fn was_scaled(&self) -> bool {
        self.clock_rate > 1 || self.cluster_time_ms > self.unscaled_ms
    }

    /// The time of the newest entry.
    pub fn time(&self) -> crate::command::Stamp {
        crate::command::Stamp {
            at_ms: self.cluster_time_ms,
            unscaled_ms: self.unscaled_ms,
            rate: self.clock_rate.max(1),
        }
    }
}
