//! Who a caller says it is, and which principal that is in a view. Nothing here reaches the log.

use crate::config::ApiConfig;
use crate::error::ApiError;
use crate::identity::PeerIdentity;
use conclave_core::access::AccessFacts;
use conclave_core::command::{Caller, CredentialRef};
use conclave_core::ids::TokenId;
use conclave_core::outcome::Refusal;
use conclave_core::reason::Reason;
use conclave_core::view::View;
use conclave_crypto::token;
use conclave_formats::names::CertName;
use conclave_formats::token::Token;
use http::HeaderMap;
use http::header::AUTHORIZATION;

const SHOW_ONE: &str =
    "show a token (--token-file) or a client certificate (--client-cert, --client-key)";

/// What a caller shows, read but not yet checked against the state.
pub(crate) enum Claim {
    /// Nothing that names anybody.
    Nothing,
    /// An API token; goes before a certificate.
    Token(Token),
    /// A certificate of a principal: its SAN URI.
    Principal(String),
    /// An operator certificate of this cluster that the configuration accepts: its name.
    Operator(String),
}

impl Claim {
    /// Reads what the caller shows.
    pub(crate) fn of(
        headers: &HeaderMap,
        peer: &PeerIdentity,
        config: &ApiConfig,
    ) -> Result<Claim, ApiError> {
        if let Some(value) = headers.get(AUTHORIZATION) {
            let text = value.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
            let text =
                text.ok_or_else(|| unauthenticated("the authorization is not `Bearer TOKEN`"))?;
            return Token::parse(text)
                .map(Claim::Token)
                .map_err(|e| unauthenticated(e.to_string()));
        }
        of_certificate(peer, config)
    }

    /// Whether anything is shown.
    pub(crate) fn is_nothing(&self) -> bool {
        matches!(self, Claim::Nothing)
    }

    /// The caller for whom this stands in `view`. Whether its credential is still good is judged by
    /// [`conclave_core::access::authenticate`].
    pub(crate) fn identify(&self, view: &View, peer: &PeerIdentity) -> Result<Caller, ApiError> {
        match self {
            Claim::Nothing => Err(missing()),
            Claim::Operator(name) => Ok(Caller::Operator { name: name.clone() }),
            Claim::Principal(uri) => {
                let principal = view.principal_of_certificate(uri).ok_or_else(|| {
                    unauthenticated(format!("no principal has the certificate name {uri}"))
                })?;
                let credential = CredentialRef::Certificate(uri.clone());
                Ok(Caller::Principal { principal, credential })
            }
            Claim::Token(shown) => holder(shown, view, peer),
        }
    }
}

/// The operator whose certificate is shown, whatever else is: init asks for nothing but this.
pub(crate) fn operator_of(
    peer: &PeerIdentity,
    config: &ApiConfig,
) -> Result<Option<String>, ApiError> {
    match of_certificate(peer, config)? {
        Claim::Operator(name) => Ok(Some(name)),
        _ => Ok(None),
    }
}

fn of_certificate(peer: &PeerIdentity, config: &ApiConfig) -> Result<Claim, ApiError> {
    match peer.certificate.as_ref().and_then(|certificate| certificate.name.as_ref()) {
        None => Ok(Claim::Nothing),
        Some(name) if name.cluster() != config.cluster_name => Err(unauthenticated(format!(
            "the client certificate is for the cluster {}, this is {}",
            name.cluster(),
            config.cluster_name
        ))),
        Some(CertName::Node { .. }) => Ok(Claim::Nothing),
        Some(uri @ CertName::Principal { .. }) => Ok(Claim::Principal(uri.to_string())),
        Some(CertName::Operator { name, .. }) => operator(name, config),
    }
}

/// The principal whose token it is. An unknown id takes the same work as a wrong secret.
fn holder(shown: &Token, view: &View, peer: &PeerIdentity) -> Result<Caller, ApiError> {
    let id = TokenId(shown.token_id());
    let record = view.token(id);
    let stored = record.as_ref().map_or([0; 32], |record| record.hash);
    let matches = token::matches(shown, &stored);
    let record = record.filter(|_| matches).ok_or(Refusal::CredentialInvalid)?;
    if let Some(bound) = record.bound_certificate
        && peer.certificate.as_ref().map(|certificate| certificate.sha256) != Some(bound)
    {
        return Err(unauthenticated("the token works only beside the certificate it is bound to"));
    }
    Ok(Caller::Principal { principal: record.principal, credential: CredentialRef::Token(id) })
}

fn operator(name: &str, config: &ApiConfig) -> Result<Claim, ApiError> {
    if config.operators.is_empty() || config.operators.iter().any(|known| known == name) {
        return Ok(Claim::Operator(name.to_owned()));
    }
    Err(unauthenticated(format!(
        "the operator certificate {name} is not one that this node's configuration names"
    )))
}

/// The caller shows nothing where something is needed.
pub(crate) fn missing() -> ApiError {
    unauthenticated("no credential was shown")
}

fn unauthenticated(message: impl Into<std::borrow::Cow<'static, str>>) -> ApiError {
    ApiError::new(Reason::Unauthenticated, message, SHOW_ONE)
}
