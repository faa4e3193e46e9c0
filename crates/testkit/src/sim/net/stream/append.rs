//! A pipelined stream of append requests and its answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use conclave_core::codec;
use conclave_raft::transport::{AppendAnswers, NotAdmitted, TransportError};
use conclave_raft::wire;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::pipe::Pipe;
use super::{Connection, Frame, Heard, SenderEnd, lost, not_sent, once, patience, received};
use crate::sim::net::transport::Route;

/// Frames on their way in one direction.
const WINDOW: usize = 64;

/// Opens a stream and gives its answers.
pub(in crate::sim::net) async fn append(
    route: Route,
    requests: BoxStream<'static, Vec<u8>>,
    idle: Duration,
) -> Result<AppendAnswers, TransportError> {
    if let Some(after) = route.net.refuses_stream(route.from.node, route.to.node) {
        sleep(after).await;
        return Err(not_sent("no connection could be made"));
    }
    let opening = Frame::Open(codec::encode(&route.header));
    let connection = Connection::new(route);
    let outstanding = Arc::new(AtomicUsize::new(0));
    let (arrives, arriving) = mpsc::channel(1);
    let (answered, answers) = mpsc::channel(1);
    let sent = once(opening).chain(counted(&connection, requests, outstanding.clone()));
    tokio::spawn(Pipe::Forth(connection.clone()).carry(sent.boxed(), arrives, WINDOW));
    tokio::spawn(serve(connection.clone(), arriving, answered));
    let mut end = SenderEnd { connection, answers };
    match timeout(patience(idle), end.next()).await {
        Err(_) => Err(not_sent("the stream could not be opened in time")),
        Ok(Heard::Failure(error)) => Err(error),
        Ok(Heard::End) => Ok(stream::empty().boxed()),
        Ok(Heard::Open | Heard::Answer(_)) => Ok(heard(end, outstanding, idle)),
    }
}

/// Requests as frames; counts what was sent, and sees who leads.
fn counted(
    connection: &Arc<Connection>,
    requests: BoxStream<'static, Vec<u8>>,
    outstanding: Arc<AtomicUsize>,
) -> BoxStream<'static, Frame> {
    let net = connection.route.net.clone();
    requests
        .map(move |body| {
            outstanding.fetch_add(1, Ordering::AcqRel);
            net.saw_leadership(wire::leadership(&body));
            Frame::Body(body)
        })
        .boxed()
}

/// The receiver's end.
async fn serve(
    connection: Arc<Connection>,
    mut arriving: mpsc::Receiver<Frame>,
    answered: mpsc::Sender<Frame>,
) {
    if arriving.recv().await.is_none() {
        return;
    }
    let requests = received(arriving).scan((), |(), frame| {
        std::future::ready(match frame {
            Frame::Body(body) => Some(body),
            Frame::Open(_) | Frame::Status(_) | Frame::End => None,
        })
    });
    let Route { to, header, .. } = &connection.route;
    let answers = match to.side.append(header.clone(), requests.boxed()) {
        Ok(answers) => once(Frame::Open(Vec::new())).chain(answers.map(frame_of)).boxed(),
        Err(NotAdmitted(why)) => once(Frame::Status(why)),
    };
    Pipe::Back(connection).carry(answers, answered, WINDOW).await;
}

fn frame_of(answer: Result<Vec<u8>, NotAdmitted>) -> Frame {
    match answer {
        Ok(body) => Frame::Body(body),
        Err(NotAdmitted(why)) => Frame::Status(why),
    }
}

/// Answers as the sender hears them; fails if one is outstanding for longer than `idle`.
fn heard(end: SenderEnd, outstanding: Arc<AtomicUsize>, idle: Duration) -> AppendAnswers {
    let next = move |state: Option<(SenderEnd, Arc<AtomicUsize>)>| async move {
        let (mut end, outstanding) = state?;
        loop {
            let is_waited_for = outstanding.load(Ordering::Acquire) > 0;
            match timeout(idle, end.next()).await {
                Ok(Heard::Answer(body)) => {
                    outstanding.fetch_sub(1, Ordering::AcqRel);
                    return Some((Ok(body), Some((end, outstanding))));
                }
                Ok(Heard::Open) => {}
                Ok(Heard::Failure(error)) => return Some((Err(error), None)),
                Ok(Heard::End) => return None,
                Err(_) if is_waited_for || !end.connection.whole.is() => {
                    return Some((Err(lost("no answer to an append in time")), None));
                }
                // Nothing was asked: a quiet stream is a good stream.
                Err(_) => {}
            }
        }
    };
    stream::unfold(Some((end, outstanding)), next).boxed()
}
