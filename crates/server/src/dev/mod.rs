//! `conclave dev`: a real cluster on loopback for a newcomer and for tests.
//!
//! The nodes are `conclave server` processes of this very binary; everything they and the user need
//! lies in one folder. [`folder`] and [`layout`] say where, [`prepare`] makes it, [`nodes`] runs the
//! processes, [`ceremony`] initialises and unseals, [`demo`] proves that it works, [`report`] tells.
//!
//! Deliberately absent: restarting nodes, and anything that a real cluster could not do.

mod ceremony;
mod demo;
mod folder;
mod layout;
mod nodes;
mod prepare;
mod progress;
mod report;

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use crate::exit;
use crate::failure::Failure;
use crate::signals::Stop;
use folder::Folder;
use layout::Layout;
use nodes::Nodes;
use progress::Progress;

/// Arguments of `dev`.
#[derive(Debug, Args)]
pub struct DevArgs {
    /// Folder for everything; a second start on it goes on with the same cluster
    #[arg(long, value_name = "DIR", default_value = "./conclave-dev")]
    dir: PathBuf,
    /// How many nodes: 1, 3, 5 or 7 [default: 3, or as many as the folder has]
    #[arg(long, value_name = "N", value_parser = node_count)]
    nodes: Option<u32>,
    /// First port; node i has API P+10(i-1), peer +1, local +2; 0 picks free ones [default: 7410, or
    /// those of the folder]
    #[arg(long, value_name = "PORT")]
    base_port: Option<u16>,
    /// How many times faster than real time cluster time passes: deletions, expiry dates and rotations go
    /// by it, tokens do not [default: 1, or that of the folder]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    clock_rate: Option<u32>,
    /// Stop after the first round; exit 0 if the decrypted file equals the plain one
    #[arg(long)]
    exit: bool,
}

/// Runs the development cluster until it is told to stop; returns the exit code.
///
/// # Errors
/// What was refused or failed; the nodes are stopped by then.
pub async fn run(args: DevArgs) -> Result<u8, Failure> {
    let mut stop = Stop::new()?;
    let folder = Folder::open(&args.dir)?;
    let layout = tokio::select! {
        settled = Layout::settle(&folder, args.nodes, args.base_port) => settled?,
        () = stop.asked() => return Ok(exit::DONE),
    };
    let mut nodes = Nodes::default();
    let first_round = first_round(&folder, &layout, args.clock_rate, &mut nodes);
    let outcome = tokio::select! {
        round = first_round => round.map(Some),
        () = stop.asked() => Ok(None),
    };
    let code = match outcome {
        Ok(None) => Ok(exit::DONE),
        Ok(Some(equal)) if args.exit => Ok(if equal { exit::DONE } else { exit::FAILED }),
        Ok(Some(_)) => {
            watch(&folder, &mut nodes, &mut stop).await;
            Ok(exit::DONE)
        }
        Err(failure) => Err(failure),
    };
    say_on_stderr("stopping the nodes");
    nodes.stop().await;
    code
}

/// From nothing, or from what the folder has, to a cluster that has served a request. True if the
/// decrypted file equals the plain one.
async fn first_round(
    folder: &Folder,
    layout: &Layout,
    clock_rate: Option<u32>,
    nodes: &mut Nodes,
) -> Result<bool, Failure> {
    let progress = Progress::new();
    progress.step("certificates and configuration");
    let clock_rate = prepare::prepare(folder, layout, clock_rate)?;
    progress.step(&format!("starting {} nodes", layout.nodes.len()));
    nodes.start(folder, layout).await?;
    let opened = async {
        let cluster = ceremony::open(folder, layout, &progress).await?;
        progress.step("key \"demo\": encrypting, decrypting and comparing a file");
        let round = demo::run(folder, layout).await?;
        Ok::<_, Failure>((cluster, round))
    };
    let (cluster, round) = tokio::select! {
        opened = opened => opened?,
        ended = nodes.next_end() => return Err(report::ended_too_soon(folder, &ended)),
    };
    progress.done();
    let made = report::Made { cluster: &cluster, key_id: &round.key_id, clock_rate };
    report::write(folder, layout, nodes, &made)?;
    let screen = report::screen(folder, layout, nodes, round.equal);
    let mut out = std::io::stdout();
    let written = out.write_all(screen.as_bytes()).and_then(|()| out.write_all(b"ready\n"));
    // A reader that has gone does not end the cluster.
    if written.and_then(|()| out.flush()).is_err() {
        say_on_stderr("standard output is closed");
    }
    Ok(round.equal)
}

/// Tells of nodes that end, until it is asked to stop.
async fn watch(folder: &Folder, nodes: &mut Nodes, stop: &mut Stop) {
    loop {
        tokio::select! {
            ended = nodes.next_end() => say_on_stderr(&report::node_ended(folder, &ended)),
            () = stop.asked() => return,
        }
    }
}

fn node_count(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(count @ (1 | 3 | 5 | 7)) => Ok(count),
        _ => Err("a cluster for development has 1, 3, 5 or 7 nodes".to_owned()),
    }
}

/// A line for the person in front of it; a closed stderr is no reason to end.
fn say_on_stderr(line: &str) {
    let mut err = std::io::stderr();
    let _ = writeln!(err, "{line}");
}
