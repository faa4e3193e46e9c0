//! `conclave key …`.

mod json;
mod text;

use clap::{Args, Subcommand, ValueEnum};
use conclave_client::{Client, v1};
use serde_json::json;

use crate::confirm::Question;
use crate::globals::Globals;
use crate::output::{Answer, Outcome};
use crate::values::parse_label;

/// Verbs of `key`. KEY is a key id (UUID) or an alias everywhere.
#[derive(Debug, Subcommand)]
pub enum KeyVerb {
    /// Create a key
    Create(CreateArgs),
    /// List keys
    List(ListArgs),
    /// Show a key
    Show(KeyArg),
    /// Show the versions of a key
    Versions(KeyArg),
    /// Make a new primary version; older versions still decrypt
    Rotate(KeyArg),
    /// Let a key be used again
    Enable(KeyArg),
    /// Stop all use of a key, on every node
    Disable(DisableArgs),
    /// Change description and labels
    Update(UpdateArgs),
}

/// The key that a verb is about.
#[derive(Debug, Args)]
pub struct KeyArg {
    /// Key id (UUID) or alias
    key: String,
}

/// Arguments of `key create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// 2 to 90 characters of A-Z a-z 0-9 _ -, not a UUID
    alias: Option<String>,
    /// Algorithm of the key
    #[arg(long, default_value = "aes-256-gcm-siv")]
    algorithm: String,
    /// What the key is for
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
    /// A label; may be given several times
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = parse_label)]
    labels: Vec<(String, String)>,
}

/// Arguments of `key list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only keys in one of these states
    #[arg(long = "state", value_name = "STATE[,…]", value_delimiter = ',', value_enum)]
    states: Vec<State>,
    /// At most this many keys, 1 to 1000
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// `next_cursor` of the page before
    #[arg(long, default_value = "", hide_default_value = true)]
    cursor: String,
}

/// A key's state, as it is written everywhere.
#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "PascalCase")]
enum State {
    Enabled,
    Disabled,
}

/// Arguments of `key disable`.
#[derive(Debug, Args)]
pub struct DisableArgs {
    /// Key id (UUID) or alias
    key: String,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Arguments of `key update`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true).args(["description", "set_labels", "remove_labels"]))]
pub struct UpdateArgs {
    /// Key id (UUID) or alias
    key: String,
    /// What the key is for; empty removes it
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// A label to set; may be given several times, other labels stay
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = parse_label)]
    set_labels: Vec<(String, String)>,
    /// A label to remove; may be given several times
    #[arg(long = "remove-label", value_name = "NAME")]
    remove_labels: Vec<String>,
}

pub(crate) async fn run(verb: KeyVerb, globals: &Globals) -> Outcome {
    let client = globals.client()?;
    let request = |key: String| v1::KeyRequest { request_id: globals.request_id(), key };
    let answer = match verb {
        KeyVerb::List(args) => return list(args, &client).await,
        KeyVerb::Versions(args) => {
            let key = client.get_key(&args.key).await?.key.unwrap_or_default();
            return Ok(Answer::new(
                json!({ "versions": json::versions(&key) }),
                text::versions(&key),
            ));
        }
        KeyVerb::Disable(args) => return disable(args, globals, &client).await,
        KeyVerb::Create(args) => client.create_key(create_request(args, globals)).await?,
        KeyVerb::Show(args) => client.get_key(&args.key).await?,
        KeyVerb::Rotate(args) => client.rotate_key(request(args.key)).await?,
        KeyVerb::Enable(args) => client.enable_key(request(args.key)).await?,
        KeyVerb::Update(args) => client.update_key(update_request(args, globals)).await?,
    };
    Ok(key_answer(&answer))
}

fn key_answer(answer: &v1::KeyAnswer) -> Answer {
    let key = answer.key.clone().unwrap_or_default();
    Answer::new(json::answer(answer), text::key(&key))
}

async fn list(args: ListArgs, client: &Client) -> Outcome {
    let states = args.states.iter().map(|state| match state {
        State::Enabled => v1::KeyState::Enabled.into(),
        State::Disabled => v1::KeyState::Disabled.into(),
    });
    let request =
        v1::ListKeysRequest { states: states.collect(), limit: args.limit, cursor: args.cursor };
    let page = client.list_keys(request).await?;
    Ok(Answer::new(json::list(&page), text::list(&page)))
}

async fn disable(args: DisableArgs, globals: &Globals, client: &Client) -> Outcome {
    let question = Question { yes: args.yes, command: "key disable" };
    question.must_be_answerable()?;
    if !args.yes {
        let key = client.get_key(&args.key).await?.key.unwrap_or_default();
        question.ask(&text::disable_impact(&key)).await?;
    }
    let request = v1::KeyRequest { request_id: globals.request_id(), key: args.key };
    Ok(key_answer(&client.disable_key(request).await?))
}

fn create_request(args: CreateArgs, globals: &Globals) -> v1::CreateKeyRequest {
    v1::CreateKeyRequest {
        request_id: globals.request_id(),
        alias: args.alias.unwrap_or_default(),
        algorithm: args.algorithm,
        description: args.description,
        labels: args.labels.into_iter().collect(),
    }
}

fn update_request(args: UpdateArgs, globals: &Globals) -> v1::UpdateKeyRequest {
    v1::UpdateKeyRequest {
        request_id: globals.request_id(),
        key: args.key,
        description: args.description,
        set_labels: args.set_labels.into_iter().collect(),
        remove_labels: args.remove_labels,
    }
}

#[cfg(test)]
mod tests {
    use conclave_client::v1;

    /// A key with two versions, the second switched off.
    pub(super) fn example() -> v1::Key {
        let time = |seconds, nanos| Some(prost_types::Timestamp { seconds, nanos });
        let version = |version, enabled, created_at| v1::KeyVersion {
            version,
            enabled,
            usable: false,
            created_at,
        };
        v1::Key {
            id: "0b0e1f3c-6a54-4a0e-9d0a-0d3c7a4a2f10".to_owned(),
            aliases: vec!["orders".to_owned()],
            instance: "default".to_owned(),
            ring: "default".to_owned(),
            algorithm: "aes-256-gcm-siv".to_owned(),
            state: v1::KeyState::Disabled.into(),
            origin: v1::KeyOrigin::Generated.into(),
            primary_version: 2,
            description: String::new(),
            labels: [("env".to_owned(), "prod".to_owned())].into(),
            created_at: time(1_795_255_200, 0),
            created_by: "admin".to_owned(),
            versions: vec![
                version(1, true, time(1_795_255_200, 0)),
                version(2, false, time(1_795_255_201, 500_000_000)),
            ],
            revision: 17,
        }
    }
}
