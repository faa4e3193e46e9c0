//! Commands on principals, tokens and role bindings.

use crate::access::{Authenticated, Held, Resource};
use crate::command::{Caller, CreateToken, Grant, Scope, Subject};
use crate::ids::{PrincipalId, TokenId};
use crate::limits;
use crate::model::{BindingRecord, PrincipalRecord, TokenRecord};
use crate::mutants::Mutant;
use crate::outcome::{Bounded, Effect, Refusal, Thing};
use crate::seal;
use crate::state::{State, StateMut};
use crate::step::Context;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Creates a principal.
pub(crate) fn create(
    state: &mut StateMut<'_>,
    id: PrincipalId,
    name: &str,
    certificate: Option<&String>,
) -> Result<Effect, Refusal> {
    seal::confirmed(state)?;
    let read = state.read();
    if read.principal(id).is_some() || read.principal_named(name).is_some() {
        return Err(Refusal::AlreadyExists { what: Thing::Principal });
    }
    if certificate.is_some_and(|uri| read.principal_of_certificate(uri).is_some()) {
        return Err(Refusal::AlreadyExists { what: Thing::Certificate });
    }
    Bounded::NameBytes.check(name.len(), limits::NAME_BYTES)?;
    let uri_len = certificate.map_or(0, String::len);
    Bounded::CertificateBytes.check(uri_len, limits::CERTIFICATE_URI_BYTES)?;
    state.put_principal(&PrincipalRecord {
        id,
        name: name.to_owned(),
        disabled: false,
        groups: BTreeSet::new(),
        certificate: certificate.cloned(),
        tokens: 0,
    });
    Ok(Effect::Principal(id))
}

/// Switches all credentials of a principal off.
pub(crate) fn disable(state: &mut StateMut<'_>, principal: PrincipalId) -> Result<Effect, Refusal> {
    seal::confirmed(state)?;
    let mut record = find(state, principal)?;
    record.disabled = true;
    state.put_principal(&record);
    Ok(Effect::Principal(principal))
}

/// Adds to or removes from a group. Joining a group takes over its roles, so nobody changes their
/// own groups: that would be a way around the rule that nobody binds a role to themselves.
pub(crate) fn set_group_member(
    state: &mut StateMut<'_>,
    context: &Context,
    group: &str,
    principal: PrincipalId,
    member: bool,
) -> Result<Effect, Refusal> {
    if principal == context.principal && !Mutant::SelfGrant.active() {
        return Err(Refusal::SelfGrant);
    }
    seal::confirmed(state)?;
    let mut record = find(state, principal)?;
    if member {
        Bounded::NameBytes.check(group.len(), limits::NAME_BYTES)?;
        record.groups.insert(group.to_owned());
        Bounded::Groups.check(record.groups.len(), limits::GROUPS_PER_PRINCIPAL)?;
    } else {
        record.groups.remove(group);
    }
    state.put_principal(&record);
    Ok(Effect::Principal(principal))
}

/// Creates a token.
pub(crate) fn create_token(
    state: &mut StateMut<'_>,
    context: &Context,
    command: &CreateToken,
) -> Result<Effect, Refusal> {
    seal::confirmed(state)?;
    let mut owner = find(state, command.principal)?;
    if state.read().token(command.token).is_some() {
        return Err(Refusal::AlreadyExists { what: Thing::Token });
    }
    owner.tokens += 1;
    Bounded::Tokens.check(owner.tokens as usize, limits::TOKENS_PER_PRINCIPAL)?;
    state.put_principal(&owner);
    let token = TokenRecord {
        id: command.token,
        principal: command.principal,
        hash: command.hash,
        created_at_ms: context.unscaled_ms,
        expires_at_ms: Some(context.unscaled_ms.saturating_add(command.ttl_ms)),
        revoked: false,
        bound_certificate: command.bound_certificate,
    };
    state.put_token(&token);
    Ok(Effect::Token { token: token.id, expires_at_ms: token.expires_at_ms })
}

