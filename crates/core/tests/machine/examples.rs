//! One example of everything that is encoded. A variant without an example does not compile here.

use crate::script::*;
use conclave_core::audit::AuditRecord;
use conclave_core::command::*;
use conclave_core::ids::{MemberId, PrincipalId, RequestId};
use conclave_core::lifecycle::{
    Allowed, DeletionPolicy, KeyAction, KeyState, PolicyChange, PolicyProblem, Preset, RestoreTo,
};
use conclave_core::model::*;
use conclave_core::outcome::{Bounded, Effect, Outcome, Refusal, Thing, VersionProblem};
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
    let create = CreateKey {
        labels: labels.clone(),
        expires_at_ms: Some(START_MS + DAY),
        rotate_every_ms: Some(90 * DAY),
        ..create_of("orders")
    };
    let update = UpdateKey {
        set_labels: labels,
        remove_labels: vec![text("team")],
        ring: Some(ring_id("shop")),
        ..update("orders", "for orders")
    };
    let key = key_id("orders");
    let in_ring = Scope::Ring(instance_id("shop"), ring_id("shop"));
    let replacing = RecordShare { replaces: Some(ceremony_id("b")), ..share_of("a", 1, 1) };
    vec![
        init(1),
        Command::RecordShare(replacing),
        complete("a", &[1, 2, 3], 1),
        Command::Seal,
        Command::CreateKey(create),
        rotate("orders", 2, 1),
        Command::EnableKey { key },
        Command::DisableKey { key },
        Command::UpdateKey(update),
        create_principal_with_certificate("bob", "conclave://test/principal/bob"),
        disable_principal("bob"),
        join("shop", "bob"),
        Command::CreateToken(token),
        revoke("bob"),
        bind(grant(Role::Writer, "bob"), Some(START_MS)),
        unbind(grant_in(in_ring, Role::Manager, "bob")),
        Command::Tick,
        scheduled_rotation("orders", 2),
        switch("orders", 1, false),
        Command::DeleteKey { key, force: true },
        Command::CancelDeletion { key },
        Command::DeleteNow { key },
        Command::RestoreKey { key },
        Command::PurgeKey { key },
        add_alias("orders", "bills"),
        Command::SetKeyPolicy(SetKeyPolicy {
            key,
            rotation: Some(RotationChange::Every(30 * DAY)),
            windows: PolicyChange { grace_ms: Some(4 * DAY), ..PolicyChange::default() },
        }),
        register("orders", "urn:bucket", true),
        unregister("orders", "urn:bucket"),
        create_instance("shop", policy_change()),
        set_instance_policy("shop", preset(Preset::SoftDelete)),
        delete_instance("shop"),
        Command::SetDeletionFloor { floor_ms: DAY },
        create_ring("shop", "shop"),
        delete_ring("shop", "shop", true),
    ]
}

/// Every field changed.
fn policy_change() -> PolicyChange {
    PolicyChange {
        preset: Some(Preset::Scheduled),
        grace_ms: Some(1),
        restore_window_ms: Some(2),
        purge_floor_ms: Some(3),
        auto_purge_ms: Some(4),
        delete_now: Some(false),
        rotate_while_disabled: Some(false),
        rotate_while_pending: Some(false),
        restore_to: Some(RestoreTo::Enabled),
        disable_deactivated: Some(true),
        enable_cooldown_ms: Some(5),
        restore_cooldown_ms: Some(6),
        rotate_cooldown_ms: Some(7),
        rotation_restarts: Some(true),
    }
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
        Command::Tick => 16,
        Command::ScheduledRotation(_) => 17,
        Command::SetVersionEnabled { .. } => 18,
        Command::DeleteKey { .. } => 19,
        Command::CancelDeletion { .. } => 20,
        Command::DeleteNow { .. } => 21,
        Command::RestoreKey { .. } => 22,
        Command::PurgeKey { .. } => 23,
        Command::SetAlias { .. } => 24,
        Command::SetKeyPolicy(_) => 25,
        Command::RegisterResource(_) => 26,
        Command::UnregisterResource { .. } => 27,
        Command::CreateInstance { .. } => 28,
        Command::SetInstancePolicy { .. } => 29,
        Command::DeleteInstance { .. } => 30,
        Command::SetDeletionFloor { .. } => 31,
        Command::CreateRing { .. } => 32,
        Command::DeleteRing { .. } => 33,
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
        Caller::Cluster,
    ]
}

