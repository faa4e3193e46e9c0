//! `conclave role …`.

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use conclave_client::v1;
use serde_json::{Value, json};

use crate::globals::Globals;
use crate::output::{Answer, Outcome};
use crate::table;
use crate::values::{parse_time, time_json, time_text};

const ROLES: [&str; 8] = [
    "Reader",
    "ReaderPlus",
    "Writer",
    "Manager",
    "KeyPurge",
    "Auditor",
    "Operator",
    "Administrator",
];

/// Verbs of `role`.
#[derive(Debug, Subcommand)]
pub enum RoleVerb {
    /// Bind a role to a principal or a group
    Bind(BindArgs),
    /// End a role binding
    Unbind(BindingArgs),
    /// List all role bindings
    List,
    /// Whether a principal may perform an action, and why; exit 0 either way
    Check(CheckArgs),
}

/// What names a binding.
#[derive(Debug, Args)]
pub struct BindingArgs {
    /// The role
    #[arg(value_parser = PossibleValuesParser::new(ROLES))]
    role: String,
    #[command(flatten)]
    subject: SubjectArgs,
    /// Where the role counts: cluster, instance:I, ring:R or key:K, by id or name
    #[arg(long, default_value = "cluster")]
    scope: String,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct SubjectArgs {
    /// Name or id of the principal
    #[arg(long)]
    principal: Option<String>,
    /// Name of the group
    #[arg(long)]
    group: Option<String>,
}

/// Arguments of `role bind`.
#[derive(Debug, Args)]
pub struct BindArgs {
    #[command(flatten)]
    binding: BindingArgs,
    /// When the binding ends, for example 2026-12-31T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    until: Option<prost_types::Timestamp>,
}

/// Arguments of `role check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Name or id of the principal
    principal: String,
    /// The action, for example Encrypt or DisableKey
    action: String,
    /// Key id (UUID) or alias
    key: Option<String>,
}

pub(crate) async fn run(verb: RoleVerb, globals: &Globals) -> Outcome {
    let client = globals.client()?;
    match verb {
        RoleVerb::Bind(args) => {
            Ok(binding_answer(client.bind_role(bind_request(args, globals)).await?))
        }
        RoleVerb::Unbind(args) => {
            Ok(binding_answer(client.unbind_role(unbind_request(args, globals)).await?))
        }
        RoleVerb::List => {
            let bindings = client.list_bindings().await?;
            let shown: Vec<Value> = bindings.iter().map(binding_json).collect();
            Ok(Answer::new(json!({ "bindings": shown }), bindings_text(&bindings)))
        }
        RoleVerb::Check(args) => {
            let CheckArgs { principal, action, key } = args;
            let key = key.unwrap_or_default();
            let request = v1::CheckRoleRequest { principal, action, key };
            let answer = client.check_role(request).await?;
            let word = if answer.allowed { "allowed" } else { "not allowed" };
            let text = format!("{word}: {}", answer.because);
            let json = json!({"allowed": answer.allowed, "because": answer.because});
            Ok(Answer::new(json, text))
        }
    }
}

fn bind_request(args: BindArgs, globals: &Globals) -> v1::BindRoleRequest {
    use v1::bind_role_request::Subject;
    let BindingArgs { role, subject, scope } = args.binding;
    let subject = subject.principal.map(Subject::Principal).or(subject.group.map(Subject::Group));
    v1::BindRoleRequest {
        request_id: globals.request_id(),
        role,
        subject,
        scope,
        until: args.until,
    }
}

fn unbind_request(args: BindingArgs, globals: &Globals) -> v1::UnbindRoleRequest {
    use v1::unbind_role_request::Subject;
    let BindingArgs { role, subject, scope } = args;
    let subject = subject.principal.map(Subject::Principal).or(subject.group.map(Subject::Group));
    v1::UnbindRoleRequest { request_id: globals.request_id(), role, subject, scope }
}

fn binding_answer(answer: v1::BindingAnswer) -> Answer {
    let bindings: Vec<v1::Binding> = answer.binding.into_iter().collect();
    let json = json!({
        "bindings": bindings.iter().map(binding_json).collect::<Vec<_>>(),
        "log_index": answer.log_index,
        "replayed": answer.replayed,
    });
    Answer::new(json, bindings_text(&bindings))
}

fn binding_json(binding: &v1::Binding) -> Value {
    json!({
        "id": binding.id,
        "role": binding.role,
        "subject": binding.subject,
        "scope": binding.scope,
        "until": time_json(binding.until.as_ref()),
    })
}

fn bindings_text(bindings: &[v1::Binding]) -> String {
    let rows = bindings.iter().map(|binding| {
        let until = time_text(binding.until.as_ref()).unwrap_or_default();
        [binding.role.clone(), binding.subject.clone(), binding.scope.clone(), until]
    });
    table::table(["ROLE", "SUBJECT", "SCOPE", "UNTIL"], rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binding_has_the_promised_fields() {
        let binding = v1::Binding {
            id: "b1".to_owned(),
            role: "Manager".to_owned(),
            subject: "group:owners".to_owned(),
            scope: "cluster".to_owned(),
            until: None,
        };
        assert_eq!(
            binding_json(&binding),
            json!({"id": "b1", "role": "Manager", "subject": "group:owners", "scope": "cluster",
                "until": null})
        );
    }
}
