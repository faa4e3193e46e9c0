//! A deletion runs its course: nothing is destroyed, erased or purged early, or late, or in spite of what
//! prevents it; what is purged never returns; and what is deleted is not used.
//!
//! From docs/lifecycle.md: the pipeline of a deletion with its four durations ("Permissions include
//! their boundary, destroying timers fire strictly after it"), the order in which a deletion is judged,
//! and "Replication-safe time". Only short-lived keys are looked at, see `sim/short.rs`. Two judges:
//!
//! **The log.** On each member, the records of a key in the audit chain are the course of a small model of
//! its own, by the times that stand in the records: those are cluster time, whatever the clocks do. A
//! record that cannot stand where it does is a violation, among them a timer that ran at or before its
//! instant, a command done although a timer before it had not run, a purge before the floor, a deletion
//! in spite of a registration that prevents it, and anything after the purge. At the end the member has of
//! the key what its course says: its record in this state, material of its versions unless it was erased,
//! or a tombstone with the index and time of the purge and nothing else. And no timer is overdue by
//! more than `LATE_MS` of cluster time.
//!
//! **The clients.** Once a purge was answered, or a key that was there is not found, nothing that is asked
//! for afterwards of that key succeeds. Once a deletion was answered, or seen, no use succeeds that was
//! asked for afterwards, unless an enabling or a restoring can have taken effect in between. Once a key
//! was seen destroyed, nothing is cancelled, unless it can have been restored in between.
//!
//! Cannot see: how soon a timer runs during the run, since a clock may jump ahead of it; copies of
//! erased material outside the state of the machine.

use std::collections::BTreeMap;

use conclave_core::audit::AuditRecord;
use conclave_core::ids::KeyId;
use conclave_core::lifecycle::KeyState;
use conclave_core::state;
use uuid::Uuid;

use super::chain::{self, Chain};
use super::told;
use crate::sim::evidence::{Evidence, MemberEnd};
use crate::sim::history::{Action, History, KeyNo, Operation, Outcome, Short, State};
use crate::sim::short::{Windows, windows};
use crate::sim::violation::Violation;

/// Name of the invariant.
pub const NAME: &str = "a deletion runs its course";

/// How late a timer may be at the end, in milliseconds of cluster time.
const LATE_MS: u64 = 1_000;

/// Checks the invariant.
pub fn check(evidence: &Evidence) -> Vec<Violation> {
    let asked = asked(&evidence.history);
    let of_members = evidence.ends.iter().flat_map(|end| {
        let texts = of_member(end, &asked).into_iter();
        texts.map(|text| format!("node {}: {text}", end.node)).collect::<Vec<_>>()
    });
    let mut texts: Vec<_> = of_members.collect();
    texts.extend(by_key(&evidence.history).values().flat_map(|operations| of_clients(operations)));
    texts.into_iter().map(|text| Violation::new(NAME, text)).collect()
}

/// What clients have asked of short-lived keys, by request id.
fn asked(history: &History) -> BTreeMap<Uuid, (KeyNo, Short)> {
    let operations = history.operations.iter();
    operations
        .filter_map(|operation| match operation.action {
            Action::Short(key, what) => Some((operation.request?, (key, what))),
            _ => None,
        })
        .collect()
}

/// What is wrong on a member.
fn of_member(end: &MemberEnd, asked: &BTreeMap<Uuid, (KeyNo, Short)>) -> Vec<String> {
    let chain = Chain::of(end);
    if !chain.is_whole() {
        return Vec::new();
    }
    let mut courses: BTreeMap<KeyId, Course> = BTreeMap::new();
    let mut texts = Vec::new();
    for record in chain.records().iter().filter(|record| chain::is_effect(record)) {
        let Some(id) = record.key else { continue };
        if let Some(course) = courses.get_mut(&id) {
            if let Err(why) = course.go_on(record) {
                let (action, at, index) = (&record.action, record.at_ms, record.index);
                texts.push(format!("key {id}: {action} at {at} ms, log index {index}: {why}"));
            }
        } else if let Some((number, Short::Create)) = asked.get(&record.request.0) {
            courses.insert(id, Course::new(windows(*number)));
        }
    }
    let now_ms = chain::machine(end).cluster_time_ms;
    for (id, course) in &courses {
        let why = course.differs(end, *id).or_else(|| course.overdue(now_ms));
        texts.extend(why.map(|why| format!("key {id} {why}")));
    }
    texts
}

