//! Evidence made by hand: real commands through the real state machine, clients that are answered as
//! it answers, three members that agree. Tests then change what must not be so.

use std::collections::BTreeMap;

use conclave_core::apply::apply;
use conclave_core::audit::AuditRecord;
use conclave_core::canonical::Canonical;
use conclave_core::codec;
use conclave_core::command::*;
use conclave_core::digest::StateDigest;
use conclave_core::ids::*;
use conclave_core::lifecycle::{KeyState, PolicyChange};
use conclave_core::model::{KeyRecord, MachineRecord, SealRecord, VersionRecord};
use conclave_core::outcome::{self, Applied};
use conclave_core::records::{MemoryRecords, Records, RecordsRead, Table};
use conclave_core::roles::Role;
use conclave_core::state::{State, StateMut, version_key};
use uuid::Uuid;

use crate::sim::evidence::{Evidence, LifeEnd, LifeRecord, MemberEnd, Probe};
use crate::sim::history::{
    self, Action, Answer, History, KeyNo, Operation, Outcome, Short, TokenNo,
};
use crate::sim::plan::Plan;
use crate::sim::short::{INSTANCES, Windows, windows};
use crate::sim::trace::Micros;

/// How long each operation takes, and how long nothing happens after it.
pub const STEP: Micros = 1_000;

/// Where the clock of a script starts: 2027-01-15T08:00:00Z.
const START_MS: u64 = 1_800_000_000_000;
const YEAR_MS: u64 = 365 * 24 * 3_600 * 1_000;

/// Tokens that can be revoked.
const TOKENS: TokenNo = 3;

/// Nodes, each with its member id ten higher.
const NODES: [u32; 3] = [1, 2, 3];

/// A run that is written by the test: one operation after the other, all of them at node 1 unless the
/// test says something else.
#[derive(Clone)]
pub struct Script {
    records: MemoryRecords,
    digest: StateDigest,
    index: u64,
    wall_ms: u64,
    now: Micros,
    ids: u128,
    history: History,
    keys: BTreeMap<KeyNo, KeyId>,
    short: BTreeMap<KeyNo, KeyId>,
    lives: Vec<LifeRecord>,
}

impl Script {
    /// A cluster that was initialized (five shares, three needed) and unsealed by the first three.
    pub fn unsealed() -> Script {
        let life = |node| LifeRecord { node, started: 0, ended: None };
        let mut script = Script {
            records: MemoryRecords::default(),
            digest: StateDigest::default(),
            index: 0,
            wall_ms: START_MS,
            now: STEP,
            ids: 0,
            history: History::default(),
            keys: BTreeMap::new(),
            short: BTreeMap::new(),
            lives: NODES.map(life).into(),
        };
        script.step(Caller::Operator { name: "olga".to_owned() }, init());
        script.unseal();
        script.step(admin(), create_guest());
        for token in 0..TOKENS {
            script.step(admin(), create_token(token));
        }
        script
    }

    /// The same with the instances of short-lived keys, and somebody who may purge.
    pub fn with_short_keys() -> Script {
        let mut script = Script::unsealed();
        for windows in &INSTANCES {
            let command = Command::CreateInstance {
                id: instance_of(windows),
                name: windows.instance.to_owned(),
                policy: PolicyChange {
                    grace_ms: Some(windows.grace_ms),
                    restore_window_ms: Some(windows.restore_ms),
                    purge_floor_ms: Some(windows.floor_ms),
                    auto_purge_ms: Some(windows.purge_ms),
                    ..PolicyChange::default()
                },
            };
            script.step(admin(), command);
        }
        let subject = Subject::Principal(GUEST);
        let grant = Grant { role: Role::KeyPurge, subject, scope: Scope::Cluster };
        script.step(admin(), Command::BindRole { grant, id: Uuid::from_u128(8), until_ms: None });
        script
    }

    /// A change of a short-lived key. What it came to.
    pub fn short(&mut self, key: KeyNo, what: Short) -> Outcome {
        self.mutate(Action::Short(key, what))
    }

    /// A read or use of a short-lived key, as its record has it.
    pub fn look(&mut self, key: KeyNo, what: Short) -> Outcome {
        let outcome = match State(&self.records).key(short_id(key)) {
            None => Outcome::Refused("NOT_FOUND".to_owned()),
            Some(record) if what == Short::Get || record.state == KeyState::Enabled => {
                Outcome::Done(Answer { state: shown(record.state), ..Answer::default() })
            }
            Some(_) => Outcome::Refused("KEY_STATE".to_owned()),
        };
        self.put_down(Action::Short(key, what), None, outcome.clone());
        outcome
    }

