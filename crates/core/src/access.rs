//! Who may do what: the one place where credentials and roles are judged. Apply judges by the
//! records at its point of the log, the data plane by a view at or above its read barrier.

use crate::command::{Caller, CredentialRef, Scope, Subject};
use crate::ids::{InstanceId, KeyId, PrincipalId, RingId, TokenId};
use crate::model::{BindingRecord, KeyRecord, PrincipalRecord, TokenRecord};
use crate::mutants::Mutant;
use crate::outcome::{Refusal, Thing};
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
    /// Shows the bindings of one subject.
    fn each_binding(&self, subject: &Subject, see: &mut dyn FnMut(&BindingRecord));
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

    fn each_binding(&self, subject: &Subject, see: &mut dyn FnMut(&BindingRecord)) {
        self.bindings_of(subject).iter().for_each(see);
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

/// On what something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// The cluster itself.
    Cluster,
    /// An instance.
    Instance(InstanceId),
    /// A key ring.
    Ring(InstanceId, RingId),
    /// A key, where it lies.
    Key(InstanceId, RingId, KeyId),
    /// A key that does not exist.
    UnknownKey,
}

impl Resource {
    /// A key, where it lies.
    pub fn of_key(key: &KeyRecord) -> Resource {
        Resource::Key(key.instance, key.ring, key.id)
    }

    /// The key with this id, or none.
    pub fn of_key_id(state: &State<'_>, id: KeyId) -> Resource {
        state.key(id).map_or(Resource::UnknownKey, |key| Resource::of_key(&key))
    }

    /// What a scope stands for.
    pub fn of_scope(state: &State<'_>, scope: Scope) -> Resource {
        match scope {
            Scope::Cluster => Resource::Cluster,
            Scope::Instance(instance) => Resource::Instance(instance),
            Scope::Ring(instance, ring) => Resource::Ring(instance, ring),
            Scope::Key(key) => Resource::of_key_id(state, key),
        }
    }

    /// Whether what is bound in `scope` holds here.
    pub fn is_in(self, scope: Scope) -> bool {
        let (instance, ring, key) = match self {
            Resource::Cluster | Resource::UnknownKey => (None, None, None),
            Resource::Instance(instance) => (Some(instance), None, None),
            Resource::Ring(instance, ring) => (Some(instance), Some(ring), None),
            Resource::Key(instance, ring, key) => (Some(instance), Some(ring), Some(key)),
        };
        match scope {
            Scope::Cluster => true,
            Scope::Instance(of) => instance == Some(of),
            Scope::Ring(of, in_ring) => (instance, ring) == (Some(of), Some(in_ring)),
            Scope::Key(of) => key == Some(of),
        }
    }

    /// As what it is missing to those who may not see it.
    fn thing(self) -> Thing {
        match self {
            Resource::Cluster | Resource::Instance(_) => Thing::Instance,
            Resource::Ring(..) => Thing::Ring,
            Resource::Key(..) | Resource::UnknownKey => Thing::Key,
        }
    }
}

/// Proof that a role of the caller permits `action` on a resource: only [`authorize`] makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authorized {
    action: Action,
    on: Resource,
    by: Option<Role>,
}

impl Authorized {
    /// What is permitted.
    pub fn action(self) -> Action {
        self.action
    }

