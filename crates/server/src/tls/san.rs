//! The subject alternative names of a certificate.

use conclave_formats::names::CertName;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Why a certificate names nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SanError {
    /// It is not an X.509 certificate.
    #[error("it is not an X.509 certificate")]
    NotACertificate,
    /// It has no name of ours, or several.
    #[error(
        "it has {0} names of the form `URI:conclave://…` among its subject alternative names instead of one"
    )]
    Count(usize),
    /// The name is not of one of the three forms.
    #[error(
        "its name `{0}` is none of `conclave://CLUSTER/node/N`, `…/operator/NAME`, `…/principal/NAME`"
    )]
    Form(String),
}

/// Whom a certificate (DER) names.
///
/// # Errors
/// [`SanError`]: the certificate stays usable for TLS, but says nothing about its holder.
pub fn cert_name(der: &[u8]) -> Result<CertName, SanError> {
    let names = uris(der)?;
    let ours: Vec<&String> = names.iter().filter(|uri| uri.starts_with("conclave://")).collect();
    match ours[..] {
        [uri] => CertName::parse(uri).map_err(|_| SanError::Form(uri.clone())),
        _ => Err(SanError::Count(ours.len())),
    }
}

/// All subject alternative names of type URI.
fn uris(der: &[u8]) -> Result<Vec<String>, SanError> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| SanError::NotACertificate)?;
    let extension =
        certificate.subject_alternative_name().map_err(|_| SanError::NotACertificate)?;
    let names = extension.map(|san| san.value.general_names.as_slice()).unwrap_or_default();
    let uri = |name: &GeneralName<'_>| match name {
        GeneralName::URI(uri) => Some((*uri).to_owned()),
        _ => None,
    };
    Ok(names.iter().filter_map(uri).collect())
}
