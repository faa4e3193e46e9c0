//! From a history to what must be there: pure, so that it can be tested.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::failure::{Result, ensure};
use crate::history::{Event, KeySeen, Op, Outcome};

/// What is certain of one key, and at most one change that is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expectation {
    /// Changes that were acknowledged: operation, request id and log index, in order.
    pub acknowledged: Vec<(Op, Uuid, u64)>,
    /// The last change, if its outcome is unknown.
    pub pending: Option<(Op, Uuid)>,
    /// The newest answer.
    pub newest: Option<KeySeen>,
}

/// What the key must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Whether it can be used.
    pub enabled: bool,
    /// The version that protects new data.
    pub primary_version: u32,
    /// How many changes it has had, its creation included.
    pub changes: u64,
}

/// What must be there after this history, by alias. A refusal is a violation: every client asks only
/// for changes that its key's state permits.
pub fn expectations(events: &[Event]) -> Result<BTreeMap<String, Expectation>> {
    let mut keys: BTreeMap<String, Expectation> = BTreeMap::new();
    for event in events {
        let Some(request_id) = event.request_id else { continue };
        let key = keys.entry(event.key.clone()).or_default();
        match &event.outcome {
            Outcome::Changed(seen) => {
                key.acknowledge(event.op, request_id, seen)?;
            }
            Outcome::Unknown(_) => key.pending = Some((event.op, request_id)),
            // Without an effect by itself; an earlier try under the same id may have had one.
            Outcome::Unavailable(_) => {}
            Outcome::Refused(_) | Outcome::Used => {
                return Err(crate::failure::Failure::violation(format!(
                    "a permitted change was refused: {event:?}"
                )));
            }
        }
    }
    Ok(keys)
}

impl Expectation {
    /// The shape that the acknowledged changes give; `None` if not even creation is certain.
    pub fn certain(&self) -> Option<Shape> {
        self.acknowledged.iter().fold(None, |shape, (op, _, _)| after(shape, *op))
    }

    /// The shape if the pending change has happened too.
    pub fn with_pending(&self) -> Option<Shape> {
        self.pending.map_or(self.certain(), |(op, _)| after(self.certain(), op))
    }

    fn acknowledge(&mut self, op: Op, request_id: Uuid, seen: &KeySeen) -> Result<()> {
        self.acknowledged.push((op, request_id, seen.log_index));
        if self.pending.is_some_and(|(_, id)| id == request_id) {
            self.pending = None;
        }
        let before = self.newest.replace(seen.clone());
        if let Some(before) = before {
            ensure(before.id == seen.id && seen.log_index > before.log_index, || {
                format!("an answer goes back behind the one before: {before:?}, then {seen:?}")
            })?;
        }
        Ok(())
    }
}

/// The shape after one more change.
fn after(shape: Option<Shape>, op: Op) -> Option<Shape> {
    let Some(shape) = shape else {
        return (op == Op::Create).then_some(Shape {
            enabled: true,
            primary_version: 1,
            changes: 1,
        });
    };
    let changes = shape.changes + 1;
    match op {
        Op::Rotate => Some(Shape { primary_version: shape.primary_version + 1, changes, ..shape }),
        Op::Enable => Some(Shape { enabled: true, changes, ..shape }),
        Op::Disable => Some(Shape { enabled: false, changes, ..shape }),
        Op::Create | Op::Encrypt | Op::Decrypt => Some(shape),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn event(at: u64, op: Op, id: u128, outcome: Outcome) -> Event {
        Event {
            client: 0,
            node: 1,
            op,
            key: "k".into(),
            request_id: Some(Uuid::from_u128(id)),
            invoked: Duration::from_millis(at),
            returned: Duration::from_millis(at + 1),
            outcome,
        }
    }

    fn changed(index: u64) -> Outcome {
        Outcome::Changed(KeySeen {
            id: "i".into(),
            enabled: true,
            primary_version: 1,
            revision: index,
            versions: vec![1],
            log_index: index,
            replayed: false,
        })
    }

    fn unknown() -> Outcome {
        Outcome::Unknown("lost".into())
    }

    #[test]
    fn acknowledged_changes_add_up() {
        let events = [
            event(0, Op::Create, 1, changed(10)),
            event(2, Op::Rotate, 2, changed(11)),
            event(4, Op::Disable, 3, changed(12)),
        ];
        let key = &expectations(&events).unwrap()["k"];
        let shape = Shape { enabled: false, primary_version: 2, changes: 3 };
        assert_eq!((key.certain(), key.with_pending()), (Some(shape), Some(shape)));
    }

    #[test]
    fn an_unknown_change_may_be_there_or_not() {
        let events = [event(0, Op::Create, 1, changed(10)), event(2, Op::Rotate, 2, unknown())];
        let key = &expectations(&events).unwrap()["k"];
        assert_eq!(key.certain().unwrap().primary_version, 1);
        assert_eq!(key.with_pending().unwrap().primary_version, 2);
    }

    #[test]
    fn a_repeat_settles_an_unknown_change_once() {
        let events = [
            event(0, Op::Create, 1, unknown()),
            event(2, Op::Create, 1, Outcome::Unavailable("NO_QUORUM".into())),
            event(4, Op::Create, 1, changed(10)),
        ];
        let key = &expectations(&events).unwrap()["k"];
        assert_eq!((key.pending, key.certain().unwrap().changes), (None, 1));
    }

    #[test]
    fn unavailable_after_unknown_leaves_it_unknown() {
        let events = [
            event(0, Op::Create, 1, unknown()),
            event(2, Op::Create, 1, Outcome::Unavailable("UNREACHABLE".into())),
        ];
        let key = &expectations(&events).unwrap()["k"];
        assert_eq!((key.certain(), key.with_pending().unwrap().changes), (None, 1));
    }

    #[test]
    fn a_refusal_and_an_answer_from_the_past_are_violations() {
        let refused = [event(0, Op::Create, 1, Outcome::Refused("ALREADY_EXISTS".into()))];
        assert!(expectations(&refused).unwrap_err().is_violation());
        let past = [event(0, Op::Create, 1, changed(10)), event(2, Op::Rotate, 2, changed(10))];
        assert!(expectations(&past).unwrap_err().is_violation());
    }
}
