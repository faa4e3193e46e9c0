//! Violations planted into histories that had none. Each plant finds a place where what it adds
//! cannot be, whatever the operations of unknown outcome did; where there is none it plants nothing.

use super::generator::{Run, START, answer_of};
use crate::Dice;
use crate::sim::checker::key_model::{KeyFacts, KeyState};
use crate::sim::checker::version_oracle::Effect;
use crate::sim::history::{Action, Answer, KeyNo, Operation, Outcome, State, TokenNo};
use crate::sim::trace::Micros;

/// Who must see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    Search,
    Oracle,
    Both,
}

pub struct Plant {
    pub name: &'static str,
    pub seen: Seen,
    /// Whether there was a place for it.
    pub plant: fn(&mut Site) -> bool,
}

/// A history with a key to plant at.
pub struct Site {
    pub run: Run,
    pub dice: Dice,
    pub key: KeyNo,
}

pub const PLANTS: [Plant; 27] = [
    Plant { name: "use after a disable", seen: Seen::Both, plant: use_after_disable },
    Plant { name: "use after a deletion", seen: Seen::Both, plant: use_after_delete },
    Plant { name: "use after a cancel", seen: Seen::Both, plant: use_after_cancel },
    Plant { name: "version that is off used", seen: Seen::Both, plant: version_off_used },
    Plant { name: "version never off", seen: Seen::Both, plant: version_never_off },
    Plant { name: "no enable after a disable", seen: Seen::Both, plant: not_enabled_again },
    Plant { name: "refused though enabled", seen: Seen::Both, plant: refused_though_enabled },
    Plant { name: "stale primary", seen: Seen::Both, plant: stale_primary },
    Plant { name: "encrypt ahead", seen: Seen::Both, plant: encrypt_ahead },
    Plant { name: "version never made", seen: Seen::Both, plant: version_never_made },
    Plant { name: "version forgotten", seen: Seen::Both, plant: version_forgotten },
    Plant { name: "use before create", seen: Seen::Both, plant: use_before_create },
    Plant { name: "absent after create", seen: Seen::Both, plant: absent_after_create },
    Plant { name: "second create", seen: Seen::Both, plant: second_create },
    Plant { name: "lost update", seen: Seen::Both, plant: lost_update },
    Plant { name: "revision ahead", seen: Seen::Both, plant: revision_ahead },
    Plant { name: "early limit", seen: Seen::Both, plant: early_limit },
    Plant { name: "effect of a refused one", seen: Seen::Both, plant: effect_of_refused },
    Plant { name: "back in time", seen: Seen::Both, plant: back_in_time },
    Plant { name: "lost command", seen: Seen::Oracle, plant: lost_command },
    Plant { name: "order against time", seen: Seen::Both, plant: order_against_time },
    Plant { name: "second effect", seen: Seen::Oracle, plant: second_effect },
    Plant { name: "nobody asked", seen: Seen::Oracle, plant: nobody_asked },
    Plant { name: "wrong index", seen: Seen::Oracle, plant: wrong_index },
    Plant { name: "read at another index", seen: Seen::Oracle, plant: read_at_another_index },
    Plant { name: "revoked token", seen: Seen::Search, plant: revoked_token },
    Plant { name: "good token rejected", seen: Seen::Search, plant: good_token_rejected },
];

fn use_after_disable(site: &mut Site) -> bool {
    use_after(site, is_disable)
}

fn use_after_delete(site: &mut Site) -> bool {
    use_after(site, is_delete)
}

/// What was taken back is not enabled by that.
fn use_after_cancel(site: &mut Site) -> bool {
    use_after(site, |action| matches!(action, Action::Cancel(_)))
}

fn use_after(site: &mut Site, stop: fn(Action) -> bool) -> bool {
    let Some((window, state)) = site.window(stop, is_enable) else { return false };
    let action = site.any_use(state);
    site.add(action, window, Outcome::Done(answer_of(action, state)));
    true
}

fn version_off_used(site: &mut Site) -> bool {
    let is_off = |action| matches!(action, Action::Switch(_, _, false));
    let is_on = |action| matches!(action, Action::Switch(_, _, true));
    let Some((window, Some(key))) = site.window(is_off, is_on) else { return false };
    let off: Vec<u32> = key.off.numbers().collect();
    let version = site.pick(&off);
    site.add(Action::Decrypt(site.key, version), window, used(version));
    true
}

fn version_never_off(site: &mut Site) -> bool {
    let Some(after) = site.some_return(|action| matches!(action, Action::Create(_))) else {
        return false;
    };
    let interval = site.at(after);
    let is_off = |action| matches!(action, Action::Switch(_, _, false));
    if site.possible_until(interval.1, is_off) > 0 {
        return false;
    }
    site.add(Action::Decrypt(site.key, 1), interval, refused("VERSION_STATE"));
    true
}