    /// On what.
    pub fn on(self) -> Resource {
        self.on
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
        Caller::Operator { .. } | Caller::Custodian | Caller::Cluster => BTreeSet::new(),
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

/// Checks that a role of the caller permits `action` on a resource at `now_ms`. Default is deny.
///
/// What lies outside of all that the caller's roles are bound to answers as if it did not exist; but that
/// there is a cluster is no secret. Who holds no role at all learns nothing of what exists, and is told
/// so.
///
/// # Errors
/// [`Refusal::PermissionDenied`] or [`Refusal::NotFound`].
pub fn authorize(
    facts: &dyn AccessFacts,
    who: &Authenticated,
    action: Action,
    on: Resource,
    now_ms: u64,
) -> Result<Authorized, Refusal> {
    let denied = Refusal::PermissionDenied { action };
    let principal = match &who.caller {
        Caller::Principal { principal, .. } => *principal,
        // The holder of an operator certificate sees how the cluster is; nothing more by role.
        Caller::Operator { .. } if action == Action::Status => {
            return Ok(Authorized { action, on, by: Some(Role::Operator) });
        }
        Caller::Operator { .. } | Caller::Custodian | Caller::Cluster => return Err(denied),
    };
    if action == Action::Random {
        return Ok(Authorized { action, on, by: None });
    }
    let (mut by, mut holds_any, mut holds_here) = (None, false, false);
    each_role(facts, principal, &who.groups, now_ms, &mut |role, scope| {
        // Whoever has a role anywhere sees how the cluster is.
        let here = on.is_in(scope) || action == Action::Status;
        holds_any = true;
        holds_here |= here;
        if here && role.permits(action) {
            by = by.min(Some(role)).or(Some(role));
        }
    });
    match by {
        Some(role) => Ok(Authorized { action, on, by: Some(role) }),
        None if holds_here || !holds_any || on == Resource::Cluster => Err(denied),
        None => Err(Refusal::NotFound { what: on.thing() }),
    }
}

/// Shows the roles that a principal holds at `now_ms`, by itself and through its groups, and where.
fn each_role(
    facts: &dyn AccessFacts,
    principal: PrincipalId,
    groups: &BTreeSet<String>,
    now_ms: u64,
    see: &mut dyn FnMut(Role, Scope),
) {
    let mut see = |binding: &BindingRecord| {
        if binding.until_ms.is_none_or(|end| now_ms < end) {
            see(binding.grant.role, binding.grant.scope);
        }
    };
    facts.each_binding(&Subject::Principal(principal), &mut see);
    for group in groups {
        facts.each_binding(&Subject::Group(group.clone()), &mut see);
    }
}

/// The roles that a principal holds at one moment, by itself and through its groups.
#[derive(Clone, Debug)]
pub struct Held(BTreeSet<(Role, Scope)>);

impl Held {
    /// The roles that `principal` holds at `now_ms`.
    pub fn by(
        facts: &dyn AccessFacts,
        principal: PrincipalId,
        groups: &BTreeSet<String>,
        now_ms: u64,
    ) -> Held {
        let mut held = BTreeSet::new();
        each_role(facts, principal, groups, now_ms, &mut |role, scope| {
            held.insert((role, scope));
        });
        Held(held)
    }

    /// The roles that a caller holds at `now_ms`.
    pub fn of(facts: &dyn AccessFacts, who: &Authenticated, now_ms: u64) -> Held {
        Held::by(facts, who.caller.principal(), &who.groups, now_ms)
    }

    /// Whether a role permits `action` on a resource, see [`authorize`].
    ///
    /// # Errors
    /// [`Refusal::PermissionDenied`] or [`Refusal::NotFound`].
    pub fn permit(&self, action: Action, on: Resource) -> Result<Authorized, Refusal> {
        match self.on(on).find(|role| role.permits(action)) {
            Some(role) => Ok(Authorized { action, on, by: Some(role) }),
            None if self.0.is_empty()
                || on == Resource::Cluster
                || self.on(on).next().is_some() =>
            {
                Err(Refusal::PermissionDenied { action })
            }
            None => Err(Refusal::NotFound { what: on.thing() }),
        }
    }

    /// The roles that hold on a resource.
    pub fn on(&self, on: Resource) -> impl Iterator<Item = Role> {
        self.0.iter().filter(move |(_, scope)| on.is_in(*scope)).map(|(role, _)| *role)
    }

    /// Where a role permits `action`.
    pub fn scopes(&self, action: Action) -> impl Iterator<Item = Scope> {
        self.0.iter().filter(move |(role, _)| role.permits(action)).map(|(_, scope)| *scope)
    }
}
