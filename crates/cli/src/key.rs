//! `conclave key …`.

mod change;
mod create;
mod deletion;
#[cfg(test)]
mod example;
mod history;
mod impact;
mod json;
mod list;
mod policy;
mod question;
mod registration;
mod state;
mod text;

use clap::{Args, Subcommand};
use conclave_client::{Client, v1};
use serde_json::json;

use crate::globals::Globals;
use crate::output::{Answer, Outcome};

pub(crate) use state::{STATES, state_name};

/// Verbs of `key`. KEY is a key id (UUID) or an alias everywhere.
#[derive(Debug, Subcommand)]
pub enum KeyVerb {
    /// Create a key
    Create(create::CreateArgs),
    /// List keys
    List(list::ListArgs),
    /// Show a key
    Show(KeyArg),
    /// Show the versions of a key
    Versions(KeyArg),
    /// Show what happened to a key, refused commands included
    History(KeyArg),
    /// Show what a deletion of a key would meet, and when it would lead where
    Impact(KeyArg),
    /// Make a new primary version; older versions still decrypt
    Rotate(KeyArg),
    /// Let a key be used again
    Enable(KeyArg),
    /// Stop all use of a key, on every node
    Disable(deletion::SureArgs),
    /// Let one version of a key be used again
    VersionEnable(change::VersionArgs),
    /// Stop all use of one version of a key; never of the newest
    VersionDisable(change::VersionArgs),
    /// Change description, labels and key ring
    Update(change::UpdateArgs),
    /// Give a key more names, or take them away
    #[command(subcommand)]
    Alias(change::AliasVerb),
    /// Change the rotation schedule of a key, or lengthen its windows
    Policy(policy::PolicyArgs),
    /// Register a resource that a key protects, or change its registration
    Register(registration::RegisterArgs),
    /// End the registration of a resource
    Unregister(registration::UnregisterArgs),
    /// Request the deletion of a key; what follows, and when, is up to its policy
    Delete(deletion::DeleteArgs),
    /// Take the request for deletion back, while the grace period lasts
    CancelDeletion(KeyArg),
    /// Destroy a key now, without the rest of the grace period
    DeleteNow(deletion::SureArgs),
    /// Bring a destroyed key back, while its restore window lasts
    Restore(KeyArg),
    /// Remove everything of a destroyed key but a tombstone, for good
    Purge(deletion::SureArgs),
}

/// The key that a verb is about.
#[derive(Debug, Args)]
pub struct KeyArg {
    /// Key id (UUID) or alias
    key: String,
}

pub(crate) async fn run(verb: KeyVerb, globals: &Globals) -> Outcome {
    let client = globals.client()?;
    let request = |arg: KeyArg| v1::KeyRequest { request_id: globals.request_id(), key: arg.key };
    let answer = match verb {
        KeyVerb::List(args) => return list::run(args, &client).await,
        KeyVerb::Versions(arg) => return versions(&arg.key, &client).await,
        KeyVerb::History(arg) => return history::run(&arg.key, &client).await,
        KeyVerb::Impact(arg) => return impact::run(&arg.key, &client).await,
        KeyVerb::Create(args) => client.create_key(args.request(globals)).await?,
        KeyVerb::Show(arg) => client.get_key(&arg.key).await?,
        KeyVerb::Rotate(arg) => client.rotate_key(request(arg)).await?,
        KeyVerb::Enable(arg) => client.enable_key(request(arg)).await?,
        KeyVerb::Disable(args) => deletion::disable(args, globals, &client).await?,
        KeyVerb::VersionEnable(args) => {
            client.set_version_enabled(args.request(true, globals)).await?
        }
        KeyVerb::VersionDisable(args) => {
            client.set_version_enabled(args.request(false, globals)).await?
        }
        KeyVerb::Update(args) => client.update_key(args.request(globals)).await?,
        KeyVerb::Alias(verb) => change::alias(verb, globals, &client).await?,
        KeyVerb::Policy(args) => client.set_key_policy(args.request(globals)).await?,
        KeyVerb::Register(args) => client.register_resource(args.request(globals)).await?,
        KeyVerb::Unregister(args) => client.unregister_resource(args.request(globals)).await?,
        KeyVerb::Delete(args) => deletion::delete(args, globals, &client).await?,
        KeyVerb::CancelDeletion(arg) => client.cancel_deletion(request(arg)).await?,
        KeyVerb::DeleteNow(args) => deletion::delete_now(args, globals, &client).await?,
        KeyVerb::Restore(arg) => client.restore_key(request(arg)).await?,
        KeyVerb::Purge(args) => deletion::purge(args, globals, &client).await?,
    };
    Ok(Answer::new(json::answer(&answer), text::answer(&answer)))
}

async fn versions(key: &str, client: &Client) -> Outcome {
    let key = client.get_key(key).await?.key.unwrap_or_default();
    Ok(Answer::new(json!({ "versions": json::versions(&key) }), text::versions(&key)))
}
