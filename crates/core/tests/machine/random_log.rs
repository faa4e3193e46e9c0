//! A log at random: every kind of command, by good and bad callers, repeated and reused request ids,
//! time that stands, jumps and goes back. A seed names a log; a shorter log is a prefix of a longer.

use crate::dice::Dice;
use crate::machine::Machine;
use crate::script::*;
use conclave_core::canonical::Canonical;
use conclave_core::codec;
use conclave_core::command::*;
use conclave_core::ids::{InstanceId, MemberId, RequestId, RingId};
use conclave_core::lifecycle::{PolicyChange, Preset};
use conclave_core::records::MemoryRecords;
use conclave_core::roles::Role;
use uuid::Uuid;

const PEOPLE: [&str; 6] = ["ann", "bob", "cid", "dan", "eve", "fay"];
/// After so many entries come other people and keys, or all would be disabled in the end.
const ERA: u64 = 400;
const KEYS: [&str; 12] = ["k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9", "k10", "k11"];
const GROUPS: [&str; 3] = ["shop", "books", "ops"];
const TOKENS: [&str; 9] = ["ann", "bob", "cid", "dan", "eve", "fay", "gil", "hal", "ida"];
const INSTANCES: [&str; 2] = ["shop", "bank"];
const RINGS: [&str; 2] = ["till", "safe"];
const CEREMONIES: [&str; 3] = ["c1", "c2", "c3"];

/// Writes a log. It applies what it writes, because a sensible command depends on the state.
pub struct Author {
    dice: Dice,
    machine: Machine<MemoryRecords>,
    now_ms: u64,
    sent: Vec<Proposal>,
    requests: u128,
    fast: bool,
}

impl Author {
    pub fn new(seed: u64) -> Self {
        Self {
            dice: Dice::new(seed),
            machine: Machine::default(),
            now_ms: START_MS,
            sent: Vec::new(),
            requests: 0,
            fast: seed % 4 == 3,
        }
    }

    /// The next entry of the log.
    pub fn entry(&mut self) -> Entry {
        self.pass_time();
        let proposal = self.proposal();
        self.sent.push(proposal.clone());
        let back = if self.dice.chance(2) { self.dice.below(HOUR) } else { 0 };
        let entry = Entry { stamp: self.stamp(back), proposal };
        self.machine.step(&entry);
        entry
    }

    /// Some logs are of development clusters whose clock runs fast.
    fn stamp(&self, back_ms: u64) -> Stamp {
        let passed = self.now_ms - START_MS;
        let ahead = if self.fast { passed } else { 0 };
        let rate = if self.fast { 2 } else { 1 };
        Stamp { at_ms: self.now_ms + ahead - back_ms, unscaled_ms: self.now_ms - back_ms, rate }
    }

    fn pass_time(&mut self) {
        self.now_ms += match self.dice.below(200) {
            0..=1 => DAY,
            2..=7 => HOUR,
            8..=99 => self.dice.below(2 * SECOND),
            _ => 0,
        };
    }

    fn proposal(&mut self) -> Proposal {
        if !self.sent.is_empty() && self.dice.chance(10) {
            let recent = self.sent.len().saturating_sub(80);
            let from = if self.dice.chance(80) { recent } else { 0 };
            return self.dice.pick(&self.sent[from..]).clone();
        }
        let (command, caller) = match self.hire() {
            Some(command) => (command, self.first_admin()),
            None => {
                let command = self.command();
                let caller = self.caller(&command);
                (command, caller)
            }
        };
        let digest = Canonical::new("test").bytes(&codec::encode(&command)).finish();
        self.requests += 1;
        let reused = self.dice.chance(3).then(|| self.sent.last().map(|last| last.request));
        let fresh = RequestId(Uuid::from_u128(self.requests));
        let seen = self
            .dice
            .chance(30)
            .then(|| self.machine.index - self.dice.below(40).min(self.machine.index));
        Proposal {
            caller,
            request: reused.flatten().unwrap_or(fresh),
            request_digest: digest,
            seen_index: seen,
            command,
        }
    }

