//! The workers, over real sockets and real TLS.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Extension;
use axum::routing::get;
use conclave_api::PeerIdentity;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};
use tokio::net::TcpListener;

use super::*;

type Issuer = CertifiedIssuer<'static, KeyPair>;
type Tls = StreamOwned<ClientConnection, std::net::TcpStream>;

const GET_WHO: &[u8] = b"GET /who HTTP/1.1\r\nhost: localhost\r\n\r\n";
const PATIENCE: Duration = Duration::from_secs(10);

/// A listener with two workers that answer who the caller is and which thread served it.
struct Server {
    address: SocketAddr,
    hang_up: Arc<HangUp>,
    ca: Issuer,
    stop: tokio::sync::oneshot::Sender<()>,
    stopped: std::thread::JoinHandle<()>,
}

impl Server {
    fn start(router: Router) -> Server {
        let ca = authority();
        let tls = server_tls(&ca);
        let hang_up = Arc::new(HangUp::new());
        let listener = bind("api.listen", "127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopping) = tokio::sync::oneshot::channel();
        let told = hang_up.clone();
        let stopped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                let workers = Workers::start(tls, vec![router; 2], told).unwrap();
                tokio::select! {
                    () = accept(&listener, &workers) => {}
                    _ = stopping => {}
                }
                drop(listener);
                workers.stop().await;
            });
        });
        Server { address, hang_up, ca, stop, stopped }
    }

    fn connect(&self, certificate: Option<&str>) -> Tls {
        let mut roots = RootCertStore::empty();
        roots.add(self.ca.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots);
        let config = match certificate {
            None => builder.with_no_client_auth(),
            Some(uri) => {
                let (certificate, key) = issue(&self.ca, uri);
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
        };
        let name = ServerName::try_from("localhost").unwrap();
        let session = ClientConnection::new(Arc::new(config), name).unwrap();
        let socket = std::net::TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        StreamOwned::new(session, socket)
    }

    fn finish(self) {
        self.stop.send(()).unwrap();
        self.stopped.join().unwrap();
    }
}

fn who() -> Router {
    let answer = async |Extension(identity): Extension<PeerIdentity>| {
        let name = identity.certificate.map(|found| match found.name {
            Some(name) => format!("{name} {:02x?}", &found.sha256[..2]),
            None => "a certificate that names nobody".to_owned(),
        });
        let thread = std::thread::current().name().unwrap().to_owned();
        assert!(identity.source.is_some());
        format!("{} on {thread}", name.unwrap_or("anonymous".to_owned()))
    };
    Router::new().route("/who", get(answer))
}

fn authority() -> Issuer {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "ca");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Issuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn issue(
    ca: &Issuer,
    uri: &str,
) -> (rustls::pki_types::CertificateDer<'static>, PrivateKeyDer<'static>) {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "leaf");
    params.subject_alt_names.push(SanType::URI(uri.try_into().unwrap()));
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, ca).unwrap();
    (certificate.der().clone(), PrivateKeyDer::try_from(key.serialize_der()).unwrap())
}

fn server_tls(ca: &Issuer) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(ca.der().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated()
        .build()
        .unwrap();
    let (certificate, key) = issue(ca, "conclave://dev/node/1");
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![certificate], key);
    Arc::new(config.unwrap())
}

/// Sends a request and reads the body of its answer.
fn ask(tls: &mut Tls, request: &[u8]) -> String {
    tls.write_all(request).unwrap();
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"\r\n\r\n") {
        tls.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    let head = String::from_utf8(answer).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    tls.read_exact(&mut body).unwrap();
    String::from_utf8(body).unwrap()
}

/// Whether the other side has ended the connection, with a farewell or without.
fn is_closed(tls: &mut Tls) -> bool {
    match tls.read(&mut [0; 64]) {
        Ok(read) => read == 0,
        Err(error) => matches!(
            error.kind(),
            std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::ConnectionReset
        ),
    }
}

