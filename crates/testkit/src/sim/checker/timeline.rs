//! The states that a key went through, and when it can have been in each.

use super::key_model::{KeyModel, KeyState, MOST_VERSIONS, ask};
use super::wgl::Model;
use crate::sim::history::{Action, Answer, Outcome};
use crate::sim::trace::Micros;

/// When a change was under way: asked, and answered if its outcome is known.
pub(super) type Interval = (Micros, Option<Micros>);

/// The states of a key, one after each change; state 0 is before the first. A key rises by one
/// revision with each change, so state and revision have the same number.
pub(super) struct Timeline {
    states: Vec<KeyState>,
    /// Of each state: no sooner than this. Ascending.
    begins: Vec<Micros>,
    /// Of each state: no later than this. Ascending.
    ends: Vec<Micros>,
    /// Of each state: the first one from there on in which the key is enabled.
    enabled_from: Vec<usize>,
    /// Of each state: the first one from there on in which the key exists and is disabled.
    disabled_from: Vec<usize>,
    /// The first state of each version, from version 1.
    version_from: Vec<usize>,
}

impl Timeline {
    /// The timeline of these changes. On failure: which of them cannot be where it stands, and why.
    pub(super) fn new(changes: &[(Action, Interval)]) -> Result<Timeline, (usize, String)> {
        let mut states = vec![KeyModel::initial()];
        let mut version_from = Vec::new();
        for (number, (action, _)) in changes.iter().enumerate() {
            let before = states[number];
            let after = ask(before, *action).map_err(|reason| (number, reason.to_owned()))?;
            if after.map(|key| key.primary) != before.map(|key| key.primary) {
                version_from.push(number + 1);
            }
            states.push(after);
        }
        let is_enabled = |state: &KeyState| state.is_some_and(|key| key.enabled);
        let is_disabled = |state: &KeyState| state.is_some_and(|key| !key.enabled);
        Ok(Timeline {
            begins: begins(changes),
            ends: ends(changes),
            enabled_from: first_from(&states, is_enabled),
            disabled_from: first_from(&states, is_disabled),
            version_from,
            states,
        })
    }

    pub(super) fn state(&self, number: usize) -> &KeyState {
        &self.states[number]
    }

    /// The first state that the key can have been in at this time, as far as the changes tell.
    pub(super) fn first_at(&self, at: Micros) -> usize {
        self.ends.partition_point(|end| *end < at)
    }

    /// The last one.
    pub(super) fn last_at(&self, at: Micros) -> usize {
        self.begins.partition_point(|begin| *begin <= at) - 1
    }

    /// The first state from `start` on in which `action`, which changes nothing, gets this outcome.
    pub(super) fn first_fit(&self, start: usize, op: &(Action, Outcome)) -> Option<usize> {
        let exists = start.max(1);
        let found = match op {
            (Action::Get(_), Outcome::Done(Answer { revision, .. })) => {
                usize::try_from(*revision).ok().filter(|number| *number >= start)?
            }
            (Action::Encrypt(_), Outcome::Done(Answer { version, .. }))
            | (Action::Decrypt(_, version), Outcome::Done(_)) => {
                self.next(&self.enabled_from, start.max(self.of_version(*version)?))?
            }
            (action, Outcome::Refused(reason)) => match (action, reason.as_str()) {
                (_, "NOT_FOUND") => start,
                (Action::Enable(_), "KEY_STATE") => self.next(&self.enabled_from, exists)?,
                (Action::Decrypt(_, version), "KEY_STATE") => {
                    self.next(&self.disabled_from, start.max(self.of_version(*version)?))?
                }
                (_, "KEY_STATE") => self.next(&self.disabled_from, exists)?,
                (_, "VERSION_LIMIT") => {
                    self.next(&self.enabled_from, start.max(self.of_version(MOST_VERSIONS)?))?
                }
                _ => exists,
            },
            _ => return None,
        };
        // From the first state that it could be, the other conditions only get worse.
        let state = self.states.get(found)?;
        (KeyModel::step(state, op) == Some(*state)).then_some(found)
    }

    fn of_version(&self, version: u32) -> Option<usize> {
        let place = usize::try_from(version).ok()?.checked_sub(1)?;
        self.version_from.get(place).copied()
    }

    fn next(&self, table: &[usize], start: usize) -> Option<usize> {
        table.get(start).copied().filter(|number| *number < self.states.len())
    }
}

/// A state begins no sooner than the changes up to it were asked for.
fn begins(changes: &[(Action, Interval)]) -> Vec<Micros> {
    let mut latest = 0;
    let later = changes.iter().map(|(_, (invoked, _))| {
        latest = latest.max(*invoked);
        latest
    });
    std::iter::once(0).chain(later).collect()
}

