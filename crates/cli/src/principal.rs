//! `conclave principal …`.

use clap::{Args, Subcommand};
use conclave_client::{Client, Error, v1};
use serde_json::{Value, json};

use crate::globals::Globals;
use crate::output::{Answer, Outcome};
use crate::table;
use crate::values::{time_json, time_text};

/// Principals in one page of a listing.
const PAGE: u32 = 1000;

/// Verbs of `principal`. A principal is given by name or id.
#[derive(Debug, Subcommand)]
pub enum PrincipalVerb {
    /// Create a principal
    Create(CreateArgs),
    /// List all principals
    List,
    /// Show a principal with its groups and credentials
    Show(NameArg),
    /// Stop all credentials of a principal
    Disable(NameArg),
    /// Put principals into groups and take them out
    #[command(subcommand)]
    Group(GroupVerb),
}

/// Arguments of `principal create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// 1 to 64 characters of a-z 0-9 . _ @ -
    name: String,
    /// SAN URI of the client certificates that stand for this principal
    #[arg(long, value_name = "URI", default_value = "", hide_default_value = true)]
    cert_san: String,
}

/// The principal that a verb is about.
#[derive(Debug, Args)]
pub struct NameArg {
    /// Name or id
    name: String,
}

/// Verbs of `principal group`.
#[derive(Debug, Subcommand)]
pub enum GroupVerb {
    /// Put a principal into a group
    Add(GroupArgs),
    /// Take a principal out of a group
    Remove(GroupArgs),
}

/// A group and a principal.
#[derive(Debug, Args)]
pub struct GroupArgs {
    /// Name of the group
    group: String,
    /// Name or id of the principal
    name: String,
}

pub(crate) async fn run(verb: PrincipalVerb, globals: &Globals) -> Outcome {
    let client = globals.client()?;
    let request_id = globals.request_id();
    let answer = match verb {
        PrincipalVerb::List => return list(&client).await,
        PrincipalVerb::Create(args) => {
            let CreateArgs { name, cert_san } = args;
            client
                .create_principal(v1::CreatePrincipalRequest { request_id, name, cert_san })
                .await?
        }
        PrincipalVerb::Show(args) => client.get_principal(&args.name).await?,
        PrincipalVerb::Disable(args) => {
            client
                .disable_principal(v1::PrincipalRequest { request_id, principal: args.name })
                .await?
        }
        PrincipalVerb::Group(GroupVerb::Add(args)) => {
            client.add_to_group(group_request(request_id, args)).await?
        }
        PrincipalVerb::Group(GroupVerb::Remove(args)) => {
            client.remove_from_group(group_request(request_id, args)).await?
        }
    };
    let principal = answer.principal.unwrap_or_default();
    let json = json!({
        "principal": principal_json(&principal),
        "log_index": answer.log_index,
        "replayed": answer.replayed,
    });
    Ok(Answer::new(json, principal_text(&principal)))
}

fn group_request(request_id: String, args: GroupArgs) -> v1::GroupRequest {
    v1::GroupRequest { request_id, group: args.group, principal: args.name }
}

async fn list(client: &Client) -> Outcome {
    let principals = all(client).await?;
    let rows = principals.iter().map(|principal| {
        let state = if principal.disabled { "disabled" } else { "active" };
        let credentials = principal.credentials.len().to_string();
        [
            principal.name.clone(),
            principal.id.clone(),
            state.to_owned(),
            principal.groups.join(","),
            credentials,
        ]
    });
    let text = table::table(["NAME", "ID", "STATE", "GROUPS", "CREDENTIALS"], rows);
    let json = json!({
        "principals": principals.iter().map(principal_json).collect::<Vec<_>>(),
    });
    Ok(Answer::new(json, text))
}

/// All pages.
async fn all(client: &Client) -> Result<Vec<v1::Principal>, Error> {
    let mut principals = Vec::new();
    let mut cursor = String::new();
    loop {
        let request = v1::ListPrincipalsRequest { limit: PAGE, cursor };
        let page = client.list_principals(request).await?;
        principals.extend(page.principals);
        cursor = page.next_cursor;
        if cursor.is_empty() {
            return Ok(principals);
        }
    }
}

fn principal_json(principal: &v1::Principal) -> Value {
    let credential = |credential: &v1::Credential| {
        json!({
            "kind": credential.kind,
            "id": credential.id,
            "expires_at": time_json(credential.expires_at.as_ref()),
        })
    };
    json!({
        "id": principal.id,
        "name": principal.name,
        "disabled": principal.disabled,
        "groups": principal.groups,
        "credentials": principal.credentials.iter().map(credential).collect::<Vec<_>>(),
    })
}

fn principal_text(principal: &v1::Principal) -> String {
    let mut text = table::fields(&[
        ("name", principal.name.clone()),
        ("id", principal.id.clone()),
        ("state", if principal.disabled { "disabled" } else { "active" }.to_owned()),
        ("groups", principal.groups.join(", ")),
    ]);
    for credential in &principal.credentials {
        let expiry = time_text(credential.expires_at.as_ref());
        let expiry = expiry.map(|time| format!(", until {time}")).unwrap_or_default();
        text.push_str(&format!("{}  {}{expiry}\n", credential.kind, credential.id));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_has_the_promised_fields() {
        let principal = v1::Principal {
            id: "7b".to_owned(),
            name: "app".to_owned(),
            disabled: false,
            groups: vec!["services".to_owned()],
            credentials: vec![v1::Credential {
                kind: "token".to_owned(),
                id: "t1".to_owned(),
                expires_at: Some(prost_types::Timestamp { seconds: 1_795_255_200, nanos: 0 }),
            }],
        };
        assert_eq!(
            principal_json(&principal),
            json!({"id": "7b", "name": "app", "disabled": false, "groups": ["services"],
            "credentials": [
                {"kind": "token", "id": "t1", "expires_at": "2026-11-21T10:00:00Z"}
            ]})
        );
        assert!(principal_text(&principal).contains("token  t1, until 2026-11-21T10:00:00Z"));
    }
}
