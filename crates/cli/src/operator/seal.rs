//! `conclave operator seal`.

use clap::Args;
use conclave_client::v1;
use serde_json::json;

use super::{members_json, members_text};
use crate::confirm::Question;
use crate::globals::Globals;
use crate::output::{Answer, Outcome};
use crate::values::counted;

/// Arguments of `operator seal`.
#[derive(Debug, Args)]
pub struct SealArgs {
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub(super) async fn run(args: &SealArgs, globals: &Globals) -> Outcome {
    let question = Question { yes: args.yes, command: "operator seal" };
    question.must_be_answerable()?;
    let client = globals.client()?;
    if !args.yes {
        question.ask(&impact(&client.status(None).await?)).await?;
    }
    let answer = client.seal(v1::SealRequest { request_id: globals.request_id() }).await?;
    let json = json!({"members": members_json(&answer.members), "log_index": answer.log_index});
    Ok(Answer::new(json, members_text(&answer.members)))
}

fn impact(status: &v1::StatusAnswer) -> String {
    let nodes = counted(status.nodes.len() as u64, "node");
    let shares = status.seal.as_ref().map_or(0, |seal| seal.threshold);
    format!(
        "All keys are forgotten on {nodes}: nothing can be encrypted or decrypted until {} \
         are given to `conclave operator unseal`.",
        counted(shares.into(), "share"),
    )
}