fn not_enabled_again(site: &mut Site) -> bool {
    let ends = |action| is_enable(action) || is_delete(action);
    let Some((window, _)) = site.window(is_disable, ends) else { return false };
    site.add(Action::Enable(site.key), window, refused("KEY_STATE"));
    true
}

fn refused_though_enabled(site: &mut Site) -> bool {
    let starts = |action| is_enable(action) || matches!(action, Action::Create(_));
    let ends = |action| is_disable(action) || is_delete(action);
    let Some((window, _)) = site.window(starts, ends) else { return false };
    let actions = [Action::Encrypt, Action::Disable, Action::Rotate, |key| Action::Decrypt(key, 1)];
    let action = site.pick(&actions)(site.key);
    site.add(action, window, refused("KEY_STATE"));
    true
}

fn stale_primary(site: &mut Site) -> bool {
    let Some(after) = site.some_return(is_rotate) else { return false };
    let at_least = site.certain_before(after, is_rotate);
    let version = 1 + site.dice.below(at_least) as u32;
    site.add(Action::Encrypt(site.key), site.at(after), used(version));
    true
}

fn encrypt_ahead(site: &mut Site) -> bool {
    let after = START + site.dice.below(site.run.end() - START);
    let interval = site.at(after);
    let version = 2 + site.possible_until(interval.1, is_rotate) as u32;
    site.add(Action::Encrypt(site.key), interval, used(version));
    true
}

fn version_never_made(site: &mut Site) -> bool {
    let after = START + site.dice.below(site.run.end() - START);
    let version = 2 + site.possible_until(Micros::MAX, is_rotate) as u32;
    site.add(Action::Decrypt(site.key, version), site.at(after), used(version));
    true
}

fn version_forgotten(site: &mut Site) -> bool {
    let Some(after) = site.some_return(is_rotate) else { return false };
    let at_least = site.certain_before(after, is_rotate);
    let version = 1 + site.dice.below(at_least + 1) as u32;
    site.add(Action::Decrypt(site.key, version), site.at(after), refused("CIPHERTEXT_INVALID"));
    true
}

fn use_before_create(site: &mut Site) -> bool {
    let early = site.dice.below(START - 100);
    let state = site.run.states(site.key).get(1).copied().flatten();
    let actions = [Action::Encrypt, Action::Get, Action::Disable, |key| Action::Decrypt(key, 1)];
    let action = site.pick(&actions)(site.key);
    site.add(action, site.at(early), Outcome::Done(answer_of(action, state)));
    true
}

fn absent_after_create(site: &mut Site) -> bool {
    let Some(after) = site.some_return(|action| matches!(action, Action::Create(_))) else {
        return false;
    };
    let actions = [Action::Encrypt, Action::Get, Action::Update, |key| Action::Decrypt(key, 1)];
    let action = site.pick(&actions)(site.key);
    site.add(action, site.at(after), refused("NOT_FOUND"));
    true
}

fn second_create(site: &mut Site) -> bool {
    let Some(after) = site.some_return(|action| matches!(action, Action::Create(_))) else {
        return false;
    };
    let index = site.run.index + 1;
    let outcome = Outcome::Done(Answer { index, ..Answer::default() });
    site.add(Action::Create(site.key), site.at(after), outcome);
    true
}

/// A read shows a state that was there once, but not any more.
fn lost_update(site: &mut Site) -> bool {
    let Some(after) = site.some_return(|_| true) else { return false };
    let certain = site.certain_before(after, |_| true);
    let revision = site.dice.below(certain).max(1);
    if revision == certain {
        return false;
    }
    let answer = site.read_at_revision(revision);
    site.add(Action::Get(site.key), site.at(after), Outcome::Done(answer));
    true
}

/// A read shows the next change before anybody has asked for it.
fn revision_ahead(site: &mut Site) -> bool {
    let after = START + site.dice.below(site.run.end() - START);
    let interval = site.at(after);
    let revision = 1 + site.possible_until(interval.1, |_| true);
    if revision > site.run.orders[&site.key].len() as u64 {
        return false;
    }
    let answer = site.read_at_revision(revision);
    site.add(Action::Get(site.key), interval, Outcome::Done(answer));
    true
}

fn early_limit(site: &mut Site) -> bool {
    let after = START + site.dice.below(site.run.end() - START);
    site.add(Action::Rotate(site.key), site.at(after), refused("VERSION_LIMIT"));
    true
}

/// A change is refused, and a read at the end shows it all the same.
fn effect_of_refused(site: &mut Site) -> bool {
    if site.has_unknown_changes() {
        return false;
    }
    let answer = site.read_at_revision(site.run.orders[&site.key].len() as u64);
    let after = site.run.end();
    if !site.change_some(is_done_change, |operation| operation.outcome = refused("SEALED")) {
        return false;
    }
    site.add(Action::Get(site.key), site.at(after), Outcome::Done(answer));
    true
}

