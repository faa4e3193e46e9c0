//! `conclave key create`.

use std::time::Duration;

use clap::Args;
use conclave_client::v1;

use crate::globals::Globals;
use crate::values::{parse_duration, parse_label, parse_time};

/// Arguments of `key create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// 2 to 90 characters of A-Z a-z 0-9 _ -, not a UUID
    alias: Option<String>,
    /// Algorithm of the key
    #[arg(long, default_value = "aes-256-gcm-siv")]
    algorithm: String,
    /// Key ring to put it into [default: default]
    #[arg(long, default_value = "", hide_default_value = true)]
    ring: String,
    /// What the key is for
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    description: String,
    /// A label; may be given several times
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = parse_label)]
    labels: Vec<(String, String)>,
    /// From then on the key only decrypts, for example 2026-12-31T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    expires: Option<prost_types::Timestamp>,
    /// Rotate by schedule after each such period, 1d to 730d
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    rotate_every: Option<Duration>,
}

impl CreateArgs {
    pub(super) fn request(self, globals: &Globals) -> v1::CreateKeyRequest {
        v1::CreateKeyRequest {
            request_id: globals.request_id(),
            alias: self.alias.unwrap_or_default(),
            algorithm: self.algorithm,
            description: self.description,
            labels: self.labels.into_iter().collect(),
            ring: self.ring,
            expires_at: self.expires,
            rotate_every_s: self.rotate_every.map_or(0, |period| period.as_secs()),
        }
    }
}
