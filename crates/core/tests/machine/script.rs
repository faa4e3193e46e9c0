//! The language of these tests: `script.admin().create_key("orders")`. Ids follow from names, time
//! stands still until `wait_ms`, and each request has a fresh id unless it is given one.

use crate::machine::Machine;
use conclave_core::audit::AuditRecord;
use conclave_core::canonical::Canonical;
use conclave_core::codec;
use conclave_core::command::*;
use conclave_core::digest::Tracked;
use conclave_core::ids::*;
use conclave_core::lifecycle::{KeyState, PolicyChange, Preset};
use conclave_core::model::{
    EventKind, EventRecord, HistoryRecord, KeyRecord, RegistrationRecord, SealRecord,
};
use conclave_core::outcome::{Applied, Effect, Outcome, Refusal};
use conclave_core::records::{MemoryRecords, Records, RecordsRead, Table};
use conclave_core::roles::Role;
use conclave_core::state::StateMut;
use conclave_core::timers;
use std::collections::BTreeMap;
use std::ops::Bound;
use uuid::Uuid;

pub type Answer = Result<Effect, Refusal>;

/// Where the clock of a script starts: 2027-01-15T08:00:00Z.
pub const START_MS: u64 = 1_800_000_000_000;
pub const SECOND: u64 = 1_000;
pub const HOUR: u64 = 3_600 * SECOND;
pub const DAY: u64 = 24 * HOUR;

/// A cluster whose log is written by the test.
#[derive(Clone)]
pub struct Script {
    pub machine: Machine<MemoryRecords>,
    pub now_ms: u64,
    /// Instead of `now_ms`, where the two clocks differ.
    pub stamp: Option<Stamp>,
    /// Long scripts leave out the checks of the whole state after each entry.
    pub unchecked: bool,
    requests: u128,
}

impl Script {
    /// Before the first entry.
    pub fn empty() -> Self {
        Self {
            machine: Machine::default(),
            now_ms: START_MS,
            stamp: None,
            unchecked: false,
            requests: 0,
        }
    }

    /// Initialized, not confirmed: 5 shares, 3 needed, principal `admin` with token `admin`.
    pub fn initialized() -> Self {
        let mut script = Self::empty();
        script.operator().send(init(1)).unwrap();
        script
    }

    /// Initialized and confirmed by a first unseal.
    pub fn unsealed() -> Self {
        let mut script = Self::initialized();
        script.unseal();
        script
    }

    /// Runs a whole ceremony.
    pub fn unseal(&mut self) {
        let epoch = self.seal().epoch;
        let ceremony = format!("ceremony at {}", self.machine.index);
        for index in 1..=3 {
            self.custodian().send(share(&ceremony, index, epoch)).unwrap();
        }
        self.custodian().send(complete(&ceremony, &[1, 2, 3], epoch)).unwrap();
    }

    /// Adds a principal with a token of its name (30 days) and roles.
    pub fn add(&mut self, name: &str, roles: &[Role]) {
        self.admin().send(create_principal(name)).unwrap();
        self.admin().send(create_token(name, name, 30 * DAY)).unwrap();
        for role in roles {
            self.admin().send(bind(grant(*role, name), None)).unwrap();
        }
    }

    pub fn wait_ms(&mut self, ms: u64) {
        self.now_ms += ms;
    }

