//! Who may do what: the one place where credentials and roles are judged. Apply judges by the
//! records at its point of the log, the data plane by a view at or above its read barrier.

use crate::command::{Caller, CredentialRef, Scope, Subject};
use crate::ids::{PrincipalId, TokenId};
use crate::model::{BindingRecord, PrincipalRecord, TokenRecord};
use crate::mutants::Mutant;
use crate::outcome::Refusal;
use crate::roles::{Action, Role};
use crate::state::State;
use std::collections::BTreeSet;

/// What the judgement needs to know. Answers come from one state.
pub trait AccessFacts {
    /// A principal.
    fn principal(&self, id: PrincipalId) -> Option<PrincipalRecord>;
    /// A token.
    fn token(&self, id: TokenId) -> Option<TokenRecord>;
    /// The principal for which a certificate with this SAN URI stands.
    fn principal_of_certificate(&self, uri: &str) -> Option<PrincipalId>;
    /// The bindings of one subject.
    fn bindings_of(&self, subject: &Subject) -> Vec<BindingRecord>;
}

impl AccessFacts for State<'_> {
    fn principal(&self, id: PrincipalId) -> Option<PrincipalRecord> {
        State::principal(self, id)
    }

    fn token(&self, id: TokenId) -> Option<TokenRecord> {
        State::token(self, id)
    }

    fn principal_of_certificate(&self, uri: &str) -> Option<PrincipalId> {
        State::principal_of_certificate(self, uri)
    }

    fn bindings_of(&self, subject: &Subject) -> Vec<BindingRecord> {
        State::bindings_of(self, subject)
    }
}

/// A caller whose credential is valid: only [`authenticate`] makes one.
#[derive(Clone, Debug)]
pub struct Authenticated {
    caller: Caller,
    groups: BTreeSet<String>,
}

impl Authenticated {
    /// The caller.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }
}

/// Proof that a role of the caller permits `action`: only [`authorize`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authorized {
    action: Action,
    by: Option<Role>,
}

impl Authorized {
    /// What is permitted.
    pub fn action(self) -> Action {
        self.action
    }

    /// The first role that permits it; `None`: any authenticated caller may.
    pub fn by(self) -> Option<Role> {
        self.by
    }
}

/// Checks that the caller's credential is valid at `now_ms` (milliseconds since the Unix epoch).
///
/// # Errors
/// [`Refusal::CredentialInvalid`] or [`Refusal::CredentialExpired`].
pub fn authenticate(
    facts: &dyn AccessFacts,
    caller: &Caller,
    now_ms: u64,
) -> Result<Authenticated, Refusal> {
    let groups = match caller {
        Caller::Operator { .. } | Caller::Custodian => BTreeSet::new(),
        Caller::Principal { principal, credential } => {
            let record = facts.principal(*principal).ok_or(Refusal::CredentialInvalid)?;
            if !Mutant::TrustCredential.active() {
                if record.disabled {
                    return Err(Refusal::CredentialInvalid);
                }
                check_credential(facts, *principal, credential, now_ms)?;
            }
            record.groups
        }
    };
    Ok(Authenticated { caller: caller.clone(), groups })
}

fn check_credential(
    facts: &dyn AccessFacts,
    principal: PrincipalId,
    credential: &CredentialRef,
    now_ms: u64,
) -> Result<(), Refusal> {
    match credential {
        CredentialRef::Token(id) => {
            let token = facts.token(*id).ok_or(Refusal::CredentialInvalid)?;
            if token.revoked || token.principal != principal {
                return Err(Refusal::CredentialInvalid);
            }
            // A right that ends is over at its end, not after it.
            if token.expires_at_ms.is_some_and(|end| now_ms >= end) {
                return Err(Refusal::CredentialExpired);
            }
            Ok(())
        }
        CredentialRef::Certificate(uri) => match facts.principal_of_certificate(uri) {
            Some(owner) if owner == principal => Ok(()),
            _ => Err(Refusal::CredentialInvalid),
        },
    }
}

/// Checks that a role of the caller permits `action` at `now_ms`. Default is deny.
///
/// # Errors
/// [`Refusal::PermissionDenied`].
pub fn authorize(
    facts: &dyn AccessFacts,
    who: &Authenticated,
    action: Action,
    now_ms: u64,
) -> Result<Authorized, Refusal> {
    let denied = Refusal::PermissionDenied { action };
    let principal = match &who.caller {
        Caller::Principal { principal, .. } => *principal,
        // The holder of an operator certificate sees how the cluster is; nothing more by role.
        Caller::Operator { .. } if action == Action::Status => {
            return Ok(Authorized { action, by: Some(Role::Operator) });
        }
        Caller::Operator { .. } | Caller::Custodian => return Err(denied),
    };
    if action == Action::Random {
        return Ok(Authorized { action, by: None });
    }
    roles_of(facts, principal, &who.groups, now_ms)
        .into_iter()
        .find(|role| role.permits(action))
        .map(|role| Authorized { action, by: Some(role) })
        .ok_or(denied)
}

/// The roles that a principal holds at `now_ms`, by itself and through its groups.
pub fn roles_of(
    facts: &dyn AccessFacts,
    principal: PrincipalId,
    groups: &BTreeSet<String>,
    now_ms: u64,
) -> BTreeSet<Role> {
    let own = std::iter::once(Subject::Principal(principal));
    let shared = groups.iter().cloned().map(Subject::Group);
    own.chain(shared)
        .flat_map(|subject| facts.bindings_of(&subject))
        .filter(|binding| binding.until_ms.is_none_or(|end| now_ms < end))
        .filter(|binding| matches!(binding.grant.scope, Scope::Cluster))
        .map(|binding| binding.grant.role)
        .collect()
}
