//! Permits for tests of what only takes permits.

use conclave_core::access::{AccessFacts, authenticate, authorize};
use conclave_core::command::{
    Algorithm, Caller, CredentialRef, Grant, Scope, Subject, WrappedMaterial,
};
use conclave_core::ids::{KeyId, PrincipalId, TokenId};
use conclave_core::lifecycle::KeyState;
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

    fn bindings_of(&self, subject: &Subject) -> Vec<BindingRecord> {
        let grant = Grant { role: Role::Reader, subject: subject.clone(), scope: Scope::Cluster };
        vec![BindingRecord { id: Uuid::nil(), grant, until_ms: None }]
    }
}

/// A permit to encrypt with a version that last changed at `changed_at`.
pub(crate) fn permit(key: KeyId, version: u32, changed_at: u64) -> UsePermit {
    let credential = CredentialRef::Certificate(URI.to_owned());
    let caller = Caller::Principal { principal: SOMEBODY, credential };
    let who = authenticate(&Facts, &caller, 0).unwrap();
    let authorized = authorize(&Facts, &who, Action::Encrypt, 0).unwrap();
    let record = KeyRecord {
        id: key,
        aliases: Vec::new(),
        algorithm: Algorithm::Aes256GcmSiv,
        state: KeyState::Enabled,
        description: String::new(),
        labels: BTreeMap::new(),
        primary_version: version,
        created_at_ms: 0,
        created_by: SOMEBODY,
        revision: 1,
        changed_at,
    };
    let material = WrappedMaterial { generation: 1, wrapped: Vec::new() };
    let version = VersionRecord { version, enabled: true, created_at_ms: 0, material, changed_at };
    permit_use(authorized, &record, &version).unwrap()
}
