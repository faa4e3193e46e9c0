//! Who is at the other end: the certificate must name the node.

use std::sync::Arc;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate};

/// TLS of the connections between members. The server side demands a client certificate; both sides
/// trust only the cluster's own authority.
#[derive(Clone, Debug)]
pub struct PeerTls {
    /// For connections that come in.
    pub server: Arc<rustls::ServerConfig>,
    /// For connections that go out.
    pub client: Arc<rustls::ClientConfig>,
}

/// The node id that a verified certificate (DER) names in a SAN URI
/// `conclave://CLUSTER/node/N` of this cluster; `None` if it names none.
pub fn node_named(certificate: &[u8], cluster: &str) -> Option<u32> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let prefix = format!("conclave://{cluster}/node/");
    let mut named = parsed
        .extensions()
        .iter()
        .filter_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(san) => Some(&san.general_names),
            _ => None,
        })
        .flatten()
        .filter_map(|name| match name {
            GeneralName::URI(uri) => uri.strip_prefix(&prefix),
            _ => None,
        })
        .map(parse_id);
    // A certificate that names two nodes names none.
    match (named.next(), named.next()) {
        (Some(id), None) => id,
        _ => None,
    }
}

/// Decimal digits without sign or leading zeros, so that a node has one name.
fn parse_id(text: &str) -> Option<u32> {
    let id: u32 = text.parse().ok()?;
    (id.to_string() == text && id > 0).then_some(id)
}
