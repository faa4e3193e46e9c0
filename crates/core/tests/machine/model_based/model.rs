//! A second, deliberately simple account of the key lifecycle, written from the design text alone.
//!
//! The property test drives it next to the real state machine and compares every answer and every
//! view. It favours plainness over speed: maps, strings and loops, one small function a rule. It
//! shares no code with the implementation, so a misreading has to be made twice to go unseen.

mod command;
mod policy;

pub use command::Command;
pub use policy::Policy;

use std::collections::{BTreeMap, BTreeSet};

/// How many versions a key may have where the cluster says nothing else.
pub const VERSION_CAP_DEFAULT: u32 = 100;

const DAY: u64 = 24 * 3_600 * 1_000;

const NOT_FOUND: &str = "NOT_FOUND";
const ALREADY_EXISTS: &str = "ALREADY_EXISTS";
const KEY_STATE: &str = "KEY_STATE";
const VERSION_STATE: &str = "VERSION_STATE";
const VERSION_LIMIT: &str = "VERSION_LIMIT";
const TOO_EARLY: &str = "TOO_EARLY";
const WINDOW_OVER: &str = "WINDOW_OVER";
const EXPIRED: &str = "EXPIRED";
const RETENTION: &str = "RETENTION";
const REGISTERED: &str = "REGISTERED";
const POLICY_INVALID: &str = "POLICY_INVALID";
const INVALID_ARGUMENT: &str = "INVALID_ARGUMENT";
const NOT_DUE: &str = "NOT_DUE";

/// What a command answers: nothing, or the stable reason of its refusal.
type Answer = Result<(), &'static str>;

/// What one version looks like from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionView {
    /// Its number, from 1.
    pub version: u32,
    /// Its own switch.
    pub enabled: bool,
    /// Whether anything can be done with it: its switch, its material and its key all allow it.
    pub usable: bool,
    /// Whether its material is gone.
    pub erased: bool,
}

/// What a key looks like from outside. What belongs to a deletion is `None` where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The name of its state.
    pub state: &'static str,
    /// Its versions, oldest first.
    pub versions: Vec<VersionView>,
    /// The version that encrypts: the newest.
    pub primary_version: u32,
    /// Its aliases, sorted.
    pub aliases: Vec<String>,
    /// The resources it is tied to, sorted, and whether each forbids deletion.
    pub registrations: Vec<(String, bool)>,
    /// When it expires.
    pub expires_at_ms: Option<u64>,
    /// The rotation schedule: period, next due date, on or off.
    pub rotation: Option<(u64, u64, bool)>,
    /// When its deletion was requested.
    pub requested_at_ms: Option<u64>,
    /// When it was destroyed.
    pub destroyed_at_ms: Option<u64>,
    /// When the grace ends, while the deletion is pending.
    pub destroys_at_ms: Option<u64>,
    /// The last moment for a restore, while destroyed.
    pub restore_until_ms: Option<u64>,
    /// The first moment for a user's purge, while destroyed.
    pub purge_from_ms: Option<u64>,
    /// The last moment before it purges itself, while destroyed.
    pub purge_at_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Enabled,
    Disabled,
    Deactivated,
    PendingDeletion,
    Destroyed,
    /// Passing only: `Model::sweep` drops the key before anybody can look at it.
    Purged,
}

use State::{Deactivated, Destroyed, Disabled, Enabled, PendingDeletion, Purged};

/// Where a key can be managed, and where its deletion can be requested.
const LIVE: [State; 3] = [Enabled, Disabled, Deactivated];
/// Where at least some of its material can be used.
const WORKING: [State; 2] = [Enabled, Deactivated];
/// Where a resource can still be untied.
const NOT_GONE: [State; 4] = [Enabled, Disabled, Deactivated, PendingDeletion];

