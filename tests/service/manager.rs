//! A service manager as far as a node sees one: the socket of the notify protocol, and the way in which
//! systemd ends what hangs.

use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use conclave_harness::cluster::Builder;
use conclave_harness::node::Node;
use conclave_harness::{Failure, Result};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// `WatchdogSec=`: a debug build on a busy machine must be able to keep it.
pub const WATCHDOG: Duration = Duration::from_secs(3);
/// `TimeoutAbortSec=`: from SIGABRT to SIGKILL.
const ABORT: Duration = Duration::from_secs(10);
/// Longest datagram of a node, and more.
const DATAGRAM: usize = 4096;
/// Ends the thread that listens; no node says it.
const HANG_UP: &str = "HANG UP";

/// A service manager of one node.
pub struct Manager {
    dir: TempDir,
    told: Receiver<Told>,
    listening: Option<JoinHandle<()>>,
}

/// One line of a message.
#[derive(Debug)]
pub struct Told {
    pub at: Instant,
    pub line: String,
}

impl Manager {
    /// Binds the socket, and listens.
    pub fn start() -> Result<Manager> {
        let dir = tempfile::tempdir()?;
        let socket = UnixDatagram::bind(path(&dir))?;
        let (tell, told) = mpsc::channel();
        let listening = thread::spawn(move || {
            let mut buffer = [0; DATAGRAM];
            loop {
                let length = socket.recv(&mut buffer).unwrap();
                let at = Instant::now();
                let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
                for line in text.lines() {
                    let told = Told { at, line: line.to_owned() };
                    if line == HANG_UP || tell.send(told).is_err() {
                        return;
                    }
                }
            }
        });
        Ok(Manager { dir, told, listening: Some(listening) })
    }

    /// Node `id` of the cluster gets this manager, with a watchdog.
    pub fn manage(&self, id: u32, cluster: Builder) -> Builder {
        let watchdog = WATCHDOG.as_micros().to_string();
        cluster.node_env(id, "NOTIFY_SOCKET", path(&self.dir)).node_env(
            id,
            "WATCHDOG_USEC",
            watchdog,
        )
    }

    /// The next line, `None` if none comes within `limit`.
    pub fn next(&self, limit: Duration) -> Option<Told> {
        match self.told.recv_timeout(limit) {
            Ok(told) => Some(told),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => panic!("the listening thread has ended"),
        }
    }

    /// Waits for `line`; the lines before it, and when it came.
    pub fn wait(&self, line: &str, limit: Duration) -> Result<(Vec<String>, Instant)> {
        let end = Instant::now() + limit;
        let mut before = Vec::new();
        while let Some(told) = self.next(end.saturating_duration_since(Instant::now())) {
            if told.line == line {
                return Ok((before, told.at));
            }
            before.push(told.line);
        }
        Err(Failure::violation(format!("{line:?} did not come in {limit:?}; told: {before:?}")))
    }

    /// Everything that has been told so far and was not looked at.
    pub fn so_far(&self) -> Vec<String> {
        self.told.try_iter().map(|told| told.line).collect()
    }

    /// Waits until no sign of life has come for as long as the watchdog permits.
    pub fn wait_hung(&self, limit: Duration) -> Result<()> {
        let end = Instant::now() + limit;
        let mut last = Instant::now();
        while last.elapsed() < WATCHDOG {
            if Instant::now() >= end {
                return Err(Failure::violation(format!("signs of life came for {limit:?}")));
            }
            let left = WATCHDOG.saturating_sub(last.elapsed());
            if let Some(told) = self.next(left)
                && told.line == "WATCHDOG=1"
            {
                last = told.at;
            }
        }
        Ok(())
    }

    /// Ends a node that hangs, as systemd does: SIGABRT, with SIGCONT so that a stopped process gets it;
    /// SIGKILL if that does not end it in time.
    pub fn end_hung(&self, node: &mut Node) -> Result<ExitStatus> {
        let pid = i32::try_from(node.pid()?).ok().and_then(Pid::from_raw).unwrap();
        kill_process(pid, Signal::ABORT)?;
        kill_process(pid, Signal::CONT)?;
        match node.gone(ABORT) {
            Ok(status) => Ok(status),
            Err(_) => {
                kill_process(pid, Signal::KILL)?;
                node.gone(ABORT)
            }
        }
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let hung_up = UnixDatagram::unbound()
            .and_then(|socket| socket.send_to(HANG_UP.as_bytes(), path(&self.dir)));
        if let (Ok(_), Some(listening)) = (hung_up, self.listening.take()) {
            // A panic of the thread has shown itself as lines that did not come.
            let _ = listening.join();
        }
    }
}

fn path(dir: &TempDir) -> PathBuf {
    dir.path().join("notify")
}