    /// An entry works off the timers that are due.
    pub fn tick(&mut self) {
        let tick = Command::Tick;
        let applied = self.apply(Caller::Cluster, RequestId::NONE.0, &tick, tick.clone());
        assert!(matches!(applied.outcome, outcome::Outcome::Done(_)), "{applied:?}");
    }

    /// Three custodians give their shares to node 1.
    pub fn unseal(&mut self) {
        let ceremony = CeremonyId(self.next_id());
        for index in 1..=3 {
            self.submit(1, ceremony, index);
        }
        let indexes = vec![1, 2, 3];
        let fact = CompleteUnseal { ceremony, epoch: 1, indexes };
        self.step(Caller::Custodian, Command::CompleteUnseal(fact));
    }

    /// A custodian gives a share to a node.
    pub fn submit(&mut self, node: u32, ceremony: CeremonyId, index: u8) {
        let replaces = None;
        let share = RecordShare { ceremony, collector: MemberId(11), epoch: 1, index, replaces };
        self.step(Caller::Custodian, Command::RecordShare(share));
        let action = Action::SubmitShare(index.into());
        self.put_down(action, None, Outcome::Done(Answer::default())).node = node;
    }

    /// A custodian gives a share to node 1 and is refused.
    pub fn submit_refused(&mut self, share: u32, reason: &str) {
        self.put_down(Action::SubmitShare(share), None, Outcome::Refused(reason.to_owned()));
    }

    /// Another ceremony.
    pub fn ceremony(&mut self) -> CeremonyId {
        CeremonyId(self.next_id())
    }

    /// Seals the cluster.
    pub fn seal(&mut self) {
        self.mutate(Action::Seal);
    }

    /// A change by the administrator, under a fresh request id. What it came to.
    pub fn mutate(&mut self, action: Action) -> Outcome {
        let request = self.next_id();
        self.send(action, request)
    }

    /// An operation once more, under the same request id.
    pub fn repeat(&mut self, operation: &Operation) -> Operation {
        self.send(operation.action, operation.request.unwrap());
        self.last().clone()
    }

    /// A rotation that the node has to prepare twice, since another one came first.
    pub fn rotate_superseded(&mut self, key: KeyNo) {
        let request = self.next_id();
        let action = Action::Rotate(key);
        let Command::RotateKey(mut late) = self.command(action) else { unreachable!() };
        late.version += 1;
        let applied = self.apply(admin(), request, action, Command::RotateKey(late));
        assert_eq!(answer(&applied), Outcome::Refused("OUTCOME_UNKNOWN".to_owned()));
        self.send(action, request);
    }

    /// A use of the primary version, answered by this node.
    pub fn encrypt(&mut self, node: u32, key: KeyNo) {
        let version = self.key(key).map_or(0, |key| key.primary_version);
        let answer = Answer { version, ..Answer::default() };
        self.put_down(Action::Encrypt(key), None, Outcome::Done(answer)).node = node;
    }

    /// A read; of a key that is not there, too.
    pub fn get(&mut self, key: KeyNo) {
        let outcome = match self.key(key) {
            None => Outcome::Refused("NOT_FOUND".to_owned()),
            Some(key) => Outcome::Done(Answer {
                index: self.index,
                version: key.primary_version,
                state: shown(key.state),
                off: off(&State(&self.records).versions(key.id)),
                revision: key.revision,
                replayed: false,
            }),
        };
        self.put_down(Action::Get(key), None, outcome);
    }

    /// An operation that the state machine knows nothing of.
    pub fn pretend(&mut self, action: Action, outcome: Outcome) {
        let request = chain_command(action).then(|| self.next_id());
        self.put_down(action, request, outcome);
    }

    /// An acknowledgement that the state machine knows nothing of.
    pub fn pretend_done(&mut self, action: Action, index: u64) {
        self.pretend(action, Outcome::Done(Answer { index, ..Answer::default() }));
    }

    /// The last operation, to change it.
    pub fn last(&mut self) -> &mut Operation {
        self.history.operations.last_mut().unwrap()
    }

    /// The last answer, to change it.
    pub fn last_answer(&mut self) -> &mut Answer {
        match &mut self.last().outcome {
            Outcome::Done(answer) => answer,
            other => panic!("{other:?} is no answer"),
        }
    }

