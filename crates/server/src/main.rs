//! The `conclave` binary: a node (`server`), a development cluster (`dev`), and the verbs of
//! `conclave-cli`.
//!
//! Reading order: [`server`] and [`node`] (the order in which a node starts and stops), [`config`],
//! [`listen`], [`data_dir`], [`tls`]; then [`dev`]. [`system`] is the one file that reads the clock
//! and draws entropy, [`allocator`] the only one with `unsafe`.
//!
//! Deliberately absent: what a call means (`conclave-api`), what a command does (`conclave-core`),
//! how it is replicated (`conclave-raft`).

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod allocator;
mod config;
mod data_dir;
mod dev;
mod exit;
mod failure;
mod hygiene;
mod journals;
mod limits;
mod listen;
mod logging;
#[cfg(feature = "mutants")]
mod mutants;
mod node;
mod notify;
mod seal_watch;
mod server;
mod signals;
mod system;
mod tls;
mod watchdog;

use std::future::Future;
use std::io::Write;

use clap::{CommandFactory, Parser, Subcommand};
use conclave_cli::{Globals, Verb};

use dev::DevArgs;
use failure::Failure;
use server::ServerArgs;

#[global_allocator]
static ALLOCATOR: allocator::Wiping<mimalloc::MiMalloc> = allocator::Wiping(mimalloc::MiMalloc);

/// Distributed key management: keys live in a replicated cluster, the root key only in shares.
#[derive(Parser)]
#[command(name = "conclave", version)]
struct Conclave {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a node
    Server(ServerArgs),
    /// Run a development cluster on this machine
    Dev(DevArgs),
    #[command(flatten)]
    Verb(Verb),
}

fn main() {
    let code = match Conclave::try_parse() {
        Ok(Conclave { globals, command }) => run(globals, command),
        Err(error) => conclave_cli::usage_error(&error),
    };
    // Not a return: a read of the terminal may hang in a thread of its own.
    std::process::exit(code.into())
}

fn run(globals: Globals, command: Command) -> u8 {
    let outcome = match command {
        Command::Server(args) => server::run(&args),
        Command::Dev(args) => block_on(dev::run(args)).and_then(|code| code),
        Command::Verb(verb) => block_on(conclave_cli::run(verb, globals, Conclave::command())),
    };
    outcome.unwrap_or_else(|failure| {
        // Nobody is left to be told if the stream is closed.
        let _ = writeln!(std::io::stderr(), "{failure}");
        failure.code
    })
}

/// Runs on a runtime of this thread alone.
fn block_on<T>(future: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        Failure::refused(format!("no runtime can be made: {error}"), "free memory or descriptors")
    })?;
    Ok(runtime.block_on(future))
}
