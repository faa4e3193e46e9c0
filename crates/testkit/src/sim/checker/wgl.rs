//! Linearizability by search: is there an order of the calls, each at a point between its invocation
//! and its return, in which the model gives the answers that were seen?
//!
//! The search is that of Wing and Gong ("Testing and verifying concurrent objects", 1993) with the
//! memory of Lowe ("Testing for linearizability", 2017): it never continues twice from the same set of
//! placed calls in the same state. Four shortcuts keep it short:
//!
//! * A path ends where a call that is to come can have no place any more. What the model knows never to
//!   go back (versions, revisions) tells so long before the call itself is reached.
//! * Where the answers say in which order calls had their effects, no other order is tried.
//! * A call that fits the state and leaves it as it is goes at once to where the search stands, and
//!   nothing else is tried in its place: any order that has it later is as good with it here.
//! * Calls of unknown outcome may be left out or come at any time after they were invoked. Those that
//!   ask for the same are interchangeable, so the one that was invoked first is used first.

use std::collections::BTreeSet;
use std::fmt::Debug;

use super::entries::{Emptied, Entries};
use crate::sim::trace::Micros;

/// A sequential object.
pub trait Model {
    /// Its state.
    type State: Clone + Eq + Ord + Debug;
    /// What was asked and answered. Equal ones have the same effect.
    type Op: Eq;
    /// What of the state never goes back.
    type Floor;

    /// The state before any operation.
    fn initial() -> Self::State;

    /// The state after `op`, or `None` if `op` could not be answered like this in `state`.
    fn step(state: &Self::State, op: &Self::Op) -> Option<Self::State>;

    /// The floor of a state.
    fn floor(state: &Self::State) -> Self::Floor;

    /// Raises the floor by `op`, in whatever state it comes.
    fn raise(floor: &mut Self::Floor, op: &Self::Op);

    /// Whether `op` can be answered like this in no state above the floor.
    fn is_past(floor: &Self::Floor, op: &Self::Op) -> bool;
}

/// An operation and when it was under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call<Op> {
    /// What was asked and answered.
    pub op: Op,
    /// When it was asked.
    pub invoked: Micros,
    /// When the answer came. `None`: it has an effect at any time after it was asked, or never.
    pub returned: Option<Micros>,
    /// What has a rank has its effect after everything of a lower rank; of one rank, in the order of
    /// the input. Not for calls of unknown outcome.
    pub rank: Option<u64>,
}

/// What a search came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<S> {
    /// There is an order.
    Linearizable,
    /// There is none.
    Violation(Stuck<S>),
    /// The budget was used up before there was an answer.
    Undecided,
}

/// Where a search that failed came farthest. Calls are named by their places in the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck<S> {
    /// How many calls have a place in the longest order.
    pub placed: usize,
    /// The last ones of them, in this order.
    pub last: Vec<usize>,
    /// The state after them.
    pub state: S,
    /// The calls of which one had to be next, and none could be.
    pub unplaced: Vec<usize>,
    /// A call that had no place any more with one of them next.
    pub past: Option<usize>,
}

/// Calls at the end of the longest order that are named.
const LAST_NAMED: usize = 6;

/// How many invocations and returns a path is looked at ahead.
const AHEAD: usize = 100;

/// Looks for an order of `calls`; gives up after `budget` steps of the model.
pub fn check<M: Model>(calls: &[Call<M::Op>], budget: u64) -> Verdict<M::State> {
    Search::<M>::new(calls, budget).run()
}

struct Search<'a, M: Model> {
    calls: &'a [Call<M::Op>],
    /// Calls with a known outcome that have no place yet.
    entries: Entries,
    /// Calls with an unknown outcome by what they ask, each group in the order of invocation.
    unknown: Vec<Vec<usize>>,
    /// How many of each group have a place: always the first ones.
    used: Vec<usize>,
    /// Calls with a rank, in their order.
    ranked: Vec<usize>,
    /// How many of them have a place: always the first ones.
    ranked_placed: usize,
    state: M::State,
    /// How the search came here.
    path: Vec<Placed<M::State>>,
    seen: BTreeSet<(Emptied, Vec<usize>, M::State)>,
    farthest: Option<Stuck<M::State>>,
    /// The call for which the last choice was no good.
    past: Option<usize>,
    steps_left: u64,
}

