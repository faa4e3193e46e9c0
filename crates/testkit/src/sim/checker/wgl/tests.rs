use super::*;
use crate::sim::checker::key_model::KeyModel;
use crate::sim::history::{Action, Answer, Outcome, State};

/// A register of a number, and a counter of its writes: order shows.
struct Register;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Write(u32),
    Read(u32),
}

impl Model for Register {
    type State = u32;
    type Op = Op;
    type Floor = ();

    fn initial() -> u32 {
        0
    }

    fn step(state: &u32, op: &Op) -> Option<u32> {
        match *op {
            Op::Write(number) => Some(number),
            Op::Read(number) => (number == *state).then_some(*state),
        }
    }

    fn floor(_: &u32) {}

    fn raise((): &mut (), _: &Op) {}

    fn is_past((): &(), _: &Op) -> bool {
        false
    }
}

use Op::{Read, Write};

fn call(invoked: Micros, returned: Micros, op: Op) -> Call<Op> {
    Call { op, invoked, returned: Some(returned), rank: None }
}

fn unknown(invoked: Micros, op: Op) -> Call<Op> {
    Call { op, invoked, returned: None, rank: None }
}

fn verdict(calls: &[Call<Op>]) -> Verdict<u32> {
    check::<Register>(calls, 10_000)
}

#[test]
fn classic_histories() {
    let table: [(&str, bool, Vec<Call<Op>>); 10] = [
        ("nothing", true, vec![]),
        ("a read of what was there", true, vec![call(0, 1, Read(0))]),
        ("a read of what never was", false, vec![call(0, 1, Read(1))]),
        ("a stale read", false, vec![call(0, 1, Write(1)), call(2, 3, Read(0))]),
        ("the same microsecond", true, vec![call(0, 1, Write(1)), call(1, 3, Read(0))]),
        (
            "during a write: new or old",
            true,
            vec![call(0, 9, Write(1)), call(1, 2, Read(0)), call(3, 4, Read(1))],
        ),
        (
            "during a write: new, then old",
            false,
            vec![call(0, 9, Write(1)), call(1, 2, Read(1)), call(3, 4, Read(0))],
        ),
        (
            "two writes, seen in both orders",
            false,
            vec![
                call(0, 1, Write(1)),
                call(0, 1, Write(2)),
                call(2, 9, Read(1)),
                call(2, 9, Read(2)),
            ],
        ),
        (
            "the order of the input does not matter",
            true,
            vec![call(4, 5, Read(2)), call(2, 3, Write(2)), call(0, 1, Write(1))],
        ),
        (
            "two writes, the later invoked is the earlier",
            true,
            vec![call(0, 9, Write(1)), call(1, 9, Write(2)), call(10, 11, Read(1))],
        ),
    ];
    for (name, is_linearizable, calls) in table {
        let verdict = verdict(&calls);
        assert_eq!(verdict == Verdict::Linearizable, is_linearizable, "{name}: {verdict:?}");
    }
}

#[test]
fn an_unknown_outcome_may_come_late_once_or_never() {
    let write = unknown(0, Write(1));
    let table = [
        ("never", true, vec![call(5, 6, Read(0)), call(7, 8, Read(0))]),
        ("late", true, vec![call(5, 6, Read(0)), call(7, 8, Read(1))]),
        ("once", false, vec![call(5, 6, Read(1)), call(7, 8, Write(2)), call(9, 10, Read(1))]),
        ("not back", false, vec![call(5, 6, Read(1)), call(7, 8, Read(0))]),
    ];
    for (name, is_linearizable, mut calls) in table {
        calls.push(write.clone());
        let verdict = verdict(&calls);
        assert_eq!(verdict == Verdict::Linearizable, is_linearizable, "{name}: {verdict:?}");
    }
    let early = [call(0, 1, Read(1)), unknown(2, Write(1))];
    assert!(matches!(verdict(&early), Verdict::Violation(_)), "not before it was asked for");
    assert_eq!(verdict(&[write]), Verdict::Linearizable, "nothing has to be placed");
}

