//! Reaching other members.

use super::lane::{Lane, Question};
use super::tls::{PeerTls, node_named};
use super::{FRAME_LIMIT, frame, put_header, unframe};
use crate::RaftNode;
use crate::node::Inner;
use crate::transport::{AppendAnswers, Target, Transport, TransportError};
use crate::wire::{Answer, Header, Request, SnapshotAnswer, SnapshotHead};
use conclave_core::codec;
use conclave_core::replica::BoxFuture;
use conclave_proto::peer::{Frame, peer_client::PeerClient};
use conclave_storage::SnapshotFile;
use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

/// How long a connection may take to be made, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// A silent connection is asked after this, and given up after as long again.
const KEEP_ALIVE: Duration = Duration::from_secs(2);
/// Bytes of a snapshot in one frame.
const SNAPSHOT_CHUNK: usize = 256 * 1024;

/// The transport over gRPC and mutual TLS. One connection for each member, kept open.
pub struct GrpcTransport {
    node: Weak<Inner>,
    tls: PeerTls,
    peers: Mutex<BTreeMap<Target, Peer>>,
}

/// The connection to a member.
struct Peer {
    channel: Channel,
    /// The stream for short questions, once one was asked.
    lane: Option<Lane>,
}

/// Marks an error of connecting, so that "not sent" can be told from "lost".
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct ConnectError(String);

impl GrpcTransport {
    /// For a member; lives as long as it.
    pub fn new(node: &RaftNode, tls: PeerTls) -> Arc<GrpcTransport> {
        let node = Arc::downgrade(&node.inner);
        Arc::new(GrpcTransport { node, tls, peers: Mutex::default() })
    }

    fn client(&self, to: &Target) -> Result<(PeerClient<Channel>, Header), TransportError> {
        let node = self.node()?;
        let mut peers = self.lock();
        let channel = self.peer(&mut peers, to, &node)?.channel.clone();
        Ok((client(channel), Header::of(&node, to.member)))
    }

    /// Asks on the stream for short questions, a new one if the last has ended.
    fn ask(&self, to: &Target, body: Vec<u8>) -> Result<Question, TransportError> {
        let node = self.node()?;
        let mut peers = self.lock();
        let peer = self.peer(&mut peers, to, &node)?;
        if let Some(question) = peer.lane.as_ref().and_then(|lane| lane.ask(body.clone())) {
            return Ok(question);
        }
        let _entered = node.inner.runtime.enter();
        let header = Header::of(&node, to.member);
        let open = |letters| with_header(letters, &header);
        let lane = peer.lane.insert(Lane::open(client(peer.channel.clone()), open));
        lane.ask(body).ok_or_else(|| lost("the stream has ended"))
    }