    /// A node loses power and starts again.
    pub fn restart(&mut self, node: u32) {
        let life = self.lives.iter_mut().rfind(|life| life.node == node).unwrap();
        life.ended = Some((self.now, LifeEnd::Crashed));
        self.now += STEP;
        self.lives.push(LifeRecord { node, started: self.now, ended: None });
        self.now += STEP;
    }

    /// Time goes by for the cluster.
    pub fn wait_ms(&mut self, ms: u64) {
        self.wall_ms += ms;
    }

    /// The state loses its request memory, on all members alike.
    pub fn forget_requests(&mut self) {
        let all: Vec<_> =
            self.records.iter().map(|(table, key, _)| (table, key.to_vec())).collect();
        for (table, key) in all {
            if matches!(table, Table::Requests | Table::RequestOrder) {
                self.records.delete(table, &key);
            }
        }
        self.digest = StateDigest::of(&self.records);
    }

    /// Simulated time.
    pub fn now(&self) -> Micros {
        self.now
    }

    /// Index of the newest entry.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// What is known of the run if it ends here.
    pub fn evidence(&self) -> Evidence {
        let digest = self.digest.to_string();
        let end = |node| MemberEnd {
            node,
            applied: self.index,
            digest: Some(digest.clone()),
            records: self.records.clone(),
        };
        Evidence {
            plan: plan(),
            ready: STEP,
            healed: self.now,
            ended: self.now,
            history: self.history.clone(),
            keys: self.keys.clone(),
            short: self.short.clone(),
            lives: self.lives.clone(),
            ends: NODES.map(end).into(),
            digests: [(self.index, [(digest.clone(), NODES.into())].into())].into(),
            leaders: [(1, [11].into())].into(),
            probes: vec![Probe { what: "node 1 changes a key".to_owned(), failure: None }],
            absurd: Vec::new(),
            unrecorded: Vec::new(),
            panics: Vec::new(),
        }
    }

    fn send(&mut self, action: Action, request: Uuid) -> Outcome {
        let command = self.command(action);
        let caller = match action {
            Action::Short(_, Short::Purge) => guest(),
            _ => admin(),
        };
        let applied = self.apply(caller, request, action, command);
        let mut outcome = answer(&applied);
        if let (Action::Short(..), Outcome::Done(answer)) = (action, &mut outcome) {
            answer.state = after(&applied);
        }
        if let (Action::Short(key, Short::Create), Outcome::Done(_)) = (action, &outcome) {
            self.short.insert(key, short_id(key));
        }
        if let (Action::Create(key), Outcome::Done(_)) = (action, &outcome) {
            self.keys.insert(key, key_id(key));
        }
        self.put_down(action, Some(request), outcome.clone());
        outcome
    }

    /// A command that is part of no operation.
    fn step(&mut self, caller: Caller, command: Command) {
        let request = self.next_id();
        let applied = self.apply(caller, request, &command, command.clone());
        assert!(matches!(applied.outcome, outcome::Outcome::Done(_)), "{command}: {applied:?}");
    }

    /// Requests with equal bodies are equal requests, whatever command a node makes of them.
    fn apply(
        &mut self,
        caller: Caller,
        request: Uuid,
        body: impl std::fmt::Debug,
        command: Command,
    ) -> Applied {
        self.index += 1;
        let request_digest = Canonical::new("test").text(&format!("{body:?}")).finish();
        let request = RequestId(request);
        let proposal = Proposal { caller, request, request_digest, seen_index: None, command };
        let entry = Entry { stamp: Stamp::at(self.wall_ms), proposal };
        apply(&mut self.records, &mut self.digest, self.index, &entry).0
    }

    fn put_down(
        &mut self,
        action: Action,
        request: Option<Uuid>,
        outcome: Outcome,
    ) -> &mut Operation {
        let invoked = self.now;
        self.now += 2 * STEP;
        self.history.operations.push(Operation {
            client: self.history.operations.len() as u32 % 5,
            node: 1,
            invoked,
            returned: invoked + STEP,
            request,
            attempts: 1,
            action,
            outcome,
        });
        self.last()
    }