/// Revokes a token. Revoking twice is no error: the second caller wants the same.
pub(crate) fn revoke_token(state: &mut StateMut<'_>, id: TokenId) -> Result<Effect, Refusal> {
    seal::confirmed(state)?;
    let mut token = state.read().token(id).ok_or(Refusal::NotFound { what: Thing::Token })?;
    if !token.revoked {
        token.revoked = true;
        state.put_token(&token);
        if let Some(mut owner) = state.read().principal(token.principal) {
            owner.tokens = owner.tokens.saturating_sub(1);
            state.put_principal(&owner);
        }
    }
    Ok(Effect::Token { token: id, expires_at_ms: token.expires_at_ms })
}

/// Binds a role.
pub(crate) fn bind(
    state: &mut StateMut<'_>,
    context: &Context,
    who: &Authenticated,
    binding: BindingRecord,
) -> Result<Effect, Refusal> {
    check_grant(state, context, who, &binding.grant)?;
    scope_exists(&state.read(), binding.grant.scope)?;
    if let Subject::Group(group) = &binding.grant.subject {
        Bounded::NameBytes.check(group.len(), limits::NAME_BYTES)?;
    }
    if state.read().binding(&binding.grant).is_none() {
        let bound = state.read().bindings_of(&binding.grant.subject).len();
        Bounded::Bindings.check(bound + 1, limits::BINDINGS_PER_SUBJECT)?;
    }
    state.put_binding(&binding);
    Ok(Effect::Binding(binding.id))
}

/// Takes a role away.
pub(crate) fn unbind(
    state: &mut StateMut<'_>,
    context: &Context,
    who: &Authenticated,
    grant: &Grant,
) -> Result<Effect, Refusal> {
    check_grant(state, context, who, grant)?;
    let binding = state.read().binding(grant).ok_or(Refusal::NotFound { what: Thing::Binding })?;
    state.delete_binding(grant);
    Ok(Effect::Binding(binding.id))
}

/// The rules of granting: the subject exists, is not the caller (by itself or through a group), and
/// the caller may grant the role.
fn check_grant(
    state: &StateMut<'_>,
    context: &Context,
    who: &Authenticated,
    grant: &Grant,
) -> Result<(), Refusal> {
    let Caller::Principal { principal, .. } = who.caller() else {
        return Err(Refusal::WrongCaller);
    };
    let read = state.read();
    let own = read.principal(*principal).map(|record| record.groups).unwrap_or_default();
    let oneself = match &grant.subject {
        Subject::Principal(subject) => subject == principal,
        Subject::Group(group) => own.contains(group),
    };
    if oneself && !Mutant::SelfGrant.active() {
        return Err(Refusal::SelfGrant);
    }
    let held = Held::by(&read, *principal, &own, context.unscaled_ms);
    let on = Resource::of_scope(&read, grant.scope);
    if !held.on(on).any(|role| role.may_grant(grant.role)) {
        return Err(Refusal::GrantNotHeld { role: grant.role });
    }
    if grant.role.is_for_the_cluster_only() && grant.scope != Scope::Cluster {
        return Err(Refusal::RoleScope { role: grant.role });
    }
    seal::confirmed(state)?;
    if let Subject::Principal(subject) = &grant.subject {
        find(state, *subject)?;
    }
    Ok(())
}

/// A role is bound to something that is there. What is gone keeps its bindings: its id never comes back.
fn scope_exists(read: &State<'_>, scope: Scope) -> Result<(), Refusal> {
    let (exists, what) = match scope {
        Scope::Cluster => (true, Thing::Instance),
        Scope::Instance(id) => (read.instance(id).is_some(), Thing::Instance),
        Scope::Ring(instance, ring) => (read.ring(instance, ring).is_some(), Thing::Ring),
        Scope::Key(id) => (read.key(id).is_some(), Thing::Key),
    };
    if exists { Ok(()) } else { Err(Refusal::NotFound { what }) }
}

fn find(state: &StateMut<'_>, id: PrincipalId) -> Result<PrincipalRecord, Refusal> {
    state.read().principal(id).ok_or(Refusal::NotFound { what: Thing::Principal })
}

/// The id and grant of a new binding.
pub(crate) fn binding(grant: &Grant, id: Uuid, until_ms: Option<u64>) -> BindingRecord {
    BindingRecord { id, grant: grant.clone(), until_ms }
}
