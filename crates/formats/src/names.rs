//! What names may look like: keys, principals, clusters, labels; and the names in certificates.

use std::fmt;

use uuid::Uuid;

use crate::limits::{
    MAX_ALIAS, MAX_CLUSTER_NAME, MAX_DESCRIPTION, MAX_LABEL_KEY, MAX_LABEL_VALUE, MAX_LABELS,
    MAX_PRINCIPAL_NAME, MAX_RESOURCE, MIN_ALIAS,
};

/// Why a name is refused. Each sentence says what is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// An alias with other characters or another length.
    #[error("an alias has {MIN_ALIAS} to {MAX_ALIAS} characters out of A-Z a-z 0-9 _ -")]
    Alias,
    /// An alias that is a UUID.
    #[error(
        "an alias must not read as a UUID, since it would be taken for a key id; choose another"
    )]
    AliasIsUuid,
    /// A principal's name with other characters or another length.
    #[error(
        "the name of a principal has 1 to {MAX_PRINCIPAL_NAME} characters out of a-z 0-9 . _ @ - (lower case only, so that no second spelling exists)"
    )]
    PrincipalName,
    /// A cluster's name with other characters or another length.
    #[error(
        "the name of a cluster has 1 to {MAX_CLUSTER_NAME} characters out of a-z 0-9 - and begins with a letter or digit"
    )]
    ClusterName,
    /// A name of an instance or key ring with other characters or another length.
    #[error(
        "the name of an instance or key ring has {MIN_ALIAS} to {MAX_CLUSTER_NAME} characters out of a-z 0-9 -, begins with a letter or digit and is no UUID"
    )]
    GroupName,
    /// A resource that is empty, too long or has control characters.
    #[error("a resource has 1 to {MAX_RESOURCE} bytes and no control characters")]
    Resource,
    /// A description that is too long or has control characters.
    #[error("a description has at most {MAX_DESCRIPTION} characters and no control characters")]
    Description,
    /// Too many labels.
    #[error("a key has at most {MAX_LABELS} labels; remove one first")]
    LabelCount,
    /// A label key with other characters or another length.
    #[error("the key of a label has 1 to {MAX_LABEL_KEY} characters out of A-Z a-z 0-9 . _ / -")]
    LabelKey,
    /// A label value that is too long or has control characters.
    #[error(
        "the value of a label has at most {MAX_LABEL_VALUE} characters and no control characters"
    )]
    LabelValue,
    /// A certificate name of another form.
    #[error(
        "a certificate names its holder as `conclave://CLUSTER/node/N`, `conclave://CLUSTER/operator/NAME` or `conclave://CLUSTER/principal/NAME`"
    )]
    CertName,
}

/// Checks an alias of a key. It never reads as a UUID in any of its spellings.
pub fn alias(name: &str) -> Result<(), NameError> {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || c == b'_' || c == b'-';
    if !(MIN_ALIAS..=MAX_ALIAS).contains(&name.len()) || !name.bytes().all(allowed) {
        return Err(NameError::Alias);
    }
    if Uuid::try_parse(name).is_ok() { Err(NameError::AliasIsUuid) } else { Ok(()) }
}

/// Checks the name of a principal or operator.
pub fn principal_name(name: &str) -> Result<(), NameError> {
    let allowed = |c: u8| {
        c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'.' | b'_' | b'@' | b'-')
    };
    let fits = (1..=MAX_PRINCIPAL_NAME).contains(&name.len()) && name.bytes().all(allowed);
    if fits { Ok(()) } else { Err(NameError::PrincipalName) }
}

/// Checks the name of a cluster.
pub fn cluster_name(name: &str) -> Result<(), NameError> {
    let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let fits = (1..=MAX_CLUSTER_NAME).contains(&name.len())
        && name.bytes().all(allowed)
        && !name.starts_with('-');
    if fits { Ok(()) } else { Err(NameError::ClusterName) }
}

