//! One client connection: handshake, who it is, its calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use conclave_api::{CertificateIdentity, PeerIdentity};
use http::Request;
use http_body_util::Limited;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::pki_types::CertificateDer;
use rustls::{ServerConfig, SupportedCipherSuite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::Service as _;

use super::hang_up::Wishes;
use super::workers::Accepted;
use crate::limits::{
    FIRST_REQUEST, HANDSHAKE, KEEP_ALIVE_INTERVAL, KEEP_ALIVE_TIMEOUT, MAX_BODY_BYTES,
    MAX_CONCURRENT_STREAMS, MAX_HEADER_BYTES,
};
use crate::tls::san;

/// What every connection is served with.
pub struct Service {
    acceptor: TlsAcceptor,
    router: Router,
    http: Builder<TokioExecutor>,
}

impl Service {
    /// Serves `router` over TLS, HTTP/2 or HTTP/1.1 as the client chooses.
    pub fn new(tls: Arc<ServerConfig>, router: Router) -> Service {
        Service { acceptor: TlsAcceptor::from(tls), router, http: http() }
    }

    /// Serves one connection to its end. When it is wished that connections end, the
    /// calls in flight are finished and no new ones taken.
    pub async fn serve(self: Arc<Self>, accepted: Accepted, wishes: Wishes) {
        let Accepted { stream, source, permit } = accepted;
        let mut wishes = wishes;
        // A handshake carries nothing of a client's: a seal in the middle of it is none of its business,
        // and who comes just then to unseal must not be turned away.
        let shaken = tokio::select! {
            shaken = self.handshake(stream) => shaken,
            () = wishes.stop() => return,
        };
        match shaken {
            Ok(tls) => {
                wishes.begin();
                let identity = identity(&tls, source);
                self.calls(tls, identity, wishes).await;
            }
            Err(error) => tracing::debug!(%source, %error, "no TLS connection"),
        }
        drop(permit);
    }

    async fn handshake(
        &self,
        stream: std::net::TcpStream,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::from_std(stream)?;
        let handshake = self.acceptor.accept(stream);
        tokio::time::timeout(HANDSHAKE, handshake).await.unwrap_or_else(|elapsed| {
            Err(std::io::Error::new(std::io::ErrorKind::TimedOut, elapsed))
        })
    }

    async fn calls(&self, tls: TlsStream<TcpStream>, identity: PeerIdentity, mut wishes: Wishes) {
        let asked = Arc::new(AtomicBool::new(false));
        let (router, called) = (self.router.clone(), asked.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            called.store(true, Ordering::Relaxed);
            let mut request = request.map(|body| Limited::new(body, MAX_BODY_BYTES));
            request.extensions_mut().insert(identity.clone());
            router.clone().call(request)
        });
        let mut connection = std::pin::pin!(self.http.serve_connection(TokioIo::new(tls), service));
        let mut silence = std::pin::pin!(tokio::time::sleep(FIRST_REQUEST));
        let (mut watching, mut ending) = (true, false);
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(error, "a connection ended early");
                    }
                    return;
                }
                () = wishes.end(), if !ending => {
                    connection.as_mut().graceful_shutdown();
                    ending = true;
                }
                () = silence.as_mut(), if watching => {
                    watching = false;
                    if !asked.load(Ordering::Relaxed) && !ending {
                        connection.as_mut().graceful_shutdown();
                        ending = true;
                    }
                }
            }
        }
    }
}

fn http() -> Builder<TokioExecutor> {
    let mut http = Builder::new(TokioExecutor::new());
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .max_concurrent_streams(MAX_CONCURRENT_STREAMS)
        .max_header_list_size(MAX_HEADER_BYTES);
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(FIRST_REQUEST)
        .max_buf_size(MAX_HEADER_BYTES as usize);
    http
}

/// What TLS and socket say about the other end; read once for a connection.
fn identity(tls: &TlsStream<TcpStream>, source: std::net::SocketAddr) -> PeerIdentity {
    let (_, session) = tls.get_ref();
    let leaf = session.peer_certificates().and_then(<[_]>::first);
    PeerIdentity { certificate: leaf.map(certificate), source: Some(source) }
}

fn certificate(der: &CertificateDer<'_>) -> CertificateIdentity {
    let name = san::cert_name(der);
    if let Err(why) = &name {
        tracing::debug!(%why, "a client certificate of the authority names nobody");
    }
    CertificateIdentity { name: name.ok(), sha256: sha256(der) }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let SupportedCipherSuite::Tls13(suite) = TLS13_AES_128_GCM_SHA256 else {
        unreachable!("the constant is a suite of TLS 1.3")
    };
    let hash = suite.common.hash_provider.hash(bytes);
    hash.as_ref().try_into().expect("SHA-256 gives 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_sha_256() {
        // FIPS 180-4, "abc".
        assert_eq!(sha256(b"abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(sha256(b"abc")[28..], [0xf2, 0x00, 0x15, 0xad]);
    }
}
