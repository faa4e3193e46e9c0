//! The digest of a caller's request: what a repeat with the same request id must match. Our own field
//! order over checked and normalized fields; the request id itself and what the node adds (ids,
//! wrapped material) are left out.

use crate::validate::{KeySelector, PrincipalSelector, SubjectSelector};
use conclave_core::canonical::Canonical;
use conclave_core::command::Algorithm;
use conclave_core::ids::TokenId;
use conclave_core::roles::Role;
use std::collections::BTreeMap;

const DOMAIN: &str = "conclave request v1";

fn form(method: &str) -> Canonical {
    let mut form = Canonical::new(DOMAIN);
    form.text(method);
    form
}

pub(crate) fn create_key(
    alias: Option<&str>,
    algorithm: Algorithm,
    description: &str,
    labels: &BTreeMap<String, String>,
) -> [u8; 32] {
    let mut form = form("CreateKey");
    form.optional(alias.map(str::as_bytes)).text(algorithm.name()).text(description);
    pairs(&mut form, labels).finish()
}

/// RotateKey, EnableKey, DisableKey.
pub(crate) fn of_key(method: &str, key: &KeySelector) -> [u8; 32] {
    form(method).text(&key.to_string()).finish()
}

pub(crate) fn update_key(
    key: &KeySelector,
    description: Option<&str>,
    set: &BTreeMap<String, String>,
    remove: &[String],
) -> [u8; 32] {
    let mut form = form("UpdateKey");
    form.text(&key.to_string()).optional(description.map(str::as_bytes));
    pairs(&mut form, set).number(remove.len() as u64);
    remove.iter().for_each(|name| {
        form.text(name);
    });
    form.finish()
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

/// BindRole, UnbindRole. The scope is always the cluster.
pub(crate) fn of_binding(
    method: &str,
    role: Role,
    subject: &SubjectSelector,
    until_ms: Option<u64>,
) -> [u8; 32] {
    let until = until_ms.map(u64::to_be_bytes);
    form(method)
        .text(&role.to_string())
        .text(&subject.to_string())
        .text("cluster")
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
