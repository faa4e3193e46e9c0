//! Commands of the seal: init, ceremonies over share commitments, seal. Shares themselves never come
//! here; the node that proposes has checked them against the commitments.

use crate::command::{Caller, CompleteUnseal, Grant, InitializeSeal, RecordShare, Scope, Subject};
use crate::ids::PrincipalId;
use crate::instances;
use crate::limits;
use crate::model::{BindingRecord, CeremonyRecord, PrincipalRecord, SealRecord, TokenRecord};
use crate::outcome::{Bounded, Effect, Refusal, Thing};
use crate::roles::Role;
use crate::state::StateMut;
use crate::step::Context;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Name of the first principal.
pub const ADMIN: &str = "admin";

/// Writes the seal. Before confirmation a crash or a lost answer leaves a cluster that can be
/// initialized again; after it, never twice.
pub(crate) fn initialize(
    state: &mut StateMut<'_>,
    context: &Context,
    caller: &Caller,
    command: &InitializeSeal,
) -> Result<Effect, Refusal> {
    if !matches!(caller, Caller::Operator { .. }) {
        return Err(Refusal::WrongCaller);
    }
    let before = state.read().seal();
    if before.as_ref().is_some_and(|seal| seal.confirmed) {
        return Err(Refusal::AlreadyInitialized);
    }
    let epoch = before.as_ref().map_or(1, |seal| seal.epoch + 1);
    let keyspace = before.as_ref().map_or(command.keyspace, |seal| seal.keyspace);
    check_shares(command)?;
    // The node prepared the command for what it saw; another init came first.
    if command.epoch != epoch || command.keyspace != keyspace {
        return Err(Refusal::Superseded);
    }
    if let Some(before) = &before {
        remove_first_admin(state, before);
    }
    let admin_expires_at_ms = add_first_admin(state, context, command);
    if before.is_none() {
        instances::create_default(state, context, command.instance, command.admin.principal);
    }
    state.put_seal(&SealRecord {
        keyspace,
        epoch,
        threshold: command.threshold,
        commitments: command.commitments.clone(),
        check_value: command.check_value.clone(),
        wrapping_keys: vec![command.wrapping_key.clone()],
        confirmed: false,
        generation: before.map_or(1, |seal| seal.generation + 1),
        last_proven_ms: vec![None; command.commitments.len()],
        ceremony: None,
        first_admin: (command.admin.principal, command.admin.token),
    });
    Ok(Effect::SealInitialized { admin_expires_at_ms })
}

/// Records a good share.
pub(crate) fn record_share(
    state: &mut StateMut<'_>,
    context: &Context,
    command: &RecordShare,
) -> Result<Effect, Refusal> {
    let mut seal = current(state, command.epoch)?;
    let mut ceremony = match seal.ceremony.take() {
        Some(running) if running.id == command.ceremony => running,
        Some(running)
            if context.unscaled_ms < running.expires_at_ms
                && command.replaces != Some(running.id) =>
        {
            let (collector, ceremony) = (running.collector, running.id);
            return Err(Refusal::CeremonyElsewhere { collector, ceremony });
        }
        // None, expired, or its collector is lost: this share opens a new one.
        _ => CeremonyRecord {
            id: command.ceremony,
            collector: command.collector,
            accepted: BTreeSet::new(),
            expires_at_ms: context.unscaled_ms.saturating_add(limits::CEREMONY_MS),
        },
    };
    if context.unscaled_ms >= ceremony.expires_at_ms {
        return Err(Refusal::CeremonyOver);
    }
    if shares_of(&seal, &[command.index]).is_empty() {
        return Err(Refusal::NotFound { what: Thing::Share });
    }
    if !ceremony.accepted.insert(command.index) {
        let (index, accepted) = (command.index, ceremony.accepted);
        return Err(Refusal::ShareRepeated { index, accepted, needed: seal.threshold });
    }
    let (id, accepted, needed) = (ceremony.id, ceremony.accepted.clone(), seal.threshold);
    seal.ceremony = Some(ceremony);
    state.put_seal(&seal);
    Ok(Effect::ShareRecorded { ceremony: id, accepted, needed })
}