pub fn entry(caller: Caller, command: Command) -> Entry {
    Entry {
        stamp: Stamp { at_ms: START_MS + HOUR, unscaled_ms: START_MS, rate: 300 },
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
        Effect::Purged { key: key_id("orders") },
        Effect::Ticked { keys: 3 },
        Effect::Instance(instance_id("shop")),
        Effect::Ring { instance: instance_id("shop"), ring: ring_id("shop") },
        Effect::DeletionFloor { floor_ms: DAY },
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
        Effect::Purged { .. } => 8,
        Effect::Ticked { .. } => 9,
        Effect::Instance(_) => 10,
        Effect::Ring { .. } => 11,
        Effect::DeletionFloor { .. } => 12,
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
        Refusal::RoleScope { role: Role::Operator },
        Refusal::NotInitialized,
        Refusal::AlreadyInitialized,
        Refusal::OldEpoch { given: 1, current: 2 },
        Refusal::CeremonyElsewhere { collector: MemberId(2), ceremony: ceremony_id("a") },
        Refusal::CeremonyOver,
        Refusal::ThresholdNotMet { given: 2, needed: 3 },
        Refusal::ShareRepeated { index: 1, accepted: BTreeSet::from([1, 2]), needed: 3 },
        Refusal::NotFound { what: Thing::Key },
        Refusal::AlreadyExists { what: Thing::Alias },
        Refusal::KeyState {
            state: KeyState::Disabled,
            action: KeyAction::Encrypt,
            allowed: Allowed::from_iter([KeyAction::Enable, KeyAction::Update, KeyAction::Read]),
        },
        Refusal::Expired,
        Refusal::WindowOver { over_ms: START_MS },
        Refusal::Retention { registrations: 2 },
        Refusal::Registered { registrations: 3 },
        Refusal::VersionDisabled { version: 2 },
        Refusal::VersionLimit,
        Refusal::VersionSwitch { version: 2, problem: VersionProblem::Newest },
        Refusal::TooEarly { action: KeyAction::Purge, from_ms: START_MS },
        Refusal::NotDue,
        Refusal::Permanent { what: Thing::Ring },
        Refusal::NotEmpty { what: Thing::Instance },
        Refusal::PolicyInvalid(PolicyProblem::UnderFloor { floor_ms: DAY }),
        Refusal::RotationPeriod,
        Refusal::ExpiryInThePast,
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
        Refusal::RoleScope { .. } => 8,
        Refusal::NotInitialized => 9,
        Refusal::AlreadyInitialized => 10,
        Refusal::OldEpoch { .. } => 11,
        Refusal::CeremonyElsewhere { .. } => 12,
        Refusal::CeremonyOver => 13,
        Refusal::ThresholdNotMet { .. } => 14,
        Refusal::ShareRepeated { .. } => 15,
        Refusal::NotFound { .. } => 16,
        Refusal::AlreadyExists { .. } => 17,
        Refusal::KeyState { .. } => 18,
        Refusal::Expired => 19,
        Refusal::WindowOver { .. } => 20,
        Refusal::Retention { .. } => 21,
        Refusal::Registered { .. } => 22,
        Refusal::VersionDisabled { .. } => 23,
        Refusal::VersionLimit => 24,
        Refusal::VersionSwitch { .. } => 25,
        Refusal::TooEarly { .. } => 26,
        Refusal::NotDue => 27,
        Refusal::Permanent { .. } => 28,
        Refusal::NotEmpty { .. } => 29,
        Refusal::PolicyInvalid(_) => 30,
        Refusal::RotationPeriod => 31,
        Refusal::ExpiryInThePast => 32,
        Refusal::Limit { .. } => 33,
        Refusal::Superseded => 34,
    }
}