impl State {
    fn name(self) -> &'static str {
        match self {
            Enabled => "Enabled",
            Disabled => "Disabled",
            Deactivated => "Deactivated",
            PendingDeletion => "PendingDeletion",
            Destroyed => "Destroyed",
            Purged => "Purged",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timer {
    ExpiryReached,
    GraceOver,
    RestoreWindowOver,
    AutoPurge,
}

#[derive(Debug)]
struct Version {
    enabled: bool,
    erased: bool,
}

#[derive(Debug)]
struct Registration {
    principal: u32,
    prevent_deletion: bool,
}

#[derive(Debug)]
struct Rotation {
    period: u64,
    next_at: u64,
    on: bool,
}

/// All that is known of a deletion; a cancel or a restore forgets the whole of it.
#[derive(Debug)]
struct Deletion {
    requested_at: u64,
    from: State,
    force: bool,
    destroyed_at: Option<u64>,
}

#[derive(Debug)]
struct Key {
    state: State,
    policy: Policy,
    versions: BTreeMap<u32, Version>,
    aliases: BTreeSet<String>,
    registrations: BTreeMap<String, Registration>,
    expires_at: Option<u64>,
    rotation: Option<Rotation>,
    last_disabled: Option<u64>,
    last_rotated: Option<u64>,
    deletion: Option<Deletion>,
}

/// All keys of one instance.
#[derive(Debug)]
pub struct Model {
    /// How many versions a key may have.
    pub version_cap: u32,
    /// How many aliases a key may have.
    pub aliases_cap: usize,
    keys: BTreeMap<u32, Key>,
    purged: BTreeSet<u32>,
}

impl Model {
    /// An instance without keys.
    pub fn new(version_cap: u32) -> Self {
        Self { version_cap, aliases_cap: 5, keys: BTreeMap::new(), purged: BTreeSet::new() }
    }

    /// Does one command at `now_ms`, or says why not. Timers that are due take effect either way:
    /// they are no part of what a refusal holds back.
    pub fn apply(&mut self, now_ms: u64, command: &Command) -> Result<(), &'static str> {
        self.bring_up(command.key(), now_ms);
        // The holder of a wanted alias may be due for its purge, which would set the alias free.
        if let Some(holder) = command.claimed_alias().and_then(|alias| self.holder(alias)) {
            self.bring_up(holder, now_ms);
        }
        self.decide(now_ms, command)
    }

    /// Lets all timers of all keys run that are due by `now_ms`.
    pub fn advance(&mut self, now_ms: u64) {
        let ids: Vec<u32> = self.keys.keys().copied().collect();
        for id in ids {
            self.bring_up(id, now_ms);
        }
    }

    /// The key as it stands after the last command or advance that touched it. `None` means that
    /// it never existed or is purged, which nobody can tell apart.
    pub fn view(&self, key: u32) -> Option<View> {
        self.keys.get(&key).map(Key::view)
    }

    fn bring_up(&mut self, id: u32, now: u64) {
        if let Some(key) = self.keys.get_mut(&id) {
            key.run_timers(now);
        }
        self.sweep(id);
    }

    /// Leaves of a purged key only that its number was used.
    fn sweep(&mut self, id: u32) {
        if self.keys.get(&id).is_some_and(|key| key.state == Purged) {
            self.keys.remove(&id);
            self.purged.insert(id);
        }
    }

    fn holder(&self, alias: &str) -> Option<u32> {
        self.keys.iter().find(|(_, key)| key.aliases.contains(alias)).map(|(id, _)| *id)
    }

    /// The command itself, on keys that are already brought up to `now`.
    fn decide(&mut self, now: u64, command: &Command) -> Answer {
        let taken = command.claimed_alias().is_some_and(|alias| self.holder(alias).is_some());
        if let Command::CreateKey { .. } = command {
            return self.create(now, taken, command);
        }
        let (version_cap, aliases_cap) = (self.version_cap, self.aliases_cap);
        let key = self.keys.get_mut(&command.key()).ok_or(NOT_FOUND)?;
        let answer = match command {
            Command::AddAlias { alias, .. } => key.add_alias(alias, taken, aliases_cap),
            Command::RotateKey { .. } => key.rotate_by_hand(now, version_cap),
            Command::ScheduledRotation { .. } => key.rotate_by_schedule(now, version_cap),
            other => key.decide(now, other),
        };
        self.sweep(command.key());
        answer
    }

    fn create(&mut self, now: u64, taken: bool, command: &Command) -> Answer {
        let Command::CreateKey { key, alias, policy, expires_at_ms, rotate_every_ms } = command
        else {
            return Err(INVALID_ARGUMENT);
        };
        if self.keys.contains_key(key) || self.purged.contains(key) || taken {
            return Err(ALREADY_EXISTS);
        }
        if expires_at_ms.is_some_and(|at| at <= now) {
            return Err(INVALID_ARGUMENT);
        }
        let rotation = schedule(now, *rotate_every_ms)?;
        let created = Key {
            state: Enabled,
            policy: policy.clone(),
            versions: BTreeMap::from([(1, Version { enabled: true, erased: false })]),
            aliases: alias.iter().cloned().collect(),
            registrations: BTreeMap::new(),
            expires_at: *expires_at_ms,
            rotation,
            last_disabled: None,
            last_rotated: None,
            deletion: None,
        };
        self.keys.insert(*key, created);
        Ok(())
    }
}

/// A fresh schedule that counts from `now`, or none.
fn schedule(now: u64, every: Option<u64>) -> Result<Option<Rotation>, &'static str> {
    let Some(period) = every else { return Ok(None) };
    if !(DAY..=730 * DAY).contains(&period) {
        return Err(INVALID_ARGUMENT);
    }
    Ok(Some(Rotation { period, next_at: now.saturating_add(period), on: true }))
}