    /// Each era begins with two people who may do much: by chance alone few ever get that far.
    fn hire(&mut self) -> Option<Command> {
        let (era, step) = (self.machine.index / ERA, (self.machine.index % ERA) as usize);
        let who = &format!("{}-{era}", PEOPLE[step % 2]);
        let roles = [Role::Manager, Role::KeyPurge];
        match step / 2 {
            0 => Some(create_principal_with_certificate(who, &certificate(who))),
            1 => Some(create_token(who, who, self.dice.below(4 * DAY))),
            2..=3 => Some(bind(grant(roles[step / 2 - 2], who), None)),
            _ => None,
        }
    }

    fn caller(&mut self, command: &Command) -> Caller {
        if matches!(command, Command::Tick | Command::ScheduledRotation(_)) {
            // Nobody else may; once in a while somebody tries.
            return match self.dice.below(20) {
                0 => self.first_admin(),
                1 => Caller::Custodian,
                _ => Caller::Cluster,
            };
        }
        if self.dice.chance(1) {
            return Caller::Cluster;
        }
        let seal = command.action().is_none();
        if command.key().is_some() && self.dice.chance(60) {
            let who = format!("{}-{}", self.dice.pick(&PEOPLE[..2]), self.machine.index / ERA);
            let credential = CredentialRef::Token(token_id(&who));
            return Caller::Principal { principal: principal_id(&who), credential };
        }
        match self.dice.below(100) {
            _ if seal && matches!(command, Command::InitializeSeal(_)) => {
                Caller::Operator { name: "ops".into() }
            }
            0..=89 if seal => Caller::Custodian,
            0..=64 => self.first_admin(),
            65..=69 => Caller::Operator { name: "ops".into() },
            70..=71 => Caller::Custodian,
            72..=76 => {
                let (who, other) = (self.person(), self.person());
                let uri = certificate(if self.dice.chance(70) { &who } else { &other });
                let credential = CredentialRef::Certificate(uri);
                Caller::Principal { principal: principal_id(&who), credential }
            }
            77..=80 => {
                let (who, token) = (self.person(), self.token());
                let credential = CredentialRef::Token(token_id(&token));
                Caller::Principal { principal: principal_id(&who), credential }
            }
            _ => {
                let who = self.person();
                let credential = CredentialRef::Token(token_id(&who));
                Caller::Principal { principal: principal_id(&who), credential }
            }
        }
    }

    fn first_admin(&self) -> Caller {
        let first = self.machine.state().seal().map(|seal| seal.first_admin);
        let (principal, token) = first.unwrap_or((principal_id("admin"), token_id("admin")));
        Caller::Principal { principal, credential: CredentialRef::Token(token) }
    }

    fn command(&mut self) -> Command {
        let confirmed = self.machine.state().seal().is_some_and(|seal| seal.confirmed);
        if !confirmed && self.dice.chance(60) {
            return self.seal_command();
        }
        match self.dice.below(100) {
            0..=5 => self.seal_command(),
            6..=8 => Command::Tick,
            9..=22 => self.key_command(),
            23..=42 => self.lifecycle_command(),
            43..=52 => self.instance_command(),
            _ => self.access_command(),
        }
    }

    fn seal_command(&mut self) -> Command {
        let seal = self.machine.state().seal();
        let epoch = seal.as_ref().map_or(0, |seal| seal.epoch);
        let given = if self.dice.chance(90) { epoch } else { self.dice.below(4) as u32 };
        let running = seal.as_ref().and_then(|seal| seal.ceremony.clone());
        let ceremony = *self.dice.pick(&CEREMONIES);
        match self.dice.below(20) {
            0 => Command::Seal,
            1..=3 => self.init_command(epoch + 1),
            4..=9 => {
                let ceremony = running.map_or(ceremony_id(ceremony), |running| running.id);
                let indexes = (0..4).map(|_| self.dice.below(7) as u8).collect();
                Command::CompleteUnseal(CompleteUnseal { ceremony, epoch: given, indexes })
            }
            _ => {
                let replaces = running.filter(|_| self.dice.chance(20)).map(|running| running.id);
                Command::RecordShare(RecordShare {
                    collector: MemberId(self.dice.below(3)),
                    replaces,
                    ..share_of(ceremony, self.dice.below(7) as u8, given)
                })
            }
        }
    }

