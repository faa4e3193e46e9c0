//! One server process of a cluster, from its files to its end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::Signal;

use crate::binary::Binary;
use crate::config::NodeConfig;
use crate::failure::{Failure, Result, require};
use crate::network::{API_PORT, Network};
use crate::process::{Process, tail_of};

/// From start to `ready`: a debug build on a busy machine, with a log to replay.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// From SIGTERM to the end.
const STOPS_WITHIN: Duration = Duration::from_secs(20);

/// A node: its directory stays over restarts, its process does not.
pub struct Node {
    config: NodeConfig,
    binary: Binary,
    prefix: Vec<String>,
    address: String,
    dir: PathBuf,
    process: Option<Process>,
}

impl Node {
    /// Writes the configuration file; nothing is started.
    pub fn prepare(
        config: NodeConfig,
        network: &Network,
        binary: Binary,
        dir: &Path,
    ) -> Result<Node> {
        fs::create_dir_all(dir)?;
        fs::write(dir.join("conclave.toml"), config.to_toml(network))?;
        Ok(Node {
            prefix: network.prefix(config.id),
            address: format!("{}:{API_PORT}", network.ip(config.id)),
            config,
            binary,
            dir: dir.to_owned(),
            process: None,
        })
    }

    /// Node id.
    pub fn id(&self) -> u32 {
        self.config.id
    }

    /// `HOST:PORT` of the API.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The configuration file.
    pub fn config_file(&self) -> PathBuf {
        self.dir.join("conclave.toml")
    }

    /// What the configuration file was written from.
    pub fn config(&self) -> &NodeConfig {
        &self.config
    }

    /// Directory of configuration, logs and data.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where stderr goes: the node's log.
    pub fn log_file(&self) -> PathBuf {
        self.dir.join("log.jsonl")
    }

    /// From now on the node is started from this program.
    pub fn set_binary(&mut self, binary: Binary) {
        self.binary = binary;
    }

    /// Starts the process without waiting for it.
    pub fn spawn(&mut self) -> Result<()> {
        require(!self.is_running(), || format!("node {} runs already", self.config.id))?;
        let mut command = self.binary.command(&self.prefix);
        command.arg("server").arg("--config").arg(self.config_file());
        let name = format!("node {}", self.config.id);
        let stdout = self.dir.join("stdout.log");
        self.process = Some(Process::spawn(&name, command, &stdout, &self.log_file())?);
        Ok(())
    }

    /// Waits until the process has said that it is ready.
    pub fn wait_ready(&mut self) -> Result<()> {
        self.process()?.wait_line("ready", READY_WITHIN)
    }

    /// Starts the process and waits until it is ready.
    pub fn start(&mut self) -> Result<()> {
        self.spawn()?;
        self.wait_ready()
    }

    /// `kill -9`, and the end of the process.
    pub fn kill9(&mut self) -> Result<()> {
        self.process()?.kill9()?;
        self.process = None;
        Ok(())
    }

    /// Sends `kill -9` and returns at once: so several nodes die in one moment. [`Node::gone`] follows.
    pub fn shoot(&mut self) -> Result<()> {
        self.process()?.signal(Signal::KILL)
    }

    /// Waits for the end of the process, however it comes.
    pub fn gone(&mut self, limit: Duration) -> Result<ExitStatus> {
        let status = self.process()?.wait_exit(limit)?;
        self.process = None;
        Ok(status)
    }

    /// SIGTERM, and the end of the process.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        self.process()?.signal(Signal::TERM)?;
        self.gone(STOPS_WITHIN)
    }

    /// SIGSTOP.
    pub fn pause(&mut self) -> Result<()> {
        self.process()?.signal(Signal::STOP)
    }

    /// SIGCONT.
    pub fn resume(&mut self) -> Result<()> {
        self.process()?.signal(Signal::CONT)
    }

    /// Process id.
    pub fn pid(&mut self) -> Result<u32> {
        Ok(self.process()?.pid())
    }

    /// True while the process runs.
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| matches!(process.try_exit(), Ok(None)))
    }

    /// The end of the node's log, for messages.
    pub fn tail(&self) -> String {
        format!("--- node {} log\n{}", self.config.id, tail_of(&self.log_file()))
    }

    fn process(&mut self) -> Result<&mut Process> {
        let id = self.config.id;
        self.process.as_mut().ok_or_else(|| Failure::harness(format!("node {id} was not started")))
    }
}
