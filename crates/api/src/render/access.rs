//! Principals, tokens, role bindings.

use super::timestamp;
use conclave_core::command::{Grant, Scope, Subject};
use conclave_core::ids::{InstanceId, PrincipalId};
use conclave_core::model::{BindingRecord, PrincipalRecord, TokenRecord};
use conclave_core::state::State;
use conclave_core::view::View;
use conclave_proto::v1;
use std::fmt::Write;

/// A principal with its credentials. `tokens` may hold those of others.
pub(crate) fn principal(record: PrincipalRecord, tokens: &[TokenRecord]) -> v1::Principal {
    let certificate = record.certificate.map(|id| v1::Credential {
        kind: "cert".to_owned(),
        id,
        expires_at: None,
    });
    let own = tokens.iter().filter(|token| token.principal == record.id && !token.revoked);
    let own = own.map(|token| v1::Credential {
        kind: "token".to_owned(),
        id: token.id.to_string(),
        expires_at: token.expires_at_ms.map(timestamp),
    });
    v1::Principal {
        id: record.id.to_string(),
        name: record.name,
        disabled: record.disabled,
        groups: record.groups.into_iter().collect(),
        credentials: certificate.into_iter().chain(own).collect(),
    }
}

/// A token; never its secret, which nobody has but its holder.
pub(crate) fn token(state: &State<'_>, record: &TokenRecord) -> v1::Token {
    v1::Token {
        id: record.id.to_string(),
        principal: name_of(state, record.principal),
        created_at: Some(timestamp(record.created_at_ms)),
        expires_at: record.expires_at_ms.map(timestamp),
        revoked: record.revoked,
        bound_certificate: record.bound_certificate.map_or_else(String::new, |hash| hex(&hash)),
    }
}

/// A role binding.
pub(crate) fn binding(state: &State<'_>, view: &View, record: &BindingRecord) -> v1::Binding {
    let Grant { role, subject, scope } = &record.grant;
    v1::Binding {
        id: record.id.to_string(),
        role: role.to_string(),
        subject: match subject {
            Subject::Principal(id) => format!("principal:{}", name_of(state, *id)),
            Subject::Group(group) => format!("group:{group}"),
        },
        scope: scope_text(state, view, *scope),
        until: record.until_ms.map(timestamp),
    }
}

/// Where a role holds: by name, or by id where the object is gone.
fn scope_text(state: &State<'_>, view: &View, scope: Scope) -> String {
    let instance_name = |id: InstanceId| {
        view.instance(id).map_or_else(|| id.to_string(), |instance| instance.name.clone())
    };
    match scope {
        Scope::Cluster => "cluster".to_owned(),
        Scope::Instance(instance) => format!("instance:{}", instance_name(instance)),
        Scope::Ring(instance, ring) => {
            let name = state.ring(instance, ring).map_or_else(|| ring.to_string(), |r| r.name);
            format!("ring:{}/{name}", instance_name(instance))
        }
        Scope::Key(key) => format!("key:{key}"),
    }
}

/// The name of a principal; its id if it is gone.
fn name_of(state: &State<'_>, id: PrincipalId) -> String {
    state.principal(id).map_or_else(|| id.to_string(), |record| record.name)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
