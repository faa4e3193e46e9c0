//! `conclave bench`: what calls cost, as ratios to baselines that are measured beside them.
//!
//! Absolute times say as much about the machine as about the program. So every round measures each
//! subject and its baseline one after the other, several rounds are made, and what is reported is the
//! median of the rounds and of their ratios. The baselines: *echo*, a call of the same server behind
//! the same TLS, runtime and boundary that does nothing; *fsync*, a record appended to a file on the
//! same disk; *cipher*, the bare AEAD call; *etcd*, three nodes on loopback, if its program is found.
//!
//! Reading order: [`plan`] (what is measured, against what), [`rounds`], [`report`]; then the subjects.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod cipher;
mod conclave;
mod cpu;
mod etcd;
mod fsync;
pub mod growth;
mod load;
mod machine;
pub mod page;
pub mod plan;
pub mod report;
mod rounds;
mod target;

use std::path::PathBuf;
use std::time::Duration;

use conclave_client::Error;

use report::Report;

/// How often everything is measured.
pub const ROUNDS: usize = 5;

/// What is to be measured, and where.
#[derive(Debug)]
pub struct Options {
    /// Addresses of nodes, `HOST:PORT`; any of them leads to the others. Not needed with `dev`.
    pub addrs: Vec<String>,
    /// Folder of a development cluster on this machine.
    pub dev: Option<PathBuf>,
    /// Certificate of the cluster's authority. Not needed with `dev`.
    pub ca_cert: Option<PathBuf>,
    /// The token to show. Not needed with `dev`.
    pub token_file: Option<PathBuf>,
    /// How long each subject is measured in each round.
    pub span: Duration,
    /// Names of rows; empty: all.
    pub only: Vec<String>,
}

/// Measures. `progress` is told what is under way.
///
/// # Errors
/// The cluster cannot be reached or does not permit it, or a call failed while it was measured: figures
/// of a cluster that refuses are no figures.
pub async fn run(options: &Options, progress: impl Fn(&str)) -> Result<Report, Error> {
    let measured = plan::chosen(&options.only)?;
    let target = target::Target::find(options).await?;
    rounds::run(&target, &measured, options.span, progress).await
}
