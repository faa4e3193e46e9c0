//! One episode: a cluster and the model, side by side.

use super::compare::{self, Look};
use super::model::{Command as ModelCommand, Model, Policy, VERSION_CAP_DEFAULT};
use super::moves::{self, INSTANCES, Mover};
use crate::machine::Machine;
use crate::script::*;
use conclave_core::access::{Authenticated, authenticate};
use conclave_core::canonical::Canonical;
use conclave_core::codec;
use conclave_core::command::*;
use conclave_core::digest::StateDigest;
use conclave_core::ids::{KeyId, RequestId};
use conclave_core::lifecycle::{PolicyChange, RestoreTo};
use conclave_core::limits;
use conclave_core::outcome::{Applied, Outcome};
use conclave_core::records::{MemoryRecords, Records};
use conclave_core::roles::Role;
use conclave_core::view::View as AccessView;
use std::collections::BTreeMap;
use std::fmt;
use uuid::Uuid;

/// State of the key before, name of the command, what it came to: done, or the reason.
pub type Asked = (&'static str, &'static str, &'static str);

/// Two principals, because some registrations are lifted only by who made them.
const PEOPLE: [&str; 2] = ["ann", "bob"];
/// How often all keys are compared, and not only the one that was touched.
const COMPARED_EVERY: u64 = 25;
/// How many of the last commands of a key a difference shows.
const SHOWN: usize = 40;

/// Model and state machine do not agree.
#[derive(Debug)]
pub struct Difference {
    pub what: String,
    seed: u64,
    step: u64,
    script: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { what, seed, step, script } = self;
        write!(f, "seed {seed}, step {step}: {what}\nthe key until then:\n{script}")
    }
}

pub struct Episode {
    seed: u64,
    mover: Mover,
    model: Model,
    machine: Machine<MemoryRecords>,
    who: Authenticated,
    policies: Vec<Policy>,
    now_ms: u64,
    requests: u128,
    /// Where the episode began, and what was sent since, with the answers.
    origin: Machine<MemoryRecords>,
    log: Vec<(Entry, Applied)>,
    done: Vec<Line>,
    /// Ticks for each hundred commands: none, few, or many.
    ticks: u64,
}

/// A command of an episode.
struct Line {
    at_ms: u64,
    key: u32,
    command: ModelCommand,
    answer: Result<(), &'static str>,
}

impl Episode {
    pub fn new(seed: u64) -> Episode {
        let mut script = Script::unsealed();
        for name in PEOPLE {
            script.admin().send(create_principal(name)).unwrap();
            script.admin().send(create_token(name, name, u64::MAX)).unwrap();
            for role in [Role::Manager, Role::KeyPurge] {
                script.admin().send(bind(grant(role, name), None)).unwrap();
            }
        }
        script.admin().send(create_token("admin", "endless", u64::MAX)).unwrap();
        let mut mover = Mover::new(seed);
        let drawn = [mover.policy(), mover.policy()];
        let presets = [Policy::layered(), Policy::scheduled(), Policy::soft_delete()];
        let policies: Vec<_> = presets.into_iter().chain(drawn).collect();
        for (n, policy) in policies.iter().enumerate() {
            script.admin().send(create_instance(&n.to_string(), change_to(policy))).unwrap();
            script.admin().send(create_ring(&n.to_string(), &format!("ring-{n}"))).unwrap();
        }
        let caller = caller(PEOPLE[0], PEOPLE[0]);
        let machine = script.machine;
        Episode {
            seed,
            mover,
            model: Model::new(VERSION_CAP_DEFAULT),
            who: authenticate(&machine.view, &caller, START_MS).unwrap(),
            policies,
            now_ms: START_MS,
            requests: 1 << 64,
            origin: machine.clone(),
            machine,
            log: Vec::new(),
            done: Vec::new(),
            ticks: [0, 5, 40][(seed % 3) as usize],
        }
    }

    /// Gives commands. What was asked of keys in which state.
    pub fn run(mut self, steps: u64) -> Result<BTreeMap<Asked, u64>, Difference> {
        let mut seen = BTreeMap::new();
        for step in 1..=steps {
            let asked = self.step(step).map_err(|(key, what)| self.difference(step, key, what))?;
            *seen.entry(asked).or_default() += 1;
        }
        self.machine.assert_recomputable();
        Ok(seen)
    }

