//! Being reached by other members.

use super::tls::{PeerTls, node_named};
use super::{FRAME_LIMIT, frame, take_header, unframe};
use crate::transport::{Handler, NotAdmitted};
use crate::wire::{Header, Request};
use conclave_core::codec;
use conclave_proto::peer::peer_server::{Peer, PeerServer};
use conclave_proto::peer::{Frame, Letter};
use futures::StreamExt;
use futures::stream::BoxStream;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;
use tonic::{Request as Call, Response, Status, Streaming};

/// How long a TLS handshake may take.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(3);
/// Handshakes under way at once: beyond this new connections wait in the kernel.
const HANDSHAKES: usize = 256;
/// Questions of one stream that are worked on at once; the others wait in the network.
const QUESTIONS_AT_ONCE: usize = 4_096;
/// A silent connection is asked after this, and given up after as long again.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// Serves peers on a listener until the runtime ends. `cluster` is the name that certificates carry.
///
/// # Errors
/// The listener failed.
pub async fn serve(
    listener: TcpListener,
    tls: PeerTls,
    cluster: String,
    handler: Arc<dyn Handler>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let (ready, connections) = mpsc::channel(HANDSHAKES);
    let accepting = accept(listener, TlsAcceptor::from(tls.server), Arc::from(cluster), ready);
    let service = PeerServer::new(Service { handler })
        .max_decoding_message_size(FRAME_LIMIT)
        .max_encoding_message_size(FRAME_LIMIT);
    let serving = tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .http2_keepalive_timeout(Some(KEEP_ALIVE))
        .initial_stream_window_size(4 * 1024 * 1024)
        .initial_connection_window_size(8 * 1024 * 1024)
        .add_service(service)
        .serve_with_incoming(ReceiverStream::new(connections));
    tokio::select! {
        accepted = accepting => accepted.map_err(Into::into),
        served = serving => served.map_err(Into::into),
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    cluster: Arc<str>,
    ready: mpsc::Sender<io::Result<PeerStream>>,
) -> io::Result<()> {
    let handshakes = Arc::new(tokio::sync::Semaphore::new(HANDSHAKES));
    loop {
        let permit = handshakes.clone().acquire_owned().await.map_err(io::Error::other)?;
        let (socket, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file handles, or the caller has gone: the next one may work.
                tracing::warn!(%error, "a peer connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let (acceptor, cluster, ready) = (acceptor.clone(), cluster.clone(), ready.clone());
        tokio::spawn(async move {
            let shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, shake(acceptor, socket)).await;
            drop(permit);
            match shaken {
                Ok(Ok(stream)) => {
                    let named = named(&stream, &cluster);
                    // The receiver is gone only when the node stops.
                    let _ = ready.send(Ok(PeerStream { stream, named })).await;
                }
                Ok(Err(error)) => tracing::warn!(%from, %error, "a peer connection was refused"),
                Err(_) => tracing::warn!(%from, "a peer connection did not finish its handshake"),
            }
        });
    }
}

async fn shake(acceptor: TlsAcceptor, socket: TcpStream) -> io::Result<TlsStream<TcpStream>> {
    socket.set_nodelay(true)?;
    acceptor.accept(socket).await
}

fn named(stream: &TlsStream<TcpStream>, cluster: &str) -> Option<u32> {
    let chain = stream.get_ref().1.peer_certificates()?;
    node_named(chain.first()?, cluster)
}

/// A connection with the node that its certificate names.
struct PeerStream {
    stream: TlsStream<TcpStream>,
    named: Option<u32>,
}

/// The node that the certificate of a connection names.
#[derive(Clone, Copy)]
struct NamedNode(Option<u32>);

impl Connected for PeerStream {
    type ConnectInfo = NamedNode;

    fn connect_info(&self) -> NamedNode {
        NamedNode(self.named)
    }
}

impl AsyncRead for PeerStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for PeerStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

struct Service {
    handler: Arc<dyn Handler>,
}

/// The header of a call, once the certificate of its connection is seen to name its node.
fn caller<T>(call: &Call<T>) -> Result<Header, Status> {
    let header = take_header(call.metadata())?;
    let named = call.extensions().get::<NamedNode>().and_then(|named| named.0);
    if named == Some(header.node_id) {
        return Ok(header);
    }
    let shown = named.map_or("no node of this cluster".to_owned(), |id| format!("node {id}"));
    tracing::warn!(claimed = header.node_id, shown, "a peer claims to be another node");
    Err(Status::permission_denied(format!(
        "the certificate names {shown}, but the caller says it is node {}; \
         start the node with the certificate of its own node id",
        header.node_id
    )))
}

fn turned_away(why: NotAdmitted) -> Status {
    Status::failed_precondition(why.0)
}

#[tonic::async_trait]
impl Peer for Service {
    async fn call(&self, call: Call<Frame>) -> Result<Response<Frame>, Status> {
        let from = caller(&call)?;
        let request: Request = unframe(&call.get_ref().body)?;
        let answer = self.handler.call(from, request).await.map_err(turned_away)?;
        Ok(Response::new(frame(&answer)))
    }

    type ExchangeStream = BoxStream<'static, Result<Letter, Status>>;

    async fn exchange(
        &self,
        call: Call<Streaming<Letter>>,
    ) -> Result<Response<Self::ExchangeStream>, Status> {
        let from = caller(&call)?;
        let handler = self.handler.clone();
        let letters = call.into_inner().scan((), |(), received| std::future::ready(received.ok()));
        // A caller that is turned away once will be turned away again: that ends the stream.
        let answers = letters.map(move |Letter { number, body }| {
            let (handler, from) = (handler.clone(), from.clone());
            async move {
                let request: Request = unframe(&body)?;
                let answer = handler.call(from, request).await.map_err(turned_away)?;
                Ok(Letter { number, body: codec::encode(&answer) })
            }
        });
        Ok(Response::new(answers.buffer_unordered(QUESTIONS_AT_ONCE).boxed()))
    }

    type AppendStream = BoxStream<'static, Result<Frame, Status>>;

    async fn append(
        &self,
        call: Call<Streaming<Frame>>,
    ) -> Result<Response<Self::AppendStream>, Status> {
        let from = caller(&call)?;
        // A frame that cannot be read ends the stream; the leader opens a new one.
        let requests = call
            .into_inner()
            .scan((), |(), received| std::future::ready(received.ok().map(|frame| frame.body)))
            .boxed();
        let answers = self.handler.append(from, requests).map_err(turned_away)?;
        let frames = answers.map(|answer| match answer {
            Ok(body) => Ok(Frame { body }),
            Err(why) => Err(turned_away(why)),
        });
        Ok(Response::new(frames.boxed()))
    }

    async fn snapshot(&self, call: Call<Streaming<Frame>>) -> Result<Response<Frame>, Status> {
        let from = caller(&call)?;
        let mut frames = call.into_inner();
        let first = frames.message().await?;
        let first = first.ok_or_else(|| Status::invalid_argument("an empty snapshot stream"))?;
        let head = unframe(&first.body)?;
        let chunks = frames
            .map(|received| match received {
                Ok(frame) => Ok(frame.body),
                Err(status) => Err(NotAdmitted(status.message().to_owned())),
            })
            .boxed();
        let answer = self.handler.snapshot(from, head, chunks).await.map_err(turned_away)?;
        Ok(Response::new(frame(&answer)))
    }
}