    fn init_command(&mut self, next: u32) -> Command {
        let epoch = if self.dice.chance(90) { next } else { self.dice.below(4) as u32 };
        let mut command = init_of(epoch);
        command.admin.ttl_ms = None;
        if self.dice.chance(5) {
            command.threshold = self.dice.below(8) as u8;
        }
        Command::InitializeSeal(Box::new(command))
    }

    fn key_command(&mut self) -> Command {
        let name = &self.key();
        let key = key_id(name);
        match self.dice.below(10) {
            0..=1 => {
                let new = self.named(&KEYS);
                self.create_command(&new)
            }
            2..=4 => {
                let present = self.machine.state().key(key).map_or(0, |key| key.primary_version);
                let version = present + if self.dice.chance(90) { 1 } else { 2 };
                rotate(name, version, if self.dice.chance(95) { 1 } else { 2 })
            }
            5..=6 => Command::DisableKey { key },
            7..=8 => Command::EnableKey { key },
            _ => {
                let mut change = update(name, "changed");
                change.ring = self.dice.chance(30).then(|| self.ring().1);
                let label = format!("label-{}", self.dice.below(30));
                if self.dice.chance(70) {
                    change.set_labels.insert(label, "v".repeat(self.dice.below(20) as usize));
                } else {
                    change.remove_labels.push(label);
                }
                Command::UpdateKey(change)
            }
        }
    }

    /// The name of a key, mostly of one that is there.
    fn key(&mut self) -> String {
        let name = self.named(&KEYS);
        let is_there = |name: &String| self.machine.state().key(key_id(name)).is_some();
        if is_there(&name) || self.dice.chance(20) {
            return name;
        }
        let era = self.machine.index / ERA;
        let mut names = KEYS.iter().map(|name| format!("{name}-{era}"));
        names.find(is_there).unwrap_or(name)
    }

    fn create_command(&mut self, name: &str) -> Command {
        let mut command = create_of(name);
        if self.dice.chance(40) {
            (command.instance, command.ring) = self.ring();
        }
        let mut perhaps = |ms: u64| self.dice.chance(40).then(|| self.dice.below(ms));
        command.rotate_every_ms = perhaps(12 * HOUR).map(|ms| DAY - 2 * HOUR + ms);
        command.expires_at_ms = perhaps(12 * HOUR).map(|ms| self.now_ms + ms - HOUR);
        if self.dice.chance(20) {
            command.alias = Some(self.named(&KEYS));
        }
        if self.dice.chance(5) {
            command.description = "d".repeat(2_000);
        }
        Command::CreateKey(command)
    }

    fn lifecycle_command(&mut self) -> Command {
        let name = &self.key();
        let key = key_id(name);
        let present = self.machine.state().key(key).map_or(0, |key| key.primary_version);
        let flip = self.dice.chance(50);
        let resource = format!("urn:{}", self.dice.below(2));
        match self.dice.below(24) {
            0..=3 => Command::DeleteKey { key, force: flip },
            4 => Command::CancelDeletion { key },
            5..=7 => Command::DeleteNow { key },
            8..=9 => Command::RestoreKey { key },
            10..=12 => Command::PurgeKey { key },
            13..=14 => switch(name, 1 + self.dice.below(u64::from(present) + 1) as u32, flip),
            15 => add_alias(name, &self.named(&KEYS)),
            16 => remove_alias(name, &self.named(&KEYS)),
            17..=18 => self.policy_command(name),
            19 => register(name, &resource, self.dice.chance(20)),
            20..=21 => unregister(name, &resource),
            _ => {
                let version = present + if self.dice.chance(95) { 1 } else { 2 };
                scheduled_rotation(&self.due(name), version)
            }
        }
    }

    /// The name of a key whose rotation is due, if there is one.
    fn due(&mut self, otherwise: &str) -> String {
        let era = self.machine.index / ERA;
        let names = KEYS.iter().map(|name| format!("{name}-{era}"));
        let due = self.machine.state().due_rotations(self.now_ms, usize::MAX);
        let is_due = |name: &String| due.iter().any(|(_, key)| *key == key_id(name));
        names.into_iter().find(is_due).unwrap_or_else(|| otherwise.to_owned())
    }