/// How far a key has come.
struct Course {
    windows: &'static Windows,
    state: State,
    /// The state that deletion was asked from.
    asked_from: State,
    requested_ms: u64,
    destroyed_ms: u64,
    erased: bool,
    /// Whether something prevents its deletion.
    protected: bool,
    /// Index and time of the purge.
    purged: (u64, u64),
}

impl Course {
    fn new(windows: &'static Windows) -> Course {
        Course {
            windows,
            state: State::Enabled,
            asked_from: State::Enabled,
            requested_ms: 0,
            destroyed_ms: 0,
            erased: false,
            protected: false,
            purged: (0, 0),
        }
    }

    /// The timer that runs next, and the last instant at which it has not run.
    fn next_timer(&self) -> Option<(&'static str, u64)> {
        let Windows { grace_ms, restore_ms, purge_ms, .. } = self.windows;
        match self.state {
            State::PendingDeletion => Some(("GraceOver", self.requested_ms + grace_ms)),
            State::Destroyed if !self.erased => {
                Some(("RestoreWindowOver", self.destroyed_ms + restore_ms))
            }
            State::Destroyed => Some(("AutoPurge", self.destroyed_ms + purge_ms)),
            State::Enabled | State::Disabled | State::Purged => None,
        }
    }

    /// The next record of the key.
    fn go_on(&mut self, record: &AuditRecord) -> Result<(), String> {
        let at_ms = record.at_ms;
        let next = self.next_timer();
        if chain::is_timer(record) {
            return match next {
                Some((timer, until)) if timer == record.action && at_ms > until => {
                    self.run(timer, until, record)
                }
                Some((timer, until)) => Err(format!("next is {timer}, after {until} ms")),
                None => Err("no timer of it runs".to_owned()),
            };
        }
        match next {
            Some((timer, until)) if at_ms > until => {
                Err(format!("{timer} had to run before that, after {until} ms"))
            }
            _ => self.obey(record),
        }
    }

    fn run(&mut self, timer: &str, at_ms: u64, record: &AuditRecord) -> Result<(), String> {
        let is_held = record.refused.is_some();
        if is_held != (timer == "GraceOver" && self.protected) {
            return Err(format!("held up: {is_held}, protected: {}", self.protected));
        }
        match timer {
            "GraceOver" if is_held => self.state = State::Disabled,
            "GraceOver" => self.destroy(at_ms),
            "RestoreWindowOver" => self.erased = true,
            _ => self.purge(at_ms, record.index),
        }
        Ok(())
    }

    fn obey(&mut self, record: &AuditRecord) -> Result<(), String> {
        let at_ms = record.at_ms;
        let purge_from = self.destroyed_ms + self.windows.floor_ms;
        match (record.action.as_str(), self.state) {
            ("DeleteKey", _) if self.protected => {
                return Err("a registration prevents its deletion".to_owned());
            }
            ("DeleteKey", State::Enabled | State::Disabled) => {
                (self.asked_from, self.requested_ms) = (self.state, at_ms);
                self.state = State::PendingDeletion;
            }
            ("CancelDeletion", State::PendingDeletion) => self.state = State::Disabled,
            ("DeleteNow", State::PendingDeletion) => self.destroy(at_ms),
            ("RestoreKey", State::Destroyed) if !self.erased => self.state = self.asked_from,
            ("PurgeKey", State::Destroyed) if at_ms >= purge_from => {
                self.purge(at_ms, record.index);
            }
            ("PurgeKey", State::Destroyed) => {
                return Err(format!("it can be purged from {purge_from} ms on"));
            }
            ("EnableKey", State::Disabled) => self.state = State::Enabled,
            ("RegisterResource", State::Enabled) => self.protected = true,
            ("UnregisterResource", state) if state < State::Destroyed => self.protected = false,
            (_, state) => return Err(format!("the key is {state:?}")),
        }
        Ok(())
    }

    fn destroy(&mut self, at_ms: u64) {
        (self.state, self.destroyed_ms, self.erased) = (State::Destroyed, at_ms, false);
        self.protected = false;
    }

    fn purge(&mut self, at_ms: u64, index: u64) {
        (self.state, self.purged) = (State::Purged, (index, at_ms));
    }

