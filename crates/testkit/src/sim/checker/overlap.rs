//! How much a history can show: operations that meet no other one prove nothing about concurrency.

use std::collections::BTreeMap;
use std::fmt;

use crate::sim::history::{Action, History, Operation, Outcome};
use crate::sim::trace::Micros;

/// What a history is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overlap {
    /// Operations on keys.
    pub on_keys: usize,
    /// Those of them that met an operation of another client on the same key.
    pub overlapping: usize,
    /// All operations.
    pub operations: usize,
    /// Those of them whose outcome is unknown.
    pub unknown: usize,
}

impl Overlap {
    /// Counts a history. An operation of unknown outcome is under way until its client gave up.
    pub fn of(history: &History) -> Overlap {
        let is_unknown = |operation: &&Operation| operation.outcome == Outcome::Unknown;
        let keys = super::by(history, Action::key);
        Overlap {
            on_keys: keys.values().map(Vec::len).sum(),
            overlapping: keys.into_values().map(overlapping).sum(),
            operations: history.operations.len(),
            unknown: history.operations.iter().filter(is_unknown).count(),
        }
    }

    /// The share of operations on keys that met another one, in percent.
    pub fn overlap_percent(&self) -> f64 {
        percent(self.overlapping, self.on_keys)
    }

    /// The share of operations whose outcome is unknown, in percent.
    pub fn unknown_percent(&self) -> f64 {
        percent(self.unknown, self.operations)
    }
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} operations, {:.1} % overlap, {:.1} % of unknown outcome",
            self.operations,
            self.overlap_percent(),
            self.unknown_percent()
        )
    }
}

fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}

/// How many of these operations on one key meet one of another client.
fn overlapping(mut operations: Vec<&Operation>) -> usize {
    operations.sort_by_key(|operation| operation.invoked);
    let mut next = vec![None; operations.len()];
    for at in (1..operations.len()).rev() {
        let follower = operations[at];
        next[at - 1] = match next[at] {
            _ if follower.client != operations[at - 1].client => Some(follower.invoked),
            further => further,
        };
    }
    let mut latest = Latest::default();
    let mut count = 0;
    for (operation, next) in operations.into_iter().zip(next) {
        let meets_next = next.is_some_and(|invoked| invoked < operation.returned);
        let meets_earlier = latest.of_others(operation.client) > operation.invoked;
        count += usize::from(meets_next || meets_earlier);
        latest.note(operation);
    }
    count
}

/// When operations returned, at the latest, by client.
#[derive(Default)]
struct Latest(BTreeMap<u32, Micros>);

impl Latest {
    fn note(&mut self, operation: &Operation) {
        let latest = self.0.entry(operation.client).or_default();
        *latest = operation.returned.max(*latest);
    }

    fn of_others(&self, client: u32) -> Micros {
        let others = self.0.iter().filter(|(other, _)| **other != client);
        others.map(|(_, returned)| *returned).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::generator::{Run, Shape};
    use super::*;
    use crate::Dice;

    fn operation(client: u32, invoked: Micros, returned: Micros) -> Operation {
        Operation {
            client,
            node: 1,
            invoked,
            returned,
            request: None,
            attempts: 1,
            action: Action::Get(0),
            outcome: Outcome::Unknown,
        }
    }

    fn counted(operations: &[Operation]) -> usize {
        Overlap::of(&History { operations: operations.to_vec() }).overlapping
    }

    #[test]
    fn who_meets_whom() {
        let elsewhere = Operation { action: Action::Get(1), ..operation(1, 0, 10) };
        let table = [
            ("alone", 0, vec![operation(0, 0, 10)]),
            ("touching is not meeting", 0, vec![operation(0, 0, 10), operation(1, 10, 20)]),
            ("both count", 2, vec![operation(0, 0, 10), operation(1, 9, 20)]),
            ("one client meets itself not", 0, vec![operation(0, 0, 10), operation(0, 9, 20)]),
            ("another key", 0, vec![operation(0, 0, 10), elsewhere]),
            (
                "one around three",
                4,
                vec![
                    operation(0, 0, 100),
                    operation(1, 1, 2),
                    operation(1, 3, 4),
                    operation(1, 5, 6),
                ],
            ),
            (
                "over one of its own",
                2,
                vec![operation(0, 0, 2), operation(0, 3, 8), operation(1, 7, 9)],
            ),
        ];
        for (name, expected, mut operations) in table {
            assert_eq!(counted(&operations), expected, "{name}");
            operations.reverse();
            assert_eq!(counted(&operations), expected, "{name}, in the other order");
        }
    }

    #[test]
    fn the_count_is_that_of_looking_at_every_pair() {
        for seed in 0..200 {
            let shape = Shape {
                clients: 4,
                operations: 8,
                keys: 2,
                tokens: 1,
                unknown_percent: 10,
                longest: 100,
                grain: [1, 50][seed as usize % 2],
            };
            let history = Run::draw(&mut Dice::new(seed), &shape).history;
            let meets = |one: &Operation| {
                history.operations.iter().any(|other| {
                    one.client != other.client
                        && one.action.key() == other.action.key()
                        && one.invoked < other.returned
                        && other.invoked < one.returned
                })
            };
            let on_keys = history.operations.iter().filter(|one| one.action.key().is_some());
            let (all, meeting): (Vec<_>, Vec<_>) =
                (on_keys.clone().collect(), on_keys.filter(|operation| meets(operation)).collect());
            let overlap = Overlap::of(&history);
            assert_eq!(
                (overlap.on_keys, overlap.overlapping),
                (all.len(), meeting.len()),
                "{seed}"
            );
        }
    }

    #[test]
    fn shares_are_of_all() {
        let mut operations = vec![operation(0, 0, 10), operation(1, 5, 20), operation(2, 30, 40)];
        operations[2].outcome = Outcome::Refused("NO_QUORUM".to_owned());
        operations.push(Operation { action: Action::Seal, ..operations[2].clone() });
        let overlap = Overlap::of(&History { operations });
        assert_eq!(overlap.to_string(), "4 operations, 66.7 % overlap, 50.0 % of unknown outcome");
        assert_eq!(Overlap::default().overlap_percent(), 0.0);
    }
}