    fn command(&self, action: Action) -> Command {
        match action {
            Action::Create(key) => create(key_id(key), INSTANCE, format!("key-{key}")),
            Action::Short(key, what) => command_of_short(key, what),
            Action::Enable(key) => Command::EnableKey { key: key_id(key) },
            Action::Disable(key) => Command::DisableKey { key: key_id(key) },
            Action::Rotate(key) => {
                let version = self.key(key).map_or(0, |key| key.primary_version) + 1;
                let (key, material) = (key_id(key), material());
                Command::RotateKey(RotateKey { key, version, material })
            }
            Action::Update(key) => Command::UpdateKey(UpdateKey {
                key: key_id(key),
                description: Some("changed".to_owned()),
                set_labels: BTreeMap::new(),
                remove_labels: Vec::new(),
                ring: None,
            }),
            Action::Delete(key) => Command::DeleteKey { key: key_id(key), force: false },
            Action::Cancel(key) => Command::CancelDeletion { key: key_id(key) },
            Action::Switch(key, version, enabled) => {
                Command::SetVersionEnabled { key: key_id(key), version, enabled }
            }
            Action::Revoke(token) => Command::RevokeToken { token: token_id(token) },
            Action::BindSelf => {
                let subject = Subject::Principal(ADMIN);
                let grant = Grant { role: Role::Auditor, subject, scope: Scope::Cluster };
                Command::BindRole { grant, id: Uuid::from_u128(7), until_ms: None }
            }
            Action::Seal => Command::Seal,
            other => panic!("{other:?} is no change by a client"),
        }
    }

    fn key(&self, key: KeyNo) -> Option<KeyRecord> {
        State(&self.records).key(key_id(key))
    }

    fn next_id(&mut self) -> Uuid {
        self.ids += 1;
        Uuid::from_u128(self.ids)
    }
}

const ADMIN: PrincipalId = PrincipalId(Uuid::from_u128(0xad_0000));
const GUEST: PrincipalId = PrincipalId(Uuid::from_u128(0xad_0001));
const ADMIN_TOKEN: TokenId = TokenId(Uuid::from_u128(0xad_0002));

/// The id of a key.
pub fn key_id(key: KeyNo) -> KeyId {
    KeyId(Uuid::from_u128(0x4e_0000 + u128::from(key)))
}

/// The instance `default`.
const INSTANCE: InstanceId = InstanceId(Uuid::from_u128(0x1_5000));

/// The id of a short-lived key.
pub fn short_id(key: KeyNo) -> KeyId {
    KeyId(Uuid::from_u128(0x5e_0000 + u128::from(key)))
}

fn instance_of(windows: &Windows) -> InstanceId {
    InstanceId(Uuid::from_u128(0x1_5001 + u128::from(windows.grace_ms)))
}

fn create(key: KeyId, instance: InstanceId, alias: String) -> Command {
    Command::CreateKey(CreateKey {
        key,
        instance,
        ring: instance.default_ring(),
        alias: Some(alias),
        algorithm: Algorithm::Aes256GcmSiv,
        description: String::new(),
        labels: BTreeMap::new(),
        expires_at_ms: None,
        rotate_every_ms: None,
        material: material(),
    })
}

fn command_of_short(number: KeyNo, what: Short) -> Command {
    let (key, resource) = (short_id(number), "sim://protected".to_owned());
    match what {
        Short::Create => create(key, instance_of(windows(number)), format!("short-{number}")),
        Short::Enable => Command::EnableKey { key },
        Short::Register => Command::RegisterResource(RegisterResource {
            key,
            resource,
            description: String::new(),
            prevent_deletion: true,
        }),
        Short::Unregister => Command::UnregisterResource { key, resource },
        Short::Delete(force) => Command::DeleteKey { key, force },
        Short::Cancel => Command::CancelDeletion { key },
        Short::DeleteNow => Command::DeleteNow { key },
        Short::Restore => Command::RestoreKey { key },
        Short::Purge => Command::PurgeKey { key },
        other => panic!("{other:?} is no change"),
    }
}

fn token_id(token: TokenNo) -> TokenId {
    TokenId(Uuid::from_u128(0x70_0000 + u128::from(token)))
}

fn admin() -> Caller {
    Caller::Principal { principal: ADMIN, credential: CredentialRef::Token(ADMIN_TOKEN) }
}

/// Somebody who may purge.
fn guest() -> Caller {
    Caller::Principal { principal: GUEST, credential: CredentialRef::Token(token_id(TOKENS - 1)) }
}

fn init() -> Command {
    Command::InitializeSeal(Box::new(InitializeSeal {
        keyspace: KeyspaceId(Uuid::from_u128(1)),
        epoch: 1,
        threshold: 3,
        commitments: (1..=5).map(|index| [index; 32]).collect(),
        check_value: vec![1; 16],
        wrapping_key: WrappedWrappingKey { generation: 1, wrapped: vec![1; 48] },
        admin: FirstAdmin {
            principal: ADMIN,
            certificate: None,
            token: ADMIN_TOKEN,
            token_hash: [1; 32],
            ttl_ms: Some(YEAR_MS),
        },
        instance: INSTANCE,
    }))
}

