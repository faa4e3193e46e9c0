//! The calls and returns of a history in order of time, as a list from which calls are taken out and
//! into which they are put back.

use super::wgl::Call;
use crate::sim::trace::Micros;

/// The place before the first entry.
const HEAD: usize = 0;

/// Calls that have returned, each as two entries: one where it was invoked, one where it returned.
/// Calls whose outcome is unknown have no entries.
pub(super) struct Entries {
    /// What stands at each place; places are in order of time, the head left out.
    entries: Vec<Entry>,
    next: Vec<usize>,
    prev: Vec<usize>,
    /// Of each call: the places of its two entries.
    places: Vec<(usize, usize)>,
    /// Of each call: whether it is taken out.
    lifted: Vec<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    at: Micros,
    // What was invoked in the microsecond in which something else returned was concurrent with it.
    is_return: bool,
    call: usize,
}

/// How far a list is emptied: its first place, and which of the calls are gone that are invoked
/// before the call at this place returns. Nothing that is invoked later can be gone.
pub(super) type Emptied = (usize, Vec<u64>);

impl Entries {
    pub(super) fn new<Op>(calls: &[Call<Op>]) -> Entries {
        let mut entries = Vec::new();
        for (call, Call { invoked, returned, .. }) in calls.iter().enumerate() {
            if let Some(returned) = *returned {
                assert!(*invoked <= returned, "call {call} returned before it was invoked");
                entries.push(Entry { at: *invoked, is_return: false, call });
                entries.push(Entry { at: returned, is_return: true, call });
            }
        }
        entries.sort_unstable();
        let mut places = vec![(HEAD, HEAD); calls.len()];
        for (place, entry) in (1..).zip(&entries) {
            let of = &mut places[entry.call];
            *(if entry.is_return { &mut of.1 } else { &mut of.0 }) = place;
        }
        let tail = entries.len() + 1;
        Entries {
            next: (0..=tail).map(|place| (place + 1).min(tail)).collect(),
            prev: (0..=tail).map(|place| place.saturating_sub(1)).collect(),
            lifted: vec![false; calls.len()],
            entries,
            places,
        }
    }

    pub(super) fn first(&self) -> usize {
        self.next[HEAD]
    }

    /// The place after this one, or after what stood there before it was taken out.
    pub(super) fn after(&self, place: usize) -> usize {
        self.next[place]
    }

    pub(super) fn before(&self, place: usize) -> usize {
        self.prev[place]
    }

    /// The place at which a call was invoked.
    pub(super) fn place_of(&self, call: usize) -> usize {
        self.places[call].0
    }

    /// The call that was invoked here; `None` at a return and at the end.
    pub(super) fn invoked_at(&self, place: usize) -> Option<usize> {
        let entry = self.entries.get(place - 1)?;
        (!entry.is_return).then_some(entry.call)
    }

    /// The calls of which any may be the next one: all that were invoked before the first return.
    pub(super) fn candidates(&self) -> impl Iterator<Item = usize> {
        self.ahead().map_while(|(call, is_return)| (!is_return).then_some(call))
    }

    /// When the first call returned that is not taken out; `None`: all are.
    pub(super) fn first_return(&self) -> Option<Micros> {
        let call = self.ahead().find(|(_, is_return)| *is_return)?.0;
        Some(self.entries[self.places[call].1 - 1].at)
    }

    /// The calls that are left, each where it was invoked and where it returned.
    pub(super) fn ahead(&self) -> impl Iterator<Item = (usize, bool)> {
        let places = std::iter::successors(Some(self.first()), |place| Some(self.after(*place)));
        let entries = places.map_while(|place| self.entries.get(place - 1));
        entries.map(|entry| (entry.call, entry.is_return))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first() > self.entries.len()
    }

    /// Takes a call out.
    pub(super) fn lift(&mut self, call: usize) {
        let (invoked, returned) = self.places[call];
        for place in [invoked, returned] {
            self.next[self.prev[place]] = self.next[place];
            self.prev[self.next[place]] = self.prev[place];
        }
        self.lifted[call] = true;
    }

    /// Puts the call back that was taken out last.
    pub(super) fn unlift(&mut self, call: usize) {
        let (invoked, returned) = self.places[call];
        for place in [returned, invoked] {
            self.next[self.prev[place]] = place;
            self.prev[self.next[place]] = place;
        }
        self.lifted[call] = false;
    }

    pub(super) fn emptied(&self) -> Emptied {
        let first = self.first();
        let Some(call) = self.invoked_at(first) else { return (first, Vec::new()) };
        let window = &self.entries[first - 1..self.places[call].1 - 1];
        let mut bits = Vec::new();
        for (number, entry) in window.iter().filter(|entry| !entry.is_return).enumerate() {
            if number % 64 == 0 {
                bits.push(0);
            }
            bits[number / 64] |= u64::from(self.lifted[entry.call]) << (number % 64);
        }
        (first, bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(calls: &[(Micros, Option<Micros>)]) -> Entries {
        let call = |&(invoked, returned)| Call { op: (), invoked, returned, rank: None };
        Entries::new(&calls.iter().map(call).collect::<Vec<_>>())
    }

    fn candidates(entries: &Entries) -> Vec<usize> {
        entries.candidates().collect()
    }

    #[test]
    fn candidates_were_invoked_before_the_first_return() {
        let mut entries = entries(&[(0, Some(10)), (5, Some(30)), (10, Some(20)), (11, Some(12))]);
        assert_eq!((candidates(&entries), entries.first_return()), (vec![0, 1, 2], Some(10)));
        entries.lift(0);
        assert_eq!((candidates(&entries), entries.first_return()), (vec![1, 2, 3], Some(12)));
        entries.lift(3);
        entries.lift(1);
        assert_eq!((candidates(&entries), entries.first_return()), (vec![2], Some(20)));
        entries.lift(2);
        assert!(entries.is_empty() && candidates(&entries).is_empty());
        assert_eq!(entries.first_return(), None);
        for call in [2, 1, 3, 0] {
            entries.unlift(call);
        }
        assert_eq!((candidates(&entries), entries.first_return()), (vec![0, 1, 2], Some(10)));
    }

    #[test]
    fn what_never_returned_has_no_entries() {
        let mut entries = entries(&[(0, None), (5, Some(6)), (7, None)]);
        assert_eq!(candidates(&entries), [1]);
        entries.lift(1);
        assert!(entries.is_empty());
    }

    #[test]
    fn emptied_differs_exactly_where_other_calls_are_gone() {
        let calls: Vec<_> = (0..70).map(|call| (call, Some(100 + call))).collect();
        let mut entries = entries(&calls);
        let mut seen = std::collections::BTreeSet::from([entries.emptied()]);
        for call in 0..70 {
            entries.lift(call);
            assert!(seen.insert(entries.emptied()), "only {call} is gone");
            entries.unlift(call);
        }
        for (one, other) in [(0, 1), (0, 69), (3, 66)] {
            entries.lift(one);
            entries.lift(other);
            let gone = entries.emptied();
            entries.unlift(other);
            entries.unlift(one);
            entries.lift(other);
            entries.lift(one);
            assert_eq!(entries.emptied(), gone, "the order does not matter");
            assert!(seen.insert(gone), "{one} and {other} are gone");
            entries.unlift(one);
            entries.unlift(other);
        }
    }
}
