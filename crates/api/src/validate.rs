//! Fields of requests: every wrong one is INVALID_ARGUMENT with its name and what is allowed.

use crate::config::ApiConfig;
use crate::error::ApiError;
use crate::limits::{LIST_DEFAULT, LIST_MAX};
use conclave_core::command::{Algorithm, Subject};
use conclave_core::ids::{KeyId, PrincipalId, RequestId, TokenId};
use conclave_core::outcome::Thing;
use conclave_core::roles::{Action, Role};
use conclave_core::state::State;
use conclave_formats::names::{self, CertName};
use prost_types::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use uuid::Uuid;

mod groups;
mod policy;

pub(crate) use groups::{
    InstanceSelector, RingSelector, ScopeSelector, group_name, instance, ring, scope,
};
pub(crate) use policy::{millis, policy_change};

/// How a caller names a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeySelector {
    Id(KeyId),
    Alias(String),
}

impl fmt::Display for KeySelector {
    /// The canonical form: what request digests cover.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeySelector::Id(id) => id.fmt(f),
            KeySelector::Alias(alias) => f.write_str(alias),
        }
    }
}

/// How a caller names a principal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PrincipalSelector {
    Id(PrincipalId),
    Name(String),
}

impl fmt::Display for PrincipalSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PrincipalSelector::Id(id) => id.fmt(f),
            PrincipalSelector::Name(name) => f.write_str(name),
        }
    }
}

impl PrincipalSelector {
    /// The principal in a state.
    pub(crate) fn resolve(&self, state: &State<'_>) -> Result<PrincipalId, ApiError> {
        let found = match self {
            PrincipalSelector::Id(id) => Some(*id),
            PrincipalSelector::Name(name) => state.principal_named(name),
        };
        found.ok_or_else(|| ApiError::not_found(Thing::Principal, self))
    }
}

pub(crate) fn request_id(text: &str) -> Result<RequestId, ApiError> {
    Uuid::try_parse(text).map(RequestId).map_err(|_| {
        ApiError::field(
            "request_id",
            "a UUID is needed, new for each request and the same for its repeats",
        )
    })
}

pub(crate) fn key(text: &str) -> Result<KeySelector, ApiError> {
    if let Ok(id) = Uuid::try_parse(text) {
        return Ok(KeySelector::Id(KeyId(id)));
    }
    match names::alias(text) {
        Ok(()) => Ok(KeySelector::Alias(text.to_owned())),
        Err(error) => {
            Err(ApiError::field("key", format!("a key id (UUID) or an alias is needed; {error}")))
        }
    }
}

/// An optional key: empty is none.
pub(crate) fn optional_key(text: &str) -> Result<Option<KeySelector>, ApiError> {
    if text.is_empty() { Ok(None) } else { key(text).map(Some) }
}

pub(crate) fn alias(text: &str) -> Result<Option<String>, ApiError> {
    if text.is_empty() {
        return Ok(None);
    }
    names::alias(text).map_err(|error| ApiError::field("alias", error))?;
    Ok(Some(text.to_owned()))
}

pub(crate) fn algorithm(text: &str) -> Result<Algorithm, ApiError> {
    if text.is_empty() {
        return Ok(Algorithm::Aes256GcmSiv);
    }
    Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == text).ok_or_else(|| {
        let known: Vec<_> = Algorithm::ALL.iter().map(|algorithm| algorithm.name()).collect();
        ApiError::field("algorithm", format!("allowed is {}", known.join(", ")))
    })
}

/// An alias that is needed.
pub(crate) fn some_alias(text: &str) -> Result<String, ApiError> {
    names::alias(text).map_err(|error| ApiError::field("alias", error))?;
    Ok(text.to_owned())
}

pub(crate) fn resource(text: &str) -> Result<String, ApiError> {
    names::resource(text).map_err(|error| ApiError::field("resource", error))?;
    Ok(text.to_owned())
}

pub(crate) fn description(text: &str) -> Result<(), ApiError> {
    names::description(text).map_err(|error| ApiError::field("description", error))
}

/// Labels in the order of their names.
pub(crate) fn labels(
    field: &str,
    given: HashMap<String, String>,
) -> Result<BTreeMap<String, String>, ApiError> {
    let labels: BTreeMap<String, String> = given.into_iter().collect();
    names::labels(labels.iter().map(|(name, value)| (name.as_str(), value.as_str())))
        .map_err(|error| ApiError::field(field, error))?;
    Ok(labels)
}

/// Names of labels to remove, each once.
pub(crate) fn label_names(field: &str, given: Vec<String>) -> Result<Vec<String>, ApiError> {
    let unique: std::collections::BTreeSet<String> = given.into_iter().collect();
    names::labels(unique.iter().map(|name| (name.as_str(), "")))
        .map_err(|error| ApiError::field(field, error))?;
    Ok(unique.into_iter().collect())
}

pub(crate) fn principal_name(text: &str) -> Result<(), ApiError> {
    names::principal_name(text).map_err(|error| ApiError::field("name", error))
}