/// While a rotation is under way, one client sees its effect, and then another one does not.
fn back_in_time(site: &mut Site) -> bool {
    let states = site.run.states(site.key);
    let is_enabled = |key: &KeyFacts| key.state == State::Enabled;
    let Some(key) = states[states.len() - 1].filter(is_enabled) else { return false };
    if site.has_unknown_changes() {
        return false;
    }
    let from = site.run.end();
    site.run.index += 1;
    let index = site.run.index;
    let outcome = Outcome::Done(Answer { index, ..Answer::default() });
    let action = Action::Rotate(site.key);
    site.add(action, (from, from + 100), outcome);
    let request = site.run.history.operations.last().and_then(|last| last.request).unwrap();
    site.order().push(Effect { index, request, action });
    site.add(Action::Encrypt(site.key), (from + 10, from + 20), used(key.primary + 1));
    site.add(Action::Encrypt(site.key), (from + 30, from + 40), used(key.primary));
    true
}

/// The last command that was acknowledged is not in the log.
fn lost_command(site: &mut Site) -> bool {
    let acknowledged: Vec<_> =
        site.run.changes(site.key).filter(|one| is_done_change(one)).collect();
    let requests: Vec<_> = acknowledged.iter().filter_map(|operation| operation.request).collect();
    let order = site.order();
    let Some(place) = order.iter().rposition(|effect| requests.contains(&effect.request)) else {
        return false;
    };
    order.remove(place);
    true
}

/// Two updates, one after the other, stand in the log the other way round.
fn order_against_time(site: &mut Site) -> bool {
    let is_update =
        |one: &&Operation| matches!(one.action, Action::Update(_)) && is_done_change(one);
    let updates: Vec<Operation> = site.run.changes(site.key).filter(is_update).cloned().collect();
    let pairs = updates.iter().flat_map(|a| updates.iter().map(move |b| (a, b)));
    let Some((a, b)) = pairs.into_iter().find(|(a, b)| a.returned < b.invoked) else {
        return false;
    };
    let swapped = |request| match () {
        () if request == a.request => b.request,
        () if request == b.request => a.request,
        () => request,
    };
    for effect in site.order() {
        effect.request = swapped(Some(effect.request)).unwrap();
    }
    let (first, second) = (a.outcome.clone(), b.outcome.clone());
    for operation in &mut site.run.history.operations {
        if operation.request == a.request {
            operation.outcome = second.clone();
        } else if operation.request == b.request {
            operation.outcome = first.clone();
        }
    }
    true
}

fn second_effect(site: &mut Site) -> bool {
    let is_update = |effect: &&Effect| matches!(effect.action, Action::Update(_));
    let Some(mut again) = site.order().iter().find(is_update).cloned() else { return false };
    again.index = site.run.index + 1;
    site.order().push(again);
    true
}

fn nobody_asked(site: &mut Site) -> bool {
    let request = site.run.new_request();
    let index = site.run.index + 1;
    let action = Action::Update(site.key);
    site.order().push(Effect { index, request, action });
    true
}

/// The last change that was acknowledged: the order of the answers stays as it was.
fn wrong_index(site: &mut Site) -> bool {
    let key = Some(site.key);
    let operations = site.run.history.operations.iter_mut();
    let changes = operations.filter(|one| one.action.key() == key && one.action.is_mutation());
    let answers = changes.filter_map(|operation| match &mut operation.outcome {
        Outcome::Done(answer) => Some(answer),
        _ => None,
    });
    let Some(last) = answers.max_by_key(|answer| answer.index) else { return false };
    last.index += 1;
    true
}

fn read_at_another_index(site: &mut Site) -> bool {
    let indexes: Vec<u64> = site.order().iter().map(|effect| effect.index).collect();
    let is_read =
        |operation: &Operation| matches!(operation.action, Action::Get(_)) && is_done(operation);
    site.change_some(is_read, |operation| {
        let Outcome::Done(answer) = &mut operation.outcome else { return };
        answer.index = indexes[answer.revision as usize - 1] - 1;
    })
}

const TOKEN: TokenNo = 0;

fn revoked_token(site: &mut Site) -> bool {
    let revocations = site
        .run
        .history
        .operations
        .iter()
        .filter(|operation| operation.action == Action::Revoke(TOKEN) && is_done(operation));
    let Some(after) = revocations.map(|operation| operation.returned).min() else { return false };
    let later = after + 1 + site.dice.below(500);
    site.add(Action::Show(TOKEN), site.at(later), Outcome::Done(Answer::default()));
    true
}

fn good_token_rejected(site: &mut Site) -> bool {
    let early = site.dice.below(START - 100);
    site.add(Action::Show(TOKEN), site.at(early), refused("UNAUTHENTICATED"));
    true
}

