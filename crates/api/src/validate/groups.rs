//! Instances, key rings and scopes, as callers name them.

use super::{KeySelector, key};
use crate::error::ApiError;
use conclave_core::ids::{InstanceId, RingId};
use conclave_core::instances::DEFAULT;
use conclave_formats::names;
use std::fmt;
use uuid::Uuid;

/// How a caller names an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum InstanceSelector {
    Id(InstanceId),
    Name(String),
}

impl fmt::Display for InstanceSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InstanceSelector::Id(id) => id.fmt(f),
            InstanceSelector::Name(name) => f.write_str(name),
        }
    }
}

/// How a caller names a key ring of the instance at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RingSelector {
    Id(RingId),
    Name(String),
}

impl fmt::Display for RingSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RingSelector::Id(id) => id.fmt(f),
            RingSelector::Name(name) => f.write_str(name),
        }
    }
}

/// Where a role is to hold, still by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ScopeSelector {
    Cluster,
    Instance(InstanceSelector),
    Ring(RingSelector),
    Key(KeySelector),
}

impl fmt::Display for ScopeSelector {
    /// The canonical form: what request digests cover.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ScopeSelector::Cluster => f.write_str("cluster"),
            ScopeSelector::Instance(instance) => write!(f, "instance:{instance}"),
            ScopeSelector::Ring(ring) => write!(f, "ring:{ring}"),
            ScopeSelector::Key(key) => write!(f, "key:{key}"),
        }
    }
}

pub(crate) fn instance(field: &str, text: &str) -> Result<InstanceSelector, ApiError> {
    if let Ok(id) = Uuid::try_parse(text) {
        return Ok(InstanceSelector::Id(InstanceId(id)));
    }
    match names::group_name(text) {
        Ok(()) => Ok(InstanceSelector::Name(text.to_owned())),
        Err(error) => {
            Err(ApiError::field(field, format!("an id (UUID) or a name is needed; {error}")))
        }
    }
}

/// A key ring; empty is `default`.
pub(crate) fn ring(text: &str) -> Result<RingSelector, ApiError> {
    if text.is_empty() {
        return Ok(RingSelector::Name(DEFAULT.to_owned()));
    }
    if let Ok(id) = Uuid::try_parse(text) {
        return Ok(RingSelector::Id(RingId(id)));
    }
    match names::group_name(text) {
        Ok(()) => Ok(RingSelector::Name(text.to_owned())),
        Err(error) => {
            Err(ApiError::field("ring", format!("an id (UUID) or a name is needed; {error}")))
        }
    }
}

/// The name of a new instance or key ring.
pub(crate) fn group_name(text: &str) -> Result<String, ApiError> {
    names::group_name(text).map_err(|error| ApiError::field("name", error))?;
    Ok(text.to_owned())
}

pub(crate) fn scope(text: &str) -> Result<ScopeSelector, ApiError> {
    let within = |error: ApiError| ApiError::field("scope", error.message());
    match text.split_once(':') {
        None if matches!(text, "" | "cluster") => Ok(ScopeSelector::Cluster),
        Some(("instance", name)) => {
            instance("instance", name).map(ScopeSelector::Instance).map_err(within)
        }
        Some(("ring", name)) if !name.is_empty() => {
            ring(name).map(ScopeSelector::Ring).map_err(within)
        }
        Some(("key", name)) => key(name).map(ScopeSelector::Key).map_err(within),
        _ => Err(ApiError::field(
            "scope",
            "allowed are `cluster` (the default), `instance:I`, `ring:R` and `key:K`",
        )),
    }
}
