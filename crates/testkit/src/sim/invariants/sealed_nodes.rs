//! Sealed nodes never use keys.
//!
//! From docs/ARCHITECTURE.md, invariant 3 ("a sealed node votes, appends and applies; it only cannot
//! use keys") and walk 2, and Shamir, "How to Share a Secret" (1979): fewer shares than the threshold
//! open nothing. A node begins each life sealed, and every `Seal` seals all of them. So a use of a key
//! that node N answered between `invoked` and `returned` has been preceded by these:
//!
//! 1. **Some life of N** goes on at some point of that time.
//! 2. **Since that life began** at least one share was given to some node: whoever opens N is the
//!    collector of a ceremony that its last share has just completed, and does so while that share is
//!    still being answered. If several lives of N touch the time of the use, the first one counts: an
//!    answer may outlive the life that gave it.
//! 3. **Since the last seal** as many different shares as the threshold were given. The last seal is
//!    the newest one that was acknowledged before the use was invoked: the read barrier of the use
//!    covers it. Its effect lies somewhere after it was first asked for. It ended every ceremony, so
//!    the shares of an older one are gone.
//! 4. **In the log behind that seal** there are as many done `RecordShare` as the threshold, and they
//!    were there when the use was answered. An entry cannot be older than one with a smaller index, and
//!    that one not older than the first request for it.
//!
//! **Never a false alarm.** Each of the four is necessary for an honest use, and where a time is not
//! known the bound that is worse for this check is taken. A share is given to *any* node, since one
//! ceremony unseals all members. It can take effect from when it was asked for up to its answer; one
//! that was not answered, or refused for another reason than the share itself (`SHARE_…`), at any time
//! afterwards. Number 2 asks for one share only: the others of its ceremony may be older than the life
//! of N, since a ceremony that was begun before N has restarted opens N with its last share. Equal
//! times count as possible order. This needs every share that was given to be in the history: one that
//! is cut off at the end of a run counts as unknown.
//!
//! **Cannot see:** a node that uses keys after a seal whose answer nobody got; one that uses them
//! after a seal once enough shares were given, though the ceremony was not for it; one that has kept
//! keys over a restart, if any share has been given since. After shares of unknown outcome 2 and 3 are
//! weak for the rest of the run; 4 is not.

use std::collections::BTreeSet;

use super::chain::{self, Chain};
use super::told;
use crate::sim::evidence::{Evidence, LifeRecord};
use crate::sim::history::{Action, Answer, History, Operation, Outcome};
use crate::sim::trace::Micros;
use crate::sim::violation::Violation;

/// Name of the invariant.
pub const NAME: &str = "sealed nodes do not use keys";

/// Checks the invariant.
pub fn check(evidence: &Evidence) -> Vec<Violation> {
    let Some(judge) = Judge::of(evidence) else { return Vec::new() };
    let uses = evidence.history.operations.iter().filter(|op| op.action.is_use());
    uses.filter(|used| used.done().is_some())
        .filter_map(|used| {
            let why = judge.why_impossible(used)?;
            Some(Violation::new(NAME, format!("{}: {why}", told(used))))
        })
        .collect()
}

/// A share that was given to a node.
struct Given {
    share: u32,
    from: Micros,
    /// It has no effect after this.
    to: Micros,
}

/// A seal that was acknowledged.
#[derive(Clone, Copy, Default)]
struct Sealed {
    invoked: Micros,
    returned: Micros,
    index: u64,
}

/// A share in the log.
struct Recorded {
    index: u64,
    /// It was not there before this.
    from: Micros,
}

struct Judge<'a> {
    lives: &'a [LifeRecord],
    threshold: usize,
    shares: Vec<Given>,
    /// In the order of the log.
    seals: Vec<Sealed>,
    /// In the order of the log; `None`: the log is not known back to its beginning.
    recorded: Option<Vec<Recorded>>,
}