struct Placed<S> {
    what: Choice,
    /// The state before.
    before: S,
    /// Nothing else need be tried in its place.
    at_once: bool,
}

#[derive(Clone, Copy)]
enum Choice {
    Known(usize),
    /// The next of this group of calls of unknown outcome.
    Unknown(usize),
}

/// Where to look for the next choice.
#[derive(Clone, Copy)]
enum Cursor {
    Entry(usize),
    Group(usize),
}

impl<'a, M: Model> Search<'a, M> {
    fn new(calls: &'a [Call<M::Op>], budget: u64) -> Self {
        let unknown = groups(calls);
        Search {
            calls,
            entries: Entries::new(calls),
            used: vec![0; unknown.len()],
            unknown,
            ranked: ranked(calls),
            ranked_placed: 0,
            state: M::initial(),
            path: Vec::new(),
            seen: BTreeSet::new(),
            farthest: None,
            past: None,
            steps_left: budget,
        }
    }

    fn run(mut self) -> Verdict<M::State> {
        loop {
            self.place_at_once();
            if self.entries.is_empty() {
                return Verdict::Linearizable;
            }
            let mut cursor = Cursor::Entry(self.entries.first());
            while !self.place_next(cursor) {
                if self.steps_left == 0 {
                    return Verdict::Undecided;
                }
                self.note_where_stuck();
                match self.back_off() {
                    Some(next) => cursor = next,
                    None => return Verdict::Violation(self.farthest.expect("noted just now")),
                }
            }
        }
    }

    /// Places everything that fits the state and leaves it as it is.
    fn place_at_once(&mut self) {
        let mut place = self.entries.first();
        while let Some(call) = self.entries.invoked_at(place) {
            let before = self.entries.before(place);
            if !self.has_turn(call) || self.step(call).as_ref() != Some(&self.state) {
                place = self.entries.after(place);
                continue;
            }
            let same = self.state.clone();
            self.place(Choice::Known(call), same, true);
            // With a rank, it may have given the turn to a call that was passed by.
            let is_ranked = self.calls[call].rank.is_some();
            place = if is_ranked { self.entries.first() } else { self.entries.after(before) };
        }
    }

    /// Places the first call at or after the cursor that leads to where the search has not been.
    fn place_next(&mut self, mut cursor: Cursor) -> bool {
        while let Some(choice) = self.choice_at(&mut cursor) {
            let Some(after) = self.step(self.call_of(choice)) else { continue };
            if after == self.state {
                continue;
            }
            self.place(choice, after, false);
            let past = self.past_ahead();
            if past.is_none() && self.is_new() {
                self.past = None;
                return true;
            }
            self.past = past.or(self.past);
            self.unplace();
        }
        false
    }

    /// A call that is to come and has no place any more, because of the state or because of what
    /// returned before it was invoked.
    fn past_ahead(&self) -> Option<usize> {
        let mut floor = M::floor(&self.state);
        let mut ahead = self.entries.ahead().take(AHEAD);
        let past = ahead.find(|(call, is_return)| {
            let op = &self.calls[*call].op;
            if *is_return {
                M::raise(&mut floor, op);
            }
            !is_return && M::is_past(&floor, op)
        });
        past.map(|(call, _)| call)
    }

    /// Whether the search was never here before.
    fn is_new(&mut self) -> bool {
        self.seen.insert((self.entries.emptied(), self.used.clone(), self.state.clone()))
    }

    /// The choice at the cursor, which moves on. Known outcomes come first: they have to be placed.
    fn choice_at(&self, cursor: &mut Cursor) -> Option<Choice> {
        while let Cursor::Entry(place) = *cursor {
            *cursor = Cursor::Entry(self.entries.after(place));
            match self.entries.invoked_at(place) {
                Some(call) if self.has_turn(call) => return Some(Choice::Known(call)),
                Some(_) => {}
                None => *cursor = Cursor::Group(0),
            }
        }
        let Cursor::Group(mut group) = *cursor else { return None };
        let deadline = self.entries.first_return()?;
        while group < self.unknown.len() {
            let next = self.unknown[group].get(self.used[group]);
            if next.is_some_and(|call| self.calls[*call].invoked <= deadline) {
                *cursor = Cursor::Group(group + 1);
                return Some(Choice::Unknown(group));
            }
            group += 1;
        }
        *cursor = Cursor::Group(group);
        None
    }

