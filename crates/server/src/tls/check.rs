//! What the node's certificate must be before the node starts.

use std::path::Path;
use std::time::Duration;

use conclave_core::seams::Clock;
use conclave_formats::names::CertName;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, RootCertStore};
use std::sync::Arc;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::san;
use crate::config::{Config, ConfigErrors};

/// Checks name, validity and issuer of the first certificate of `chain`.
pub fn certificate(
    config: &Config,
    chain: &[CertificateDer<'static>],
    roots: &Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
    clock: &dyn Clock,
) -> Result<(), ConfigErrors> {
    let (leaf, intermediates) = chain.split_first().expect("the reader gives at least one");
    name(config, leaf)?;
    validity(config, leaf, clock)?;
    let now = UnixTime::since_unix_epoch(Duration::from_millis(clock.wall_ms()));
    let parsed = ParsedCertificate::try_from(leaf).map_err(|error| issuer(config, &error))?;
    let algorithms = provider.signature_verification_algorithms.all;
    verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, algorithms)
        .map_err(|error| issuer(config, &error))?;
    WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
        .build()
        .map_err(|error| issuer(config, &error))?
        .verify_client_cert(leaf, intermediates, now)
        .map_err(|error| issuer(config, &error))?;
    warn_if_clients_will_refuse(config, &parsed);
    Ok(())
}

/// Joins certificate and key, if they belong together.
pub fn certified_key(
    config: &Config,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, ConfigErrors> {
    CertifiedKey::from_der(chain, key, provider).map_err(|error| {
        refused(
            "tls.key",
            &config.tls.key,
            &format!("it does not belong to the certificate in tls.cert ({error})"),
            "the key with which that certificate was issued",
        )
    })
}

fn name(config: &Config, leaf: &CertificateDer<'_>) -> Result<(), ConfigErrors> {
    let expected =
        CertName::Node { cluster: config.cluster.name.clone(), id: config.node.id.into() };
    let allowed = format!(
        "URI:{expected} (cluster.name = \"{}\", node.id = {})",
        config.cluster.name, config.node.id
    );
    let error = |problem: &str| refused("tls.cert", &config.tls.cert, problem, &allowed);
    match san::cert_name(leaf) {
        Ok(found) if found == expected => Ok(()),
        Ok(found) => Err(error(&format!("the certificate is that of {found}"))),
        Err(problem) => Err(error(&problem.to_string())),
    }
}

fn validity(
    config: &Config,
    leaf: &CertificateDer<'_>,
    clock: &dyn Clock,
) -> Result<(), ConfigErrors> {
    let (_, parsed) = X509Certificate::from_der(leaf).map_err(|error| issuer(config, &error))?;
    let now = i64::try_from(clock.wall_ms() / 1_000).unwrap_or(i64::MAX);
    let validity = parsed.validity();
    let problem = if now > validity.not_after.timestamp() {
        format!("the certificate expired at {}", validity.not_after)
    } else if now < validity.not_before.timestamp() {
        format!("the certificate is not valid before {}", validity.not_before)
    } else {
        return Ok(());
    };
    let allowed = "a certificate that is valid now; check the machine's clock too";
    Err(refused("tls.cert", &config.tls.cert, &problem, allowed))
}

fn issuer(config: &Config, error: &dyn std::fmt::Display) -> ConfigErrors {
    let ca = config.tls.ca.display();
    refused(
        "tls.cert",
        &config.tls.cert,
        &format!("the certificate cannot be verified: {error}"),
        &format!("one issued by the authority in tls.ca ({ca}), for servers and clients"),
    )
}

fn refused(field: &str, path: &Path, problem: &str, allowed: &str) -> ConfigErrors {
    ConfigErrors::one(
        format!("{field}: {}: {problem}; allowed: {allowed}", path.display()),
        format!("correct {field}; `conclave pki issue` makes a node's certificate and key"),
    )
}

/// Clients check that the certificate names the host that they were told.
fn warn_if_clients_will_refuse(config: &Config, certificate: &ParsedCertificate<'_>) {
    for address in [config.api_advertise(), config.peer_advertise()] {
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let named = ServerName::try_from(host)
            .map_err(|_| CertificateError::NotValidForName.into())
            .and_then(|name| rustls::client::verify_server_name(certificate, &name));
        if named.is_err() {
            tracing::warn!(
                host,
                "the certificate in tls.cert does not name this advertised host: who connects there \
                 will refuse it; issue one with --host"
            );
        }
    }
}
