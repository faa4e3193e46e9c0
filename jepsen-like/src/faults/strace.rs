//! System calls of a running process that fail (`strace -e inject`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::need_program;
use crate::failure::{Failure, Result, require};
use crate::process::Process;
use crate::wait::wait_until;

/// Which call fails, and how.
pub struct Injection<'a> {
    /// Name of the system call: `fdatasync`.
    pub call: &'a str,
    /// Name of the error: `EIO`.
    pub error: &'a str,
    /// The how-manieth call of a thread fails, counted from the attachment.
    pub when: u32,
}

/// strace attached to one process. Dropping it detaches.
pub struct Tracer {
    process: Process,
    record: PathBuf,
}

/// Fails unless strace is installed and may attach.
pub fn preflight() -> Result<()> {
    need_program("strace", "strace")
}

impl Tracer {
    /// Attaches to a process and all of its threads; returns once strace holds it.
    pub fn attach(pid: u32, injection: &Injection<'_>, dir: &Path) -> Result<Tracer> {
        preflight()?;
        let record = dir.join("strace.out");
        let Injection { call, error, when } = injection;
        let mut command = Command::new("strace");
        command
            .args(["-f", "-tt", "-p", &pid.to_string(), "-o"])
            .arg(&record)
            .args(["-e", &format!("trace={call}")])
            .args(["-e", &format!("inject={call}:error={error}:when={when}")]);
        let (out, err) = (dir.join("strace.stdout"), dir.join("strace.stderr"));
        let process = Process::spawn("strace", command, &out, &err)?;
        let tracer = Tracer { process, record };
        tracer.wait_attached(pid)?;
        Ok(tracer)
    }

    /// How many calls failed because of the injection.
    pub fn injected(&self) -> Result<usize> {
        let text = fs::read_to_string(&self.record)?;
        Ok(text.lines().filter(|line| line.contains("(INJECTED)")).count())
    }

    /// Waits until the process has met its fault; otherwise the run has shown nothing.
    pub fn wait_injected(&self, limit: Duration) -> Result<()> {
        wait_until(limit, "the injected error", || match self.injected() {
            Ok(0) => Err("no call has failed yet".to_owned()),
            Ok(_) => Ok(()),
            Err(failure) => Err(failure.to_string()),
        })
        .map_err(|failure| self.process.with_tail(Failure::harness(failure.to_string())))
    }

    fn wait_attached(&self, pid: u32) -> Result<()> {
        let path = format!("/proc/{pid}/status");
        wait_until(Duration::from_secs(20), "strace to attach", || {
            let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
            let line = text.lines().find(|line| line.starts_with("TracerPid:")).unwrap_or("");
            let tracer: u32 = line.trim_start_matches("TracerPid:").trim().parse().unwrap_or(0);
            if tracer == 0 { Err("nobody traces it".to_owned()) } else { Ok(()) }
        })
        .map_err(|failure| {
            self.process.with_tail(Failure::harness(format!("strace could not attach: {failure}")))
        })?;
        require(self.record.exists(), || "strace writes no record".to_owned())
    }
}
