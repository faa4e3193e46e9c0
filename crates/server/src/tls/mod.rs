//! The node's certificate: read, checked, and made into the configurations of its listeners.
//!
//! TLS 1.3 only, one provider (aws-lc), one trusted authority for clients and members alike. Sessions
//! are not resumed: each connection shows its certificate, and an expired one is seen.

mod check;
mod files;
pub mod san;

use std::sync::Arc;

use conclave_core::seams::Clock;
use conclave_raft::grpc::PeerTls;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::config::{Config, ConfigErrors};

/// HTTP/2 and HTTP/1.1, as clients name them.
const ALPN_API: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// Members speak HTTP/2 only.
const ALPN_PEER: [&[u8]; 1] = [b"h2"];

/// The certificate of this node, with its key, and the authority that it trusts; checked.
pub struct NodeTls {
    provider: Arc<CryptoProvider>,
    certified: Arc<CertifiedKey>,
    roots: Arc<RootCertStore>,
}

impl NodeTls {
    /// Reads the files that the configuration names and checks them: the certificate names this node
    /// of this cluster, is valid now for both directions, was issued by the authority, and fits the
    /// key, which nobody else may read.
    ///
    /// # Errors
    /// What is wrong with which file.
    pub fn load(config: &Config, clock: &dyn Clock) -> Result<NodeTls, ConfigErrors> {
        let provider = Arc::new(default_provider());
        let chain = files::certificates("tls.cert", &config.tls.cert)?;
        let roots = Arc::new(files::roots(&config.tls.ca)?);
        let key = files::private_key(&config.tls.key)?;
        check::certificate(config, &chain, &roots, &provider, clock)?;
        let certified = check::certified_key(config, chain, key, &provider)?;
        Ok(NodeTls { provider, certified: Arc::new(certified), roots })
    }

    /// For clients: a certificate is welcome, not needed.
    ///
    /// # Errors
    /// The authority's certificate does not serve to check clients.
    pub fn api(&self) -> Result<Arc<ServerConfig>, ConfigErrors> {
        let verifier = self.client_verifier(true)?;
        Ok(Arc::new(self.server(verifier, &ALPN_API)?))
    }

    /// For the other members.
    ///
    /// # Errors
    /// As for [`NodeTls::api`].
    pub fn peer(&self) -> Result<PeerTls, ConfigErrors> {
        let server = self.server(self.client_verifier(false)?, &ALPN_PEER)?;
        let resolver = Arc::new(SingleCertAndKey::from(self.certified.clone()));
        let mut client = ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(unusable)?
            .with_root_certificates(self.roots.clone())
            .with_client_cert_resolver(resolver);
        client.alpn_protocols = protocols(&ALPN_PEER);
        client.resumption = rustls::client::Resumption::disabled();
        Ok(PeerTls { server: Arc::new(server), client: Arc::new(client) })
    }

    fn server(
        &self,
        verifier: Arc<dyn ClientCertVerifier>,
        alpn: &[&[u8]],
    ) -> Result<ServerConfig, ConfigErrors> {
        let resolver = Arc::new(SingleCertAndKey::from(self.certified.clone()));
        let mut server = ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(unusable)?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(resolver);
        server.alpn_protocols = protocols(alpn);
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        Ok(server)
    }

    fn client_verifier(
        &self,
        allow_anonymous: bool,
    ) -> Result<Arc<dyn ClientCertVerifier>, ConfigErrors> {
        let builder =
            WebPkiClientVerifier::builder_with_provider(self.roots.clone(), self.provider.clone());
        let builder = if allow_anonymous { builder.allow_unauthenticated() } else { builder };
        builder.build().map_err(unusable)
    }
}

fn protocols(names: &[&[u8]]) -> Vec<Vec<u8>> {
    names.iter().map(|name| name.to_vec()).collect()
}

fn unusable(error: impl std::fmt::Display) -> ConfigErrors {
    ConfigErrors::one(
        format!("TLS cannot be set up: {error}"),
        "check tls.ca, tls.cert and tls.key; `conclave pki` makes files that fit",
    )
}

#[cfg(test)]
mod tests;
