//! The digest of a caller's request: what a repeat with the same request id must match. Our own field
//! order over checked and normalized fields; the request id itself and what the node adds (ids,
//! wrapped material) are left out.

use crate::call::Call;
use crate::validate::{
    KeySelector, PrincipalSelector, RingSelector, ScopeSelector, SubjectSelector,
};
use conclave_core::canonical::Canonical;
use conclave_core::codec;
use conclave_core::command::Algorithm;
use conclave_core::ids::TokenId;
use conclave_core::lifecycle::PolicyChange;
use conclave_core::roles::Role;
use std::collections::BTreeMap;

const DOMAIN: &str = "conclave request v1";

fn form(method: &str) -> Canonical {
    let mut form = Canonical::new(DOMAIN);
    form.text(method);
    form
}

/// The form of a request whose names are looked up in an instance: by the name that the caller gave.
fn form_in(call: &Call, method: &str) -> Canonical {
    let mut form = form(method);
    let instance = call.instance.as_ref().map(ToString::to_string);
    form.optional(instance.as_deref().map(str::as_bytes));
    form
}

/// What a caller asks of a new key.
pub(crate) struct NewKey<'a> {
    pub(crate) alias: Option<&'a str>,
    pub(crate) algorithm: Algorithm,
    pub(crate) description: &'a str,
    pub(crate) labels: &'a BTreeMap<String, String>,
    pub(crate) ring: &'a RingSelector,
    pub(crate) expires_at_ms: Option<u64>,
    pub(crate) rotate_every_ms: Option<u64>,
}

pub(crate) fn create_key(call: &Call, key: &NewKey<'_>) -> [u8; 32] {
    let mut form = form_in(call, "CreateKey");
    form.optional(key.alias.map(str::as_bytes)).text(key.algorithm.name()).text(key.description);
    form.text(&key.ring.to_string());
    optional_number(&mut form, key.expires_at_ms);
    optional_number(&mut form, key.rotate_every_ms);
    pairs(&mut form, key.labels).finish()
}

/// Requests that name a key and nothing else.
pub(crate) fn of_key(call: &Call, method: &str, key: &KeySelector) -> [u8; 32] {
    form_in(call, method).text(&key.to_string()).finish()
}

/// Requests that name a key and one thing more, in its canonical form.
pub(crate) fn of_key_and(call: &Call, method: &str, key: &KeySelector, more: &[&str]) -> [u8; 32] {
    let mut form = form_in(call, method);
    form.text(&key.to_string()).number(more.len() as u64);
    for text in more {
        form.text(text);
    }
    form.finish()
}

/// What a caller changes of a key.
pub(crate) struct KeyUpdate<'a> {
    pub(crate) description: Option<&'a str>,
    pub(crate) set: &'a BTreeMap<String, String>,
    pub(crate) remove: &'a [String],
    pub(crate) ring: Option<&'a RingSelector>,
}

pub(crate) fn update_key(call: &Call, key: &KeySelector, update: &KeyUpdate<'_>) -> [u8; 32] {
    let mut form = form_in(call, "UpdateKey");
    form.text(&key.to_string()).optional(update.description.map(str::as_bytes));
    pairs(&mut form, update.set).number(update.remove.len() as u64);
    for name in update.remove {
        form.text(name);
    }
    let ring = update.ring.map(ToString::to_string);
    form.optional(ring.as_deref().map(str::as_bytes)).finish()
}

/// SetKeyPolicy.
pub(crate) fn set_key_policy(
    call: &Call,
    key: &KeySelector,
    rotate_every_ms: Option<u64>,
    windows: &PolicyChange,
) -> [u8; 32] {
    let mut form = form_in(call, "SetKeyPolicy");
    form.text(&key.to_string());
    optional_number(&mut form, rotate_every_ms);
    form.bytes(&codec::encode(windows)).finish()
}

/// CreateInstance, SetInstancePolicy.
pub(crate) fn of_instance_policy(method: &str, instance: &str, policy: &PolicyChange) -> [u8; 32] {
    form(method).text(instance).bytes(&codec::encode(policy)).finish()
}

/// DeleteInstance.
pub(crate) fn of_instance(method: &str, instance: &str) -> [u8; 32] {
    form(method).text(instance).finish()
}

/// CreateKeyRing, DeleteKeyRing.
pub(crate) fn of_ring(call: &Call, method: &str, ring: &str, force: bool) -> [u8; 32] {
    form_in(call, method).text(ring).number(u64::from(force)).finish()
}

/// SetDeletionFloor.
pub(crate) fn set_deletion_floor(floor_ms: u64) -> [u8; 32] {
    form("SetDeletionFloor").number(floor_ms).finish()
}

fn optional_number(form: &mut Canonical, number: Option<u64>) {
    let bytes = number.map(u64::to_be_bytes);
    form.optional(bytes.as_ref().map(|bytes| &bytes[..]));
}

pub(crate) fn create_principal(name: &str, certificate: Option<&str>) -> [u8; 32] {
    form("CreatePrincipal").text(name).optional(certificate.map(str::as_bytes)).finish()
}

pub(crate) fn disable_principal(principal: &PrincipalSelector) -> [u8; 32] {
    form("DisablePrincipal").text(&principal.to_string()).finish()
}

/// AddToGroup, RemoveFromGroup.
pub(crate) fn of_group(method: &str, group: &str, principal: &PrincipalSelector) -> [u8; 32] {
    form(method).text(group).text(&principal.to_string()).finish()
}

pub(crate) fn create_token(
    principal: &PrincipalSelector,
    ttl_s: u64,
    bound: Option<&[u8; 32]>,
) -> [u8; 32] {
    let bound = bound.map(|hash| &hash[..]);
    form("CreateToken").text(&principal.to_string()).number(ttl_s).optional(bound).finish()
}

pub(crate) fn revoke_token(token: TokenId) -> [u8; 32] {
    form("RevokeToken").bytes(token.bytes()).finish()
}

/// BindRole, UnbindRole.
pub(crate) fn of_binding(
    call: &Call,
    method: &str,
    role: Role,
    subject: &SubjectSelector,
    scope: &ScopeSelector,
    until_ms: Option<u64>,
) -> [u8; 32] {
    let until = until_ms.map(u64::to_be_bytes);
    form_in(call, method)
        .text(&role.to_string())
        .text(&subject.to_string())
        .text(&scope.to_string())
        .optional(until.as_ref().map(|bytes| &bytes[..]))
        .finish()
}

pub(crate) fn seal() -> [u8; 32] {
    form("Seal").finish()
}

/// Requests without a caller's body: their request id is made by the node and never repeated.
pub(crate) fn of_node(method: &str) -> [u8; 32] {
    form(method).finish()
}

fn pairs<'a>(form: &'a mut Canonical, pairs: &BTreeMap<String, String>) -> &'a mut Canonical {
    form.number(pairs.len() as u64);
    for (name, value) in pairs {
        form.text(name).text(value);
    }
    form
}

#[cfg(test)]
mod tests;
