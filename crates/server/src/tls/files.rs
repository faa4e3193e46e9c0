//! Reads PEM files.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use crate::config::ConfigErrors;

/// Permission bits of everybody but the owner.
const OTHERS: u32 = 0o077;
/// Where a service manager puts the credentials of a service.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// A credential is given to the service's user by an access list, which shows as this bit; no group has
/// it.
const ACCESS_LIST: u32 = 0o040;

/// All certificates of a file, in their order; at least one.
pub fn certificates(
    field: &str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, ConfigErrors> {
    let pem = read(field, path)?;
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match parsed {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        Ok(_) => Err(not_pem(field, path, "it holds no certificate")),
        Err(error) => Err(not_pem(field, path, &error.to_string())),
    }
}

/// The authority.
pub fn roots(path: &Path) -> Result<RootCertStore, ConfigErrors> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("tls.ca", path)? {
        roots.add(certificate).map_err(|error| not_pem("tls.ca", path, &error.to_string()))?;
    }
    Ok(roots)
}

/// The private key; refused if anybody but the owner may touch the file.
pub fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, ConfigErrors> {
    const FIELD: &str = "tls.key";
    let pem = Zeroizing::new(read(FIELD, path)?);
    let mode = std::fs::metadata(path).map_err(|error| unreadable(FIELD, path, &error))?.mode();
    if mode & others(path) != 0 {
        return Err(ConfigErrors::one(
            format!(
                "{FIELD}: {}: mode {:04o} lets other users in; allowed: 0600",
                path.display(),
                mode & 0o7777
            ),
            format!("chmod 600 '{}'", path.display()),
        ));
    }
    PrivateKeyDer::from_pem_slice(&pem).map_err(|error| not_pem(FIELD, path, &error.to_string()))
}

/// The permission bits that a private key must not have.
fn others(path: &Path) -> u32 {
    let credentials = std::env::var_os(CREDENTIALS);
    let is_credential = credentials.is_some_and(|directory| path.starts_with(directory));
    if is_credential { OTHERS & !ACCESS_LIST } else { OTHERS }
}

fn read(field: &str, path: &Path) -> Result<Vec<u8>, ConfigErrors> {
    std::fs::read(path).map_err(|error| unreadable(field, path, &error))
}

fn unreadable(field: &str, path: &Path, error: &std::io::Error) -> ConfigErrors {
    ConfigErrors::one(
        format!("{field}: {}: the file cannot be read: {error}", path.display()),
        format!("correct {field} or the permissions; `conclave pki issue` makes the files"),
    )
}

fn not_pem(field: &str, path: &Path, problem: &str) -> ConfigErrors {
    let allowed = if field == "tls.key" { "one private key" } else { "certificates" };
    ConfigErrors::one(
        format!("{field}: {}: not usable: {problem}; allowed: {allowed} in PEM", path.display()),
        format!("correct {field}; `conclave pki issue` makes the files"),
    )
}