/// Records that a collector has recombined the root key; the first time, that confirms the init.
pub(crate) fn complete_unseal(
    state: &mut StateMut<'_>,
    context: &Context,
    command: &CompleteUnseal,
) -> Result<Effect, Refusal> {
    let mut seal = current(state, command.epoch)?;
    if seal.ceremony.as_ref().map(|running| running.id) != Some(command.ceremony) {
        return Err(Refusal::CeremonyOver);
    }
    let proven = shares_of(&seal, &command.indexes);
    if proven.len() < usize::from(seal.threshold) {
        let given = u8::try_from(proven.len()).unwrap_or(u8::MAX);
        return Err(Refusal::ThresholdNotMet { given, needed: seal.threshold });
    }
    seal.ceremony = None;
    seal.confirmed = true;
    for index in proven {
        seal.last_proven_ms[usize::from(index) - 1] = Some(context.unscaled_ms);
    }
    state.put_seal(&seal);
    Ok(Effect::UnsealRecorded)
}

/// Raises the seal generation: what was unwrapped under an older one is worthless on every node that
/// applies this.
pub(crate) fn seal(state: &mut StateMut<'_>) -> Result<Effect, Refusal> {
    let mut seal = state.read().seal().ok_or(Refusal::NotInitialized)?;
    seal.generation += 1;
    seal.ceremony = None;
    state.put_seal(&seal);
    Ok(Effect::Sealed { generation: seal.generation })
}

/// A threshold that no shares can reach would leave a cluster that can never be confirmed; one of
/// zero, a cluster that anybody confirms.
fn check_shares(command: &InitializeSeal) -> Result<(), Refusal> {
    let shares = command.commitments.len();
    if shares == 0 {
        return Err(Refusal::Limit { what: Bounded::Shares, limit: limits::SHARES as u64 });
    }
    Bounded::Shares.check(shares, limits::SHARES)?;
    if command.threshold == 0 {
        return Err(Refusal::Limit { what: Bounded::Threshold, limit: shares as u64 });
    }
    Bounded::Threshold.check(usize::from(command.threshold), shares)
}

/// The different ones among `indexes` that are indexes of dealt shares.
fn shares_of(seal: &SealRecord, indexes: &[u8]) -> BTreeSet<u8> {
    indexes.iter().copied().filter(|index| (1..=seal.shares()).contains(index)).collect()
}

/// The seal, once a first unseal has confirmed it. Before, init may still run again and replace the
/// first credential; whatever that credential had made would outlive it, so it makes nothing.
pub(crate) fn confirmed(state: &StateMut<'_>) -> Result<SealRecord, Refusal> {
    state.read().seal().filter(|seal| seal.confirmed).ok_or(Refusal::NotInitialized)
}

fn current(state: &StateMut<'_>, epoch: u32) -> Result<SealRecord, Refusal> {
    let seal = state.read().seal().ok_or(Refusal::NotInitialized)?;
    if seal.epoch != epoch {
        return Err(Refusal::OldEpoch { given: epoch, current: seal.epoch });
    }
    Ok(seal)
}

fn add_first_admin(
    state: &mut StateMut<'_>,
    context: &Context,
    command: &InitializeSeal,
) -> Option<u64> {
    let admin = &command.admin;
    let expires_at_ms = admin.ttl_ms.map(|ttl| context.unscaled_ms.saturating_add(ttl));
    state.put_principal(&PrincipalRecord {
        id: admin.principal,
        name: ADMIN.to_owned(),
        disabled: false,
        groups: BTreeSet::new(),
        certificate: admin.certificate.clone(),
        tokens: 1,
    });
    state.put_token(&TokenRecord {
        id: admin.token,
        principal: admin.principal,
        hash: admin.token_hash,
        created_at_ms: context.unscaled_ms,
        expires_at_ms,
        revoked: false,
        bound_certificate: None,
    });
    for role in FIRST_ROLES {
        let grant = first_grant(admin.principal, role);
        // Derived, because a command carries no more ids than it needs and apply draws none.
        let id = Uuid::from_u128(admin.principal.0.as_u128() ^ (role as u128 + 1));
        state.put_binding(&BindingRecord { id, grant, until_ms: None });
    }
    expires_at_ms
}

/// The first credential administers; it is also Manager until it is replaced.
const FIRST_ROLES: [Role; 2] = [Role::Administrator, Role::Manager];

fn first_grant(principal: PrincipalId, role: Role) -> Grant {
    Grant { role, subject: Subject::Principal(principal), scope: Scope::Cluster }
}

fn remove_first_admin(state: &mut StateMut<'_>, before: &SealRecord) {
    let (principal, token) = before.first_admin;
    state.delete_token(token);
    for role in FIRST_ROLES {
        state.delete_binding(&first_grant(principal, role));
    }
    if let Some(record) = state.read().principal(principal) {
        state.delete_principal(&record);
    }
}