/// Whether `now` is still inside a cool-down; the boundary itself is outside.
fn cooling(now: u64, since: Option<u64>, cooldown: u64) -> bool {
    since.is_some_and(|since| now < since.saturating_add(cooldown))
}

/// The timers of a key.
impl Key {
    fn run_timers(&mut self, now: u64) {
        while let Some((deadline, timer)) = self.next_due(now) {
            self.fire(timer, deadline);
        }
    }

    /// The due timer with the earliest deadline. Expiry comes first in the list, and the search
    /// keeps the first of equals.
    fn next_due(&self, now: u64) -> Option<(u64, Timer)> {
        let due = |timer: Timer, at: u64| match timer {
            Timer::ExpiryReached => now >= at,
            _ => now > at,
        };
        let set = self.timers_set();
        set.into_iter().filter(|(at, timer)| due(*timer, *at)).min_by_key(|(at, _)| *at)
    }

    /// The timers that would have an effect in the present state, with their deadlines.
    fn timers_set(&self) -> Vec<(u64, Timer)> {
        let mut set = Vec::new();
        if let (Enabled, Some(at)) = (self.state, self.expires_at) {
            set.push((at, Timer::ExpiryReached));
        }
        if let Some(at) = self.destroys_at() {
            set.push((at, Timer::GraceOver));
        }
        if let (Some(at), false) = (self.restore_until(), self.erased()) {
            set.push((at, Timer::RestoreWindowOver));
        }
        if let Some(at) = self.purge_at() {
            set.push((at, Timer::AutoPurge));
        }
        set
    }

    /// What a timer does, dated `at`, its own deadline. In any other state it does nothing.
    fn fire(&mut self, timer: Timer, at: u64) {
        match (timer, self.state) {
            (Timer::ExpiryReached, Enabled) => self.state = Deactivated,
            (Timer::GraceOver, PendingDeletion) => self.grace_over(at),
            (Timer::RestoreWindowOver, Destroyed) => self.erase(),
            (Timer::AutoPurge, Destroyed) => self.state = Purged,
            _ => {}
        }
    }

    fn grace_over(&mut self, at: u64) {
        let force = self.deletion.as_ref().is_some_and(|deletion| deletion.force);
        match self.deletable(force) {
            Ok(()) => self.destroy(at),
            Err(_) => self.forget_deletion(at),
        }
    }

    /// Destroys at `at`, and goes straight on where the next duration is nothing.
    fn destroy(&mut self, at: u64) {
        self.state = Destroyed;
        self.registrations.clear();
        if let Some(deletion) = &mut self.deletion {
            deletion.destroyed_at = Some(at);
        }
        if self.policy.restore_window_ms == 0 {
            self.erase();
        }
        if self.policy.auto_purge_ms == 0 {
            self.state = Purged;
        }
    }

    fn erase(&mut self) {
        for version in self.versions.values_mut() {
            version.erased = true;
        }
    }

