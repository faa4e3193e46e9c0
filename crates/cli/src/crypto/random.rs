//! `conclave random`.

use std::path::PathBuf;

use clap::Args;
use conclave_formats::limits::MAX_RANDOM;
use data_encoding::BASE64;
use serde_json::json;
use zeroize::Zeroizing;

use super::Target;
use crate::globals::Globals;
use crate::output::{Answer, Outcome};

/// Arguments of `random`.
#[derive(Debug, Args)]
pub struct RandomArgs {
    /// How many bytes, 1 to 1024
    #[arg(long, value_name = "N", default_value_t = 32,
        value_parser = clap::value_parser!(u32).range(1..=MAX_RANDOM as i64))]
    bytes: u32,
    /// Write the raw bytes to this file (mode 0600) instead of base64 to stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) async fn run(args: RandomArgs, globals: &Globals) -> Outcome {
    let client = globals.client()?;
    let target = Target::open(args.out.as_deref())?;
    let bytes = Zeroizing::new(client.random(args.bytes).await?);
    if matches!(target, Target::File(_)) {
        target.put(&bytes)?;
        return Ok(Answer::new(json!({ "bytes": null }), ""));
    }
    let text = BASE64.encode(&bytes);
    Ok(Answer::new(json!({ "bytes": text }), text.as_str()))
}