    fn step(&mut self, step: u64) -> Result<Asked, (u32, String)> {
        self.now_ms = self.mover.time(self.now_ms, &self.model);
        if self.mover.dice.below(100) < self.ticks {
            self.tick();
        }
        match self.mover.dice.below(400) {
            0 => self.copy_to_another(),
            1 => self.replay_on_another(),
            2..=5 => self.change_policy(),
            6..=25 => self.repeat().map_err(|what| (0, what))?,
            _ => {}
        }
        let command = self.mover.command(self.now_ms, &self.model, &self.policies);
        let asked = self.judge(command)?;
        if step.is_multiple_of(COMPARED_EVERY) {
            self.model.advance(self.now_ms);
            for key in self.mover.keys() {
                self.compare(key).map_err(|what| (key, what))?;
            }
        }
        Ok(asked)
    }

    fn judge(&mut self, command: ModelCommand) -> Result<Asked, (u32, String)> {
        let (name, key) = moves::name_and_key(&command);
        self.mover.note(self.now_ms);
        // The state that the command finds: of the key as it is before it.
        let before = self.look().state(key_of(key)).unwrap_or("none");
        let expected = self.model.apply(self.now_ms, &command);
        let (answer, outcome) = self.ask(&command);
        self.done.push(Line { at_ms: self.now_ms, key, command, answer });
        if answer != expected {
            return Err((key, format!("{name} got {answer:?}, the model says {expected:?}")));
        }
        self.compare(key).map_err(|what| (key, format!("after {name}: {what}")))?;
        let after = self.model.view(key);
        if outcome.as_ref().is_some_and(|outcome| !compare::is_told(outcome, after.as_ref())) {
            return Err((key, format!("{name} came to {outcome:?}, but the key is {after:?}")));
        }
        Ok((before, name, answer.err().unwrap_or("done")))
    }

    fn compare(&self, key: u32) -> Result<(), String> {
        let (seen, expected) = (self.look().view(key_of(key)), self.model.view(key));
        if seen == expected {
            return Ok(());
        }
        Err(format!("the key is\n  {seen:?}, the model says\n  {expected:?}"))
    }

