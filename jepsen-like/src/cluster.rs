//! A cluster of real server processes in a directory of its own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;

use crate::binary::Binary;
use crate::cli::Cli;
use crate::config::NodeConfig;
use crate::failure::{Failure, Result};
use crate::faults::netns::Lab;
use crate::network::{Network, Reservation};
use crate::node::Node;
use crate::pki::{OPERATOR, Pki};
use crate::wait::wait_until;

mod ceremony;
mod observe;

/// Set: directories of runs are kept and named on stderr.
pub const KEEP_VARIABLE: &str = "CONCLAVE_KEEP";

/// A start that found an address in use is made again with other addresses.
const START_ATTEMPTS: u32 = 3;
/// How long an ordinary command may take; a debug build on a busy machine needs it.
const COMMAND_TIMEOUT: &str = "20s";

/// A running cluster. Its processes are killed and its directory is removed when it is dropped.
pub struct Cluster {
    name: String,
    binary: Binary,
    network: Network,
    pki: Pki,
    nodes: Vec<Node>,
    // Dropped after the processes that write into it.
    dir: TempDir,
}

/// What a cluster is made of.
pub struct Builder {
    binary: Binary,
    name: String,
    members: u32,
    lab: Option<Arc<Lab>>,
    extra: String,
    node_env: BTreeMap<u32, Vec<(OsString, OsString)>>,
}

impl Cluster {
    /// Three nodes of `binary` on loopback, unless told otherwise.
    pub fn builder(binary: &Binary) -> Builder {
        Builder {
            binary: binary.clone(),
            name: "test".to_owned(),
            members: 3,
            lab: None,
            extra: String::new(),
            node_env: BTreeMap::new(),
        }
    }

    /// Starts three nodes, runs init and opens all of them.
    pub fn unsealed(binary: &Binary) -> Result<Cluster> {
        let cluster = Cluster::builder(binary).start()?;
        cluster.init()?;
        cluster.unseal_all()?;
        Ok(cluster)
    }

    /// Directory of everything.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Name of the cluster.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The certificates.
    pub fn pki(&self) -> &Pki {
        &self.pki
    }

    /// The program under test.
    pub fn binary(&self) -> &Binary {
        &self.binary
    }

    /// The network the nodes are on.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Ids of all members, started or not.
    pub fn ids(&self) -> Vec<u32> {
        self.nodes.iter().map(Node::id).collect()
    }

    /// All members but these.
    pub fn others(&self, not: &[u32]) -> Vec<u32> {
        self.ids().into_iter().filter(|id| !not.contains(id)).collect()
    }

    /// One node.
    pub fn node(&mut self, id: u32) -> &mut Node {
        &mut self.nodes[index(id)]
    }

    /// API address of a node.
    pub fn address(&self, id: u32) -> &str {
        self.nodes[index(id)].address()
    }

    /// API addresses of these nodes, as `--addr` takes them.
    pub fn addresses(&self, ids: &[u32]) -> String {
        ids.iter().map(|id| self.address(*id)).collect::<Vec<_>>().join(",")
    }

    /// File with the administrator's token, there after [`Cluster::init`].
    pub fn token_file(&self) -> PathBuf {
        self.dir().join("admin.token")
    }

    /// The command line with the administrator's token and all addresses.
    pub fn cli(&self) -> Cli {
        self.cli_for(&self.ids())
    }

    /// The command line with the administrator's token and the address of one node.
    pub fn cli_at(&self, id: u32) -> Cli {
        self.cli_for(&[id])
    }

    /// The command line with the administrator's token and these addresses.
    pub fn cli_for(&self, ids: &[u32]) -> Cli {
        self.cli_bare(ids).token(&self.token_file())
    }

    /// The command line with the operator's certificate.
    pub fn cli_operator(&self, id: u32) -> Cli {
        self.cli_bare(&[id]).certificate(&self.pki.cert(OPERATOR), &self.pki.key(OPERATOR))
    }

    /// The command line without credentials.
    pub fn cli_bare(&self, ids: &[u32]) -> Cli {
        Cli::new(self.binary.clone(), self.dir())
            .addr(&self.addresses(ids))
            .ca(&self.pki.cert("ca"))
            .timeout(COMMAND_TIMEOUT)
    }

    /// `kill -9` for all running nodes in one moment.
    pub fn kill_all(&mut self) -> Result<()> {
        for node in &mut self.nodes {
            node.shoot()?;
        }
        for node in &mut self.nodes {
            node.gone(Duration::from_secs(10))?;
        }
        Ok(())
    }