impl Judge<'_> {
    /// `None`: no member is up, or none of them knows of a seal.
    fn of(evidence: &Evidence) -> Option<Judge<'_>> {
        let end = chain::longest(evidence)?;
        let chain = Chain::of(end);
        Some(Judge {
            lives: &evidence.lives,
            threshold: chain::seal(end)?.threshold.into(),
            shares: shares(&evidence.history),
            seals: seals(&evidence.history),
            recorded: chain.is_whole().then(|| recorded(&chain, &evidence.history)),
        })
    }

    /// Why the node cannot have used a key, if it was sealed while it must have been sealed.
    fn why_impossible(&self, used: &Operation) -> Option<String> {
        let Some(life) = self.first_life(used) else {
            return Some("the node was down all the time".to_owned());
        };
        if self.given(life.started, used.returned).is_empty() {
            let started = life.started;
            return Some(format!("no share was given since the node started at {started} µs"));
        }
        let seal = self.last_seal(used);
        let given = self.given(seal.invoked, used.returned);
        if given.len() < self.threshold {
            let since = seal.invoked;
            return Some(format!("only shares {given:?} were given since the seal at {since} µs"));
        }
        self.unrecorded(seal, used)
    }

    /// The first life of the node that goes on at some point of the use.
    fn first_life(&self, used: &Operation) -> Option<&LifeRecord> {
        let goes_on = |life: &&LifeRecord| {
            let ended = life.ended.as_ref().map_or(Micros::MAX, |(at, _)| *at);
            life.node == used.node && life.started <= used.returned && ended >= used.invoked
        };
        self.lives.iter().filter(goes_on).min_by_key(|life| life.started)
    }

    /// The different shares that can have had an effect in this time.
    fn given(&self, from: Micros, to: Micros) -> BTreeSet<u32> {
        let meets = |given: &&Given| given.from <= to && given.to >= from;
        self.shares.iter().filter(meets).map(|given| given.share).collect()
    }

    /// The last seal that the use must have seen; the beginning of the run, if there is none.
    fn last_seal(&self, used: &Operation) -> Sealed {
        let seen = self.seals.iter().rev().find(|seal| seal.returned < used.invoked);
        seen.copied().unwrap_or_default()
    }

    /// How the log says that the node cannot have been unsealed when it answered.
    fn unrecorded(&self, seal: Sealed, used: &Operation) -> Option<String> {
        let behind = self.recorded.as_ref()?.iter().filter(|share| share.index > seal.index);
        let in_time = behind.filter(|share| share.from <= used.returned).count();
        (in_time < self.threshold).then(|| {
            format!("the log had at most {in_time} shares behind the seal at index {}", seal.index)
        })
    }
}

/// The shares that were given and are not known to be refused for what they are.
fn shares(history: &History) -> Vec<Given> {
    let given = history.operations.iter().filter_map(|operation| {
        let Action::SubmitShare(share) = operation.action else { return None };
        let to = match &operation.outcome {
            Outcome::Done(_) => operation.returned,
            Outcome::Refused(reason) if reason.starts_with("SHARE_") => return None,
            Outcome::Refused(_) | Outcome::Unknown => Micros::MAX,
        };
        Some(Given { share, from: operation.invoked, to })
    });
    given.collect()
}

fn seals(history: &History) -> Vec<Sealed> {
    let mut seals: Vec<_> = acknowledged(history)
        .filter(|(operation, _)| operation.action == Action::Seal)
        .map(|(operation, answer)| {
            let Operation { invoked, returned, .. } = *operation;
            Sealed { invoked, returned, index: answer.index }
        })
        .collect();
    seals.sort_by_key(|seal| seal.index);
    seals
}

/// The shares in the log, each with the time before which it cannot have been there.
fn recorded(chain: &Chain, history: &History) -> Vec<Recorded> {
    let mut asked: Vec<_> = acknowledged(history)
        .map(|(operation, answer)| (answer.index, operation.invoked))
        .collect();
    asked.sort_unstable();
    let mut asked = asked.into_iter().peekable();
    let mut from = 0;
    let shares = chain.done().filter(|record| record.action == "RecordShare");
    shares
        .map(|record| {
            while let Some((_, invoked)) = asked.next_if(|(index, _)| *index < record.index) {
                from = from.max(invoked);
            }
            Recorded { index: record.index, from }
        })
        .collect()
}

/// The changes whose place in the log clients know.
fn acknowledged(history: &History) -> impl Iterator<Item = (&Operation, &Answer)> {
    let changes = history.operations.iter().filter(|op| chain::command_of(op.action).is_some());
    changes.filter_map(|operation| Some((operation, operation.done()?)))
}

#[cfg(test)]
mod tests;