    /// Back from a pending deletion: to Disabled, unless the key has expired by then.
    fn forget_deletion(&mut self, at: u64) {
        self.deletion = None;
        self.state = if self.expired(at) { Deactivated } else { Disabled };
    }

    fn expired(&self, now: u64) -> bool {
        self.expires_at.is_some_and(|at| now >= at)
    }

    fn erased(&self) -> bool {
        self.versions.values().all(|version| version.erased)
    }

    fn destroys_at(&self) -> Option<u64> {
        let deletion = self.deletion.as_ref().filter(|_| self.state == PendingDeletion)?;
        Some(deletion.requested_at.saturating_add(self.policy.grace_ms))
    }

    fn destroyed_at(&self) -> Option<u64> {
        self.deletion.as_ref()?.destroyed_at.filter(|_| self.state == Destroyed)
    }

    fn restore_until(&self) -> Option<u64> {
        Some(self.destroyed_at()?.saturating_add(self.policy.restore_window_ms))
    }

    fn purge_from(&self) -> Option<u64> {
        Some(self.destroyed_at()?.saturating_add(self.policy.purge_floor_ms))
    }

    fn purge_at(&self) -> Option<u64> {
        Some(self.destroyed_at()?.saturating_add(self.policy.auto_purge_ms))
    }
}

/// The commands on a key. Each asks for its state first and changes nothing before the last check.
impl Key {
    fn decide(&mut self, now: u64, command: &Command) -> Answer {
        match command {
            Command::Encrypt { .. } => self.require(&[Enabled]),
            Command::Decrypt { version, .. } => self.decrypt(*version),
            Command::EnableKey { .. } => self.enable(now),
            Command::DisableKey { .. } => self.disable(now),
            Command::SetVersionEnabled { version, enabled, .. } => self.switch(*version, *enabled),
            Command::DeleteKey { force, .. } => self.request_deletion(now, *force),
            Command::CancelDeletion { .. } => self.cancel_deletion(now),
            Command::DeleteNow { .. } => self.delete_now(now),
            Command::RestoreKey { .. } => self.restore(now),
            Command::PurgeKey { .. } => self.purge(now),
            Command::RegisterResource { principal, resource, prevent_deletion, .. } => {
                self.register(*principal, resource, *prevent_deletion)
            }
            Command::UnregisterResource { principal, resource, .. } => {
                self.unregister(*principal, resource)
            }
            Command::UpdateKey { .. } => self.require(&LIVE),
            Command::RemoveAlias { alias, .. } => self.remove_alias(alias),
            Command::SetRotation { every_ms, .. } => self.set_rotation(now, *every_ms),
            Command::LengthenWindows { .. } => self.lengthen(command),
            // `Model::decide` keeps these: they need to know more than the key.
            Command::CreateKey { .. }
            | Command::AddAlias { .. }
            | Command::RotateKey { .. }
            | Command::ScheduledRotation { .. } => Err(INVALID_ARGUMENT),
        }
    }

    fn require(&self, states: &[State]) -> Answer {
        if states.contains(&self.state) { Ok(()) } else { Err(KEY_STATE) }
    }

    fn newest(&self) -> u32 {
        self.versions.keys().next_back().copied().unwrap_or(0)
    }

    fn decrypt(&self, version: u32) -> Answer {
        self.require(&WORKING)?;
        let version = self.versions.get(&version).ok_or(NOT_FOUND)?;
        if version.enabled && !version.erased { Ok(()) } else { Err(VERSION_STATE) }
    }

    fn enable(&mut self, now: u64) -> Answer {
        self.require(&[Disabled])?;
        if cooling(now, self.last_disabled, self.policy.enable_cooldown_ms) {
            return Err(TOO_EARLY);
        }
        self.state = if self.expired(now) { Deactivated } else { Enabled };
        Ok(())
    }

    fn disable(&mut self, now: u64) -> Answer {
        self.require(&WORKING)?;
        if self.state == Deactivated && !self.policy.disable_deactivated {
            return Err(KEY_STATE);
        }
        self.state = Disabled;
        self.last_disabled = Some(now);
        Ok(())
    }

    fn switch(&mut self, number: u32, enabled: bool) -> Answer {
        self.require(&WORKING)?;
        let newest = self.newest();
        let version = self.versions.get_mut(&number).ok_or(NOT_FOUND)?;
        if version.enabled == enabled || (number == newest && !enabled) {
            return Err(VERSION_STATE);
        }
        version.enabled = enabled;
        Ok(())
    }

