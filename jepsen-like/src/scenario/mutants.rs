//! The revocation rounds must find each known bug of the read path: a check that cannot fail is none.

use super::{Context, Report, revocation};
use crate::binary::Binary;
use crate::cli::Cli;
use crate::cluster::{Cluster, directory};
use crate::failure::{Failure, Result, require};
use crate::history::History;
use crate::workload::revocation::Judge;

/// Chooses a bug in a program built with the feature `mutants`.
pub const MUTANT_VARIABLE: &str = "CONCLAVE_MUTANT";

/// Bugs of the read path: without the barrier, joining a round already sent, deciding before the barrier.
pub const READ_PATH: [&str; 3] = ["no_read_barrier", "join_sent_round", "authorize_before_barrier"];

/// Runs the scenario.
pub fn run(context: &Context) -> Result<Report> {
    let binary = context.mutant_binary.as_ref().ok_or_else(|| {
        Failure::harness(
            "give --mutant-bin PATH: a conclave built with `cargo build -p conclave-server --features mutants`",
        )
    })?;
    has_mutants(binary)?;
    let mut report = Report::default();
    for mutant in READ_PATH {
        let rounds = caught_after(context, binary, mutant)?;
        report.count(mutant, rounds);
    }
    // The same program without a bug passes: it is the bug that is found, not the build.
    let cluster = Cluster::unsealed(binary)?;
    let rounds = context.scale.pick(30, 300);
    let history = History::default();
    let clean =
        revocation::on_nodes(context, &cluster, &cluster.ids(), rounds, Judge::Both, &history)
            .map_err(|failure| cluster.with_logs(failure.context("no mutant chosen")))?;
    report.count("clean_rounds", clean.rounds);
    Ok(report)
}

/// A program without the feature ignores the variable, and would pass for one whose bugs are not found.
fn has_mutants(binary: &Binary) -> Result<()> {
    let dir = directory()?;
    let binary = binary.clone().with_env(MUTANT_VARIABLE, "no_such_bug");
    let out = Cli::new(binary.clone(), dir.path()).run(&["server", "--config", "absent.toml"])?;
    require(out.code == 2 && out.stderr.contains("no_such_bug"), || {
        let path = binary.path().display();
        format!("{path} was not built with the feature `mutants`\n{}", out.describe())
    })
}

/// After how many uses the mutant was caught.
fn caught_after(context: &Context, binary: &Binary, mutant: &str) -> Result<u64> {
    let rounds = context.scale.pick(300, 1_000);
    let mut cluster = Cluster::unsealed(&binary.clone().with_env(MUTANT_VARIABLE, mutant))?;
    let (history, ids) = (History::default(), cluster.ids());
    let outcome = revocation::on_nodes(context, &cluster, &ids, rounds, Judge::Disables, &history)
        .and_then(|_| revocation::followers_asleep(context, &mut cluster, rounds, &history));
    match outcome {
        Err(Failure::Violation(text)) if text.contains("after its disable had returned") => {
            Ok(history.events().len() as u64)
        }
        Err(failure) => Err(cluster.with_logs(failure.context(format!("mutant {mutant}")))),
        Ok(uses) => Err(Failure::violation(format!(
            "mutant {mutant} was not caught in {rounds} rounds and as many with a follower asleep: \
             the check does not see what it claims ({uses:?})"
        ))),
    }
}