/// Checks the name of an instance or of a key ring. It never reads as a UUID.
pub fn group_name(name: &str) -> Result<(), NameError> {
    let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let fits = (MIN_ALIAS..=MAX_CLUSTER_NAME).contains(&name.len())
        && name.bytes().all(allowed)
        && !name.starts_with('-');
    if fits && Uuid::try_parse(name).is_err() { Ok(()) } else { Err(NameError::GroupName) }
}

/// Checks the name of a registered resource.
pub fn resource(name: &str) -> Result<(), NameError> {
    let fits = (1..=MAX_RESOURCE).contains(&name.len()) && !name.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(NameError::Resource) }
}

/// Checks a description.
pub fn description(text: &str) -> Result<(), NameError> {
    if is_plain(text, MAX_DESCRIPTION) { Ok(()) } else { Err(NameError::Description) }
}

/// Checks all labels of a key.
pub fn labels<'a>(labels: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<(), NameError> {
    for (count, (key, value)) in labels.into_iter().enumerate() {
        if count == MAX_LABELS {
            return Err(NameError::LabelCount);
        }
        label(key, value)?;
    }
    Ok(())
}

/// Checks one label.
pub fn label(key: &str, value: &str) -> Result<(), NameError> {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'/' | b'-');
    if !(1..=MAX_LABEL_KEY).contains(&key.len()) || !key.bytes().all(allowed) {
        return Err(NameError::LabelKey);
    }
    if is_plain(value, MAX_LABEL_VALUE) { Ok(()) } else { Err(NameError::LabelValue) }
}

fn is_plain(text: &str, most: usize) -> bool {
    text.chars().count() <= most && !text.chars().any(char::is_control)
}

/// Whom a certificate names, in its one SAN of type URI.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CertName {
    /// `conclave://CLUSTER/node/N`: the node with this id, from 1.
    Node {
        /// The name of the cluster.
        cluster: String,
        /// `node.id` of the configuration.
        id: u64,
    },
    /// `conclave://CLUSTER/operator/NAME`: a person who may initialise the cluster.
    Operator {
        /// The name of the cluster.
        cluster: String,
        /// The operator's name.
        name: String,
    },
    /// `conclave://CLUSTER/principal/NAME`: a principal.
    Principal {
        /// The name of the cluster.
        cluster: String,
        /// The principal's name.
        name: String,
    },
}

impl CertName {
    /// Reads a SAN URI. There is exactly one spelling of each name.
    pub fn parse(uri: &str) -> Result<CertName, NameError> {
        let rest = uri.strip_prefix("conclave://").ok_or(NameError::CertName)?;
        let mut parts = rest.split('/');
        let (Some(cluster), Some(kind), Some(name), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NameError::CertName);
        };
        cluster_name(cluster).map_err(|_| NameError::CertName)?;
        let cluster = cluster.to_owned();
        if kind == "node" {
            let id = node_id(name).ok_or(NameError::CertName)?;
            return Ok(CertName::Node { cluster, id });
        }
        principal_name(name).map_err(|_| NameError::CertName)?;
        let name = name.to_owned();
        match kind {
            "operator" => Ok(CertName::Operator { cluster, name }),
            "principal" => Ok(CertName::Principal { cluster, name }),
            _ => Err(NameError::CertName),
        }
    }

    /// The cluster that the certificate is for.
    pub fn cluster(&self) -> &str {
        match self {
            CertName::Node { cluster, .. }
            | CertName::Operator { cluster, .. }
            | CertName::Principal { cluster, .. } => cluster,
        }
    }
}

impl fmt::Display for CertName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CertName::Node { cluster, id } => write!(f, "conclave://{cluster}/node/{id}"),
            CertName::Operator { cluster, name } => {
                write!(f, "conclave://{cluster}/operator/{name}")
            }
            CertName::Principal { cluster, name } => {
                write!(f, "conclave://{cluster}/principal/{name}")
            }
        }
    }
}

/// A decimal number from 1 without sign or leading zero.
fn node_id(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|c| c.is_ascii_digit()) && !text.starts_with('0');
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
