//! A node's certificate works for that node alone, on the wire between nodes.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use conclave_core::codec;
use conclave_harness::network::PEER_PORT;
use conclave_harness::workload::block_on;
use conclave_harness::{Cluster, Failure, Result, ensure};
use conclave_proto::peer::Frame;
use conclave_proto::peer::peer_client::PeerClient;
use conclave_raft::wire::{Header, PROTOCOL, Request};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use crate::common::binary;

#[test]
fn a_certificate_of_node_2_is_no_node_3() -> Result<()> {
    let cluster = Cluster::unsealed(&binary()?)?;
    // The same call with the right certificate is answered: it is the certificate that is refused.
    block_on(ask(&cluster, "node-2", 2))?.map_err(|status| {
        Failure::violation(format!("node 2 with its own certificate was refused: {status}"))
    })?;
    cluster.pki().issue_principal("outsider")?;
    for (certificate, claimed) in
        [("node-2", 3), ("node-3", 2), ("operator", 2), ("outsider", 2), ("node-2", 7)]
    {
        let answer = block_on(ask(&cluster, certificate, claimed))?;
        let code = answer.as_ref().err().map(Status::code);
        ensure(code == Some(Code::PermissionDenied), || {
            format!("{certificate} claimed to be node {claimed}: {answer:?}")
        })?;
    }
    foreign_authority(&cluster)?;
    cluster.digests_agree(&cluster.ids()).map(|_| ())
}

/// The certificate of another authority, with the same names, does not even get a connection.
fn foreign_authority(cluster: &Cluster) -> Result<()> {
    let namesake = Cluster::builder(&binary()?).prepare()?;
    for name in ["node-2.pem", "node-2.key"] {
        let to = cluster.pki().dir().join(format!("foreign-{name}"));
        fs::copy(namesake.pki().dir().join(name), to)?;
    }
    fs::rename(cluster.pki().cert("foreign-node-2"), cluster.pki().cert("foreign"))?;
    fs::rename(cluster.pki().key("foreign-node-2"), cluster.pki().key("foreign"))?;
    let answer = block_on(ask(cluster, "foreign", 2))?;
    ensure(answer.is_err(), || format!("another authority's node 2 was answered: {answer:?}"))
}

/// Asks node 1 for a read index as node `claimed` under a certificate.
async fn ask(
    cluster: &Cluster,
    certificate: &str,
    claimed: u32,
) -> Result<std::result::Result<Frame, Status>> {
    let channel = connect(cluster, certificate).await?;
    let file = cluster.dir().join("node-2/data/node.json");
    let node: serde_json::Value = serde_json::from_slice(&fs::read(file)?)
        .map_err(|error| Failure::violation(format!("node.json: {error}")))?;
    let header = Header {
        protocol: PROTOCOL,
        cluster_name: cluster.name().to_owned(),
        cluster_id: node["cluster_id"].as_str().and_then(|id| id.parse().ok()),
        node_id: claimed,
        member: member_id(&node)?,
        // A later start than that of the running node 2, which would be taken for an old copy.
        incarnation: 2,
        start: 1,
        to: None,
    };
    let mut call = tonic::Request::new(Frame { body: codec::encode(&Request::ReadIndex(None)) });
    call.set_timeout(Duration::from_secs(10));
    let header = MetadataValue::from_bytes(&codec::encode(&header));
    call.metadata_mut().insert_bin("conclave-peer-bin", header);
    Ok(PeerClient::new(channel).call(call).await.map(tonic::Response::into_inner))
}

/// 16 hex digits in the file: many JSON readers lose digits of a number this long.
fn member_id(node: &serde_json::Value) -> Result<u64> {
    let text = node["member_id"].as_str().unwrap_or_default();
    u64::from_str_radix(text, 16)
        .map_err(|error| Failure::violation(format!("member_id in node.json: {error}: {node}")))
}

async fn connect(cluster: &Cluster, certificate: &str) -> Result<Channel> {
    let tls = tls_config(cluster, certificate).map_err(Failure::harness)?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(tls));
    let ip = cluster.network().ip(1);
    let endpoint = Endpoint::from_shared(format!("http://{ip}:{PEER_PORT}"))
        .map_err(|error| Failure::harness(error.to_string()))?;
    Ok(endpoint.connect_with_connector_lazy(tower::service_fn(move |_: http::Uri| {
        let connector = connector.clone();
        async move {
            let socket = tokio::net::TcpStream::connect((ip, PEER_PORT)).await?;
            let name = ServerName::IpAddress(std::net::IpAddr::V4(ip).into());
            Ok::<_, std::io::Error>(TokioIo::new(connector.connect(name, socket).await?))
        }
    })))
}

fn tls_config(
    cluster: &Cluster,
    certificate: &str,
) -> std::result::Result<rustls::ClientConfig, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let mut roots = rustls::RootCertStore::empty();
    let ca = CertificateDer::from_pem_file(cluster.pki().cert("ca")).map_err(|e| text(&e))?;
    roots.add(ca).map_err(|e| text(&e))?;
    let chain = CertificateDer::from_pem_file(cluster.pki().cert(certificate));
    let key = PrivateKeyDer::from_pem_file(cluster.pki().key(certificate)).map_err(|e| text(&e))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| text(&e))?
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![chain.map_err(|e| text(&e))?], key)
        .map_err(|e| text(&e))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}