    /// Starts all nodes, which must not run, and waits until they are ready.
    pub fn start_all(&mut self) -> Result<()> {
        for node in &mut self.nodes {
            node.spawn()?;
        }
        for node in &mut self.nodes {
            node.wait_ready()?;
        }
        Ok(())
    }

    /// Waits for a condition of the cluster; a failure shows the ends of all logs.
    pub fn wait<T>(
        &self,
        limit: Duration,
        what: &str,
        probe: impl FnMut() -> std::result::Result<T, String>,
    ) -> Result<T> {
        wait_until(limit, what, probe).map_err(|failure| self.with_logs(failure))
    }

    /// `failure` with the ends of all logs after it.
    pub fn with_logs(&self, failure: Failure) -> Failure {
        let tails: String = self.nodes.iter().map(|node| format!("\n{}", node.tail())).collect();
        match failure {
            Failure::Violation(text) => Failure::Violation(text + &tails),
            Failure::Harness(text) => Failure::Harness(text + &tails),
        }
    }
}

impl Builder {
    /// Name of the cluster, which its certificates carry.
    pub fn name(mut self, name: &str) -> Builder {
        self.name = name.to_owned();
        self
    }

    /// How many nodes.
    pub fn members(mut self, members: u32) -> Builder {
        self.members = members;
        self
    }

    /// One network namespace a node.
    pub fn lab(mut self, lab: Arc<Lab>) -> Builder {
        self.lab = Some(lab);
        self
    }

    /// Lines at the end of every configuration file.
    pub fn extra(mut self, toml: &str) -> Builder {
        self.extra = toml.to_owned();
        self
    }

    /// One environment variable of one node.
    pub fn node_env(
        mut self,
        id: u32,
        name: impl Into<OsString>,
        value: impl Into<OsString>,
    ) -> Builder {
        self.node_env.entry(id).or_default().push((name.into(), value.into()));
        self
    }

    /// Makes certificates and configuration files; no process is started.
    pub fn prepare(self) -> Result<Cluster> {
        self.lay_out().map(|(cluster, _)| cluster)
    }

    /// Makes everything, starts all nodes and waits until they are ready.
    pub fn start(self) -> Result<Cluster> {
        let mut attempt = 1;
        loop {
            match self.try_start() {
                Err(failure) if attempt < START_ATTEMPTS && address_in_use(&failure) => {
                    attempt += 1
                }
                other => return other,
            }
        }
    }

    fn try_start(&self) -> Result<Cluster> {
        let (mut cluster, reserved) = self.lay_out()?;
        let mut reserved = reserved.into_iter();
        for node in &mut cluster.nodes {
            drop(reserved.next());
            node.spawn()?;
        }
        for node in &mut cluster.nodes {
            node.wait_ready()?;
        }
        Ok(cluster)
    }

    fn lay_out(&self) -> Result<(Cluster, Vec<Reservation>)> {
        let dir = directory()?;
        let (network, reserved) = match &self.lab {
            Some(lab) => (Network::Namespaces(lab.clone()), Vec::new()),
            None => Network::loopback(self.members)?,
        };
        let cli = Cli::new(self.binary.clone(), dir.path());
        let pki = Pki::init(cli, &dir.path().join("pki"), &self.name)?;
        pki.issue_operator()?;
        let mut nodes = Vec::new();
        for id in 1..=self.members {
            pki.issue_node(id, &network.ip(id).to_string())?;
            nodes.push(self.node(id, &network, &pki, dir.path())?);
        }
        let (name, binary) = (self.name.clone(), self.binary.clone());
        Ok((Cluster { name, binary, network, pki, nodes, dir }, reserved))
    }

    fn node(&self, id: u32, network: &Network, pki: &Pki, dir: &Path) -> Result<Node> {
        let node_dir = dir.join(format!("node-{id}"));
        let config = NodeConfig {
            cluster: self.name.clone(),
            id,
            members: self.members,
            data_dir: node_dir.join("data"),
            pki: pki.dir().to_owned(),
            certificate: format!("node-{id}"),
            extra: self.extra.clone(),
        };
        let mut binary = self.binary.clone();
        for (name, value) in self.node_env.get(&id).into_iter().flatten() {
            binary = binary.with_env(name, value);
        }
        Node::prepare(config, network, binary, &node_dir)
    }
}

/// A directory for one run, kept if the environment says so.
pub fn directory() -> Result<TempDir> {
    let mut dir = tempfile::Builder::new().prefix("conclave-run-").tempdir()?;
    if std::env::var_os(KEEP_VARIABLE).is_some() {
        dir.disable_cleanup(true);
    }
    Ok(dir)
}

fn index(id: u32) -> usize {
    id as usize - 1
}

fn address_in_use(failure: &Failure) -> bool {
    failure.to_string().to_lowercase().contains("in use")
}
