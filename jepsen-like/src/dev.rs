//! `conclave dev`: a development cluster that starts its own nodes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;

use crate::binary::Binary;
use crate::cli::Cli;
use crate::failure::{Failure, Result, require};
use crate::process::Process;
use crate::wait::wait_until;

/// From the command to its `ready`: certificates, three nodes, a ceremony, a file; debug build.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// From SIGTERM to the end of it and its nodes.
const STOPS_WITHIN: Duration = Duration::from_secs(30);

/// `dev.json`, every field of the contract.
#[derive(Clone, Debug, Deserialize)]
pub struct DevFile {
    /// Id of the running cluster.
    pub cluster_id: String,
    /// The nodes.
    pub nodes: Vec<DevNode>,
    /// Files of the shares.
    pub shares: Vec<PathBuf>,
    /// How many of them open the cluster.
    pub threshold: u32,
    /// File of the administrator's token.
    pub token_file: PathBuf,
    /// The certificate authority.
    pub ca_cert: PathBuf,
    /// The first key.
    pub key_id: String,
    /// Its alias.
    pub alias: String,
    /// How fast the cluster's clock runs.
    pub clock_rate: u32,
}

/// One node of `dev.json`.
#[derive(Clone, Debug, Deserialize)]
pub struct DevNode {
    /// Node id.
    pub id: u32,
    /// Address of the API.
    pub api: String,
    /// Address between nodes.
    pub peer: String,
    /// Address of health and metrics.
    pub local: String,
    /// Process id.
    pub pid: u32,
    /// Data directory.
    pub data_dir: PathBuf,
    /// Configuration file.
    pub config: PathBuf,
    /// Log file.
    pub log: PathBuf,
}

/// A running `conclave dev`. Dropping it ends it and the nodes it started.
pub struct Dev {
    binary: Binary,
    dir: PathBuf,
    process: Process,
}

impl Dev {
    /// Runs `conclave dev --dir DIR` on free ports, without waiting.
    pub fn spawn(binary: &Binary, dir: &Path, more: &[&str]) -> Result<Dev> {
        let mut command = binary.command(&[]);
        command.args(["dev", "--base-port", "0", "--dir"]).arg(dir).args(more);
        // The logs lie beside the folder, not in it: a second start must find only what the first left.
        let (out, err) = (dir.with_extension("out"), dir.with_extension("err"));
        let process = Process::spawn("conclave dev", command, &out, &err)?;
        Ok(Dev { binary: binary.clone(), dir: dir.to_owned(), process })
    }

    /// Runs `conclave dev --dir DIR` on free ports until it is ready.
    pub fn start(binary: &Binary, dir: &Path) -> Result<Dev> {
        let mut dev = Dev::spawn(binary, dir, &[])?;
        dev.wait_ready()?;
        Ok(dev)
    }

    /// Waits until it is ready.
    pub fn wait_ready(&mut self) -> Result<()> {
        self.process.wait_line("ready", READY_WITHIN)?;
        Ok(())
    }

    /// The process of `conclave dev` itself.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// What it wrote about itself.
    pub fn file(&self) -> Result<DevFile> {
        let path = self.dir.join("dev.json");
        let text = fs::read_to_string(&path)
            .map_err(|error| Failure::violation(format!("{}: {error}", path.display())))?;
        serde_json::from_str(&text)
            .map_err(|error| Failure::violation(format!("dev.json lacks a field: {error}: {text}")))
    }

    /// The variables of its `env` file.
    pub fn env(&self) -> Result<BTreeMap<String, String>> {
        let text = fs::read_to_string(self.dir.join("env"))
            .map_err(|error| Failure::violation(format!("no env file: {error}")))?;
        let mut env = BTreeMap::new();
        for word in text.split_whitespace() {
            if let Some((name, value)) = word.split_once('=') {
                env.insert(name.to_owned(), value.trim_matches(['"', '\'']).to_owned());
            }
        }
        Ok(env)
    }

    /// The command line as a shell has it after reading the `env` file.
    pub fn cli(&self, dir: &Path) -> Result<Cli> {
        let env = self.env()?;
        let value = |name: &str| {
            let found = env.get(name).cloned();
            found.ok_or_else(|| Failure::violation(format!("env lacks {name}: {env:?}")))
        };
        Ok(Cli::new(self.binary.clone(), dir)
            .addr(&value("CONCLAVE_ADDR")?)
            .ca(Path::new(&value("CONCLAVE_CA_CERT")?))
            .token(Path::new(&value("CONCLAVE_TOKEN_FILE")?)))
    }

    /// `kill -9` for one of its nodes.
    pub fn kill_node(&self, id: u32) -> Result<()> {
        let file = self.file()?;
        let node = file.nodes.iter().find(|node| node.id == id);
        let node = node.ok_or_else(|| Failure::violation(format!("no node {id} in dev.json")))?;
        require(self.is_own(node), || format!("pid {} is not node {id} of this dev", node.pid))?;
        kill(node)?;
        wait_until(Duration::from_secs(10), &format!("the end of node {id}"), || {
            if is_gone(node) { Ok(()) } else { Err("still there".to_owned()) }
        })
    }

    /// SIGTERM, and how it ended.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        self.process.signal(Signal::TERM)?;
        self.process.wait_exit(STOPS_WITHIN)
    }

    /// Nodes of this folder that still run.
    pub fn running_nodes(&self) -> Result<Vec<u32>> {
        let file = self.file()?;
        Ok(file.nodes.iter().filter(|node| self.is_own(node)).map(|node| node.id).collect())
    }

    /// A process id of `dev.json` is signalled only if its command line names this very folder.
    fn is_own(&self, node: &DevNode) -> bool {
        let line = fs::read(format!("/proc/{}/cmdline", node.pid)).unwrap_or_default();
        let config = node.config.to_string_lossy().into_owned();
        !is_gone(node)
            && node.config.starts_with(&self.dir)
            && String::from_utf8_lossy(&line).contains(&config)
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        if matches!(self.process.try_exit(), Ok(None)) {
            let _ = self.terminate();
        }
        // What a dev that was killed has left behind.
        if let Ok(file) = self.file() {
            for node in file.nodes.iter().filter(|node| self.is_own(node)) {
                let _ = kill(node);
            }
        }
    }
}

fn kill(node: &DevNode) -> Result<()> {
    let pid = Pid::from_raw(node.pid as i32)
        .ok_or_else(|| Failure::violation("dev.json has pid 0".to_owned()))?;
    Ok(kill_process(pid, Signal::KILL)?)
}

/// True for a process that has ended, reaped by its parent or not.
fn is_gone(node: &DevNode) -> bool {
    match fs::read_to_string(format!("/proc/{}/stat", node.pid)) {
        Ok(stat) => stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')),
        Err(_) => true,
    }
}