    /// Whether everything of a lower rank has a place.
    fn has_turn(&self, call: usize) -> bool {
        self.calls[call].rank.is_none() || self.ranked.get(self.ranked_placed) == Some(&call)
    }

    fn call_of(&self, choice: Choice) -> usize {
        match choice {
            Choice::Known(call) => call,
            Choice::Unknown(group) => self.unknown[group][self.used[group]],
        }
    }

    fn step(&mut self, call: usize) -> Option<M::State> {
        self.steps_left = self.steps_left.checked_sub(1)?;
        M::step(&self.state, &self.calls[call].op)
    }

    fn place(&mut self, what: Choice, after: M::State, at_once: bool) {
        match what {
            Choice::Known(call) => {
                self.entries.lift(call);
                self.ranked_placed += usize::from(self.calls[call].rank.is_some());
            }
            Choice::Unknown(group) => self.used[group] += 1,
        }
        let before = std::mem::replace(&mut self.state, after);
        self.path.push(Placed { what, before, at_once });
    }

    fn unplace(&mut self) -> Option<Placed<M::State>> {
        let placed = self.path.pop()?;
        match placed.what {
            Choice::Known(call) => {
                self.entries.unlift(call);
                self.ranked_placed -= usize::from(self.calls[call].rank.is_some());
            }
            Choice::Unknown(group) => self.used[group] -= 1,
        }
        self.state = placed.before.clone();
        Some(placed)
    }

    /// Goes back to the last choice; the cursor behind it.
    fn back_off(&mut self) -> Option<Cursor> {
        loop {
            let placed = self.unplace()?;
            if !placed.at_once {
                return Some(match placed.what {
                    Choice::Known(call) => {
                        Cursor::Entry(self.entries.after(self.entries.place_of(call)))
                    }
                    Choice::Unknown(group) => Cursor::Group(group + 1),
                });
            }
        }
    }

    fn note_where_stuck(&mut self) {
        let placed = self.path.len();
        if self.farthest.as_ref().is_some_and(|farthest| farthest.placed >= placed) {
            return;
        }
        let mut used = self.used.clone();
        let named = self.path.iter().rev().take(LAST_NAMED).map(|placed| match placed.what {
            Choice::Known(call) => call,
            Choice::Unknown(group) => {
                used[group] -= 1;
                self.unknown[group][used[group]]
            }
        });
        let mut last: Vec<usize> = named.collect();
        last.reverse();
        let unplaced = self.entries.candidates().collect();
        let (state, past) = (self.state.clone(), self.past);
        self.farthest = Some(Stuck { placed, last, state, unplaced, past });
    }
}

/// The calls of unknown outcome by what they ask, each group in the order of invocation.
fn groups<Op: Eq>(calls: &[Call<Op>]) -> Vec<Vec<usize>> {
    let mut unknown: Vec<usize> =
        (0..calls.len()).filter(|call| calls[*call].returned.is_none()).collect();
    unknown.sort_by_key(|call| calls[*call].invoked);
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for call in unknown {
        match groups.iter_mut().find(|group| calls[group[0]].op == calls[call].op) {
            Some(group) => group.push(call),
            None => groups.push(vec![call]),
        }
    }
    groups
}

/// The calls with a rank, in their order.
fn ranked<Op>(calls: &[Call<Op>]) -> Vec<usize> {
    let mut ranked: Vec<usize> =
        (0..calls.len()).filter(|call| calls[*call].rank.is_some()).collect();
    ranked.sort_by_key(|call| calls[*call].rank);
    assert!(ranked.iter().all(|call| calls[*call].returned.is_some()), "a rank, and no answer");
    ranked
}

#[cfg(test)]
mod tests;
