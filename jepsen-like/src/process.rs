//! One child process: its output in files, its signals, its end.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::failure::{Failure, Result};
use crate::wait::wait_until;

/// How much of a log goes into the text of a failure.
const TAIL_BYTES: u64 = 3_000;

/// A child that is killed when this value is dropped. Only children of the harness are ever signalled.
pub struct Process {
    name: String,
    child: Child,
    ended: Option<ExitStatus>,
    stdout: PathBuf,
    stderr: PathBuf,
    /// Where this process's own part of the (appended) stdout file begins.
    stdout_start: u64,
}

impl Process {
    /// Starts `command` with stdout and stderr appended to two files.
    pub fn spawn(
        name: &str,
        mut command: Command,
        stdout: &Path,
        stderr: &Path,
    ) -> Result<Process> {
        let out = append(stdout)?;
        let err = append(stderr)?;
        let stdout_start = out.metadata()?.len();
        let child =
            command.stdin(Stdio::null()).stdout(out).stderr(err).spawn().map_err(|error| {
                Failure::harness(format!("cannot start {name} ({command:?}): {error}"))
            })?;
        Ok(Process {
            name: name.to_owned(),
            child,
            ended: None,
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
            stdout_start,
        })
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What this process has written to stdout so far.
    pub fn stdout(&self) -> Result<String> {
        let mut file = File::open(&self.stdout)?;
        file.seek(SeekFrom::Start(self.stdout_start))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The ends of stdout and stderr, for the text of a failure.
    pub fn tail(&self) -> String {
        format!(
            "--- {} stdout\n{}\n--- {} stderr\n{}",
            self.name,
            tail_of(&self.stdout),
            self.name,
            tail_of(&self.stderr)
        )
    }

    /// How the process ended, if it has.
    pub fn try_exit(&mut self) -> Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait()?;
        }
        Ok(self.ended)
    }

    /// Waits for the end of the process.
    pub fn wait_exit(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("the end of {} (pid {})", self.name, self.pid());
        wait_until(limit, &what, || match self.try_exit() {
            Ok(Some(status)) => Ok(status),
            Ok(None) => Err("still running".to_owned()),
            Err(failure) => Err(failure.to_string()),
        })
        .map_err(|failure| self.with_tail(failure))
    }

    /// Waits for a line on stdout that is exactly `line`. The end of the process ends the wait.
    pub fn wait_line(&mut self, line: &str, limit: Duration) -> Result<()> {
        let what = format!("the line {line:?} from {}", self.name);
        let outcome = wait_until(limit, &what, || {
            // The end is looked at first: a line printed just before it is still seen.
            let ended = self.try_exit().map_err(|failure| failure.to_string())?;
            let out = self.stdout().map_err(|failure| failure.to_string())?;
            match (out.lines().any(|seen| seen == line), ended) {
                (true, _) => Ok(None),
                (false, Some(status)) => Ok(Some(status)),
                (false, None) => Err(format!("{} bytes of stdout without it", out.len())),
            }
        });
        match outcome {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(self.with_tail(Failure::violation(format!(
                "{} ended ({status}) before it printed {line:?}",
                self.name
            )))),
            Err(failure) => Err(self.with_tail(failure)),
        }
    }

    /// Sends a signal to the process, which must not have ended.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if let Some(status) = self.try_exit()? {
            let gone = format!("{} had already ended ({status})", self.name);
            return Err(self.with_tail(Failure::violation(gone)));
        }
        // The child is not reaped, so its id cannot belong to anybody else.
        let pid = Pid::from_child(&self.child);
        Ok(kill_process(pid, signal)?)
    }

    /// Kills the process without a warning and waits for its end.
    pub fn kill9(&mut self) -> Result<()> {
        self.signal(Signal::KILL)?;
        self.wait_exit(Duration::from_secs(10)).map(|_| ())
    }

    /// `failure` with the ends of this process's output after it.
    pub fn with_tail(&self, failure: Failure) -> Failure {
        let tail = self.tail();
        match failure {
            Failure::Violation(text) => Failure::Violation(format!("{text}\n{tail}")),
            Failure::Harness(text) => Failure::Harness(format!("{text}\n{tail}")),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended.is_none() && !matches!(self.child.try_wait(), Ok(Some(_))) {
            // Errors mean that it is gone already.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The last part of a file as text.
pub fn tail_of(path: &Path) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let from = file.metadata()?.len().saturating_sub(TAIL_BYTES);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match read() {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => format!("({}: {error})", path.display()),
    }
}

fn append(path: &Path) -> Result<File> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    Ok(OpenOptions::new().create(true).append(true).open(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    fn start(script: &str) -> (tempfile::TempDir, Process) {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        let process =
            Process::spawn("sh", command, &dir.path().join("out"), &dir.path().join("err"))
                .unwrap();
        (dir, process)
    }

    #[test]
    fn a_line_is_waited_for_and_must_be_whole() {
        let (_dir, mut process) = start("echo not ready; echo ready; exec sleep 60");
        process.wait_line("ready", Duration::from_secs(10)).unwrap();
        process.kill9().unwrap();
        assert_eq!(process.try_exit().unwrap().unwrap().signal(), Some(9));
    }

    #[test]
    fn an_early_end_is_told_with_what_was_printed() {
        let (_dir, mut process) = start("echo the reason >&2; exit 7");
        let text = process.wait_line("ready", Duration::from_secs(10)).unwrap_err().to_string();
        assert!(text.contains("the reason") && text.contains('7'), "{text}");
    }

    #[test]
    fn a_second_start_does_not_see_the_lines_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let (out, err) = (dir.path().join("out"), dir.path().join("err"));
        let spawn = |script: &str| {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", script]);
            Process::spawn("sh", command, &out, &err).unwrap()
        };
        let mut first = spawn("echo ready");
        first.wait_exit(Duration::from_secs(10)).unwrap();
        let mut second = spawn("exit 0");
        assert!(second.wait_line("ready", Duration::from_secs(10)).is_err());
    }

    #[test]
    fn a_paused_process_goes_on_after_resume() {
        let (_dir, mut process) = start("while :; do echo tick; sleep 0.02; done");
        process.wait_line("tick", Duration::from_secs(10)).unwrap();
        process.signal(Signal::STOP).unwrap();
        let stat = format!("/proc/{}/stat", process.pid());
        wait_until(Duration::from_secs(5), "state T", || {
            let text = fs::read_to_string(&stat).unwrap();
            if text.contains(") T ") { Ok(()) } else { Err(text) }
        })
        .unwrap();
        process.signal(Signal::CONT).unwrap();
        process.kill9().unwrap();
    }

    #[test]
    fn drop_ends_the_child() {
        let (_dir, process) = start("exec sleep 60");
        let pid = process.pid();
        drop(process);
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }
}