    pub fn operator(&mut self) -> Act<'_> {
        self.act(Caller::Operator { name: "ops".into() })
    }

    pub fn custodian(&mut self) -> Act<'_> {
        self.act(Caller::Custodian)
    }

    /// The first principal, by its token.
    pub fn admin(&mut self) -> Act<'_> {
        self.by("admin")
    }

    /// A principal by the token that has its name.
    pub fn by(&mut self, name: &str) -> Act<'_> {
        self.by_token(name, name)
    }

    pub fn by_token(&mut self, name: &str, token: &str) -> Act<'_> {
        let credential = CredentialRef::Token(token_id(token));
        self.act(Caller::Principal { principal: principal_id(name), credential })
    }

    pub fn by_certificate(&mut self, name: &str, uri: &str) -> Act<'_> {
        let credential = CredentialRef::Certificate(uri.into());
        self.act(Caller::Principal { principal: principal_id(name), credential })
    }

    /// The cluster itself.
    pub fn cluster(&mut self) -> Act<'_> {
        self.act(Caller::Cluster)
    }

    /// Works off what is due.
    pub fn tick(&mut self) -> u32 {
        match self.cluster().send(Command::Tick) {
            Ok(Effect::Ticked { keys }) => keys,
            other => panic!("{other:?}"),
        }
    }

    fn act(&mut self, caller: Caller) -> Act<'_> {
        self.requests += 1;
        let request = RequestId(Uuid::from_u128(self.requests));
        Act { script: self, caller, request, seen_index: None }
    }

    fn apply(&mut self, proposal: Proposal) -> Applied {
        let stamp = self.stamp.unwrap_or(Stamp::at(self.now_ms));
        let entry = Entry { stamp, proposal };
        if self.unchecked {
            return self.machine.step(&entry).0;
        }
        let before = self.machine.clone();
        let (applied, changes) = self.machine.step(&entry);
        self.machine.assert_recomputable();
        for place in changed_places(&before.records, &self.machine.records) {
            let told = changes.touched.iter().any(|t| (t.table, &t.key) == (place.0, &place.1));
            assert!(told, "{place:?} changed, but it is not among what was touched");
        }
        applied
    }

    pub fn seal(&self) -> SealRecord {
        self.machine.state().seal().expect("an initialized cluster")
    }

    pub fn key(&self, alias: &str) -> KeyRecord {
        self.machine.state().key(key_id(alias)).expect("a key of this alias")
    }

    /// The key as time has left it by now; `None`: purged, or never there.
    pub fn as_of_now(&self, alias: &str) -> Option<KeyRecord> {
        timers::as_of(&self.machine.state().key(key_id(alias))?, self.now_ms)
    }

    /// The state of a key now; `None`: purged, or never there.
    pub fn state_of(&self, alias: &str) -> Option<KeyState> {
        self.as_of_now(alias).map(|key| key.state)
    }

    pub fn history(&self, alias: &str) -> Vec<HistoryRecord> {
        self.machine.state().history(key_id(alias))
    }

    pub fn events(&self) -> Vec<EventRecord> {
        self.machine.state().events(0, usize::MAX)
    }

    /// What subscribers of a key were told.
    pub fn told(&self, alias: &str) -> Vec<EventKind> {
        let of_key = |event: &EventRecord| (event.key == key_id(alias)).then_some(event.kind);
        self.events().iter().filter_map(of_key).collect()
    }

    /// The audit records in the state, oldest first.
    pub fn audit(&self) -> Vec<AuditRecord> {
        let all = self.machine.records.range(
            Table::Audit,
            Bound::Unbounded,
            Bound::Unbounded,
            usize::MAX,
        );
        all.iter().map(|(_, bytes)| codec::decode(bytes).unwrap()).collect()
    }
}

/// Writes a registration past all commands, as if the state had come from elsewhere: no command brings
/// one to a key in deletion.
pub fn plant(script: &mut Script, alias: &str, resource: &str, prevent_deletion: bool) {
    let mut key = script.key(alias);
    key.registrations += 1;
    key.protecting += u32::from(prevent_deletion);
    let registration = RegistrationRecord {
        resource: resource.into(),
        description: String::new(),
        prevent_deletion,
        version: 1,
        registered_at_ms: script.now_ms,
        registered_by: principal_id("admin"),
    };
    let (machine, mut touched) = (&mut script.machine, Vec::new());
    let mut tracked = Tracked::new(&mut machine.records, &mut machine.digest, &mut touched);
    StateMut(&mut tracked).put_registration(key.id, &registration);
    tracked.put(Table::Keys, key.id.bytes(), codec::encode(&key));
}

