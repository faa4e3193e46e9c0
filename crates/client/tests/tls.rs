//! Who is trusted, and what is shown.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::{Node, Pki, Step};
use conclave_client::Reason;
use conclave_formats::token::Token;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

const LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn the_token_and_a_deadline_go_with_each_call() {
    let pki = Pki::new();
    let node = Node::start(&pki, &[Step::Answer(1)]);
    let token = Token::new(uuid::Uuid::new_v4(), Box::new(Zeroizing::new([9; 32]))).encode();
    let file = pki.write("t", &format!("{}\n", *token));
    let client = pki.client(&[node.addr], LONG).token_file(file).build().unwrap();
    client.get_key("k").await.unwrap();
    let seen = node.script.seen();
    let header = |name| seen[0].metadata.get(name).unwrap().to_str().unwrap().to_owned();
    assert_eq!(header("authorization"), format!("Bearer {}", *token));
    assert!(header("grpc-timeout").len() > 1);
    assert!(header("user-agent").starts_with("conclave-client/"));
}

#[tokio::test]
async fn a_client_certificate_of_the_authority_is_accepted() {
    let pki = Pki::new();
    let node = Node::start(&pki, &[Step::Answer(1)]);
    let client = pki
        .client(&[node.addr], LONG)
        .client_cert(pki.path("client.pem"))
        .client_key(pki.path("client.key"))
        .build()
        .unwrap();
    client.get_key("k").await.unwrap();
}

#[tokio::test]
async fn a_client_certificate_of_another_authority_is_refused_by_name() {
    let (pki, other) = (Pki::new(), Pki::new());
    let node = Node::start(&pki, &[]);
    let client = pki
        .client(&[node.addr], LONG)
        .client_cert(other.path("client.pem"))
        .client_key(other.path("client.key"))
        .build()
        .unwrap();
    let error = client.get_key("k").await.unwrap_err();
    assert_eq!(error.reason, Reason::Unauthenticated, "{error}");
    assert!(error.message.contains("refused the client certificate"), "{error}");
}

#[tokio::test]
async fn a_node_of_another_authority_is_not_trusted() {
    let (pki, other) = (Pki::new(), Pki::new());
    let node = Node::start(&other, &[]);
    let client = pki.client(&[node.addr], LONG).build().unwrap();
    let error = client.get_key("k").await.unwrap_err();
    assert_eq!(error.reason, Reason::Unreachable);
    assert!(error.message.contains("TLS"), "{error}");
}

#[tokio::test]
async fn a_node_under_another_name_is_not_trusted() {
    let pki = Pki::new();
    let node = Node::start(&pki, &[]);
    let client = conclave_client::Client::builder()
        .addr(format!("localhost:{}", node.addr.port()))
        .ca_cert(pki.path("ca.pem"))
        .timeout(LONG)
        .build()
        .unwrap();
    let error = client.get_key("k").await.unwrap_err();
    assert_eq!(error.reason, Reason::Unreachable);
}

/// TLS 1.3 alone is spoken.
#[tokio::test]
async fn an_older_tls_is_refused() {
    let pki = Pki::new();
    let (cert, key) = pki.node_identity();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        tokio_rustls::TlsAcceptor::from(Arc::new(config)).accept(tcp).await.is_err()
    });
    let client = pki.client(&[addr], LONG).build().unwrap();
    let error = client.get_key("k").await.unwrap_err();
    assert_eq!(error.reason, Reason::Unreachable);
    assert!(server.await.unwrap(), "a TLS 1.2 handshake succeeded");
}