    /// A new version is on, whatever the state of the key.
    fn add_version(&mut self, now: u64) {
        self.versions.insert(self.newest() + 1, Version { enabled: true, erased: false });
        self.last_rotated = Some(now);
    }

    fn rotate_by_hand(&mut self, now: u64, cap: u32) -> Answer {
        self.require(&WORKING)?;
        if self.newest() >= cap {
            return Err(VERSION_LIMIT);
        }
        if cooling(now, self.last_rotated, self.policy.rotate_cooldown_ms) {
            return Err(TOO_EARLY);
        }
        self.add_version(now);
        let restarts = self.policy.manual_rotation_restarts;
        if let Some(rotation) = self.rotation.as_mut().filter(|rotation| restarts && rotation.on) {
            rotation.next_at = now.saturating_add(rotation.period);
        }
        Ok(())
    }

    /// An outage of several periods is made up for once: the next date is always after `now`.
    fn rotate_by_schedule(&mut self, now: u64, cap: u32) -> Answer {
        let full = self.newest() >= cap;
        let (runs, restarts) = (self.schedule_runs(), self.policy.manual_rotation_restarts);
        let due = |rotation: &&mut Rotation| runs && rotation.on && now >= rotation.next_at;
        let rotation = self.rotation.as_mut().filter(due).ok_or(NOT_DUE)?;
        if full {
            rotation.on = false;
            return Ok(());
        }
        let from = if restarts {
            now
        } else {
            now - (now - rotation.next_at) % rotation.period // the last due date that has come
        };
        rotation.next_at = from.saturating_add(rotation.period);
        self.add_version(now);
        Ok(())
    }

    fn schedule_runs(&self) -> bool {
        match self.state {
            Enabled => true,
            Disabled => self.policy.rotate_while_disabled,
            PendingDeletion => self.policy.rotate_while_pending,
            Deactivated | Destroyed | Purged => false,
        }
    }

    /// Retention comes before registrations: force passes the second, nothing the first.
    fn deletable(&self, force: bool) -> Answer {
        if self.registrations.values().any(|registration| registration.prevent_deletion) {
            return Err(RETENTION);
        }
        if !force && !self.registrations.is_empty() {
            return Err(REGISTERED);
        }
        Ok(())
    }

    fn request_deletion(&mut self, now: u64, force: bool) -> Answer {
        self.require(&LIVE)?;
        self.deletable(force)?;
        let from = self.state;
        self.deletion = Some(Deletion { requested_at: now, from, force, destroyed_at: None });
        self.state = PendingDeletion;
        if self.policy.grace_ms == 0 {
            self.destroy(now);
        }
        Ok(())
    }

    fn cancel_deletion(&mut self, now: u64) -> Answer {
        self.require(&[PendingDeletion])?;
        self.forget_deletion(now);
        Ok(())
    }

    fn delete_now(&mut self, now: u64) -> Answer {
        self.require(&[PendingDeletion])?;
        if !self.policy.delete_now {
            return Err(KEY_STATE);
        }
        self.deletable(self.deletion.as_ref().is_some_and(|deletion| deletion.force))?;
        self.destroy(now);
        Ok(())
    }

    fn restore(&mut self, now: u64) -> Answer {
        self.require(&[Destroyed])?;
        // The table of the design: "by policy". One without a window never restores.
        if self.policy.restore_window_ms == 0 {
            return Err(KEY_STATE);
        }
        if self.expired(now) {
            return Err(EXPIRED);
        }
        // The timer has run before: the window is over exactly when the material is gone.
        if self.erased() {
            return Err(WINDOW_OVER);
        }
        if cooling(now, self.destroyed_at(), self.policy.restore_cooldown_ms) {
            return Err(TOO_EARLY);
        }
        let from = self.deletion.take().map_or(Disabled, |deletion| deletion.from);
        self.state = if self.policy.restore_to_enabled { Enabled } else { from };
        Ok(())
    }