    /// The connection to a member. It lives on the thread of consensus, whoever asks first.
    fn peer<'p>(
        &self,
        peers: &'p mut BTreeMap<Target, Peer>,
        to: &Target,
        node: &RaftNode,
    ) -> Result<&'p mut Peer, TransportError> {
        if !peers.contains_key(to) {
            let _entered = node.inner.runtime.enter();
            let cluster = node.inner.config.cluster_name.clone();
            let channel = open(to.clone(), cluster, self.tls.client.clone())?;
            peers.insert(to.clone(), Peer { channel, lane: None });
        }
        peers.get_mut(to).ok_or_else(|| not_sent("the node is stopping"))
    }

    fn node(&self) -> Result<RaftNode, TransportError> {
        let inner = self.node.upgrade().ok_or_else(|| not_sent("the node is stopping"))?;
        Ok(RaftNode { inner })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Target, Peer>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn client(channel: Channel) -> PeerClient<Channel> {
    PeerClient::new(channel)
        .max_decoding_message_size(FRAME_LIMIT)
        .max_encoding_message_size(FRAME_LIMIT)
}

/// Whether a question is asked often and answered shortly.
fn is_short(request: &Request) -> bool {
    matches!(request, Request::ReadIndex(_) | Request::Confirm(_) | Request::Propose(_))
}

impl Transport for GrpcTransport {
    fn call(
        &self,
        to: Target,
        request: Request,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Answer, TransportError>> {
        if is_short(&request) {
            let question = self.ask(&to, codec::encode(&request));
            return Box::pin(async move {
                let answer = question?.answer(timeout).await?;
                unframe(&answer).map_err(failure)
            });
        }
        let client = self.client(&to);
        Box::pin(async move {
            let (mut client, header) = client?;
            let asked = client.call(with_header(frame(&request), &header));
            let answer = tokio::time::timeout(timeout, asked)
                .await
                .map_err(|_| TransportError::Lost("no answer in time".to_owned()))?
                .map_err(failure)?;
            unframe(&answer.get_ref().body).map_err(failure)
        })
    }

    fn append(
        &self,
        to: Target,
        requests: BoxStream<'static, Vec<u8>>,
        idle: Duration,
    ) -> BoxFuture<'static, Result<AppendAnswers, TransportError>> {
        let client = self.client(&to);
        Box::pin(async move {
            let (client, header) = client?;
            open_append(client, header, requests, idle).await
        })
    }

    fn snapshot(
        &self,
        to: Target,
        head: SnapshotHead,
        file: SnapshotFile,
        idle: Duration,
    ) -> BoxFuture<'static, Result<SnapshotAnswer, TransportError>> {
        let client = self.client(&to);
        Box::pin(async move {
            let (mut client, header) = client?;
            let (moved, mut progress) = tokio::sync::watch::channel(0u64);
            let first = stream::once(std::future::ready(frame(&head)));
            let frames = first.chain(chunks(file, moved));
            let sending = client.snapshot(with_header(frames, &header));
            tokio::pin!(sending);
            loop {
                tokio::select! {
                    biased;
                    sent = &mut sending => {
                        let answer = sent.map_err(failure)?;
                        return unframe(&answer.get_ref().body).map_err(failure);
                    }
                    moved = tokio::time::timeout(idle, progress.changed()) => match moved {
                        Ok(Ok(())) => {}
                        // All bytes are out: what remains is the other side's disk.
                        Ok(Err(_)) => {
                            let sent = tokio::time::timeout(idle, &mut sending).await;
                            let sent = sent.map_err(|_| lost("the snapshot was not confirmed"))?;
                            return unframe(&sent.map_err(failure)?.get_ref().body).map_err(failure);
                        }
                        Err(_) => return Err(lost("the snapshot does not move")),
                    },
                }
            }
        })
    }
}

/// Requests as frames; counts what was sent.
struct CountedFrames {
    requests: BoxStream<'static, Vec<u8>>,
    outstanding: Arc<AtomicUsize>,
}

impl Stream for CountedFrames {
    type Item = Frame;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Frame>> {
        let body = ready!(self.requests.poll_next_unpin(context));
        Poll::Ready(body.map(|body| {
            self.outstanding.fetch_add(1, Ordering::AcqRel);
            Frame { body }
        }))
    }
}

async fn open_append(
    mut client: PeerClient<Channel>,
    header: Header,
    requests: BoxStream<'static, Vec<u8>>,
    idle: Duration,
) -> Result<AppendAnswers, TransportError> {
    let outstanding = Arc::new(AtomicUsize::new(0));
    let frames = CountedFrames { requests, outstanding: outstanding.clone() };
    let opening = client.append(with_header(frames, &header));
    let opened = tokio::time::timeout(idle.max(CONNECT_TIMEOUT), opening)
        .await
        .map_err(|_| not_sent("the stream could not be opened in time"))?
        .map_err(failure)?;
    Ok(answers(opened.into_inner(), outstanding, idle))
}

/// The bytes of a snapshot; a file that cannot be read ends the stream early, and the other side
/// refuses what it got.
fn chunks(
    file: SnapshotFile,
    moved: tokio::sync::watch::Sender<u64>,
) -> impl Stream<Item = Frame> + Send {
    stream::unfold((file, 0, moved), |(file, offset, moved)| async move {
        let body = match file.read_chunk(offset, SNAPSHOT_CHUNK) {
            Ok(body) => body,
            Err(error) => {
                tracing::error!(%error, "a snapshot could not be read");
                return None;
            }
        };
        if body.is_empty() {
            return None;
        }
        let next = offset + body.len() as u64;
        moved.send_replace(next);
        Some((Frame { body }, (file, next, moved)))
    })
}