/// A state ends no later than any change after it was acknowledged.
fn ends(changes: &[(Action, Interval)]) -> Vec<Micros> {
    let mut ends = vec![Micros::MAX; changes.len() + 1];
    for (number, (_, (_, returned))) in changes.iter().enumerate().rev() {
        ends[number] = ends[number + 1].min(returned.unwrap_or(Micros::MAX));
    }
    ends
}

/// Of each place, the first one from there on where it holds; behind the end if there is none.
fn first_from(states: &[KeyState], holds: impl Fn(&KeyState) -> bool) -> Vec<usize> {
    let mut first = vec![states.len(); states.len()];
    for number in (0..states.len()).rev() {
        if holds(&states[number]) {
            first[number] = number;
        } else if let Some(after) = first.get(number + 1) {
            first[number] = *after;
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Created, rotated, disabled, enabled, rotated, disabled: states 1 to 6.
    fn timeline() -> Timeline {
        let changes = [
            (Action::Create(0), (10, Some(20))),
            (Action::Rotate(0), (15, None)),
            (Action::Disable(0), (12, Some(40))),
            (Action::Enable(0), (50, Some(60))),
            (Action::Rotate(0), (70, Some(80))),
            (Action::Disable(0), (90, None)),
        ];
        Timeline::new(&changes).unwrap()
    }

    #[test]
    fn a_state_lies_between_its_own_change_and_the_next() {
        let timeline = timeline();
        let at: Vec<_> =
            [0, 9, 10, 14, 15, 20, 21, 40, 41, 50, 60, 61, 69, 70, 80, 81, 89, 90, 1_000]
                .into_iter()
                .map(|at| (at, timeline.first_at(at), timeline.last_at(at)))
                .collect();
        let expected = [
            (0, 0, 0),
            (9, 0, 0),
            (10, 0, 1),
            (14, 0, 1),
            // The disable was asked for earlier, but it comes after the rotation.
            (15, 0, 3),
            (20, 0, 3),
            (21, 1, 3),
            (40, 1, 3),
            (41, 3, 3),
            (50, 3, 4),
            (60, 3, 4),
            (61, 4, 4),
            (69, 4, 4),
            (70, 4, 5),
            (80, 4, 5),
            (81, 5, 5),
            (89, 5, 5),
            // Nobody knows when the last one came.
            (90, 5, 6),
            (1_000, 5, 6),
        ];
        assert_eq!(at, expected);
    }

    #[test]
    fn the_first_fit_is_what_a_look_at_every_state_finds() {
        let timeline = timeline();
        let mut found_some = 0;
        for op in every_observation() {
            for start in 0..=timeline.states.len() {
                let fits = |number: &usize| {
                    let state = timeline.states[*number];
                    KeyModel::step(&state, &op) == Some(state)
                };
                let expected = (start..timeline.states.len()).find(fits);
                assert_eq!(timeline.first_fit(start, &op), expected, "{op:?} from {start}");
                found_some += usize::from(expected.is_some());
            }
        }
        assert!(found_some > 50, "{found_some}");
    }

    #[test]
    fn the_limit_of_versions_is_met_where_it_is_reached() {
        let mut changes = vec![(Action::Create(0), (0, None))];
        changes.resize(MOST_VERSIONS as usize, (Action::Rotate(0), (0, None)));
        let timeline = Timeline::new(&changes).unwrap();
        let op = (Action::Rotate(0), Outcome::Refused("VERSION_LIMIT".to_owned()));
        assert_eq!(timeline.first_fit(0, &op), Some(100));
        changes.push((Action::Rotate(0), (0, None)));
        let failure = Timeline::new(&changes).err();
        assert_eq!(failure, Some((100, "VERSION_LIMIT".to_owned())));
    }

    fn every_observation() -> Vec<(Action, Outcome)> {
        let mut all = Vec::new();
        let done = |version, revision, enabled| {
            Outcome::Done(Answer { version, revision, enabled, ..Answer::default() })
        };
        for version in 0..5 {
            all.push((Action::Encrypt(0), done(version, 0, false)));
            all.push((Action::Decrypt(0, version), done(version, 0, false)));
            for revision in 0..9 {
                for enabled in [false, true] {
                    all.push((Action::Get(0), done(version, revision, enabled)));
                }
            }
        }
        let asked = [Action::Create, Action::Enable, Action::Disable, Action::Rotate];
        let asked = asked.into_iter().chain([Action::Update, Action::Get, Action::Encrypt]);
        let asked = asked.map(|action| action(0));
        let asked: Vec<_> = asked.chain((0..5).map(|v| Action::Decrypt(0, v))).collect();
        let reasons =
            ["NOT_FOUND", "ALREADY_EXISTS", "KEY_STATE", "VERSION_LIMIT", "VERSION_STATE"];
        for reason in reasons.into_iter().chain(["CIPHERTEXT_INVALID"]) {
            all.extend(asked.iter().map(|action| (*action, Outcome::Refused(reason.to_owned()))));
        }
        all
    }
}
