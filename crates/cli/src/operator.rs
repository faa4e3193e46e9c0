//! `conclave operator …`.

mod init;
mod qr;
mod seal;
mod shares;
mod unseal;

use clap::Subcommand;

use crate::globals::Globals;
use crate::output::Outcome;

/// Verbs of `operator`.
#[derive(Debug, Subcommand)]
pub enum OperatorVerb {
    /// Make the root key and deal its shares; the first unseal confirms it
    Init(init::InitArgs),
    /// Give shares to the running ceremony until the cluster is unsealed
    Unseal(unseal::UnsealArgs),
    /// Make every node forget its keys
    Seal(seal::SealArgs),
}

pub(crate) async fn run(verb: OperatorVerb, globals: &Globals) -> Outcome {
    match verb {
        OperatorVerb::Init(args) => init::run(args, globals).await,
        OperatorVerb::Unseal(args) => unseal::run(&args, globals).await,
        OperatorVerb::Seal(args) => seal::run(&args, globals).await,
    }
}

/// Members and their seal, for people: `node 1 unsealed, node 2 unreachable`.
fn members_text(members: &[conclave_client::v1::MemberSeal]) -> String {
    let one = |member: &conclave_client::v1::MemberSeal| {
        let seal = match member.sealed {
            Some(true) => "sealed",
            Some(false) => "unsealed",
            None => "unreachable",
        };
        format!("node {} {seal}", member.id)
    };
    members.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Members and their seal in JSON; `sealed` is `null` for one that could not be reached.
fn members_json(members: &[conclave_client::v1::MemberSeal]) -> Vec<serde_json::Value> {
    let one = |member: &conclave_client::v1::MemberSeal| serde_json::json!({"id": member.id, "sealed": member.sealed});
    members.iter().map(one).collect()
}
