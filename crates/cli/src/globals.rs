//! Flags that every verb has, each with its environment variable. A flag wins over its variable.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use conclave_client::{Client, Reason};
use uuid::Uuid;

use crate::failure::Failure;
use crate::output;
use crate::values::parse_duration;

/// Where a node listens if nothing is said.
const DEFAULT_ADDR: &str = "127.0.0.1:7400";

/// The form of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// One JSON value, stable.
    Json,
}

/// Global flags.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// Nodes to talk to [default: 127.0.0.1:7400]; with exactly one, no other is tried
    #[arg(
        long,
        global = true,
        env = "CONCLAVE_ADDR",
        value_name = "HOST:PORT[,…]",
        value_delimiter = ',',
        hide_env_values = true
    )]
    pub addr: Vec<String>,

    /// File that holds the token to show
    #[arg(
        long,
        global = true,
        env = "CONCLAVE_TOKEN_FILE",
        value_name = "FILE",
        hide_env_values = true
    )]
    pub token_file: Option<PathBuf>,

    /// Certificate of the authority that issued the nodes' certificates
    #[arg(
        long,
        global = true,
        env = "CONCLAVE_CA_CERT",
        value_name = "FILE",
        hide_env_values = true
    )]
    pub ca_cert: Option<PathBuf>,

    /// Client certificate to show
    #[arg(
        long,
        global = true,
        env = "CONCLAVE_CLIENT_CERT",
        value_name = "FILE",
        hide_env_values = true
    )]
    pub client_cert: Option<PathBuf>,

    /// Private key of the client certificate
    #[arg(
        long,
        global = true,
        env = "CONCLAVE_CLIENT_KEY",
        value_name = "FILE",
        hide_env_values = true
    )]
    pub client_key: Option<PathBuf>,

    /// Instance in which keys and key rings are looked up, created and listed [default: default]
    #[arg(
        long,
        global = true,
        env = "CONCLAVE_INSTANCE",
        value_name = "ID|NAME",
        hide_env_values = true
    )]
    pub instance: Option<String>,

    /// Form of the result
    #[arg(
        short,
        long,
        global = true,
        env = "CONCLAVE_OUTPUT",
        value_enum,
        default_value = "table",
        hide_env_values = true
    )]
    pub output: Format,

    /// Request id of a change: repeating a command with the same id runs it at most once
    #[arg(long, global = true, value_name = "UUID")]
    pub request_id: Option<Uuid>,

    /// How long each call may take: 30s 15m 72h 30d
    #[arg(
        long,
        global = true,
        env = "CONCLAVE_TIMEOUT",
        value_name = "DURATION",
        value_parser = parse_duration,
        default_value = "10s",
        hide_env_values = true
    )]
    pub timeout: Duration,
}

impl Globals {
    /// Whether results are JSON.
    pub(crate) fn json(&self) -> bool {
        self.output == Format::Json
    }

    /// The request id for a mutation; empty: the client makes one.
    pub(crate) fn request_id(&self) -> String {
        self.request_id.map(|id| id.to_string()).unwrap_or_default()
    }

    /// The addresses that were given, or the one where a node listens if nothing is said.
    pub(crate) fn addrs(&self) -> Vec<String> {
        let given = self.addr.iter().map(|addr| addr.trim().to_owned());
        let given: Vec<_> = given.filter(|addr| !addr.is_empty()).collect();
        if given.is_empty() { vec![DEFAULT_ADDR.to_owned()] } else { given }
    }

    /// A client as the flags describe it.
    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let mut builder = Client::builder().timeout(self.timeout).addrs(self.addrs());
        if let Some(path) = given(&self.ca_cert) {
            builder = builder.ca_cert(path);
        }
        if let Some(path) = given(&self.client_cert) {
            builder = builder.client_cert(path);
        }
        if let Some(path) = given(&self.client_key) {
            builder = builder.client_key(path);
        }
        // A variable set to nothing counts as not set.
        if let Some(instance) = self.instance.as_deref().filter(|instance| !instance.is_empty()) {
            builder = builder.instance(instance);
        }
        if let Some(path) = given(&self.token_file) {
            warn_if_others_may_read(path);
            builder = builder.token_file(path);
        }
        builder.build().map_err(|error| match error.reason {
            Reason::Unauthenticated => Failure::Call(Box::new(error)),
            _ => Failure::Usage(Box::new(error)),
        })
    }
}

/// A variable set to nothing counts as not set.
fn given(path: &Option<PathBuf>) -> Option<&Path> {
    path.as_deref().filter(|path| !path.as_os_str().is_empty())
}

fn warn_if_others_may_read(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).map(|found| found.permissions().mode());
    if mode.is_ok_and(|mode| mode & 0o077 != 0) {
        output::warn(&format!(
            "the token file {} can be read by others; run: chmod 600 {0}",
            path.display()
        ));
    }
}
