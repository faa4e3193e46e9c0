//! Certificates for nodes, operators and principals.

use std::net::IpAddr;
use std::path::Path;

use conclave_client::{Error, Reason};
use conclave_formats::names::{self, CertName};
use jiff::Timestamp;
use rcgen::{ExtendedKeyUsagePurpose, KeyUsagePurpose, SanType};

use super::authority::{self, Authority};
use super::{CertFiles, internal, write_pair};

/// Whom a certificate is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A node, as server and as client of its peers.
    Node {
        /// `node.id` of its configuration, from 1.
        id: u64,
        /// DNS names and IP addresses under which it is reached; at least one.
        hosts: Vec<String>,
    },
    /// A person who may initialise the cluster.
    Operator(String),
    /// A principal.
    Principal(String),
}

/// Issues a certificate that is good for `days` days: `node-N`, `NAME` (operator or principal)
/// `.pem` and `.key` in `dir`, signed by the `ca.pem` and `ca.key` there.
///
/// # Errors
/// `INVALID_ARGUMENT` for a wrong name or host, an authority that cannot be used or ends earlier,
/// or if one of the files exists; `LOCAL_FILE` if a file cannot be read or written.
pub fn issue(dir: &Path, subject: &Subject, days: u32) -> Result<CertFiles, Error> {
    let authority = Authority::read(dir)?;
    check_end(&authority, days)?;
    let (stem, name) = subject.names(&authority.cluster)?;
    let mut params = authority::params(&authority.cluster, &stem, days)?;
    params.subject_alt_names.push(authority::uri(&name.to_string())?);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    if let Subject::Node { hosts, .. } = subject {
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        for host in hosts {
            params.subject_alt_names.push(host_san(host)?);
        }
    }
    let key = authority::new_key()?;
    let cert = params.signed_by(&key, &authority.issuer).map_err(|error| internal(&error))?;
    write_pair(dir, &stem, &cert.pem(), &authority::pem_of(&key))
}

impl Subject {
    /// The stem of the file names, which is the common name too, and the name in the SAN.
    fn names(&self, cluster: &str) -> Result<(String, CertName), Error> {
        let cluster = cluster.to_owned();
        match self {
            Subject::Node { id: 0, .. } => Err(wrong("node ids are counted from 1")),
            Subject::Node { hosts, .. } if hosts.is_empty() => {
                Err(wrong("a node needs at least one host"))
            }
            Subject::Node { id, .. } => {
                Ok((format!("node-{id}"), CertName::Node { cluster, id: *id }))
            }
            Subject::Operator(name) => {
                checked_name(name)?;
                Ok((name.clone(), CertName::Operator { cluster, name: name.clone() }))
            }
            Subject::Principal(name) => {
                checked_name(name)?;
                Ok((name.clone(), CertName::Principal { cluster, name: name.clone() }))
            }
        }
    }
}

fn check_end(authority: &Authority, days: u32) -> Result<(), Error> {
    let left_s = authority.ends_s - Timestamp::now().as_second();
    let left_days = left_s / (24 * 60 * 60);
    if i64::from(days) <= left_days {
        return Ok(());
    }
    Err(wrong(&format!("the authority is good for {} more days, no longer", left_days.max(0))))
}

fn checked_name(name: &str) -> Result<(), Error> {
    names::principal_name(name).map_err(|error| wrong(&error.to_string()))?;
    // The name becomes a file name.
    if name.starts_with('.') || name == "ca" || name.starts_with("node-") {
        return Err(wrong(
            "a name that begins with `.` or `node-`, or is `ca`, would clash with other files",
        ));
    }
    Ok(())
}

fn host_san(host: &str) -> Result<SanType, Error> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
    };
    if host.len() > 253 || !host.split('.').all(label) {
        return Err(wrong(&format!("`{host}` is neither a DNS name nor an IP address")));
    }
    Ok(SanType::DnsName(host.try_into().map_err(|error| internal(&error))?))
}

fn wrong(what: &str) -> Error {
    Error::new(Reason::InvalidArgument, what, "see: conclave pki issue --help")
}
