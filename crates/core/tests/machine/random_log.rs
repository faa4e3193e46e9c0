//! A log at random: every kind of command, by good and bad callers, repeated and reused request ids,
//! time that stands, jumps and goes back. A seed names a log; a shorter log is a prefix of a longer.

use crate::dice::Dice;
use crate::machine::Machine;
use crate::script::*;
use conclave_core::canonical::Canonical;
use conclave_core::codec;
use conclave_core::command::*;
use conclave_core::ids::{MemberId, RequestId};
use conclave_core::records::MemoryRecords;
use conclave_core::roles::Role;
use uuid::Uuid;

const PEOPLE: [&str; 6] = ["ann", "bob", "cid", "dan", "eve", "fay"];
/// After so many entries come other people and keys, or all would be disabled in the end.
const ERA: u64 = 400;
const KEYS: [&str; 12] = ["k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9", "k10", "k11"];
const GROUPS: [&str; 3] = ["shop", "books", "ops"];
const TOKENS: [&str; 9] = ["ann", "bob", "cid", "dan", "eve", "fay", "gil", "hal", "ida"];
const CEREMONIES: [&str; 3] = ["c1", "c2", "c3"];

/// Writes a log. It applies what it writes, because a sensible command depends on the state.
pub struct Author {
    dice: Dice,
    machine: Machine<MemoryRecords>,
    now_ms: u64,
    sent: Vec<Proposal>,
    requests: u128,
}

impl Author {
    pub fn new(seed: u64) -> Self {
        Self {
            dice: Dice::new(seed),
            machine: Machine::default(),
            now_ms: START_MS,
            sent: Vec::new(),
            requests: 0,
        }
    }

    /// The next entry of the log.
    pub fn entry(&mut self) -> Entry {
        self.pass_time();
        let proposal = self.proposal();
        self.sent.push(proposal.clone());
        let back = if self.dice.chance(2) { self.dice.below(HOUR) } else { 0 };
        let entry = Entry { stamp: Stamp { at_ms: self.now_ms - back }, proposal };
        self.machine.step(&entry);
        entry
    }

    fn pass_time(&mut self) {
        self.now_ms += match self.dice.below(200) {
            0 => DAY,
            1..=4 => HOUR,
            5..=99 => self.dice.below(2 * SECOND),
            _ => 0,
        };
    }

    fn proposal(&mut self) -> Proposal {
        if !self.sent.is_empty() && self.dice.chance(10) {
            let recent = self.sent.len().saturating_sub(80);
            let from = if self.dice.chance(80) { recent } else { 0 };
            return self.dice.pick(&self.sent[from..]).clone();
        }
        let command = self.command();
        let caller = self.caller(&command);
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

    fn caller(&mut self, command: &Command) -> Caller {
        let seal = command.action().is_none();
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
            0..=7 => self.seal_command(),
            8..=55 => self.key_command(),
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
        let name = &self.named(&KEYS);
        let key = key_id(name);
        match self.dice.below(10) {
            0..=1 => self.create_command(name),
            2..=4 => {
                let present = self.machine.state().key(key).map_or(0, |key| key.primary_version);
                let version = present + if self.dice.chance(90) { 1 } else { 2 };
                rotate(name, version, if self.dice.chance(95) { 1 } else { 2 })
            }
            5..=6 => Command::DisableKey { key },
            7..=8 => Command::EnableKey { key },
            _ => {
                let mut change = update(name, "changed");
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

    fn create_command(&mut self, name: &str) -> Command {
        let Command::CreateKey(mut command) = create_key(name) else { unreachable!() };
        if self.dice.chance(20) {
            command.alias = Some(self.named(&KEYS));
        }
        if self.dice.chance(5) {
            command.description = "d".repeat(2_000);
        }
        Command::CreateKey(command)
    }

    fn access_command(&mut self) -> Command {
        let who = self.person();
        match self.dice.below(20) {
            0..=3 => create_principal_with_certificate(&who, &certificate(&who)),
            4 => create_principal_with_certificate(&who, &certificate(&self.person())),
            5 if self.dice.chance(20) => disable_principal(&who),
            6..=9 => {
                let token = if self.dice.chance(70) { who.clone() } else { self.token() };
                create_token(&who, &token, self.dice.below(20 * DAY))
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
        grant(role, &self.person())
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
