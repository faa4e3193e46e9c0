//! What is done next: commands, times and policies, drawn at random.

use super::model::{Command, Model, Policy, View};
use crate::dice::Dice;
use crate::script::{DAY, HOUR, SECOND};

/// Instances of an episode: three presets, and policies drawn at random.
pub const INSTANCES: u32 = 5;
/// Keys that there are at one time.
const SLOTS: u32 = 6;

pub const NAMES: [&str; 20] = [
    "CreateKey",
    "Encrypt",
    "Decrypt",
    "RotateKey",
    "ScheduledRotation",
    "EnableKey",
    "DisableKey",
    "SetVersionEnabled",
    "DeleteKey",
    "CancelDeletion",
    "DeleteNow",
    "RestoreKey",
    "PurgeKey",
    "RegisterResource",
    "UnregisterResource",
    "UpdateKey",
    "AddAlias",
    "RemoveAlias",
    "SetRotation",
    "LengthenWindows",
];

/// The name of a command, and its key.
pub fn name_and_key(command: &Command) -> (&'static str, u32) {
    match command {
        Command::CreateKey { key, .. } => ("CreateKey", *key),
        Command::Encrypt { key } => ("Encrypt", *key),
        Command::Decrypt { key, .. } => ("Decrypt", *key),
        Command::RotateKey { key } => ("RotateKey", *key),
        Command::ScheduledRotation { key } => ("ScheduledRotation", *key),
        Command::EnableKey { key } => ("EnableKey", *key),
        Command::DisableKey { key } => ("DisableKey", *key),
        Command::SetVersionEnabled { key, .. } => ("SetVersionEnabled", *key),
        Command::DeleteKey { key, .. } => ("DeleteKey", *key),
        Command::CancelDeletion { key } => ("CancelDeletion", *key),
        Command::DeleteNow { key } => ("DeleteNow", *key),
        Command::RestoreKey { key } => ("RestoreKey", *key),
        Command::PurgeKey { key } => ("PurgeKey", *key),
        Command::RegisterResource { key, .. } => ("RegisterResource", *key),
        Command::UnregisterResource { key, .. } => ("UnregisterResource", *key),
        Command::UpdateKey { key } => ("UpdateKey", *key),
        Command::AddAlias { key, .. } => ("AddAlias", *key),
        Command::RemoveAlias { key, .. } => ("RemoveAlias", *key),
        Command::SetRotation { key, .. } => ("SetRotation", *key),
        Command::LengthenWindows { key, .. } => ("LengthenWindows", *key),
    }
}

/// Draws the moves of one episode.
pub struct Mover {
    pub dice: Dice,
    /// The key in each slot; after a purge another one takes its place, because ids never come back.
    slots: Vec<u32>,
    /// When something was done: what is counted from there ends at a known distance.
    recent: Vec<u64>,
    /// Some episodes rotate until no version is left.
    rotates: bool,
}

impl Mover {
    pub fn new(seed: u64) -> Mover {
        let slots = (0..SLOTS).collect();
        Mover { dice: Dice::new(seed), slots, recent: Vec::new(), rotates: seed % 10 == 9 }
    }

    pub fn keys(&self) -> impl Iterator<Item = u32> {
        self.slots.clone().into_iter()
    }

    /// The time of the next command: soon, at a boundary of some key or next to it, or much later.
    pub fn time(&mut self, now_ms: u64, model: &Model) -> u64 {
        match self.dice.below(if self.rotates { 70 } else { 100 }) {
            0..=34 => now_ms,
            35..=39 => now_ms + 1,
            40..=59 => now_ms + self.dice.below(60 * SECOND),
            60..=77 => self.boundary(now_ms, model),
            78..=87 => self.after_recent(now_ms),
            88..=96 => now_ms + self.dice.below(30 * HOUR),
            97..=98 => now_ms + self.dice.below(20 * DAY),
            _ => now_ms + self.dice.below(100 * DAY),
        }
    }

    pub fn note(&mut self, now_ms: u64) {
        self.recent.push(now_ms);
        if self.recent.len() > 12 {
            self.recent.remove(0);
        }
    }

    fn boundary(&mut self, now_ms: u64, model: &Model) -> u64 {
        let views: Vec<View> = self.slots.iter().filter_map(|key| model.view(*key)).collect();
        let instants = views.iter().flat_map(|view| {
            let rotation = view.rotation.map(|(_, next, _)| next);
            let deletion = [view.destroys_at_ms, view.restore_until_ms, view.purge_from_ms];
            let others = [view.purge_at_ms, view.expires_at_ms, rotation];
            deletion.into_iter().chain(others).flatten()
        });
        let near: Vec<u64> = instants.filter(|at| *at >= now_ms).collect();
        if near.is_empty() {
            return now_ms;
        }
        let next = near.iter().copied().min().unwrap_or(now_ms);
        let at = if self.dice.chance(85) { next } else { *self.dice.pick(&near) };
        self.beside(at).max(now_ms)
    }

    fn after_recent(&mut self, now_ms: u64) -> u64 {
        let Some(from) = self.recent.first().copied() else { return now_ms };
        let passed = *self.dice.pick(&[30 * SECOND, HOUR, 4 * HOUR, 72 * HOUR]);
        self.beside(from + passed).max(now_ms)
    }

    /// Exactly then, or 1 ms before or after.
    fn beside(&mut self, at_ms: u64) -> u64 {
        (at_ms + self.dice.below(3)).saturating_sub(1)
    }