fn create_guest() -> Command {
    Command::CreatePrincipal { id: GUEST, name: "guest".to_owned(), certificate: None }
}

fn create_token(token: TokenNo) -> Command {
    let token = token_id(token);
    let (ttl_ms, bound_certificate) = (YEAR_MS, None);
    let hash = [2; 32];
    Command::CreateToken(CreateToken { token, principal: GUEST, hash, ttl_ms, bound_certificate })
}

fn material() -> WrappedMaterial {
    WrappedMaterial { generation: 1, wrapped: vec![0xab; 48] }
}

fn shown(state: KeyState) -> history::State {
    match state {
        KeyState::Enabled => history::State::Enabled,
        KeyState::Disabled | KeyState::Deactivated => history::State::Disabled,
        KeyState::PendingDeletion => history::State::PendingDeletion,
        KeyState::Destroyed => history::State::Destroyed,
    }
}

fn off(versions: &[VersionRecord]) -> history::Versions {
    versions.iter().filter(|version| !version.enabled).map(|version| version.version).collect()
}

/// The state of a key after a change.
fn after(applied: &Applied) -> history::State {
    match &applied.outcome {
        outcome::Outcome::Done(outcome::Effect::Key { state, .. }) => shown(*state),
        _ => history::State::Purged,
    }
}

fn answer(applied: &Applied) -> Outcome {
    let Applied { index, replayed, outcome } = applied;
    match outcome {
        outcome::Outcome::Refused(refusal) => Outcome::Refused(refusal.reason().to_string()),
        outcome::Outcome::Done(_) => {
            Outcome::Done(Answer { index: *index, replayed: *replayed, ..Answer::default() })
        }
    }
}

/// Whether an action has a request id.
fn chain_command(action: Action) -> bool {
    action.is_mutation() && !matches!(action, Action::SubmitShare(_))
}

fn plan() -> Plan {
    Plan {
        seed: 1,
        voters: 3,
        learners: 0,
        clients: 5,
        keys: 2,
        log_kept: 100,
        safety_ms: 1_000,
        liveness_ms: 1_000,
        stay_down: Vec::new(),
        faults: Vec::new(),
    }
}

/// Changes a record of the audit chain behind everybody's back.
pub fn change_audit(records: &mut MemoryRecords, seq: u64, change: impl FnOnce(&mut AuditRecord)) {
    let key = seq.to_be_bytes();
    let mut record = codec::decode(&records.get(Table::Audit, &key).unwrap()).unwrap();
    change(&mut record);
    records.put(Table::Audit, &key, codec::encode(&record));
}

/// Sequence number of the newest audit record.
pub fn last_audit(records: &MemoryRecords) -> u64 {
    State(records).machine().next_audit - 1
}

/// Changes a key behind everybody's back.
pub fn change_key(records: &mut MemoryRecords, id: KeyId, change: impl FnOnce(&mut KeyRecord)) {
    let mut key = State(records).key(id).unwrap();
    change(&mut key);
    records.put(Table::Keys, id.bytes(), codec::encode(&key));
}

/// Changes the seal behind everybody's back.
pub fn change_seal(records: &mut MemoryRecords, change: impl FnOnce(&mut SealRecord)) {
    let mut seal = State(records).seal().unwrap();
    change(&mut seal);
    StateMut(records).put_seal(&seal);
}

/// Changes the counters behind everybody's back.
pub fn change_machine(records: &mut MemoryRecords, change: impl FnOnce(&mut MachineRecord)) {
    let mut machine = State(records).machine();
    change(&mut machine);
    StateMut(records).put_machine(&machine);
}

/// Changes a version behind everybody's back.
pub fn change_version(
    records: &mut MemoryRecords,
    id: KeyId,
    version: u32,
    change: impl FnOnce(&mut VersionRecord),
) {
    let mut record = State(records).version(id, version).unwrap();
    change(&mut record);
    StateMut(records).put_version(id, &record);
}

/// Takes a key away, and leaves its versions.
pub fn drop_key(records: &mut MemoryRecords, id: KeyId) {
    records.delete(Table::Keys, id.bytes());
}

/// Takes a version of a key away.
pub fn drop_version(records: &mut MemoryRecords, id: KeyId, version: u32) {
    records.delete(Table::Versions, &version_key(id, version));
}

/// Gives a revoked token back.
pub fn unrevoke(records: &mut MemoryRecords, token: TokenNo) {
    let mut record = State(records).token(token_id(token)).unwrap();
    record.revoked = false;
    StateMut(records).put_token(&record);
}