fn changed_places(before: &MemoryRecords, after: &MemoryRecords) -> Vec<(Table, Vec<u8>)> {
    let map = |records: &MemoryRecords| -> BTreeMap<_, _> {
        records.iter().map(|(t, k, v)| ((t, k.to_vec()), v.to_vec())).collect()
    };
    let (before, after) = (map(before), map(after));
    let all = before.keys().chain(after.keys());
    all.filter(|place| before.get(place) != after.get(place)).cloned().collect()
}

/// A caller about to give a command.
pub struct Act<'a> {
    script: &'a mut Script,
    caller: Caller,
    request: RequestId,
    seen_index: Option<u64>,
}

impl Act<'_> {
    /// Under this request id.
    pub fn request(mut self, id: u128) -> Self {
        self.request = RequestId(Uuid::from_u128(id));
        self
    }

    /// With the applied index that the client had seen when it made the request id.
    pub fn seen(mut self, index: u64) -> Self {
        self.seen_index = Some(index);
        self
    }

    /// Gives the command; the whole answer.
    pub fn submit(self, command: Command) -> Applied {
        let proposal = Proposal {
            caller: self.caller,
            request: self.request,
            request_digest: Canonical::new("test").bytes(&codec::encode(&command)).finish(),
            seen_index: self.seen_index,
            command,
        };
        self.script.apply(proposal)
    }

    /// Gives the command; what it came to.
    pub fn send(self, command: Command) -> Answer {
        match self.submit(command).outcome {
            Outcome::Done(effect) => Ok(effect),
            Outcome::Refused(refusal) => Err(refusal),
        }
    }

    pub fn create_key(self, alias: &str) -> Answer {
        self.send(create_key(alias))
    }

    /// Makes the version after the present one.
    pub fn rotate(self, alias: &str) -> Answer {
        let present = self.script.machine.state().key(key_id(alias));
        let next = present.map_or(1, |key| key.primary_version) + 1;
        self.send(rotate(alias, next, 1))
    }

    /// The rotation that the schedule asks for: makes the version after the present one.
    pub fn rotate_by_schedule(self, alias: &str) -> Answer {
        let present = self.script.machine.state().key(key_id(alias));
        let next = present.map_or(1, |key| key.primary_version) + 1;
        self.send(scheduled_rotation(alias, next))
    }

    pub fn enable(self, alias: &str) -> Answer {
        self.send(Command::EnableKey { key: key_id(alias) })
    }

    pub fn disable(self, alias: &str) -> Answer {
        self.send(Command::DisableKey { key: key_id(alias) })
    }

    pub fn update(self, alias: &str) -> Answer {
        self.send(Command::UpdateKey(update(alias, "changed")))
    }

    pub fn delete(self, alias: &str) -> Answer {
        self.send(Command::DeleteKey { key: key_id(alias), force: false })
    }

    pub fn force_delete(self, alias: &str) -> Answer {
        self.send(Command::DeleteKey { key: key_id(alias), force: true })
    }

    pub fn cancel(self, alias: &str) -> Answer {
        self.send(Command::CancelDeletion { key: key_id(alias) })
    }

    pub fn delete_now(self, alias: &str) -> Answer {
        self.send(Command::DeleteNow { key: key_id(alias) })
    }

    pub fn restore(self, alias: &str) -> Answer {
        self.send(Command::RestoreKey { key: key_id(alias) })
    }

    pub fn purge(self, alias: &str) -> Answer {
        self.send(Command::PurgeKey { key: key_id(alias) })
    }

    pub fn register(self, alias: &str, resource: &str, prevent_deletion: bool) -> Answer {
        self.send(register(alias, resource, prevent_deletion))
    }

    pub fn unregister(self, alias: &str, resource: &str) -> Answer {
        self.send(unregister(alias, resource))
    }
}

pub fn id(kind: &str, name: &str) -> Uuid {
    let hash = Canonical::new("test id").text(kind).text(name).finish();
    Uuid::from_slice(&hash[..16]).unwrap()
}

pub fn key_id(alias: &str) -> KeyId {
    KeyId(id("key", alias))
}

pub fn principal_id(name: &str) -> PrincipalId {
    PrincipalId(id("principal", name))
}

