//! The states that a key went through, and when it can have been in each.

use super::key_model::{KeyModel, KeyState, ask};
use super::wgl::Model;
use crate::sim::history::{Action, Outcome};
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
}

impl Timeline {
    /// The timeline of these changes. On failure: which of them cannot be where it stands, and why.
    pub(super) fn new(changes: &[(Action, Interval)]) -> Result<Timeline, (usize, String)> {
        let mut states = vec![KeyModel::initial()];
        for (number, (action, _)) in changes.iter().enumerate() {
            let after = ask(states[number], *action);
            states.push(after.map_err(|reason| (number, reason.to_owned()))?);
        }
        Ok(Timeline { begins: begins(changes), ends: ends(changes), states })
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

    /// The first state from `start` to `last` in which `action`, which changes nothing, gets this
    /// outcome. These are the states of one operation: few.
    pub(super) fn first_fit(
        &self,
        start: usize,
        last: usize,
        op: &(Action, Outcome),
    ) -> Option<usize> {
        let states = self.states.get(start..=last)?;
        let found = states.iter().position(|state| KeyModel::step(state, op) == Some(*state));
        found.map(|place| start + place)
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

#[cfg(test)]
mod tests {
    use super::super::key_model::MOST_VERSIONS;
    use super::*;
    use crate::sim::history::Answer;

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
    fn the_first_fit_lies_between_its_bounds() {
        let timeline = timeline();
        let used =
            |version| (Action::Encrypt(0), Outcome::Done(Answer { version, ..Answer::default() }));
        let refused = (Action::Encrypt(0), Outcome::Refused("KEY_STATE".to_owned()));
        let table = [
            (used(2), (0, 6), Some(2)),
            (used(2), (3, 6), Some(4)),
            (used(2), (3, 3), None),
            (used(2), (5, 6), None),
            (used(3), (0, 4), None),
            (used(3), (0, 5), Some(5)),
            (refused.clone(), (4, 6), Some(6)),
            (refused.clone(), (6, 6), Some(6)),
            (refused, (4, 5), None),
            (used(1), (2, 1), None),
            (used(1), (7, 7), None),
        ];
        for (op, (start, last), expected) in table {
            assert_eq!(timeline.first_fit(start, last, &op), expected, "{op:?} {start} {last}");
        }
    }

    #[test]
    fn the_limit_of_versions_is_met_where_it_is_reached() {
        let mut changes = vec![(Action::Create(0), (0, None))];
        changes.resize(MOST_VERSIONS as usize, (Action::Rotate(0), (0, None)));
        let timeline = Timeline::new(&changes).unwrap();
        let op = (Action::Rotate(0), Outcome::Refused("VERSION_LIMIT".to_owned()));
        assert_eq!(timeline.first_fit(0, 100, &op), Some(100));
        changes.push((Action::Rotate(0), (0, None)));
        let failure = Timeline::new(&changes).err();
        assert_eq!(failure, Some((100, "VERSION_LIMIT".to_owned())));
    }
}