    /// What a member has of the key that its course does not say.
    fn differs(&self, end: &MemberEnd, id: KeyId) -> Option<String> {
        let state = state::State(&end.records);
        let tombstone = state.tombstone(id.0).map(|stone| (stone.index, stone.purged_at_ms));
        let versions = chain::versions(end, id);
        let Some(key) = chain::key(end, id) else {
            let is_empty = versions.is_empty()
                && state.history(id).is_empty()
                && state.registrations(id).is_empty();
            return match self.state {
                State::Purged if tombstone != Some(self.purged) => Some(format!(
                    "was purged as (index, time) {:?}, its tombstone says {tombstone:?}",
                    self.purged
                )),
                State::Purged if is_empty => None,
                State::Purged => Some("was purged and has left more than a tombstone".to_owned()),
                state => Some(format!("is gone, by the log it is {state:?}")),
            };
        };
        let shown = shown(key.state);
        if shown != self.state || tombstone.is_some() {
            let by_log = self.state;
            return Some(format!(
                "is {shown:?} with tombstone {tombstone:?}, by the log {by_log:?}"
            ));
        }
        let has_material = versions.iter().any(|version| version.material.is_some());
        let erased = self.state == State::Destroyed && self.erased;
        (has_material == erased)
            .then(|| format!("has material: {has_material}, although erased: {erased}"))
    }

    /// A timer that should have run long ago.
    fn overdue(&self, now_ms: u64) -> Option<String> {
        let (timer, until) = self.next_timer()?;
        (now_ms > until.saturating_add(LATE_MS)).then(|| {
            format!("is still {:?} at {now_ms} ms, {timer} was due after {until} ms", self.state)
        })
    }
}

fn shown(state: KeyState) -> State {
    match state {
        KeyState::Enabled => State::Enabled,
        KeyState::Disabled | KeyState::Deactivated => State::Disabled,
        KeyState::PendingDeletion => State::PendingDeletion,
        KeyState::Destroyed => State::Destroyed,
    }
}

fn by_key(history: &History) -> BTreeMap<KeyNo, Vec<Asked<'_>>> {
    let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for operation in &history.operations {
        if let Action::Short(key, what) = operation.action {
            all.entry(key).or_default().push(Asked { what, operation });
        }
    }
    all
}

/// An operation on a short-lived key.
struct Asked<'a> {
    what: Short,
    operation: &'a Operation,
}

impl Asked<'_> {
    fn is_done(&self) -> bool {
        self.operation.done().is_some()
    }

    /// The state that an answer shows. A use shows none.
    fn seen(&self) -> Option<State> {
        match &self.operation.outcome {
            Outcome::Done(answer) if !self.operation.action.is_use() => Some(answer.state),
            Outcome::Refused(reason) => {
                // What a client asks for it has created; a registration may be missing by itself.
                let is_gone = reason == "NOT_FOUND" && self.what != Short::Unregister;
                (is_gone && self.what != Short::Create).then_some(State::Purged)
            }
            _ => None,
        }
    }

    /// Whether it was answered before the other one was asked for.
    fn is_before(&self, other: &Asked<'_>) -> bool {
        self.operation.returned < other.operation.invoked
    }

    /// Whether it can have had an effect after the question of one operation and before the answer to
    /// another.
    fn is_between(&self, first: &Asked<'_>, second: &Asked<'_>) -> bool {
        let is_refused = matches!(self.operation.outcome, Outcome::Refused(_));
        let may_come_late = self.operation.outcome == Outcome::Unknown;
        !is_refused
            && self.operation.invoked <= second.operation.returned
            && (may_come_late || self.operation.returned >= first.operation.invoked)
    }
}

/// What clients saw of one key that cannot be.
fn of_clients(all: &[Asked<'_>]) -> Vec<String> {
    let done = all.iter().filter(|asked| asked.is_done());
    let found = done.filter_map(|asked| {
        let before = || all.iter().filter(|other| other.is_before(asked));
        let contradicts = |other: &&Asked<'_>| contradicts(all, other, asked);
        let other = before().find(contradicts)?;
        Some(format!("{} after {}", told(asked.operation), told(other.operation)))
    });
    found.collect()
}

/// Whether what one answer shows makes a later success impossible.
fn contradicts(all: &[Asked<'_>], seen: &Asked<'_>, later: &Asked<'_>) -> bool {
    let undone = |by: &[Short]| {
        all.iter().any(|asked| by.contains(&asked.what) && asked.is_between(seen, later))
    };
    let is_use = later.operation.action.is_use();
    match seen.seen() {
        Some(State::Purged) => true,
        Some(State::Destroyed) if is_use || later.what == Short::Cancel => {
            !undone(&[Short::Restore])
        }
        Some(State::PendingDeletion) if is_use => !undone(&[Short::Enable, Short::Restore]),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
