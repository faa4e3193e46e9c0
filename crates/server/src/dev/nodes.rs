//! The processes of the nodes.

use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use futures::future::{join_all, select_all};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::folder::Folder;
use super::layout::Layout;
use crate::failure::Failure;

/// From start to `ready`: a debug build on a busy machine, with a log to load.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// From SIGTERM to SIGKILL.
const STOP_WITHIN: Duration = Duration::from_secs(10);
/// Of the log of a node that did not start, this much is shown.
const LOG_TAIL: usize = 2_000;

/// The nodes that run, or have run.
#[derive(Default)]
pub struct Nodes {
    running: Vec<Running>,
    pids: Vec<u32>,
}

struct Running {
    id: u32,
    pid: u32,
    child: Child,
    output: Lines<BufReader<ChildStdout>>,
    log: PathBuf,
    /// Length of the log when the process was started.
    said_before: u64,
}

/// A node that ended.
pub struct Ended {
    /// Which.
    pub id: u32,
    /// Its process.
    pub pid: u32,
    /// How.
    pub how: String,
    /// The end of what it said, if it said anything; begins with a semicolon.
    pub said: String,
}

impl Nodes {
    /// Starts all nodes and waits until each has said that it is ready.
    ///
    /// # Errors
    /// A node ended instead; the error shows what it said.
    pub async fn start(&mut self, folder: &Folder, layout: &Layout) -> Result<(), Failure> {
        for place in &layout.nodes {
            let running = spawn(folder, place.id)?;
            folder.write(
                &folder.node(place.id).join("pid"),
                format!("{}\n", running.pid).as_bytes(),
            )?;
            self.pids.push(running.pid);
            self.running.push(running);
        }
        for node in &mut self.running {
            let ready = timeout(READY_WITHIN, node.ready()).await.unwrap_or_else(|_| {
                Err(format!("was not ready within {} s", READY_WITHIN.as_secs()))
            });
            ready.map_err(|problem| {
                Failure::refused(
                    format!("node {} {problem}{}", node.id, node.said()),
                    format!("look into {}", node.log.display()),
                )
            })?;
        }
        Ok(())
    }

    /// The process ids, by node; of a node that has ended too.
    pub fn pids(&self) -> &[u32] {
        &self.pids
    }

    /// Waits for a node to end by itself; for ever if none runs.
    pub async fn next_end(&mut self) -> Ended {
        if self.running.is_empty() {
            return std::future::pending().await;
        }
        let waiting = self.running.iter_mut().map(|node| Box::pin(node.end()));
        let (how, at, _) = select_all(waiting).await;
        let node = self.running.remove(at);
        Ended { id: node.id, pid: node.pid, said: node.said(), how }
    }

    /// SIGTERM for all, SIGKILL for those that are still there after [`STOP_WITHIN`].
    pub async fn stop(&mut self) {
        let stopping = self.running.drain(..).map(|mut node| async move {
            if let Some(pid) = Pid::from_raw(node.pid as i32) {
                // Fails only if the process has ended.
                let _ = kill_process(pid, Signal::TERM);
            }
            if timeout(STOP_WITHIN, node.child.wait()).await.is_err() {
                super::say_on_stderr(&format!("node {} did not stop; it is killed", node.id));
                let _ = node.child.kill().await;
            }
        });
        join_all(stopping).await;
    }
}

impl Running {
    /// Until the node has said that it is ready.
    async fn ready(&mut self) -> Result<(), String> {
        while let Ok(Some(line)) = self.output.next_line().await {
            if line == "ready" {
                return Ok(());
            }
        }
        Err(self.end().await)
    }

    /// What the log says of this run, at its end.
    fn said(&self) -> String {
        tail(&self.log, self.said_before)
    }

    /// Until the process has ended; says how.
    async fn end(&mut self) -> String {
        match self.child.wait().await {
            Ok(status) => how(status),
            Err(error) => format!("cannot be waited for: {error}"),
        }
    }
}

fn spawn(folder: &Folder, id: u32) -> Result<Running, Failure> {
    let log = folder.log(id);
    let (log_file, said_before) = folder.append(&log)?;
    let failed = |error: std::io::Error| {
        Failure::refused(
            format!("node {id} cannot be started: {error}"),
            "see whether the program is still where it was",
        )
    };
    let program = std::env::current_exe().map_err(failed)?;
    let mut command = Command::new(program);
    command.arg("server").arg("--config").arg(folder.config(id));
    command.arg("--parent-pid").arg(std::process::id().to_string());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log_file).kill_on_drop(true);
    // Ctrl-C on the terminal is for us; we stop the nodes in order.
    command.process_group(0);
    // What the user set for a node or a client of their own is not for these nodes.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CONCLAVE_") || name == "NOTIFY_SOCKET" {
            command.env_remove(name);
        }
    }
    let mut child = command.spawn().map_err(failed)?;
    let gone = || failed(std::io::Error::other("it ended at once"));
    let pid = child.id().ok_or_else(gone)?;
    let output = BufReader::new(child.stdout.take().ok_or_else(gone)?).lines();
    Ok(Running { id, pid, child, output, log, said_before })
}

fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

/// What a log says after its first `from` bytes; at most the last [`LOG_TAIL`] bytes.
fn tail(log: &Path, from: u64) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = std::fs::File::open(log)?;
        file.seek(SeekFrom::Start(from))?;
        let mut said = Vec::new();
        file.read_to_end(&mut said)?;
        let start = said.len().saturating_sub(LOG_TAIL);
        Ok(String::from_utf8_lossy(&said[start..]).trim().to_owned())
    };
    match read() {
        Ok(said) if !said.is_empty() => format!("; it said:\n{said}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_process_is_told() {
        assert_eq!(how(ExitStatus::from_raw(1 << 8)), "ended with exit code 1");
        assert_eq!(how(ExitStatus::from_raw(9)), "was ended by signal 9");
    }

    #[test]
    fn only_what_is_new_in_a_log_is_shown() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log.jsonl");
        assert_eq!(tail(&log, 0), "");
        std::fs::write(&log, "old\nnew\n").unwrap();
        assert_eq!(tail(&log, 4), "; it said:\nnew");
        assert_eq!(tail(&log, 8), "");
    }
}