#[test]
fn each_connection_has_its_own_identity_and_the_threads_take_turns() {
    let server = Server::start(who());
    let mut first = server.connect(Some("conclave://dev/principal/alice"));
    let mut second = server.connect(None);
    let mut third = server.connect(Some("https://example.org"));
    let alice = ask(&mut first, GET_WHO);
    let fingerprint = first.conn.peer_certificates().is_some();
    assert!(fingerprint && alice.starts_with("conclave://dev/principal/alice ["), "{alice}");
    assert!(alice.ends_with("on api-1"), "{alice}");
    assert_eq!(ask(&mut second, GET_WHO), "anonymous on api-2");
    assert_eq!(ask(&mut third, GET_WHO), "a certificate that names nobody on api-1");
    assert_eq!(ask(&mut first, GET_WHO), alice, "the connection is kept, with its identity");
    server.finish();
}

#[test]
fn a_certificate_of_another_authority_is_refused() {
    let server = Server::start(who());
    let mut stranger = server.connect(None);
    // The server's own authority is trusted, the client's certificate is of another.
    let (certificate, key) = issue(&authority(), "conclave://dev/principal/alice");
    let mut roots = RootCertStore::empty();
    roots.add(server.ca.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate], key)
        .unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    stranger.conn = ClientConnection::new(Arc::new(config), name).unwrap();
    stranger.write_all(GET_WHO).unwrap();
    let error = stranger.read(&mut [0; 64]).unwrap_err().to_string();
    assert!(error.contains("alert"), "{error}");
    server.finish();
}

#[test]
fn a_seal_ends_open_connections_and_a_new_one_is_served() {
    let server = Server::start(who());
    let mut open = server.connect(None);
    ask(&mut open, GET_WHO);
    server.hang_up.sealed();
    assert!(is_closed(&mut open));
    ask(&mut server.connect(None), GET_WHO);
    server.finish();
}

#[test]
fn stopping_finishes_the_call_in_flight() {
    let (begun, beginning) = std::sync::mpsc::channel();
    let (release, released) = tokio::sync::watch::channel(false);
    let slow = move || {
        let (begun, mut released) = (begun.clone(), released.clone());
        async move {
            begun.send(()).unwrap();
            released.wait_for(|now| *now).await.unwrap();
            "finished"
        }
    };
    let server = Server::start(Router::new().route("/who", get(slow)));
    let mut caller = server.connect(None);
    let mut idle = server.connect(None);
    let call = std::thread::spawn(move || {
        let answer = ask(&mut caller, GET_WHO);
        (answer, is_closed(&mut caller))
    });
    beginning.recv_timeout(PATIENCE).unwrap();
    idle.conn.complete_io(&mut idle.sock).unwrap();
    let mut mute = std::net::TcpStream::connect(server.address).unwrap();
    mute.set_read_timeout(Some(PATIENCE)).unwrap();
    server.stop.send(()).unwrap();
    assert!(is_closed(&mut idle), "a connection without a call ends at once");
    let heard = mute.read(&mut [0; 64]).map_err(|error| error.kind());
    assert!(
        matches!(heard, Ok(0) | Err(std::io::ErrorKind::ConnectionReset)),
        "nor one that is mute"
    );
    release.send_replace(true);
    assert_eq!(call.join().unwrap(), ("finished".to_owned(), true));
    server.stopped.join().unwrap();
}

#[test]
fn a_request_with_too_long_headers_is_refused() {
    let server = Server::start(who());
    let mut tls = server.connect(None);
    let padding = "x".repeat(2 * crate::limits::MAX_HEADER_BYTES as usize);
    let request = format!("GET /who HTTP/1.1\r\nhost: localhost\r\npadding: {padding}\r\n\r\n");
    let _ = tls.write_all(request.as_bytes());
    let mut head = [0; 12];
    tls.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 431");
    server.finish();
}

#[test]
fn a_port_in_use_is_named_with_its_field() {
    let taken = bind("api.listen", "127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let failure = bind("peer.listen", &address.to_string()).unwrap_err();
    let text = failure.to_string();
    let expected = format!(
        "error: peer.listen = \"{address}\": port {} is in use by another process",
        address.port()
    );
    assert!(text.starts_with(&expected), "{text}");
    assert_eq!(failure.code, crate::exit::FAILED);
}

#[test]
fn an_address_of_another_machine_is_refused() {
    let text = bind("api.listen", "192.0.2.1:7400").unwrap_err().to_string();
    assert!(text.contains("192.0.2.1 is not an address of this machine"), "{text}");
}