    fn look(&self) -> Look<'_> {
        Look { machine: &self.machine, who: &self.who, now_ms: self.now_ms }
    }

    /// What the state machine answers.
    fn ask(&mut self, command: &ModelCommand) -> (Result<(), &'static str>, Option<Outcome>) {
        let used = match command {
            ModelCommand::Encrypt { key } => self.look().use_key(key_of(*key), None),
            ModelCommand::Decrypt { key, version } => {
                self.look().use_key(key_of(*key), Some(*version))
            }
            _ => {
                let (caller, command) = self.translate(command);
                let outcome = self.send(caller, command).outcome;
                let answer = match &outcome {
                    Outcome::Done(effect) => compare::answer(Ok(effect)),
                    Outcome::Refused(refusal) => compare::answer::<()>(Err(refusal)),
                };
                return (answer, Some(outcome));
            }
        };
        (compare::answer(used.as_ref()), None)
    }

    fn send(&mut self, caller: Caller, command: Command) -> Applied {
        self.requests += 1;
        let proposal = Proposal {
            caller,
            request: RequestId(Uuid::from_u128(self.requests)),
            request_digest: Canonical::new("test").bytes(&codec::encode(&command)).finish(),
            seen_index: None,
            command,
        };
        self.apply(proposal)
    }

    fn apply(&mut self, proposal: Proposal) -> Applied {
        let entry = Entry { stamp: Stamp::at(self.now_ms), proposal };
        let applied = self.machine.step(&entry).0;
        self.log.push((entry, applied.clone()));
        applied
    }

    fn tick(&mut self) {
        self.send(Caller::Cluster, Command::Tick);
        let left = self.machine.state().due_timers(self.now_ms, 1);
        assert_eq!(left, [], "so few keys are all worked off by one tick");
    }

    /// A new leader has its state from a snapshot.
    fn copy_to_another(&mut self) {
        let mut records = MemoryRecords::default();
        for (table, (key, value)) in self.machine.dump() {
            records.put(table, &key, value);
        }
        let (digest, index) = (StateDigest::of(&records), self.machine.index);
        assert_eq!(digest, self.machine.digest, "seed {}", self.seed);
        let view = AccessView::load(&records, index);
        self.machine = Machine { records, digest, index, view };
    }

    /// A new leader has its state from the log.
    fn replay_on_another(&mut self) {
        let mut machine = self.origin.clone();
        for (entry, applied) in &self.log {
            assert_eq!(machine.step(entry).0, *applied, "seed {}", self.seed);
        }
        assert_eq!(machine.digest, self.machine.digest, "seed {}", self.seed);
        self.machine = machine;
    }

    /// Keys that are there keep the policy that they have.
    fn change_policy(&mut self) {
        let n = self.mover.dice.below(u64::from(INSTANCES)) as usize;
        self.policies[n] = self.mover.policy();
        let command = set_instance_policy(&n.to_string(), change_to(&self.policies[n]));
        let applied = self.send(caller("admin", "endless"), command);
        assert!(matches!(applied.outcome, Outcome::Done(_)), "{applied:?}");
    }

    /// A request that is sent again has its first answer and no other effect.
    fn repeat(&mut self) -> Result<(), String> {
        let from = self.log.len().saturating_sub(30);
        let remembered = |(entry, applied): &&(Entry, Applied)| {
            entry.proposal.caller != Caller::Cluster
                && !applied.replayed
                && self.now_ms - entry.stamp.at_ms < limits::REQUEST_MEMORY_MS
        };
        let again: Vec<_> = self.log[from..].iter().filter(remembered).cloned().collect();
        if again.is_empty() {
            return Ok(());
        }
        let (entry, first) = self.mover.dice.pick(&again).clone();
        let second = self.apply(entry.proposal);
        let expected = Applied { replayed: true, ..first };
        if second == expected {
            return Ok(());
        }
        Err(format!("a repeat came to {second:?} instead of {expected:?}"))
    }

    fn translate(&mut self, command: &ModelCommand) -> (Caller, Command) {
        let either = *self.mover.dice.pick(&PEOPLE);
        let key = key_of(moves::name_and_key(command).1);
        let by = match command {
            ModelCommand::RegisterResource { principal, .. }
            | ModelCommand::UnregisterResource { principal, .. } => PEOPLE[*principal as usize],
            ModelCommand::ScheduledRotation { .. } => {
                return (Caller::Cluster, Command::ScheduledRotation(self.next_version(key)));
            }
            _ => either,
        };
        (caller(by, by), self.command(key, command))
    }

    fn command(&mut self, key: KeyId, command: &ModelCommand) -> Command {
        match command.clone() {
            ModelCommand::CreateKey { key: n, alias, expires_at_ms, rotate_every_ms, .. } => {
                let of = create_in(&(n % INSTANCES).to_string(), "");
                Command::CreateKey(CreateKey { key, alias, expires_at_ms, rotate_every_ms, ..of })
            }
            ModelCommand::RotateKey { .. } => Command::RotateKey(self.next_version(key)),
            ModelCommand::EnableKey { .. } => Command::EnableKey { key },
            ModelCommand::DisableKey { .. } => Command::DisableKey { key },
            ModelCommand::SetVersionEnabled { version, enabled, .. } => {
                Command::SetVersionEnabled { key, version, enabled }
            }
            ModelCommand::DeleteKey { force, .. } => Command::DeleteKey { key, force },
            ModelCommand::CancelDeletion { .. } => Command::CancelDeletion { key },
            ModelCommand::DeleteNow { .. } => Command::DeleteNow { key },
            ModelCommand::RestoreKey { .. } => Command::RestoreKey { key },
            ModelCommand::PurgeKey { .. } => Command::PurgeKey { key },
            ModelCommand::RegisterResource { resource, prevent_deletion, .. } => {
                let description = String::new();
                let command = RegisterResource { key, resource, description, prevent_deletion };
                Command::RegisterResource(command)
            }
            ModelCommand::UnregisterResource { resource, .. } => {
                Command::UnregisterResource { key, resource }
            }
            ModelCommand::UpdateKey { key: n } => Command::UpdateKey(self.update(key, n)),
            ModelCommand::AddAlias { alias, .. } => Command::SetAlias { key, alias, present: true },
            ModelCommand::RemoveAlias { alias, .. } => {
                Command::SetAlias { key, alias, present: false }
            }
            ModelCommand::SetRotation { every_ms, .. } => {
                let change = every_ms.map_or(RotationChange::Off, RotationChange::Every);
                let windows = PolicyChange::default();
                Command::SetKeyPolicy(SetKeyPolicy { key, rotation: Some(change), windows })
            }
            ModelCommand::LengthenWindows {
                grace_ms,
                restore_window_ms,
                purge_floor_ms,
                auto_purge_ms,
                ..
            } => {
                let windows = PolicyChange {
                    grace_ms,
                    restore_window_ms,
                    purge_floor_ms,
                    auto_purge_ms,
                    ..PolicyChange::default()
                };
                Command::SetKeyPolicy(SetKeyPolicy { key, rotation: None, windows })
            }
            ModelCommand::Encrypt { .. }
            | ModelCommand::Decrypt { .. }
            | ModelCommand::ScheduledRotation { .. } => {
                unreachable!("no command of a principal: {command:?}")
            }
        }
    }

    /// Material for the version after the present one, as a node wraps it.
    fn next_version(&self, key: KeyId) -> RotateKey {
        let present = self.machine.state().key(key).map_or(0, |key| key.primary_version);
        RotateKey { key, version: present + 1, material: material(1) }
    }

    /// Half of the updates move the key: the same state allows both.
    fn update(&mut self, key: KeyId, n: u32) -> UpdateKey {
        let instance = n % INSTANCES;
        let rings = [
            instance_id(&instance.to_string()).default_ring(),
            ring_id(&format!("ring-{instance}")),
        ];
        let ring = self.mover.dice.chance(50).then(|| *self.mover.dice.pick(&rings));
        UpdateKey { key, ring, ..update("", "changed") }
    }

    fn difference(&self, step: u64, key: u32, what: String) -> Difference {
        let lines: Vec<_> = self.done.iter().filter(|line| line.key == key).collect();
        let shown = &lines[lines.len().saturating_sub(SHOWN)..];
        let script: Vec<_> = shown.iter().map(|line| line.to_string()).collect();
        Difference { what, seed: self.seed, step, script: script.join("\n") }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.at_ms - START_MS;
        let (days, hours, rest) = (ms / DAY, ms % DAY / HOUR, ms % HOUR);
        write!(f, "{days:>4} d {hours:>2} h {rest:>7} ms  {:?} -> {:?}", self.command, self.answer)
    }
}

