//! One example of everything that is encoded. A variant without an example does not compile here.

use crate::script::*;
use conclave_core::audit::AuditRecord;
use conclave_core::command::*;
use conclave_core::ids::{MemberId, PrincipalId, RequestId};
use conclave_core::lifecycle::{KeyAction, KeyState};
use conclave_core::model::*;
use conclave_core::outcome::{Bounded, Effect, Outcome, Refusal, Thing};
use conclave_core::roles::{Action, Role};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

pub fn commands() -> Vec<Command> {
    let text = |text: &str| text.to_owned();
    let labels = BTreeMap::from([(text("env"), text("prod"))]);
    let token = CreateToken {
        bound_certificate: Some([0x33; 32]),
        ..match create_token("bob", "bob", DAY) {
            Command::CreateToken(token) => token,
            other => unreachable!("{other}"),
        }
    };
    let create = match create_key("orders") {
        Command::CreateKey(create) => CreateKey { labels: labels.clone(), ..create },
        other => unreachable!("{other}"),
    };
    let update = UpdateKey {
        set_labels: labels,
        remove_labels: vec![text("team")],
        ..update("orders", "for orders")
    };
    let replacing = RecordShare { replaces: Some(ceremony_id("b")), ..share_of("a", 1, 1) };
    vec![
        init(1),
        Command::RecordShare(replacing),
        complete("a", &[1, 2, 3], 1),
        Command::Seal,
        Command::CreateKey(create),
        rotate("orders", 2, 1),
        Command::EnableKey { key: key_id("orders") },
        Command::DisableKey { key: key_id("orders") },
        Command::UpdateKey(update),
        create_principal_with_certificate("bob", "conclave://test/principal/bob"),
        disable_principal("bob"),
        join("shop", "bob"),
        Command::CreateToken(token),
        revoke("bob"),
        bind(grant(Role::Writer, "bob"), Some(START_MS)),
        unbind(group_grant(Role::Administrator, "shop")),
    ]
}

/// The place of a command in the list above.
pub fn place_of_command(command: &Command) -> usize {
    match command {
        Command::InitializeSeal(_) => 0,
        Command::RecordShare(_) => 1,
        Command::CompleteUnseal(_) => 2,
        Command::Seal => 3,
        Command::CreateKey(_) => 4,
        Command::RotateKey(_) => 5,
        Command::EnableKey { .. } => 6,
        Command::DisableKey { .. } => 7,
        Command::UpdateKey(_) => 8,
        Command::CreatePrincipal { .. } => 9,
        Command::DisablePrincipal { .. } => 10,
        Command::SetGroupMember { .. } => 11,
        Command::CreateToken(_) => 12,
        Command::RevokeToken { .. } => 13,
        Command::BindRole { .. } => 14,
        Command::UnbindRole { .. } => 15,
    }
}

pub fn callers() -> Vec<Caller> {
    let principal = principal_id("bob");
    let token = CredentialRef::Token(token_id("bob"));
    let certificate = CredentialRef::Certificate("conclave://test/principal/bob".into());
    vec![
        Caller::Principal { principal, credential: token },
        Caller::Principal { principal, credential: certificate },
        Caller::Operator { name: "ops".into() },
        Caller::Custodian,
    ]
}

pub fn entry(caller: Caller, command: Command) -> Entry {
    Entry {
        stamp: Stamp { at_ms: START_MS },
        proposal: Proposal {
            caller,
            request: RequestId(Uuid::from_u128(0x1234)),
            request_digest: [0x44; 32],
            seen_index: Some(300),
            command,
        },
    }
}

pub fn effects() -> Vec<Effect> {
    vec![
        Effect::Key {
            key: key_id("orders"),
            state: KeyState::Disabled,
            primary_version: 2,
            revision: 300,
        },
        Effect::Principal(principal_id("bob")),
        Effect::Token { token: token_id("bob"), expires_at_ms: Some(START_MS) },
        Effect::Binding(id("binding", "example")),
        Effect::SealInitialized { admin_expires_at_ms: None },
        Effect::ShareRecorded {
            ceremony: ceremony_id("a"),
            accepted: BTreeSet::from([1, 3]),
            needed: 3,
        },
        Effect::UnsealRecorded,
        Effect::Sealed { generation: 2 },
    ]
}

pub fn place_of_effect(effect: &Effect) -> usize {
    match effect {
        Effect::Key { .. } => 0,
        Effect::Principal(_) => 1,
        Effect::Token { .. } => 2,
        Effect::Binding(_) => 3,
        Effect::SealInitialized { .. } => 4,
        Effect::ShareRecorded { .. } => 5,
        Effect::UnsealRecorded => 6,
        Effect::Sealed { .. } => 7,
    }
}