pub(crate) fn principal(text: &str) -> Result<PrincipalSelector, ApiError> {
    if let Ok(id) = Uuid::try_parse(text) {
        return Ok(PrincipalSelector::Id(PrincipalId(id)));
    }
    match names::principal_name(text) {
        Ok(()) => Ok(PrincipalSelector::Name(text.to_owned())),
        Err(error) => {
            Err(ApiError::field("principal", format!("an id (UUID) or a name is needed; {error}")))
        }
    }
}

/// Groups are named as principals are.
pub(crate) fn group(text: &str) -> Result<String, ApiError> {
    names::principal_name(text).map_err(|_| {
        ApiError::field(
            "group",
            "the name of a group has 1 to 64 characters out of a-z 0-9 . _ @ -",
        )
    })?;
    Ok(text.to_owned())
}

/// SAN URI of a principal's certificates; empty is none.
pub(crate) fn cert_san(text: &str, config: &ApiConfig) -> Result<Option<String>, ApiError> {
    if text.is_empty() {
        return Ok(None);
    }
    let cluster = &config.cluster_name;
    match CertName::parse(text) {
        Ok(CertName::Principal { cluster: of, .. }) if of == *cluster => Ok(Some(text.to_owned())),
        _ => Err(ApiError::field(
            "cert_san",
            format!("allowed is `conclave://{cluster}/principal/NAME`"),
        )),
    }
}

pub(crate) fn token_id(text: &str) -> Result<TokenId, ApiError> {
    Uuid::try_parse(text).map(TokenId).map_err(|_| {
        ApiError::field("token_id", "the id (UUID) of a token is needed, not the token itself")
    })
}

pub(crate) fn sha256(field: &str, bytes: &[u8]) -> Result<Option<[u8; 32]>, ApiError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let hash = bytes.try_into().map_err(|_| {
        ApiError::field(field, format!("32 bytes are needed, {} were given", bytes.len()))
    })?;
    Ok(Some(hash))
}

pub(crate) fn role(text: &str) -> Result<Role, ApiError> {
    text.parse().map_err(|error| ApiError::field("role", error))
}

pub(crate) fn action(text: &str) -> Result<Action, ApiError> {
    text.parse().map_err(|error| ApiError::field("action", error))
}

/// A subject of a role binding, still by name.
pub(crate) enum SubjectSelector {
    Principal(PrincipalSelector),
    Group(String),
}

impl SubjectSelector {
    /// The subject in a state.
    pub(crate) fn resolve(&self, state: &State<'_>) -> Result<Subject, ApiError> {
        match self {
            SubjectSelector::Principal(selector) => selector.resolve(state).map(Subject::Principal),
            SubjectSelector::Group(group) => Ok(Subject::Group(group.clone())),
        }
    }
}

impl fmt::Display for SubjectSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SubjectSelector::Principal(selector) => write!(f, "principal:{selector}"),
            SubjectSelector::Group(group) => write!(f, "group:{group}"),
        }
    }
}

/// The missing subject of a role binding.
pub(crate) fn no_subject() -> ApiError {
    ApiError::field("subject", "a principal or a group is needed")
}

/// Milliseconds since the Unix epoch.
pub(crate) fn time(field: &str, given: Option<Timestamp>) -> Result<Option<u64>, ApiError> {
    let Some(given) = given else { return Ok(None) };
    let wrong =
        || ApiError::field(field, "a time after 1970 with 0 to 999999999 nanoseconds is needed");
    let seconds = u64::try_from(given.seconds).map_err(|_| wrong())?;
    let nanos = u64::try_from(given.nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
    let millis = nanos.ok_or_else(wrong)? / 1_000_000;
    let total = seconds.checked_mul(1_000).and_then(|ms| ms.checked_add(millis));
    total.map(Some).ok_or_else(wrong)
}

/// Entries of one page.
pub(crate) fn limit(given: u32) -> Result<usize, ApiError> {
    match given {
        0 => Ok(LIST_DEFAULT as usize),
        1..=LIST_MAX => Ok(given as usize),
        _ => Err(ApiError::field(
            "limit",
            format!("allowed are 1 to {LIST_MAX}, or 0 for {LIST_DEFAULT}"),
        )),
    }
}

/// A cursor is the last id of the page before; empty is the start.
pub(crate) fn cursor(text: &str) -> Result<Option<Uuid>, ApiError> {
    if text.is_empty() {
        return Ok(None);
    }
    Uuid::try_parse(text)
        .map(Some)
        .map_err(|_| ApiError::field("cursor", "give `next_cursor` of the page before unchanged"))
}

/// A number with a default for 0 and bounds.
pub(crate) fn number<N>(
    field: &str,
    given: N,
    default: N,
    bounds: &std::ops::RangeInclusive<N>,
) -> Result<N, ApiError>
where
    N: PartialOrd + Default + Copy + fmt::Display,
{
    if given == N::default() {
        return Ok(default);
    }
    if bounds.contains(&given) {
        return Ok(given);
    }
    let (low, high) = (bounds.start(), bounds.end());
    Err(ApiError::field(
        field,
        format!("allowed are {low} to {high}, or 0 for {default}; {given} was given"),
    ))
}

#[cfg(test)]
mod tests;
