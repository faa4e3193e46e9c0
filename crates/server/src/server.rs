//! `conclave server`.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use crate::config::Config;
use crate::failure::Failure;
use crate::system::SystemClock;
use crate::tls::NodeTls;
use crate::{exit, hygiene, logging, node};

/// Arguments of `server`.
#[derive(Debug, Args)]
pub struct ServerArgs {
    /// Configuration file (TOML); deploy/conclave.example.toml describes every field
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Check the configuration and the certificates, and start nothing
    #[arg(long)]
    check_config: bool,
    /// End when this process ends: how `conclave dev` keeps no node behind
    #[arg(long, value_name = "PID", hide = true)]
    parent_pid: Option<i32>,
}

/// Runs a node until it is told to stop; returns the exit code.
///
/// # Errors
/// Wrong configuration (exit 2), or what the node cannot start or go on without.
pub fn run(args: &ServerArgs) -> Result<u8, Failure> {
    #[cfg(feature = "mutants")]
    crate::mutants::choose(std::env::var_os(crate::mutants::VARIABLE))?;
    if let Some(parent) = args.parent_pid {
        hygiene::end_with_parent(parent).map_err(|error| {
            Failure::refused(format!("--parent-pid {parent}: {error}"), "leave --parent-pid away")
        })?;
    }
    let config = Config::load(&args.config, environment())?;
    logging::start(&config.log);
    if args.check_config {
        NodeTls::load(&config, &SystemClock)?;
        // The exit code says the same to who does not listen.
        let _ = writeln!(std::io::stdout(), "{}: valid", args.config.display());
        return Ok(exit::DONE);
    }
    hygiene::abort_on_panic();
    hygiene::harden();
    node::run(&config)
}

/// The variables that are text; no other can be meant for a field.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
