//! The authority of a cluster.

use std::path::Path;
use std::time::Duration;

use conclave_client::{Error, Reason};
use conclave_formats::names;
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;
use zeroize::Zeroizing;

use super::{CertFiles, internal, write_pair};

/// Days for which an authority is good.
const CA_DAYS: u32 = 3650;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Makes the authority of the cluster named `cluster`: `ca.pem` and `ca.key` in `dir`, which is
/// made (0700) if need be.
///
/// # Errors
/// `INVALID_ARGUMENT` for a name that no cluster may have or if one of the files exists;
/// `LOCAL_FILE` if they cannot be written.
pub fn init(dir: &Path, cluster: &str) -> Result<CertFiles, Error> {
    names::cluster_name(cluster).map_err(|error| {
        Error::new(Reason::InvalidArgument, error.to_string(), "choose another name")
    })?;
    let mut params = params(cluster, &format!("Conclave CA of {cluster}"), CA_DAYS)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.subject_alt_names = vec![uri(&ca_uri(cluster))?];
    let key = new_key()?;
    let cert = params.self_signed(&key).map_err(|error| internal(&error))?;
    write_pair(dir, "ca", &cert.pem(), &pem_of(&key))
}

/// An authority read from its files.
pub(super) struct Authority {
    pub(super) cluster: String,
    pub(super) issuer: Issuer<'static, KeyPair>,
    /// End of its own certificate, seconds since 1970.
    pub(super) ends_s: i64,
}

impl Authority {
    /// Reads `ca.pem` and `ca.key` in `dir`.
    pub(super) fn read(dir: &Path) -> Result<Self, Error> {
        let cert_path = dir.join("ca.pem");
        let pem = read(&cert_path)?;
        let unusable = || unusable(&cert_path, "it is not the authority of a Conclave cluster");
        let section =
            Pem::iter_from_buffer(&pem).next().and_then(Result::ok).ok_or_else(unusable)?;
        let parsed = section.parse_x509().map_err(|_| unusable())?;
        let cluster = parsed
            .subject_alternative_name()
            .ok()
            .flatten()
            .and_then(|san| san.value.general_names.iter().find_map(cluster_of))
            .ok_or_else(unusable)?;
        let ends_s = parsed.validity().not_after.timestamp();
        let key_path = dir.join("ca.key");
        let key_pem = Zeroizing::new(read(&key_path)?);
        let key = std::str::from_utf8(&key_pem)
            .ok()
            .and_then(|text| KeyPair::from_pem(text).ok())
            .ok_or_else(|| self::unusable(&key_path, "it is not a private key in PEM form"))?;
        if parsed.public_key().subject_public_key.data.as_ref() != key.public_key_raw() {
            return Err(self::unusable(&key_path, "it is not the key of ca.pem"));
        }
        let der = section.contents.clone().into();
        let issuer = Issuer::from_ca_cert_der(&der, key).map_err(|error| internal(&error))?;
        Ok(Authority { cluster, issuer, ends_s })
    }
}

/// What all certificates have in common. They are good from a day ago, so that a clock that is
/// behind accepts them.
pub(super) fn params(cluster: &str, name: &str, days: u32) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, cluster);
    params.distinguished_name.push(DnType::CommonName, name);
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let now = Duration::try_from(Timestamp::now().as_duration()).map_err(|_| {
        Error::new(Reason::InvalidArgument, "the clock is before 1970", "set the clock")
    })?;
    params.not_before = epoch + now.saturating_sub(DAY);
    params.not_after = epoch + now + DAY * days;
    Ok(params)
}

pub(super) fn new_key() -> Result<KeyPair, Error> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|error| internal(&error))
}

pub(super) fn pem_of(key: &KeyPair) -> Zeroizing<String> {
    Zeroizing::new(key.serialize_pem())
}

pub(super) fn uri(text: &str) -> Result<SanType, Error> {
    Ok(SanType::URI(text.try_into().map_err(|error| internal(&error))?))
}

fn ca_uri(cluster: &str) -> String {
    format!("conclave://{cluster}/ca")
}

fn cluster_of(name: &GeneralName<'_>) -> Option<String> {
    let GeneralName::URI(uri) = name else { return None };
    let cluster = uri.strip_prefix("conclave://")?.strip_suffix("/ca")?;
    names::cluster_name(cluster).ok()?;
    Some(cluster.to_owned())
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|error| {
        Error::new(
            Reason::LocalFile,
            format!("{} cannot be read: {error}", path.display()),
            "make an authority first: conclave pki init",
        )
    })
}

fn unusable(path: &Path, why: &str) -> Error {
    Error::new(
        Reason::InvalidArgument,
        format!("{} is not usable: {why}", path.display()),
        "give the directory that `conclave pki init` wrote",
    )
}
