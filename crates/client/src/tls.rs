//! TLS 1.3 towards the nodes: own certificate authority, optional client certificate.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::reason::Reason;

/// The application protocol of gRPC.
pub(crate) const ALPN_H2: &[u8] = b"h2";

/// The certificate and private key that the client shows.
pub(crate) struct ClientIdentity<'a> {
    pub(crate) cert: &'a Path,
    pub(crate) key: &'a Path,
}

/// A configuration that trusts `ca` alone, speaks TLS 1.3 alone, and shows `identity` if there is
/// one.
pub(crate) fn client_config(
    ca: &Path,
    identity: Option<ClientIdentity<'_>>,
) -> Result<Arc<ClientConfig>, Error> {
    let mut roots = RootCertStore::empty();
    for cert in certificates(ca, "CA certificate")? {
        roots.add(cert).map_err(|error| unusable(ca, "CA certificate", &error))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| Error::new(Reason::InvalidArgument, format!("TLS: {error}"), ""))?
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain = certificates(identity.cert, "client certificate")?;
            let key = private_key(identity.key)?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| unusable(identity.cert, "client certificate", &error))?
        }
    };
    config.alpn_protocols = vec![ALPN_H2.to_vec()];
    Ok(Arc::new(config))
}

fn certificates(path: &Path, what: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let pem = read(path, what)?;
    let certs = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unusable(path, what, &error))?;
    if certs.is_empty() {
        return Err(unusable(path, what, &"it holds no certificate in PEM form"));
    }
    Ok(certs)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, Error> {
    let pem = Zeroizing::new(read(path, "client key")?);
    PrivateKeyDer::from_pem_slice(&pem).map_err(|error| unusable(path, "client key", &error))
}

fn read(path: &Path, what: &str) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|error| {
        Error::new(
            Reason::LocalFile,
            format!("the {what} {} cannot be read: {error}", path.display()),
            "check the path and its permissions",
        )
    })
}

fn unusable(path: &Path, what: &str, why: &dyn std::fmt::Display) -> Error {
    Error::new(
        Reason::InvalidArgument,
        format!("the {what} {} is not usable: {why}", path.display()),
        "give a PEM file as `conclave pki` writes it",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_files_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        let error = client_config(&path, None).unwrap_err();
        assert_eq!(error.reason, Reason::LocalFile);
        assert!(error.message.contains("ca.pem"), "{}", error.message);
        std::fs::write(&path, "hello").unwrap();
        let error = client_config(&path, None).unwrap_err();
        assert_eq!(error.reason, Reason::InvalidArgument);
        assert!(error.message.contains("holds no certificate"), "{}", error.message);
    }
}
