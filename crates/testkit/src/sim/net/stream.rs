//! A connection for one stream: two directions, each of which keeps its order.
//!
//! Nobody tells the ends that the connection has broken. The receiver finds its stream at an end. The
//! sender finds that it cannot send, or waits for an answer until it has waited too long.

mod append;
mod pipe;
mod snapshot;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use conclave_raft::transport::TransportError;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use tokio::sync::mpsc;

use super::Alive;
use super::transport::Route;

pub(super) use self::append::append;
pub(super) use self::snapshot::snapshot;

/// How long the real transport takes to give up connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a stream may take to be opened.
pub(super) fn patience(idle: Duration) -> Duration {
    idle.max(CONNECT_TIMEOUT)
}

/// What goes over a connection.
enum Frame {
    /// The stream begins: who calls, or that the call was taken.
    Open(Vec<u8>),
    /// A request, an answer, a chunk.
    Body(Vec<u8>),
    /// The stream ends with an error.
    Status(String),
    /// The stream ends in order.
    End,
}

impl Frame {
    fn bytes(&self) -> &[u8] {
        match self {
            Frame::Open(body) | Frame::Body(body) => body,
            Frame::Status(why) => why.as_bytes(),
            Frame::End => &[],
        }
    }
}

/// A connection for one stream.
struct Connection {
    route: Route,
    /// Until it breaks.
    whole: Alive,
    /// Until the sender gives up. What it has sent by then still arrives.
    wanted: Alive,
    /// Why the sender broke it.
    fault: OnceLock<String>,
}

impl Connection {
    fn new(route: Route) -> Arc<Connection> {
        Arc::new(Connection {
            route,
            whole: Alive::new(),
            wanted: Alive::new(),
            fault: OnceLock::new(),
        })
    }

    /// Breaks it with an error for the sender.
    fn fail(&self, why: String) {
        let _ = self.fault.set(why);
        self.whole.end();
    }
}

/// The sender's end; dropped when it gives up.
struct SenderEnd {
    connection: Arc<Connection>,
    answers: mpsc::Receiver<Frame>,
}

impl Drop for SenderEnd {
    fn drop(&mut self) {
        self.connection.wanted.end();
    }
}

/// What the sender hears next.
enum Heard {
    /// The stream is open.
    Open,
    /// An answer.
    Answer(Vec<u8>),
    /// It ends with this error.
    Failure(TransportError),
    /// It ends in order.
    End,
}

impl SenderEnd {
    /// Never resolves when the connection is broken by the network.
    async fn next(&mut self) -> Heard {
        match self.answers.recv().await {
            Some(Frame::Open(_)) => Heard::Open,
            Some(Frame::Body(body)) => Heard::Answer(body),
            Some(Frame::Status(why)) => Heard::Failure(lost(&format!("FailedPrecondition: {why}"))),
            Some(Frame::End) => Heard::End,
            None => match self.connection.fault.get() {
                Some(why) => Heard::Failure(lost(why)),
                None => std::future::pending().await,
            },
        }
    }
}

/// What arrives, until the stream ends, whether in order or not.
fn received(frames: mpsc::Receiver<Frame>) -> impl Stream<Item = Frame> + Send {
    stream::unfold(frames, |mut frames| async move { Some((frames.recv().await?, frames)) })
}

/// A stream of one frame.
fn once(frame: Frame) -> BoxStream<'static, Frame> {
    stream::once(std::future::ready(frame)).boxed()
}

fn lost(why: &str) -> TransportError {
    TransportError::Lost(why.to_owned())
}

fn not_sent(why: &str) -> TransportError {
    TransportError::NotSent(why.to_owned())
}
