//! The configuration of a node: one TOML file, each field overridable by an environment variable.
//!
//! `api.listen` in the file is `CONCLAVE__API__LISTEN` in the environment. Unknown fields are refused
//! with the nearest known name. Relative paths are relative to the working directory of the process.
//!
//! Reading order: [`Config`] (what there is), [`fields`] (names and what is allowed), [`source`] (file
//! and environment become one table), [`check`] (rules between fields).

mod check;
mod error;
mod fields;
mod source;

use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use error::ConfigErrors;

/// Most worker threads of the API that are started unless `api.workers` says more.
const DEFAULT_WORKERS_AT_MOST: usize = 4;

/// Everything that a node can be told.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The cluster.
    pub cluster: Cluster,
    /// The node.
    pub node: Node,
    /// The listener for clients.
    #[serde(default)]
    pub api: Api,
    /// The listener for the other members.
    #[serde(default)]
    pub peer: Peer,
    /// The listener for probes on this machine.
    #[serde(default)]
    pub local: Local,
    /// The node's certificate.
    pub tls: Tls,
    /// What is logged, to standard error.
    #[serde(default)]
    pub log: Log,
    /// The journal of uses.
    #[serde(default)]
    pub audit: Audit,
    /// Timing of consensus.
    #[serde(default)]
    pub raft: Raft,
    /// What is only for development.
    #[serde(default)]
    pub development: Development,
}

/// `[cluster]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// Name of the cluster, as in its certificates: 1 to 63 of `a-z 0-9 -`. Required.
    pub name: String,
    /// The members with which the cluster starts, the same on all nodes. Used at the first start
    /// only: afterwards the membership is in the replicated state. Default: none, which is enough
    /// once the node has been started.
    #[serde(default)]
    pub initial_members: Vec<InitialMember>,
    /// Names of the operators whose certificates may initialise the cluster. Default: empty, which
    /// means every operator certificate that the cluster's authority has issued.
    #[serde(default)]
    pub operators: Vec<String>,
}

/// One element of `cluster.initial_members`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitialMember {
    /// Its `node.id`.
    pub id: u32,
    /// Where the other members reach it, `HOST:PORT`.
    pub peer: String,
    /// Where clients reach it, `HOST:PORT`.
    pub api: String,
}

/// `[node]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// The node's number within the cluster, from 1, as in its certificate. Required.
    pub id: u32,
    /// The directory of everything durable; made at the first start, for its owner only; its parent
    /// must exist. Required.
    pub data_dir: PathBuf,
}

/// `[api]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Api {
    /// Where to listen for clients, `IP:PORT`. Default: `0.0.0.0:7400`.
    pub listen: String,
    /// Where clients reach this node, `HOST:PORT`. Default: this node's entry in
    /// `cluster.initial_members`, else `api.listen`.
    pub advertise: Option<String>,
    /// Threads that serve clients, each with a runtime of its own; 1 to 64. Default: one for each
    /// core, at most 4.
    pub workers: Option<usize>,
}

/// `[peer]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Peer {
    /// Where to listen for the other members, `IP:PORT`. Default: `0.0.0.0:7401`.
    pub listen: String,
    /// Where the other members reach this node, `HOST:PORT`. Default: this node's entry in
    /// `cluster.initial_members`, else `peer.listen`.
    pub advertise: Option<String>,
}

/// `[local]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Local {
    /// Where `/healthz` and `/readyz` are served in plain HTTP: a loopback address, `IP:PORT`.
    /// Default: `127.0.0.1:7402`.
    pub listen: String,
}

/// `[tls]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The node's certificate, PEM, with the chain below the authority. Its SAN names
    /// `conclave://CLUSTER/node/N`. Required.
    pub cert: PathBuf,
    /// The private key of the certificate, PEM, mode 0600. Required.
    pub key: PathBuf,
    /// The certificate of the cluster's authority, PEM. It alone is trusted, for clients and peers.
    /// Required.
    pub ca: PathBuf,
}

/// `[log]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `json` (one object a line) or `text`. Default: `json`.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug` or `trace`. Default: `info`.
    pub level: String,
}

/// `[audit]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Audit {
    /// MiB that the journal of uses in `audit/` may take on the disk, 64 to 1 048 576; the oldest
    /// records go first. Default: 4 096, about 35 million records.
    pub keep_mib: u64,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// `[raft]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Raft {
    /// How often the leader is heard, milliseconds, 10 to 10 000. Default: 250.
    pub heartbeat_ms: u64,
    /// After how long without a leader a node campaigns, milliseconds, at least three heartbeats, at
    /// most 60 000. Default: 1 500.
    pub election_ms: u64,
}

/// `[development]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Development {
    /// Permits what a real cluster must not have, such as a first credential that never expires.
    /// Default: false.
    pub enabled: bool,
    /// How many times faster than real time cluster time passes: deletions, expiry dates and rotations go
    /// by it, credentials do not. The same on all nodes; other than 1 only with `enabled`. Default: 1.
    pub clock_rate: u32,
}

impl Default for Api {
    fn default() -> Api {
        Api { listen: "0.0.0.0:7400".to_owned(), advertise: None, workers: None }
    }
}

impl Default for Peer {
    fn default() -> Peer {
        Peer { listen: "0.0.0.0:7401".to_owned(), advertise: None }
    }
}

impl Default for Local {
    fn default() -> Local {
        Local { listen: "127.0.0.1:7402".to_owned() }
    }
}

impl Default for Log {
    fn default() -> Log {
        Log { format: LogFormat::Json, level: "info".to_owned() }
    }
}

impl Default for Audit {
    fn default() -> Audit {
        Audit { keep_mib: 4_096 }
    }
}

impl Default for Raft {
    fn default() -> Raft {
        Raft { heartbeat_ms: 250, election_ms: 1_500 }
    }
}

impl Default for Development {
    fn default() -> Development {
        Development { enabled: false, clock_rate: 1 }
    }
}

impl Config {
    /// Reads the file, applies the overrides (`CONCLAVE__A__B`) among `environment`, and checks
    /// everything that can be checked without touching another file.
    ///
    /// # Errors
    /// All that is wrong, each with what is allowed and what to do.
    pub fn load(
        file: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Config, ConfigErrors> {
        let text = source::read(file)?;
        Config::parse(&text, environment).map_err(|errors| errors.in_file(file))
    }

    fn parse(
        text: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Config, ConfigErrors> {
        let table = source::table(text, environment)?;
        let config: Config = table.try_into().map_err(ConfigErrors::not_a_configuration)?;
        check::check(&config)?;
        Ok(config)
    }

    /// Where clients reach this node.
    pub fn api_advertise(&self) -> &str {
        let entry = self.own_entry().map(|member| &member.api);
        self.api.advertise.as_ref().or(entry).unwrap_or(&self.api.listen)
    }

    /// Where the other members reach this node.
    pub fn peer_advertise(&self) -> &str {
        let entry = self.own_entry().map(|member| &member.peer);
        self.peer.advertise.as_ref().or(entry).unwrap_or(&self.peer.listen)
    }

    /// How many threads serve clients.
    pub fn workers(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.api.workers.unwrap_or_else(|| cores().min(DEFAULT_WORKERS_AT_MOST))
    }

    fn own_entry(&self) -> Option<&InitialMember> {
        self.cluster.initial_members.iter().find(|member| member.id == self.node.id)
    }
}

#[cfg(test)]
mod tests;