pub fn token_id(name: &str) -> TokenId {
    TokenId(id("token", name))
}

pub fn ceremony_id(name: &str) -> CeremonyId {
    CeremonyId(id("ceremony", name))
}

/// The instance of this name; `default` is the one that init makes.
pub fn instance_id(name: &str) -> InstanceId {
    InstanceId(id("instance", name))
}

/// The instance that init makes.
pub fn home() -> InstanceId {
    instance_id("default")
}

pub fn ring_id(name: &str) -> RingId {
    RingId(id("ring", name))
}

pub fn create_key(alias: &str) -> Command {
    Command::CreateKey(create_of(alias))
}

pub fn create_of(alias: &str) -> CreateKey {
    CreateKey {
        key: key_id(alias),
        instance: home(),
        ring: home().default_ring(),
        alias: Some(alias.into()),
        algorithm: Algorithm::Aes256GcmSiv,
        description: String::new(),
        labels: BTreeMap::new(),
        expires_at_ms: None,
        rotate_every_ms: None,
        material: material(1),
    }
}

/// In the ring `default` of an instance.
pub fn create_in(instance: &str, alias: &str) -> CreateKey {
    let instance = instance_id(instance);
    CreateKey { instance, ring: instance.default_ring(), ..create_of(alias) }
}

pub fn scheduled_rotation(alias: &str, version: u32) -> Command {
    let key = key_id(alias);
    Command::ScheduledRotation(RotateKey { key, version, material: material(1) })
}

pub fn switch(alias: &str, version: u32, enabled: bool) -> Command {
    Command::SetVersionEnabled { key: key_id(alias), version, enabled }
}

pub fn add_alias(key: &str, alias: &str) -> Command {
    Command::SetAlias { key: key_id(key), alias: alias.into(), present: true }
}

pub fn remove_alias(key: &str, alias: &str) -> Command {
    Command::SetAlias { key: key_id(key), alias: alias.into(), present: false }
}

pub fn set_rotation(alias: &str, rotation: RotationChange) -> Command {
    let windows = PolicyChange::default();
    Command::SetKeyPolicy(SetKeyPolicy { key: key_id(alias), rotation: Some(rotation), windows })
}

pub fn set_windows(alias: &str, windows: PolicyChange) -> Command {
    Command::SetKeyPolicy(SetKeyPolicy { key: key_id(alias), rotation: None, windows })
}

pub fn register(alias: &str, resource: &str, prevent_deletion: bool) -> Command {
    Command::RegisterResource(RegisterResource {
        key: key_id(alias),
        resource: resource.into(),
        description: String::new(),
        prevent_deletion,
    })
}

pub fn unregister(alias: &str, resource: &str) -> Command {
    Command::UnregisterResource { key: key_id(alias), resource: resource.into() }
}

pub fn preset(preset: Preset) -> PolicyChange {
    PolicyChange { preset: Some(preset), ..PolicyChange::default() }
}

pub fn create_instance(name: &str, policy: PolicyChange) -> Command {
    Command::CreateInstance { id: instance_id(name), name: name.into(), policy }
}

pub fn set_instance_policy(name: &str, policy: PolicyChange) -> Command {
    Command::SetInstancePolicy { instance: instance_id(name), policy }
}

pub fn delete_instance(name: &str) -> Command {
    Command::DeleteInstance { instance: instance_id(name) }
}

pub fn create_ring(instance: &str, name: &str) -> Command {
    let (id, instance) = (ring_id(name), instance_id(instance));
    Command::CreateRing { id, instance, name: name.into() }
}

pub fn delete_ring(instance: &str, name: &str, force: bool) -> Command {
    Command::DeleteRing { instance: instance_id(instance), ring: ring_id(name), force }
}

pub fn move_to(alias: &str, ring: RingId) -> Command {
    Command::UpdateKey(UpdateKey { description: None, ring: Some(ring), ..update(alias, "") })
}

pub fn rotate(alias: &str, version: u32, generation: u32) -> Command {
    let material = material(generation);
    Command::RotateKey(RotateKey { key: key_id(alias), version, material })
}