    fn purge(&mut self, now: u64) -> Answer {
        self.require(&[Destroyed])?;
        if self.purge_from().is_some_and(|from| now < from) {
            return Err(TOO_EARLY);
        }
        self.state = Purged;
        Ok(())
    }

    /// Whether a registration that protects stands in the way of this principal.
    fn protected_from(&self, principal: u32, resource: &str) -> bool {
        let standing = self.registrations.get(resource);
        standing.is_some_and(|it| it.prevent_deletion && it.principal != principal)
    }

    fn register(&mut self, principal: u32, resource: &str, prevent_deletion: bool) -> Answer {
        self.require(&[Enabled])?;
        if self.protected_from(principal, resource) {
            return Err(RETENTION);
        }
        let registration = Registration { principal, prevent_deletion };
        self.registrations.insert(resource.to_owned(), registration);
        Ok(())
    }

    fn unregister(&mut self, principal: u32, resource: &str) -> Answer {
        self.require(&NOT_GONE)?;
        if self.protected_from(principal, resource) {
            return Err(RETENTION);
        }
        self.registrations.remove(resource).map(|_| ()).ok_or(NOT_FOUND)
    }

    fn add_alias(&mut self, alias: &str, taken: bool, cap: usize) -> Answer {
        self.require(&LIVE)?;
        if taken {
            return Err(ALREADY_EXISTS);
        }
        if self.aliases.len() >= cap {
            return Err(INVALID_ARGUMENT);
        }
        self.aliases.insert(alias.to_owned());
        Ok(())
    }

    fn remove_alias(&mut self, alias: &str) -> Answer {
        self.require(&LIVE)?;
        if self.aliases.remove(alias) { Ok(()) } else { Err(NOT_FOUND) }
    }

    fn set_rotation(&mut self, now: u64, every: Option<u64>) -> Answer {
        self.require(&LIVE)?;
        self.rotation = schedule(now, every)?;
        Ok(())
    }

    /// Shortening would need an approval, which the model does not have.
    fn lengthen(&mut self, command: &Command) -> Answer {
        let Command::LengthenWindows {
            grace_ms,
            restore_window_ms,
            purge_floor_ms,
            auto_purge_ms,
            ..
        } = command
        else {
            return Err(INVALID_ARGUMENT);
        };
        self.require(&LIVE)?;
        let mut longer = self.policy.clone();
        for (window, wanted) in [
            (&mut longer.grace_ms, grace_ms),
            (&mut longer.restore_window_ms, restore_window_ms),
            (&mut longer.purge_floor_ms, purge_floor_ms),
            (&mut longer.auto_purge_ms, auto_purge_ms),
        ] {
            let wanted = wanted.unwrap_or(*window);
            if wanted < *window {
                return Err(POLICY_INVALID);
            }
            *window = wanted;
        }
        if longer.restore_window_ms > longer.auto_purge_ms
            || longer.purge_floor_ms > longer.auto_purge_ms
        {
            return Err(POLICY_INVALID);
        }
        self.policy = longer;
        Ok(())
    }

    fn view(&self) -> View {
        View {
            state: self.state.name(),
            versions: self.version_views(),
            primary_version: self.newest(),
            aliases: self.aliases.iter().cloned().collect(),
            registrations: self
                .registrations
                .iter()
                .map(|(resource, it)| (resource.clone(), it.prevent_deletion))
                .collect(),
            expires_at_ms: self.expires_at,
            rotation: self.rotation.as_ref().map(|it| (it.period, it.next_at, it.on)),
            requested_at_ms: self.deletion.as_ref().map(|deletion| deletion.requested_at),
            destroyed_at_ms: self.destroyed_at(),
            destroys_at_ms: self.destroys_at(),
            restore_until_ms: self.restore_until(),
            purge_from_ms: self.purge_from(),
            purge_at_ms: self.purge_at(),
        }
    }

    /// Inheritance is computed here and stored nowhere.
    fn version_views(&self) -> Vec<VersionView> {
        let key_usable = WORKING.contains(&self.state);
        let view = |(number, version): (&u32, &Version)| VersionView {
            version: *number,
            enabled: version.enabled,
            usable: key_usable && version.enabled && !version.erased,
            erased: version.erased,
        };
        self.versions.iter().map(view).collect()
    }
}

#[cfg(test)]
mod tests;
