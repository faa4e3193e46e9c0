//! `conclave key update|alias|version-enable|version-disable`.

use clap::{Args, Subcommand};
use conclave_client::{Client, Error, v1};

use crate::globals::Globals;
use crate::values::parse_label;

/// Arguments of `key update`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true).args(["description", "set_labels", "remove_labels", "ring"]))]
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
    /// Key ring to move it to
    #[arg(long)]
    ring: Option<String>,
}

/// Arguments of `key version-enable` and `key version-disable`.
#[derive(Debug, Args)]
pub struct VersionArgs {
    /// Key id (UUID) or alias
    key: String,
    /// Number of the version
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    version: u32,
}

/// Verbs of `key alias`.
#[derive(Debug, Subcommand)]
pub enum AliasVerb {
    /// Give a key one more alias
    Add(AliasArgs),
    /// Take an alias from a key; it is free then
    Remove(AliasArgs),
}

/// A key and one of its names.
#[derive(Debug, Args)]
pub struct AliasArgs {
    /// Key id (UUID) or alias
    key: String,
    /// 2 to 90 characters of A-Z a-z 0-9 _ -, not a UUID
    alias: String,
}

impl UpdateArgs {
    pub(super) fn request(self, globals: &Globals) -> v1::UpdateKeyRequest {
        v1::UpdateKeyRequest {
            request_id: globals.request_id(),
            key: self.key,
            description: self.description,
            set_labels: self.set_labels.into_iter().collect(),
            remove_labels: self.remove_labels,
            ring: self.ring.unwrap_or_default(),
        }
    }
}

impl VersionArgs {
    pub(super) fn request(self, enabled: bool, globals: &Globals) -> v1::SetVersionEnabledRequest {
        let VersionArgs { key, version } = self;
        v1::SetVersionEnabledRequest { request_id: globals.request_id(), key, version, enabled }
    }
}

pub(super) async fn alias(
    verb: AliasVerb,
    globals: &Globals,
    client: &Client,
) -> Result<v1::KeyAnswer, Error> {
    let request = |AliasArgs { key, alias }| v1::AliasRequest {
        request_id: globals.request_id(),
        key,
        alias,
    };
    match verb {
        AliasVerb::Add(args) => client.add_alias(request(args)).await,
        AliasVerb::Remove(args) => client.remove_alias(request(args)).await,
    }
}