pub fn update(alias: &str, description: &str) -> UpdateKey {
    UpdateKey {
        key: key_id(alias),
        description: Some(description.into()),
        set_labels: BTreeMap::new(),
        remove_labels: Vec::new(),
        ring: None,
    }
}

pub fn material(generation: u32) -> WrappedMaterial {
    WrappedMaterial { generation, wrapped: vec![0xab; 48] }
}

pub fn create_principal(name: &str) -> Command {
    Command::CreatePrincipal { id: principal_id(name), name: name.into(), certificate: None }
}

pub fn create_principal_with_certificate(name: &str, uri: &str) -> Command {
    let certificate = Some(uri.into());
    Command::CreatePrincipal { id: principal_id(name), name: name.into(), certificate }
}

pub fn disable_principal(name: &str) -> Command {
    Command::DisablePrincipal { principal: principal_id(name) }
}

pub fn join(group: &str, name: &str) -> Command {
    Command::SetGroupMember { group: group.into(), principal: principal_id(name), member: true }
}

pub fn leave(group: &str, name: &str) -> Command {
    Command::SetGroupMember { group: group.into(), principal: principal_id(name), member: false }
}

pub fn create_token(owner: &str, token: &str, ttl_ms: u64) -> Command {
    Command::CreateToken(CreateToken {
        token: token_id(token),
        principal: principal_id(owner),
        hash: [0x17; 32],
        ttl_ms,
        bound_certificate: None,
    })
}

pub fn revoke(token: &str) -> Command {
    Command::RevokeToken { token: token_id(token) }
}

pub fn grant(role: Role, name: &str) -> Grant {
    grant_in(Scope::Cluster, role, name)
}

pub fn grant_in(scope: Scope, role: Role, name: &str) -> Grant {
    Grant { role, subject: Subject::Principal(principal_id(name)), scope }
}

pub fn group_grant(role: Role, group: &str) -> Grant {
    Grant { role, subject: Subject::Group(group.into()), scope: Scope::Cluster }
}

pub fn bind(grant: Grant, until_ms: Option<u64>) -> Command {
    let id = id("binding", &format!("{grant:?}"));
    Command::BindRole { grant, id, until_ms }
}

pub fn unbind(grant: Grant) -> Command {
    Command::UnbindRole { grant }
}

/// Init for an epoch. Principal `admin` has Id and token of that name, in later epochs `admin-2`, …
pub fn init(epoch: u32) -> Command {
    Command::InitializeSeal(Box::new(init_of(epoch)))
}

pub fn init_of(epoch: u32) -> InitializeSeal {
    let admin = if epoch == 1 { "admin".to_owned() } else { format!("admin-{epoch}") };
    InitializeSeal {
        keyspace: KeyspaceId(id("keyspace", "test")),
        epoch,
        threshold: 3,
        commitments: (1..=5).map(|index| [index; 32]).collect(),
        check_value: vec![epoch as u8; 16],
        wrapping_key: WrappedWrappingKey { generation: 1, wrapped: vec![epoch as u8; 48] },
        admin: FirstAdmin {
            principal: principal_id(&admin),
            certificate: None,
            token: token_id(&admin),
            token_hash: [epoch as u8; 32],
            ttl_ms: Some(3_650 * DAY),
        },
        instance: home(),
    }
}

/// A share collected by member 1.
pub fn share(ceremony: &str, index: u8, epoch: u32) -> Command {
    Command::RecordShare(share_of(ceremony, index, epoch))
}

pub fn share_of(ceremony: &str, index: u8, epoch: u32) -> RecordShare {
    RecordShare {
        ceremony: ceremony_id(ceremony),
        collector: MemberId(1),
        epoch,
        index,
        replaces: None,
    }
}

pub fn complete(ceremony: &str, indexes: &[u8], epoch: u32) -> Command {
    Command::CompleteUnseal(CompleteUnseal {
        ceremony: ceremony_id(ceremony),
        epoch,
        indexes: indexes.to_vec(),
    })
}
