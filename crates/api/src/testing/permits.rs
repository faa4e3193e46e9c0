//! Permits for tests of what only takes permits.

use conclave_core::access::{AccessFacts, Resource, authenticate, authorize};
use conclave_core::command::{
    Algorithm, Caller, CredentialRef, Grant, Scope, Subject, WrappedMaterial,
};
use conclave_core::ids::{InstanceId, KeyId, PrincipalId, RingId, TokenId};
use conclave_core::lifecycle::{DeletionPolicy, KeyState};
use conclave_core::model::{BindingRecord, KeyRecord, PrincipalRecord, TokenRecord, VersionRecord};
use conclave_core::roles::{Action, Role};
use conclave_core::usage::{UsePermit, permit_use};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

const SOMEBODY: PrincipalId = PrincipalId(Uuid::from_u128(1));
const URI: &str = "conclave://test/principal/somebody";

/// One principal that may encrypt.
struct Facts;

impl AccessFacts for Facts {
    fn principal(&self, id: PrincipalId) -> Option<PrincipalRecord> {
        (id == SOMEBODY).then(|| PrincipalRecord {
            id,
            name: "somebody".to_owned(),
            disabled: false,
            groups: BTreeSet::new(),
            certificate: Some(URI.to_owned()),
            tokens: 0,
        })
    }

    fn token(&self, _: TokenId) -> Option<TokenRecord> {
        None
    }

    fn principal_of_certificate(&self, uri: &str) -> Option<PrincipalId> {
        (uri == URI).then_some(SOMEBODY)
    }

    fn each_binding(&self, subject: &Subject, see: &mut dyn FnMut(&BindingRecord)) {
        let grant = Grant { role: Role::Reader, subject: subject.clone(), scope: Scope::Cluster };
        see(&BindingRecord { id: Uuid::nil(), grant, until_ms: None });
    }
}

/// A permit to encrypt with a version that last changed at `changed_at`.
pub(crate) fn permit(key: KeyId, version: u32, changed_at: u64) -> UsePermit {
    let credential = CredentialRef::Certificate(URI.to_owned());
    let caller = Caller::Principal { principal: SOMEBODY, credential };
    let who = authenticate(&Facts, &caller, 0).unwrap();
    let record = record(key, version, changed_at);
    let on = Resource::of_key(&record);
    let authorized = authorize(&Facts, &who, Action::Encrypt, on, 0).unwrap();
    let material = Some(WrappedMaterial { generation: 1, wrapped: Vec::new() });
    let version = VersionRecord { version, enabled: true, created_at_ms: 0, material, changed_at };
    permit_use(authorized, &record, &version, 0).unwrap()
}

fn record(id: KeyId, primary_version: u32, changed_at: u64) -> KeyRecord {
    KeyRecord {
        id,
        instance: InstanceId(Uuid::from_u128(2)),
        ring: RingId(Uuid::from_u128(3)),
        aliases: Vec::new(),
        algorithm: Algorithm::Aes256GcmSiv,
        state: KeyState::Enabled,
        description: String::new(),
        labels: BTreeMap::new(),
        primary_version,
        created_at_ms: 0,
        created_by: SOMEBODY,
        expires_at_ms: None,
        policy: DeletionPolicy::default(),
        rotation: None,
        rotated_at_ms: None,
        disabled_at_ms: None,
        deletion: None,
        registrations: 0,
        protecting: 0,
        history: 0,
        revision: 1,
        changed_at,
    }
}