pub fn outcomes() -> Vec<Outcome> {
    vec![Outcome::Done(Effect::UnsealRecorded), Outcome::Refused(Refusal::CredentialExpired)]
}

pub fn key_record() -> KeyRecord {
    KeyRecord {
        id: key_id("orders"),
        instance: instance_id("shop"),
        ring: ring_id("shop"),
        aliases: vec!["orders".into(), "bills".into()],
        algorithm: Algorithm::Aes256GcmSiv,
        state: KeyState::Destroyed,
        description: "for orders".into(),
        labels: BTreeMap::from([("env".into(), "prod".into())]),
        primary_version: 2,
        created_at_ms: START_MS,
        created_by: principal_id("bob"),
        expires_at_ms: Some(START_MS + 365 * DAY),
        policy: DeletionPolicy::default(),
        rotation: Some(Rotation { every_ms: 90 * DAY, next_at_ms: START_MS + DAY, on: true }),
        rotated_at_ms: Some(START_MS + 1),
        disabled_at_ms: Some(START_MS + 2),
        deletion: Some(Deletion {
            requested_at_ms: START_MS + 3,
            requested_by: principal_id("bob"),
            asked_from: KeyState::Disabled,
            force: true,
            destroyed_at_ms: Some(START_MS + 4),
            erased: true,
        }),
        registrations: 2,
        protecting: 1,
        history: 5,
        revision: 3,
        changed_at: 300,
    }
}

pub fn version_record() -> VersionRecord {
    VersionRecord {
        version: 2,
        enabled: true,
        created_at_ms: START_MS,
        material: Some(material(1)),
        changed_at: 300,
    }
}

pub fn instance_record() -> InstanceRecord {
    InstanceRecord {
        id: instance_id("shop"),
        name: "shop".into(),
        policy: Preset::SoftDelete.policy(),
        created_at_ms: START_MS,
        created_by: principal_id("bob"),
        rings: 2,
    }
}

pub fn ring_record() -> RingRecord {
    RingRecord {
        id: ring_id("shop"),
        instance: instance_id("shop"),
        name: "shop".into(),
        created_at_ms: START_MS,
        created_by: principal_id("bob"),
        keys: 3,
    }
}

pub fn counts() -> Counts {
    Counts { keys: [1, 2, 3, 4, 5], versions: [10, 20, 30, 40, 50] }
}

pub fn registration_record() -> RegistrationRecord {
    RegistrationRecord {
        resource: "urn:bucket".into(),
        description: "the bucket".into(),
        prevent_deletion: true,
        version: 2,
        registered_at_ms: START_MS,
        registered_by: principal_id("bob"),
    }
}

pub fn history_record() -> HistoryRecord {
    HistoryRecord {
        at_ms: START_MS,
        principal: principal_id("bob"),
        action: "DisableKey".into(),
        refused: Some("KEY_STATE".into()),
        from: Some(KeyState::Enabled),
        to: Some(KeyState::Disabled),
        version: 2,
        request: RequestId(Uuid::from_u128(0x1234)),
        index: 300,
    }
}

pub fn tombstone() -> Tombstone {
    Tombstone { instance: instance_id("shop"), index: 300, purged_at_ms: START_MS }
}

pub fn event_records() -> Vec<EventRecord> {
    let (from, to) = (Some(KeyState::Enabled), Some(KeyState::Disabled));
    let kinds = [
        EventKind::StateChanged { from, to },
        EventKind::VersionsNearLimit { versions: 90 },
        EventKind::RotationStopped,
        EventKind::MaterialErased,
        EventKind::DeletionHeld,
    ];
    let (key, instance) = (key_id("orders"), instance_id("shop"));
    let event = |(seq, kind)| EventRecord { seq, at_ms: START_MS, key, instance, kind };
    (300..).zip(kinds).map(event).collect()
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
        cluster_time_ms: START_MS + HOUR,
        unscaled_ms: START_MS,
        clock_rate: 300,
        deletion_floor_ms: DAY,
        next_event: 500,
        remembered: 300,
        memory_floor: 200,
        oldest_request_ms: 1_780_000_000_000,
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
