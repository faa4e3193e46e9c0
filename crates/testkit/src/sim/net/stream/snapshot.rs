//! A snapshot: chunks in one direction, one answer.

use std::sync::Arc;
use std::time::Duration;

use conclave_core::codec;
use conclave_raft::transport::{NotAdmitted, TransportError};
use conclave_raft::wire::{SnapshotAnswer, SnapshotHead};
use conclave_storage::SnapshotFile;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::pipe::Pipe;
use super::{Connection, Frame, Heard, SenderEnd, lost, not_sent, once, received};
use crate::sim::net::transport::Route;

/// Bytes in one frame: far fewer than the real transport takes, and ...
const CHUNK_BYTES: usize = 4 * 1024;
/// ... few frames on their way at a time, so that also the snapshot of a small state can be struck in
/// the middle.
const WINDOW: usize = 1;

/// Sends a snapshot.
pub(in crate::sim::net) async fn snapshot(
    route: Route,
    head: SnapshotHead,
    file: SnapshotFile,
    idle: Duration,
) -> Result<SnapshotAnswer, TransportError> {
    if let Some(after) = route.net.refuses_stream(route.from.node, route.to.node) {
        sleep(after).await;
        return Err(not_sent("no connection could be made"));
    }
    let leader = &head.vote.leader_id;
    let leadership = (leader.term, leader.voted_for);
    route.net.saw_leadership(head.vote.committed.then_some(leadership));
    let opening = Frame::Open(codec::encode(&(&route.header, &head)));
    let connection = Connection::new(route);
    let (moved, progress) = watch::channel(0);
    let (arrives, arriving) = mpsc::channel(1);
    let (answered, answers) = mpsc::channel(1);
    let sent = once(opening).chain(chunks(file, moved)).boxed();
    tokio::spawn(Pipe::Forth(connection.clone()).carry(sent, arrives, WINDOW));
    tokio::spawn(serve(connection.clone(), head, arriving, answered));
    confirmed(SenderEnd { connection, answers }, progress, idle).await
}

/// The bytes of a snapshot; a file that cannot be read ends the stream early, and the other side
/// refuses what it got.
fn chunks(file: SnapshotFile, moved: watch::Sender<u64>) -> impl Stream<Item = Frame> + Send {
    stream::unfold((file, 0, moved), |(file, offset, moved)| async move {
        let body = file.read_chunk(offset, CHUNK_BYTES).ok().filter(|body| !body.is_empty())?;
        let next = offset + body.len() as u64;
        moved.send_replace(next);
        Some((Frame::Body(body), (file, next, moved)))
    })
}

/// Waits for the answer, for as long as the snapshot moves.
async fn confirmed(
    mut end: SenderEnd,
    mut progress: watch::Receiver<u64>,
    idle: Duration,
) -> Result<SnapshotAnswer, TransportError> {
    loop {
        tokio::select! {
            biased;
            heard = end.next() => return answer(heard),
            moved = timeout(idle, progress.changed()) => match moved {
                Ok(Ok(())) => {}
                Ok(Err(_)) if !end.connection.whole.is() => {
                    return Err(lost("the connection broke"));
                }
                // All bytes are out: what remains is the other side's disk.
                Ok(Err(_)) => {
                    let heard = timeout(idle, end.next()).await;
                    return answer(heard.map_err(|_| lost("the snapshot was not confirmed"))?);
                }
                Err(_) => return Err(lost("the snapshot does not move")),
            },
        }
    }
}

fn answer(heard: Heard) -> Result<SnapshotAnswer, TransportError> {
    match heard {
        Heard::Answer(body) => codec::decode(&body).map_err(|error| lost(&error.to_string())),
        Heard::Failure(error) => Err(error),
        Heard::Open | Heard::End => Err(lost("the stream ended without an answer")),
    }
}

/// The receiver's end.
async fn serve(
    connection: Arc<Connection>,
    head: SnapshotHead,
    mut arriving: mpsc::Receiver<Frame>,
    answered: mpsc::Sender<Frame>,
) {
    if arriving.recv().await.is_none() {
        return;
    }
    let Route { to, header, .. } = &connection.route;
    let taken = tokio::select! {
        biased;
        () = to.alive.ended() => return,
        taken = to.side.snapshot(header.clone(), head, arrived(arriving)) => taken,
    };
    let answer = match taken {
        Ok(answer) => {
            connection.route.net.snapshot_arrived(connection.route.from.node, to.node);
            Frame::Body(codec::encode(&answer))
        }
        Err(NotAdmitted(why)) => Frame::Status(why),
    };
    Pipe::Back(connection).carry(once(answer), answered, WINDOW).await;
}

/// The chunks as they arrive; with an error at the end, unless the stream ended in order.
fn arrived(frames: mpsc::Receiver<Frame>) -> BoxStream<'static, Result<Vec<u8>, NotAdmitted>> {
    let broken = Frame::Status("the connection broke".to_owned());
    let frames = received(frames).chain(once(broken));
    let chunks = frames.scan(false, |is_over, frame| {
        let chunk = match frame {
            _ if *is_over => None,
            Frame::Body(body) => Some(Ok(body)),
            Frame::Status(why) => {
                *is_over = true;
                Some(Err(NotAdmitted(why)))
            }
            Frame::Open(_) | Frame::End => None,
        };
        std::future::ready(chunk)
    });
    chunks.boxed()
}