fn is_enable(action: Action) -> bool {
    matches!(action, Action::Enable(_))
}

fn is_delete(action: Action) -> bool {
    matches!(action, Action::Delete(_))
}

fn is_disable(action: Action) -> bool {
    matches!(action, Action::Disable(_))
}

fn is_rotate(action: Action) -> bool {
    matches!(action, Action::Rotate(_))
}

fn is_done(operation: &Operation) -> bool {
    operation.done().is_some()
}

fn is_done_change(operation: &Operation) -> bool {
    operation.action.is_mutation() && is_done(operation)
}

fn refused(reason: &str) -> Outcome {
    Outcome::Refused(reason.to_owned())
}

fn used(version: u32) -> Outcome {
    Outcome::Done(Answer { version, ..Answer::default() })
}

impl Site {
    fn add(&mut self, action: Action, interval: (Micros, Micros), outcome: Outcome) {
        self.run.add(action, interval, outcome);
    }

    fn order(&mut self) -> &mut Vec<Effect> {
        self.run.orders.get_mut(&self.key).unwrap()
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.dice.below(from.len() as u64) as usize]
    }

    fn any_use(&mut self, state: KeyState) -> Action {
        let versions = state.map_or(1, |key| key.primary);
        let version = 1 + self.dice.below(versions.into()) as u32;
        if self.dice.chance(50) {
            Action::Encrypt(self.key)
        } else {
            Action::Decrypt(self.key, version)
        }
    }

    /// A short time right after this one.
    fn at(&self, after: Micros) -> (Micros, Micros) {
        (after + 1, after + 20)
    }

    /// When some acknowledged change of this kind returned.
    fn some_return(&mut self, kind: fn(Action) -> bool) -> Option<Micros> {
        let of_kind =
            self.run.changes(self.key).filter(|one| kind(one.action) && is_done_change(one));
        let returns: Vec<_> = of_kind.map(|operation| operation.returned).collect();
        (!returns.is_empty()).then(|| self.pick(&returns))
    }

    /// How many changes of this kind have certainly had their effect after this time.
    fn certain_before(&self, after: Micros, kind: fn(Action) -> bool) -> u64 {
        let certain = self.run.changes(self.key).filter(|operation| {
            kind(operation.action) && is_done_change(operation) && operation.returned <= after
        });
        certain.count() as u64
    }

    /// How many changes of this kind can have had their effect by this time.
    fn possible_until(&self, until: Micros, kind: fn(Action) -> bool) -> u64 {
        let possible = self
            .run
            .changes(self.key)
            .filter(|operation| kind(operation.action) && operation.invoked <= until);
        possible.count() as u64
    }

    fn has_unknown_changes(&self) -> bool {
        self.run.changes(self.key).any(|operation| operation.outcome == Outcome::Unknown)
    }

    /// A time after an acknowledged `start` in which no `end` can have had its effect since, and the
    /// state that `start` has led to.
    fn window(
        &mut self,
        start: fn(Action) -> bool,
        end: fn(Action) -> bool,
    ) -> Option<((Micros, Micros), KeyState)> {
        let changes: Vec<_> = self.run.changes(self.key).collect();
        let windows: Vec<_> = changes
            .iter()
            .filter(|one| start(one.action) && is_done_change(one))
            .filter_map(|first| {
                let before = |other: &&&Operation| is_done(other) && other.returned < first.invoked;
                let ends = changes.iter().filter(|other| end(other.action) && !before(other));
                let until = ends.map(|other| other.invoked).min().unwrap_or(Micros::MAX);
                let interval = self.at(first.returned);
                (interval.1 < until).then_some((interval, first.request?))
            })
            .collect();
        let (interval, request) = (!windows.is_empty()).then(|| self.pick(&windows))?;
        let place = self.order().iter().position(|effect| effect.request == request)?;
        Some((interval, self.run.states(self.key)[place + 1]))
    }

    /// What a read showed at this revision.
    fn read_at_revision(&mut self, revision: u64) -> Answer {
        let place = revision as usize;
        let index = self.order()[place - 1].index;
        let state = self.run.states(self.key)[place];
        Answer { index, ..answer_of(Action::Get(self.key), state) }
    }

    /// Changes one of the operations on the key that qualify, if there is one.
    fn change_some(
        &mut self,
        which: fn(&Operation) -> bool,
        change: impl FnOnce(&mut Operation),
    ) -> bool {
        let key = Some(self.key);
        let operations = &self.run.history.operations;
        let places: Vec<_> = (0..operations.len())
            .filter(|place| operations[*place].action.key() == key && which(&operations[*place]))
            .collect();
        if places.is_empty() {
            return false;
        }
        let place = self.pick(&places);
        change(&mut self.run.history.operations[place]);
        true
    }
}