/// Answers of an append stream; fails if one is outstanding for longer than `idle`.
fn answers(
    frames: tonic::Streaming<Frame>,
    outstanding: Arc<AtomicUsize>,
    idle: Duration,
) -> AppendAnswers {
    let next = move |state: Option<(tonic::Streaming<Frame>, Arc<AtomicUsize>)>| async move {
        let (mut frames, outstanding) = state?;
        loop {
            let waited_for = outstanding.load(Ordering::Acquire) > 0;
            match tokio::time::timeout(idle, frames.message()).await {
                Ok(Ok(Some(answer))) => {
                    outstanding.fetch_sub(1, Ordering::AcqRel);
                    return Some((Ok(answer.body), Some((frames, outstanding))));
                }
                Ok(Ok(None)) => return None,
                Ok(Err(status)) => return Some((Err(failure(status)), None)),
                Err(_) if waited_for => {
                    return Some((Err(lost("no answer to an append in time")), None));
                }
                // Nothing was asked: a quiet stream is a good stream.
                Err(_) => {}
            }
        }
    };
    stream::unfold(Some((frames, outstanding)), next).boxed()
}

fn with_header<T>(message: T, header: &Header) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    put_header(request.metadata_mut(), header);
    request
}

fn open(
    to: Target,
    cluster: String,
    tls: Arc<rustls::ClientConfig>,
) -> Result<Channel, TransportError> {
    let endpoint = Endpoint::from_shared(format!("http://{}", to.address))
        .map_err(|error| not_sent(&format!("{}: {error}", to.address)))?
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(4 * 1024 * 1024)
        .initial_connection_window_size(8 * 1024 * 1024);
    let lost = Arc::new(AtomicBool::new(false));
    let connector = service_fn(move |_: http::Uri| {
        let (to, cluster, tls) = (to.clone(), cluster.clone(), tls.clone());
        let lost = lost.clone();
        async move {
            let connecting = connect(&to, &cluster, tls);
            let connected = match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
                Ok(Ok(stream)) => Ok(TokioIo::new(stream)),
                Ok(Err(error)) => Err(ConnectError(format!("{}: {error}", to.address))),
                Err(_) => Err(ConnectError(format!("{}: no connection in time", to.address))),
            };
            tell(&to, &lost, connected.as_ref().err());
            connected
        }
    });
    Ok(endpoint.connect_with_connector_lazy(connector))
}

/// One line when a member is lost and one when it is back, not one for each attempt.
fn tell(to: &Target, lost: &AtomicBool, error: Option<&ConnectError>) {
    match (lost.swap(error.is_some(), Ordering::AcqRel), error) {
        (false, Some(error)) => {
            tracing::warn!(node = to.node_id, %error, "a member cannot be reached");
        }
        (true, None) => tracing::info!(node = to.node_id, "a member can be reached again"),
        _ => {}
    }
}

/// Connects and checks that the certificate at the other end names the node.
async fn connect(
    to: &Target,
    cluster: &str,
    tls: Arc<rustls::ClientConfig>,
) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let socket = TcpStream::connect(&to.address).await?;
    socket.set_nodelay(true)?;
    let host = to.address.rsplit_once(':').map_or(to.address.as_str(), |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(host).map_err(io::Error::other)?;
    let stream = TlsConnector::from(tls).connect(name, socket).await?;
    let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let named = certificate.and_then(|certificate| node_named(certificate, cluster));
    if named == Some(to.node_id) {
        return Ok(stream);
    }
    Err(io::Error::other(format!(
        "the certificate there names {}, not node {} of cluster {cluster:?}",
        named.map_or("no node of this cluster".to_owned(), |id| format!("node {id}")),
        to.node_id
    )))
}

/// Whether a failed call was sent at all.
pub(super) fn failure(status: tonic::Status) -> TransportError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&status);
    while let Some(error) = cause {
        if let Some(connect) = error.downcast_ref::<ConnectError>() {
            return TransportError::NotSent(connect.0.clone());
        }
        cause = error.source();
    }
    TransportError::Lost(format!("{:?}: {}", status.code(), status.message()))
}

pub(super) fn not_sent(why: &str) -> TransportError {
    TransportError::NotSent(why.to_owned())
}

pub(super) fn lost(why: &str) -> TransportError {
    TransportError::Lost(why.to_owned())
}
