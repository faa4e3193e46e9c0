//! One call over all nodes: order, repeats, one deadline, and what is known when it ends.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::attempt::{Attempt, Budget};
use crate::client::Client;
use crate::error::Error;
use crate::node::Wire;
use crate::reason::Reason;

/// Pause before the nodes are asked again: the first one, doubled up to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_millis(500);
/// Below this an attempt is not worth starting.
const SHORTEST_ATTEMPT: Duration = Duration::from_millis(5);

/// How a call may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Changes nothing: may run any number of times.
    Read,
    /// Waits at the node until the deadline: one attempt gets all of the time.
    LongRead,
    /// Runs at most once under this request id, however often it is sent.
    Mutation(Uuid),
    /// Must not be sent twice.
    Once,
}

impl Kind {
    fn request_id(self) -> Option<Uuid> {
        match self {
            Kind::Mutation(id) => Some(id),
            Kind::Read | Kind::LongRead | Kind::Once => None,
        }
    }
}

impl Client {
    /// Runs one call to an answer, a refusal, or the deadline.
    pub(crate) async fn run<Req, Res, F, Fut>(
        &self,
        kind: Kind,
        request: Req,
        call: F,
    ) -> Result<Res, Error>
    where
        Req: Clone,
        F: Fn(Wire, Request<Req>) -> Fut,
        Fut: Future<Output = Result<Response<Res>, Status>>,
    {
        let end = Instant::now() + self.timeout();
        let min_index = self.caller().index();
        let mut seen = Seen::default();
        let mut pause = FIRST_PAUSE;
        loop {
            let mut waiting = self.nodes().len();
            for place in self.order() {
                let left = end.saturating_duration_since(Instant::now());
                if left < SHORTEST_ATTEMPT {
                    return Err(seen.verdict(kind));
                }
                let budget = budget(kind, left, waiting);
                waiting -= 1;
                let node = &self.nodes()[place];
                match self.caller().attempt(node, &request, min_index, budget, &call).await {
                    Attempt::Answered(answer) => {
                        self.prefer(place);
                        return Ok(answer);
                    }
                    Attempt::Refused(error) if !is_of_this_node(&error.reason) => {
                        return Err(error.with_request_id(kind.request_id()));
                    }
                    Attempt::Refused(error) => seen.note(error),
                    Attempt::NotSent(error) => seen.note(error),
                    Attempt::Lost(error) => {
                        seen.may_have_run = true;
                        seen.note(error);
                        if kind == Kind::Once {
                            return Err(seen.verdict(kind));
                        }
                    }
                }
            }
            let left = end.saturating_duration_since(Instant::now());
            let wait = seen.retry_after.take().unwrap_or(pause).max(pause);
            if !seen.another_round(self.nodes().len()) || left < wait + SHORTEST_ATTEMPT {
                return Err(seen.verdict(kind));
            }
            sleep(wait).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }
}

/// The part of the time left that the next attempt gets, so that a node which does not answer
/// leaves time for those after it. What cannot be repeated elsewhere, or is meant to wait, has all
/// of the time once it is sent.
fn budget(kind: Kind, left: Duration, waiting: usize) -> Budget {
    let share = left / u32::try_from(waiting).unwrap_or(1).max(1);
    match kind {
        Kind::Read | Kind::Mutation(_) => Budget { connection: share, answer: share },
        Kind::LongRead | Kind::Once => Budget { connection: share, answer: left },
    }
}

/// Whether another node may well decide otherwise.
fn is_of_this_node(reason: &Reason) -> bool {
    matches!(
        reason,
        Reason::Sealed | Reason::NoQuorum | Reason::AuditBlocked | Reason::OutcomeUnknown
    )
}

/// What the attempts so far have shown.
#[derive(Default)]
struct Seen {
    /// The most telling error.
    best: Option<Error>,
    /// Some attempt may have taken effect.
    may_have_run: bool,
    /// Some node had no quorum, which passes.
    no_quorum: bool,
    /// The longest wait that a node asked for.
    retry_after: Option<Duration>,
}

impl Seen {
    fn note(&mut self, error: Error) {
        self.may_have_run |= error.reason == Reason::OutcomeUnknown;
        self.no_quorum |= error.reason == Reason::NoQuorum;
        let asked = error.retry_after_ms.map(|ms| Duration::from_millis(ms.into()));
        self.retry_after = self.retry_after.max(asked);
        if self.best.as_ref().is_none_or(|best| weight(&error.reason) >= weight(&best.reason)) {
            self.best = Some(error);
        }
    }

    /// Whether asking all nodes again may give more than they gave. A refusal of the one node that
    /// was named is final, and so is a round in which nobody could be reached or all are sealed.
    fn another_round(&self, nodes: usize) -> bool {
        self.may_have_run || (self.no_quorum && nodes > 1)
    }

    fn verdict(self, kind: Kind) -> Error {
        let last = self.best.unwrap_or_else(|| {
            Error::new(
                Reason::DeadlineExceeded,
                "the deadline passed before anything was sent",
                "allow more time with --timeout",
            )
        });
        let error = match kind {
            Kind::Mutation(id) if self.may_have_run => outcome_unknown(
                &last,
                format!("repeat with the same request id: --request-id {id}; it runs at most once"),
            ),
            Kind::Once if self.may_have_run => {
                outcome_unknown(&last, "see `conclave status` for what is in force".to_owned())
            }
            _ => last,
        };
        error.with_request_id(kind.request_id())
    }
}

fn outcome_unknown(last: &Error, next: String) -> Error {
    let message = format!("it is not known whether the call took effect: {}", last.message);
    Error::new(Reason::OutcomeUnknown, message, next)
}

/// Which of several errors says most about the cluster.
fn weight(reason: &Reason) -> u8 {
    match reason {
        Reason::NoQuorum => 5,
        Reason::Sealed => 4,
        Reason::AuditBlocked => 3,
        Reason::DeadlineExceeded => 2,
        Reason::OutcomeUnknown => 1,
        _ => 0,
    }
}