    /// A valid policy.
    pub fn policy(&mut self) -> Policy {
        let long = [0, 1, SECOND, HOUR, 4 * HOUR, 72 * HOUR, 30 * DAY, 90 * DAY];
        let short = [0, 0, 1, 30 * SECOND, HOUR];
        let mut window = |of: &[u64]| *self.dice.pick(of);
        let auto_purge_ms = window(&long);
        let (grace_ms, restore, floor) = (window(&long[..7]), window(&long), window(&long));
        let (enable, restore_cooldown_ms, rotate) =
            (window(&short), window(&short), window(&short));
        let mut flag = || self.dice.chance(50);
        Policy {
            grace_ms,
            restore_window_ms: restore.min(auto_purge_ms),
            purge_floor_ms: floor.min(auto_purge_ms),
            auto_purge_ms,
            delete_now: flag(),
            rotate_while_disabled: flag(),
            rotate_while_pending: flag(),
            restore_to_enabled: flag(),
            disable_deactivated: flag(),
            enable_cooldown_ms: enable,
            restore_cooldown_ms,
            rotate_cooldown_ms: rotate,
            manual_rotation_restarts: flag(),
        }
    }

    pub fn command(&mut self, now_ms: u64, model: &Model, policies: &[Policy]) -> Command {
        if self.rotates && self.dice.chance(85) {
            return Command::RotateKey { key: self.slots[0] };
        }
        let slot = self.slot(model);
        let key = self.slots[slot];
        let view = model.view(key);
        if view.is_none() && self.dice.chance(80) {
            return self.create(slot, now_ms, policies);
        }
        let versions = view.map_or(1, |view| view.primary_version);
        self.on(key, versions)
    }

    /// Mostly of a key in deletion, if there is one: that is where time is short and rules are many.
    fn slot(&mut self, model: &Model) -> usize {
        let drawn: Vec<_> = (0..3).map(|_| self.dice.below(u64::from(SLOTS)) as usize).collect();
        let in_deletion = |slot: &&usize| {
            model.view(self.slots[**slot]).is_some_and(|view| view.requested_at_ms.is_some())
        };
        drawn.iter().find(in_deletion).copied().unwrap_or(drawn[0])
    }

    /// Mostly a fresh id, sometimes one that was used before.
    fn create(&mut self, slot: usize, now_ms: u64, policies: &[Policy]) -> Command {
        if self.dice.chance(90) {
            self.slots[slot] += SLOTS;
        }
        let key = self.slots[slot];
        let alias = self.dice.chance(70).then(|| self.alias(key));
        let expires = self.dice.chance(45).then(|| {
            let late = [0, SECOND, HOUR, 72 * HOUR, 10 * DAY, 40 * DAY];
            let at = *self.dice.pick(&late) + self.dice.below(HOUR);
            now_ms + at - self.dice.below(2) * HOUR
        });
        let rotates = self.dice.chance(50).then(|| self.period());
        Command::CreateKey {
            key,
            alias,
            policy: policies[(key % INSTANCES) as usize].clone(),
            expires_at_ms: expires,
            rotate_every_ms: rotates,
        }
    }

    fn period(&mut self) -> u64 {
        *self.dice.pick(&[DAY - 1, DAY, DAY, 2 * DAY, 7 * DAY, 30 * DAY, 730 * DAY + 1])
    }

    /// Of the key's instance, or none would be unique in it.
    fn alias(&mut self, key: u32) -> String {
        format!("{}-{}", key % INSTANCES, self.dice.below(9))
    }

    fn on(&mut self, key: u32, versions: u32) -> Command {
        let principal = self.dice.below(2) as u32;
        let resource = format!("urn:{}", self.dice.below(3));
        let version = match self.dice.below(3) {
            0 => versions,
            _ => self.dice.below(u64::from(versions) + 2) as u32,
        };
        match self.dice.below(100) {
            0..=5 => Command::Encrypt { key },
            6..=11 => Command::Decrypt { key, version },
            12..=16 => Command::RotateKey { key },
            17..=25 => Command::ScheduledRotation { key },
            26..=31 => Command::EnableKey { key },
            32..=36 => Command::DisableKey { key },
            37..=41 => Command::SetVersionEnabled { key, version, enabled: self.dice.chance(50) },
            42..=49 => Command::DeleteKey { key, force: self.dice.chance(60) },
            50..=54 => Command::CancelDeletion { key },
            55..=60 => Command::DeleteNow { key },
            61..=67 => Command::RestoreKey { key },
            68..=71 => Command::PurgeKey { key },
            72..=76 => {
                let prevent_deletion = self.dice.chance(25);
                Command::RegisterResource { key, principal, resource, prevent_deletion }
            }
            77..=81 => Command::UnregisterResource { key, principal, resource },
            82..=84 => Command::UpdateKey { key },
            85..=88 => Command::AddAlias { key, alias: self.alias(key) },
            89..=91 => Command::RemoveAlias { key, alias: self.alias(key) },
            92..=95 => {
                let every_ms = self.dice.chance(80).then(|| self.period());
                Command::SetRotation { key, every_ms }
            }
            _ => self.windows(key),
        }
    }

    fn windows(&mut self, key: u32) -> Command {
        let mut window = || {
            let longer = [0, 5 * HOUR, 80 * HOUR, 31 * DAY, 91 * DAY, 200 * DAY];
            self.dice.chance(40).then(|| *self.dice.pick(&longer))
        };
        Command::LengthenWindows {
            key,
            grace_ms: window(),
            restore_window_ms: window(),
            purge_floor_ms: window(),
            auto_purge_ms: window(),
        }
    }
}
