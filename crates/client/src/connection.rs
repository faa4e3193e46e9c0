//! One HTTP/2 connection to one node, and the seam at which it is known whether a request left.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::HeaderValue;
use http::header::USER_AGENT;
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::body::Body;
use tower::Service;

use crate::tls::ALPN_H2;

const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("conclave-client/", env!("CARGO_PKG_VERSION")));

/// An open connection; clones share it.
#[derive(Clone)]
pub(crate) struct Connection {
    send: SendRequest<Body>,
}

impl Connection {
    /// Connects, checks that the certificate is for `name`, and starts HTTP/2. The connection is
    /// driven by a task of the current runtime.
    pub(crate) async fn open(
        address: (&str, u16),
        name: ServerName<'static>,
        tls: Arc<ClientConfig>,
    ) -> Result<Self, String> {
        let stream = tls_stream(address, name, tls).await?;
        if stream.get_ref().1.alpn_protocol() != Some(ALPN_H2) {
            return Err("it does not speak HTTP/2: is this the API port of a node?".to_owned());
        }
        let (send, driver) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| format!("HTTP/2: {}", chain(&error)))?;
        // An error of the driver reaches each request that it concerns.
        tokio::spawn(async move { driver.await.ok() });
        Ok(Connection { send })
    }

    /// Whether the other side, or a failure, has closed the connection.
    pub(crate) fn is_closed(&self) -> bool {
        self.send.is_closed()
    }
}

/// Why the other side refuses our certificate, if it does. In TLS 1.3 that is said only after the
/// handshake, when requests may be under way already, and their failure hides it: so this connects
/// again, sends nothing and listens.
pub(crate) async fn certificate_refusal(
    address: (&str, u16),
    name: ServerName<'static>,
    tls: Arc<ClientConfig>,
) -> Option<String> {
    let mut stream = tls_stream(address, name, tls).await.ok()?;
    let error = stream.read(&mut [0; 1]).await.err()?;
    let text = error.to_string();
    text.split_once("received fatal alert: ").map(|(_, alert)| alert.to_owned())
}

async fn tls_stream(
    address: (&str, u16),
    name: ServerName<'static>,
    tls: Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, String> {
    let tcp = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    tcp.set_nodelay(true).map_err(|error| error.to_string())?;
    let stream = TlsConnector::from(tls).connect(name, tcp).await;
    stream.map_err(|error| format!("TLS: {error}"))
}

impl Service<http::Request<Body>> for Connection {
    type Response = http::Response<Incoming>;
    type Error = TransportError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    /// Always ready: a closed connection is reported by the call, which knows that nothing left.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        request.headers_mut().insert(USER_AGENT, AGENT);
        let answer = self.send.try_send_request(request);
        Box::pin(async move {
            answer.await.map_err(|failure| TransportError {
                // The request comes back exactly when no byte of it was written.
                sent: failure.message().is_none(),
                text: chain(failure.error()),
            })
        })
    }
}

/// The connection failed under a request.
#[derive(Debug)]
pub(crate) struct TransportError {
    /// Whether the node may have seen the request.
    pub(crate) sent: bool,
    text: String,
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for TransportError {}

/// An error with all of its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
