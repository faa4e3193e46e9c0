//! Who is at the other end of a connection, as the server's TLS and sockets tell it.

use conclave_formats::names::CertName;
use std::net::SocketAddr;

/// What is known of a connection. The server puts one value into the extensions of each request;
/// a request without one is treated as a connection of which nothing is known.
#[derive(Clone, Debug, Default)]
pub struct PeerIdentity {
    /// The client certificate, if one was shown; its chain and dates have been checked.
    pub certificate: Option<CertificateIdentity>,
    /// Where it comes from; `None`: not known.
    pub source: Option<SocketAddr>,
}

/// A client certificate as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateIdentity {
    /// Its SAN URI, if it is one of ours.
    pub name: Option<CertName>,
    /// SHA-256 of its DER.
    pub sha256: [u8; 32],
}
