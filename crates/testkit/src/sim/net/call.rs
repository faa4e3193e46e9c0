//! A question and its answer: two messages that stand alone.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use conclave_core::codec;
use conclave_raft::transport::{NotAdmitted, TransportError};
use conclave_raft::wire::{Answer, Header, Proposed, Request};
use futures::future::join;
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::fate::Fate;
use super::state::Posted;
use super::transport::{Endpoint, Route, too_long};

type Answered = Result<Answer, NotAdmitted>;
type Reply = oneshot::Sender<Result<Answer, TransportError>>;

/// Asks. Without an answer it never resolves: its caller has a timeout.
pub(super) async fn ask(route: Route, request: Request) -> Result<Answer, TransportError> {
    let noted = noted_of_request(&request);
    let length = match &request {
        Request::Seal(message) => message.len(),
        _ => noted.len(),
    };
    if let Some(error) = too_long(length) {
        return Err(TransportError::Lost(error));
    }
    if let Request::Append(append) = &request
        && append.vote.committed
    {
        let leader = &append.vote.leader_id;
        route.net.saw_leadership(Some((leader.term, leader.voted_for)));
    }
    let posted = route.net.post(route.from.node, route.to.node, &noted);
    if let Fate::Refused { after } = posted.fate {
        route.net.refused(route.from.node, route.to.node);
        sleep(after).await;
        return Err(TransportError::NotSent("no connection could be made".to_owned()));
    }
    let (reply, answered) = oneshot::channel();
    // A task of its own: a callee goes on with a question whose caller has gone.
    tokio::spawn(carry(route, request, posted, reply));
    match answered.await {
        Ok(answer) => answer,
        Err(_) => pending().await,
    }
}

/// Takes the question there and the answer back, and perhaps the question there again.
async fn carry(route: Route, request: Request, there: Posted, reply: Reply) {
    let Route { net, from, to, header } = &route;
    if !net.arrives(from, to, &there).await {
        return;
    }
    let again = there.again.map(|after| (after, request.clone()));
    let Some(answered) = handle(to, header.clone(), request).await else { return };
    let again = again.filter(|_| may_be_repeated(&answered));
    let back = net.post(to.node, from.node, &noted_of_answer(&answered));
    join(bring_back(&route, back, answered, reply), bring_again(&route, again)).await;
}

/// The callee's work; `None` if it dies over it.
async fn handle(to: &Arc<Endpoint>, from: Header, request: Request) -> Option<Answered> {
    tokio::select! {
        biased;
        () = to.alive.ended() => None,
        answered = to.side.call(from, request) => Some(answered),
    }
}

async fn bring_back(route: &Route, back: Posted, answered: Answered, reply: Reply) {
    if route.net.arrives(&route.to, &route.from, &back).await {
        let answer =
            answered.map_err(|why| TransportError::Lost(format!("FailedPrecondition: {why}")));
        // The caller may have given up.
        let _ = reply.send(answer);
    }
}

/// Nobody waits for the second answer, so it is not sent.
async fn bring_again(route: &Route, again: Option<(Duration, Request)>) {
    let Some((after, request)) = again else { return };
    sleep(after).await;
    if route.to.alive.is() {
        route.net.duplicated(route.from.node, route.to.node);
        let _ = handle(&route.to, route.header.clone(), request).await;
    }
}

/// Whether the question may arrive a second time after this answer. "Nothing has happened" must stay
/// true: the member that is told so gives it to its client as final. No connection would break it,
/// since none carries a question twice.
fn may_be_repeated(answered: &Answered) -> bool {
    !matches!(answered, Err(_) | Ok(Answer::NotNow(_) | Answer::Proposed(Proposed::NotEntered)))
}

/// What the trace takes of a question. Of the seal protocol only its length: its ciphertexts and the
/// keys made for them come from the generator of the crypto library, which no seed reaches.
fn noted_of_request(request: &Request) -> Vec<u8> {
    match request {
        Request::Seal(message) => codec::encode(&message.len()),
        _ => codec::encode(request),
    }
}

/// What the trace takes of an answer.
fn noted_of_answer(answered: &Answered) -> Vec<u8> {
    match answered {
        Ok(Answer::Seal(message)) => codec::encode(&message.len()),
        Ok(answer) => codec::encode(answer),
        Err(NotAdmitted(why)) => why.as_bytes().to_vec(),
    }
}
