//! `conclave status`.

mod json;
mod text;

use clap::Args;

use crate::globals::Globals;
use crate::output::{Answer, Outcome};

pub(crate) use text::seal_line;

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Wait until each node has applied this log index (at most --timeout) and show the digest of
    /// its state after exactly it
    #[arg(long, value_name = "N")]
    at_index: Option<u64>,
}

pub(crate) async fn run(args: &StatusArgs, globals: &Globals) -> Outcome {
    let status = globals.client()?.status(args.at_index).await?;
    Ok(Answer::new(json::status(&status), text::status(&status)))
}