pub fn refusals() -> Vec<Refusal> {
    vec![
        Refusal::CredentialInvalid,
        Refusal::CredentialExpired,
        Refusal::RequestIdReused,
        Refusal::RequestTooOld { floor: 300 },
        Refusal::PermissionDenied { action: Action::CreateKey },
        Refusal::WrongCaller,
        Refusal::SelfGrant,
        Refusal::GrantNotHeld { role: Role::KeyPurge },
        Refusal::NotInitialized,
        Refusal::AlreadyInitialized,
        Refusal::OldEpoch { given: 1, current: 2 },
        Refusal::CeremonyElsewhere { collector: MemberId(2), ceremony: ceremony_id("a") },
        Refusal::CeremonyOver,
        Refusal::ThresholdNotMet { given: 2, needed: 3 },
        Refusal::ShareRepeated { index: 1, accepted: BTreeSet::from([1, 2]), needed: 3 },
        Refusal::NotFound { what: Thing::Key },
        Refusal::AlreadyExists { what: Thing::Alias },
        Refusal::KeyState { state: KeyState::Disabled, action: KeyAction::Encrypt },
        Refusal::VersionDisabled { version: 2 },
        Refusal::VersionLimit,
        Refusal::Limit { what: Bounded::Labels, limit: 20 },
        Refusal::Superseded,
    ]
}

/// The place of a refusal in the order of precedence.
pub fn place_of_refusal(refusal: &Refusal) -> usize {
    match refusal {
        Refusal::CredentialInvalid => 0,
        Refusal::CredentialExpired => 1,
        Refusal::RequestIdReused => 2,
        Refusal::RequestTooOld { .. } => 3,
        Refusal::PermissionDenied { .. } => 4,
        Refusal::WrongCaller => 5,
        Refusal::SelfGrant => 6,
        Refusal::GrantNotHeld { .. } => 7,
        Refusal::NotInitialized => 8,
        Refusal::AlreadyInitialized => 9,
        Refusal::OldEpoch { .. } => 10,
        Refusal::CeremonyElsewhere { .. } => 11,
        Refusal::CeremonyOver => 12,
        Refusal::ThresholdNotMet { .. } => 13,
        Refusal::ShareRepeated { .. } => 14,
        Refusal::NotFound { .. } => 15,
        Refusal::AlreadyExists { .. } => 16,
        Refusal::KeyState { .. } => 17,
        Refusal::VersionDisabled { .. } => 18,
        Refusal::VersionLimit => 19,
        Refusal::Limit { .. } => 20,
        Refusal::Superseded => 21,
    }
}

pub fn outcomes() -> Vec<Outcome> {
    vec![Outcome::Done(Effect::UnsealRecorded), Outcome::Refused(Refusal::CredentialExpired)]
}

pub fn key_record() -> KeyRecord {
    KeyRecord {
        id: key_id("orders"),
        aliases: vec!["orders".into()],
        algorithm: Algorithm::Aes256GcmSiv,
        state: KeyState::Enabled,
        description: "for orders".into(),
        labels: BTreeMap::from([("env".into(), "prod".into())]),
        primary_version: 2,
        created_at_ms: START_MS,
        created_by: principal_id("bob"),
        revision: 3,
        changed_at: 300,
    }
}

pub fn version_record() -> VersionRecord {
    VersionRecord {
        version: 2,
        enabled: true,
        created_at_ms: START_MS,
        material: material(1),
        changed_at: 300,
    }
}

pub fn principal_record() -> PrincipalRecord {
    PrincipalRecord {
        id: principal_id("bob"),
        name: "bob".into(),
        disabled: false,
        groups: BTreeSet::from(["shop".into()]),
        certificate: Some("conclave://test/principal/bob".into()),
        tokens: 1,
    }
}

pub fn token_record() -> TokenRecord {
    TokenRecord {
        id: token_id("bob"),
        principal: principal_id("bob"),
        hash: [0x17; 32],
        created_at_ms: START_MS,
        expires_at_ms: Some(START_MS + DAY),
        revoked: false,
        bound_certificate: Some([0x33; 32]),
    }
}

pub fn binding_record() -> BindingRecord {
    BindingRecord {
        id: id("binding", "example"),
        grant: group_grant(Role::Manager, "shop"),
        until_ms: Some(START_MS),
    }
}

pub fn seal_record() -> SealRecord {
    SealRecord {
        keyspace: init_of(1).keyspace,
        epoch: 1,
        threshold: 2,
        commitments: vec![[1; 32], [2; 32], [3; 32]],
        check_value: vec![0x55; 16],
        wrapping_keys: vec![WrappedWrappingKey { generation: 1, wrapped: vec![0x66; 48] }],
        confirmed: true,
        generation: 2,
        last_proven_ms: vec![Some(START_MS), None, None],
        ceremony: Some(CeremonyRecord {
            id: ceremony_id("a"),
            collector: MemberId(1),
            accepted: BTreeSet::from([2]),
            expires_at_ms: START_MS + HOUR,
        }),
        first_admin: (principal_id("admin"), token_id("admin")),
    }
}

pub fn machine_record() -> MachineRecord {
    MachineRecord {
        cluster_time_ms: START_MS,
        remembered: 300,
        memory_floor: 200,
        next_audit: 400,
        audit_head: [0x77; 32],
    }
}

pub fn audit_record() -> AuditRecord {
    AuditRecord {
        seq: 399,
        prev: [0x88; 32],
        at_ms: START_MS,
        index: 300,
        principal: PrincipalId::NOBODY,
        action: "DisableKey".into(),
        key: Some(key_id("orders")),
        refused: Some("KEY_STATE".into()),
        request: RequestId(Uuid::from_u128(0x1234)),
    }
}