    fn policy_command(&mut self, name: &str) -> Command {
        match self.dice.below(4) {
            0 => set_rotation(name, RotationChange::Off),
            1 => set_rotation(name, RotationChange::Every(self.dice.below(2 * DAY))),
            _ => set_windows(name, self.policy()),
        }
    }

    /// A change of a policy: durations so short that something comes of them.
    fn policy(&mut self) -> PolicyChange {
        let mut window = || self.dice.chance(60).then(|| self.dice.below(4) * HOUR);
        PolicyChange {
            grace_ms: window(),
            restore_window_ms: window(),
            purge_floor_ms: window(),
            auto_purge_ms: window(),
            preset: self.dice.chance(30).then(|| *self.dice.pick(&Preset::ALL)),
            ..PolicyChange::default()
        }
    }

    fn instance_command(&mut self) -> Command {
        let (instance, ring) = (self.instance(), self.named(&RINGS));
        let id = instance_id(&instance);
        match self.dice.below(12) {
            0..=2 => create_instance(&instance, self.policy()),
            3..=4 => Command::SetInstancePolicy { instance: id, policy: self.policy() },
            5 => Command::DeleteInstance { instance: id },
            6 => Command::SetDeletionFloor { floor_ms: self.dice.below(2) * HOUR },
            7..=9 => {
                // As nodes make them: no two instances have a ring of the same id.
                let own = ring_id(&format!("{instance} {ring}"));
                Command::CreateRing { id: own, instance: id, name: ring }
            }
            _ => {
                let force = self.dice.chance(50);
                Command::DeleteRing { instance: id, ring: self.ring_in(&instance), force }
            }
        }
    }

    fn instance(&mut self) -> String {
        match self.dice.chance(40) {
            true => "default".to_owned(),
            false => self.named(&INSTANCES),
        }
    }

    fn ring_in(&mut self, instance: &str) -> RingId {
        match self.dice.chance(30) {
            true => instance_id(instance).default_ring(),
            false => ring_id(&format!("{instance} {}", self.named(&RINGS))),
        }
    }

    fn ring(&mut self) -> (InstanceId, RingId) {
        let instance = self.instance();
        (instance_id(&instance), self.ring_in(&instance))
    }

    fn scope(&mut self) -> Scope {
        match self.dice.below(10) {
            0 => Scope::Instance(instance_id(&self.instance())),
            1 => {
                let (instance, ring) = self.ring();
                Scope::Ring(instance, ring)
            }
            2 => Scope::Key(key_id(&self.named(&KEYS))),
            _ => Scope::Cluster,
        }
    }

    fn access_command(&mut self) -> Command {
        let who = self.person();
        match self.dice.below(20) {
            0..=3 => create_principal_with_certificate(&who, &certificate(&who)),
            4 => create_principal_with_certificate(&who, &certificate(&self.person())),
            5 if self.dice.chance(20) => disable_principal(&who),
            6..=9 => {
                let token = if self.dice.chance(70) { who.clone() } else { self.token() };
                create_token(&who, &token, self.dice.below(6 * DAY))
            }
            10 => revoke(&self.token()),
            11..=12 => join(&self.group(), &who),
            13 => leave(&self.group(), &who),
            14 => unbind(self.grant()),
            _ => {
                let until = self.dice.chance(30).then(|| self.now_ms + self.dice.below(DAY));
                bind(self.grant(), until)
            }
        }
    }

    fn grant(&mut self) -> Grant {
        let role = *self.dice.pick(&Role::ALL);
        if self.dice.chance(30) {
            return group_grant(role, &self.group());
        }
        grant_in(self.scope(), role, &self.person())
    }

    fn person(&mut self) -> String {
        self.named(&PEOPLE)
    }

    fn token(&mut self) -> String {
        self.named(&TOKENS)
    }

    fn group(&mut self) -> String {
        self.named(&GROUPS)
    }

    fn named(&mut self, names: &[&str]) -> String {
        format!("{}-{}", self.dice.pick(names), self.machine.index / ERA)
    }
}

fn certificate(name: &str) -> String {
    format!("conclave://test/principal/{name}")
}