#[test]
fn a_violation_names_where_it_lies() {
    let calls = [
        call(0, 1, Write(1)),
        call(2, 3, Read(1)),
        call(4, 5, Write(2)),
        call(6, 9, Read(1)),
        call(7, 10, Read(2)),
        call(8, 20, Read(7)),
        call(15, 16, Read(2)),
    ];
    let (last, unplaced) = (vec![0, 1, 2, 4], vec![3, 5]);
    let expected = Stuck { placed: 4, last, state: 2, unplaced, past: None };
    assert_eq!(verdict(&calls), Verdict::Violation(expected));
}

/// Without the groups, each of the 2^40 subsets of the writes would be a set of its own.
#[test]
fn many_unknown_outcomes_do_not_multiply() {
    let mut calls: Vec<_> = (0..40).map(|at| unknown(at, Write(1 + (at % 2) as u32))).collect();
    calls.extend((0..40).map(|round| {
        let at = 100 + 10 * round;
        call(at, at + 5, Read(1 + (round % 2) as u32))
    }));
    assert_eq!(verdict(&calls), Verdict::Linearizable);
    calls.push(call(1_000, 1_001, Read(3)));
    assert!(matches!(verdict(&calls), Verdict::Violation(_)));
}

/// Without the memory, each of the 8! orders of the writes would be looked at.
#[test]
fn the_same_set_in_the_same_state_is_looked_at_once() {
    let mut calls: Vec<_> = (1..9).map(|number| call(0, 10, Write(number))).collect();
    calls.push(call(11, 12, Read(9)));
    let verdict = check::<Register>(&calls, 20_000);
    assert!(matches!(verdict, Verdict::Violation(_)), "{verdict:?}");
}

/// What fits at once is not taken back to try the writes before it: that would be tried after each.
#[test]
fn nothing_is_tried_in_place_of_what_goes_at_once() {
    let mut calls: Vec<_> = (0..30).map(|_| call(0, 10, Read(0))).collect();
    calls.extend((1..4).map(|number| call(0, 10, Write(number))));
    calls.push(call(20, 21, Read(9)));
    let verdict = check::<Register>(&calls, 300);
    assert!(matches!(verdict, Verdict::Violation(_)), "{verdict:?}");
}

/// A disable and an enable lead where two updates lead, but then the disable is used up.
#[test]
fn how_it_was_reached_is_part_of_what_was_seen() {
    let done = |answer| Outcome::Done(answer);
    let key = |invoked, returned, action, outcome| Call {
        op: (action, outcome),
        invoked,
        returned,
        rank: None,
    };
    let read = Answer { version: 1, state: State::Enabled, revision: 3, ..Answer::default() };
    let calls = [
        key(0, Some(1), Action::Create(0), done(Answer::default())),
        key(2, None, Action::Disable(0), Outcome::Unknown),
        key(3, None, Action::Enable(0), Outcome::Unknown),
        key(4, None, Action::Update(0), Outcome::Unknown),
        key(5, None, Action::Update(0), Outcome::Unknown),
        key(6, Some(7), Action::Get(0), done(read)),
        key(8, Some(9), Action::Encrypt(0), Outcome::Refused("KEY_STATE".to_owned())),
    ];
    assert_eq!(check::<KeyModel>(&calls, 10_000), Verdict::Linearizable);
}

#[test]
fn a_budget_that_is_used_up_decides_nothing() {
    let calls = [call(0, 1, Write(1)), call(2, 3, Read(0)), call(4, 5, Read(1))];
    let by_budget: Vec<_> = (0..5).map(|budget| check::<Register>(&calls, budget)).collect();
    assert!(by_budget[..3].iter().all(|verdict| *verdict == Verdict::Undecided), "{by_budget:?}");
    assert!(matches!(verdict(&calls), Verdict::Violation(_)));
}