fn key_of(key: u32) -> KeyId {
    KeyId(Uuid::from_u128(u128::from(key) + 1))
}

fn caller(name: &str, token: &str) -> Caller {
    let credential = CredentialRef::Token(token_id(token));
    Caller::Principal { principal: principal_id(name), credential }
}

fn change_to(policy: &Policy) -> PolicyChange {
    let to = if policy.restore_to_enabled { RestoreTo::Enabled } else { RestoreTo::AskedFrom };
    PolicyChange {
        preset: None,
        grace_ms: Some(policy.grace_ms),
        restore_window_ms: Some(policy.restore_window_ms),
        purge_floor_ms: Some(policy.purge_floor_ms),
        auto_purge_ms: Some(policy.auto_purge_ms),
        delete_now: Some(policy.delete_now),
        rotate_while_disabled: Some(policy.rotate_while_disabled),
        rotate_while_pending: Some(policy.rotate_while_pending),
        restore_to: Some(to),
        disable_deactivated: Some(policy.disable_deactivated),
        enable_cooldown_ms: Some(policy.enable_cooldown_ms),
        restore_cooldown_ms: Some(policy.restore_cooldown_ms),
        rotate_cooldown_ms: Some(policy.rotate_cooldown_ms),
        rotation_restarts: Some(policy.manual_rotation_restarts),
    }
}
