//! The command line of the program under test, called as a script would call it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::binary::Binary;
use crate::failure::{Failure, Result, ensure};
use crate::wait::wait_until;

/// No command may run longer: one that does hangs, whatever its own `--timeout` said.
const HANGS_AFTER: Duration = Duration::from_secs(120);

/// How a caller of the command line is set up: which node, which credentials.
#[derive(Clone)]
pub struct Cli {
    binary: Binary,
    prefix: Vec<String>,
    env: BTreeMap<&'static str, String>,
    stdin: Vec<u8>,
    dir: PathBuf,
}

/// What a command left behind.
pub struct Output {
    /// The command, for messages.
    pub command: String,
    /// Exit code; 128 + N after signal N, as a shell has it.
    pub code: i32,
    /// Everything on stdout.
    pub stdout: Vec<u8>,
    /// Everything on stderr.
    pub stderr: String,
    /// From start to end.
    pub elapsed: Duration,
}

impl Cli {
    /// A caller that runs in `dir`, without an address and without credentials.
    pub fn new(binary: Binary, dir: &Path) -> Cli {
        Cli {
            binary,
            prefix: Vec::new(),
            env: BTreeMap::new(),
            stdin: Vec::new(),
            dir: dir.to_owned(),
        }
    }

    /// Run every command behind this prefix (`ip netns exec NAME`).
    pub fn prefix(mut self, prefix: Vec<String>) -> Cli {
        self.prefix = prefix;
        self
    }

    /// Talk to these nodes (`HOST:PORT[,…]`).
    pub fn addr(self, addr: &str) -> Cli {
        self.var("CONCLAVE_ADDR", addr)
    }

    /// Trust this certificate authority.
    pub fn ca(self, file: &Path) -> Cli {
        self.var("CONCLAVE_CA_CERT", file.to_string_lossy())
    }

    /// Show the token in this file, and no certificate.
    pub fn token(mut self, file: &Path) -> Cli {
        self.env.remove("CONCLAVE_CLIENT_CERT");
        self.env.remove("CONCLAVE_CLIENT_KEY");
        self.var("CONCLAVE_TOKEN_FILE", file.to_string_lossy())
    }

    /// Show this certificate, and no token.
    pub fn certificate(mut self, cert: &Path, key: &Path) -> Cli {
        self.env.remove("CONCLAVE_TOKEN_FILE");
        self.var("CONCLAVE_CLIENT_CERT", cert.to_string_lossy())
            .var("CONCLAVE_CLIENT_KEY", key.to_string_lossy())
    }

    /// Show nothing.
    pub fn anonymous(mut self) -> Cli {
        for name in ["CONCLAVE_TOKEN_FILE", "CONCLAVE_CLIENT_CERT", "CONCLAVE_CLIENT_KEY"] {
            self.env.remove(name);
        }
        self
    }

    /// Give each command this long (`3s`).
    pub fn timeout(self, span: &str) -> Cli {
        self.var("CONCLAVE_TIMEOUT", span)
    }

    /// Feed these bytes to stdin.
    pub fn stdin(mut self, bytes: &[u8]) -> Cli {
        self.stdin = bytes.to_vec();
        self
    }

    /// One environment variable of the commands.
    pub fn var(mut self, name: &'static str, value: impl Into<String>) -> Cli {
        self.env.insert(name, value.into());
        self
    }

    /// The value of a variable that was set; empty if none was.
    pub fn value(&self, name: &str) -> &str {
        self.env.get(name).map_or("", String::as_str)
    }

    /// Runs a command to its end, whatever that is.
    pub fn run(&self, args: &[&str]) -> Result<Output> {
        let shown = format!("conclave {}", args.join(" "));
        let started = Instant::now();
        let mut child = self
            .binary
            .command(&self.prefix)
            .args(args)
            .envs(self.env.iter())
            .current_dir(&self.dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| Failure::harness(format!("cannot run {shown}: {error}")))?;
        let feeder = feed(&mut child, self.stdin.clone());
        let out = collect(child.stdout.take());
        let err = collect(child.stderr.take());
        let status =
            wait_until(HANGS_AFTER, &format!("the end of `{shown}`"), || match child.try_wait() {
                Ok(Some(status)) => Ok(status),
                Ok(None) => Err("still running".to_owned()),
                Err(error) => Err(error.to_string()),
            });
        if status.is_err() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let (stdout, stderr) = (joined(out), String::from_utf8_lossy(&joined(err)).into_owned());
        drop(feeder);
        let status = status.map_err(|failure| failure.context(&stderr))?;
        Ok(Output {
            command: shown,
            code: exit_code(status),
            stdout,
            stderr,
            elapsed: started.elapsed(),
        })
    }

    /// Runs a command that must succeed.
    pub fn ok(&self, args: &[&str]) -> Result<Output> {
        self.run(args)?.done()
    }

    /// Runs a command with JSON output that must succeed; the value it printed.
    pub fn json(&self, args: &[&str]) -> Result<Value> {
        self.run(&with_json(args))?.done()?.json()
    }

    /// Runs a command with JSON output that must fail with this exit code and reason; its `error` object.
    pub fn refused(&self, args: &[&str], code: i32, reason: &str) -> Result<Value> {
        self.run(&with_json(args))?.refused(code, reason)
    }
}

impl Output {
    /// The same output, or a violation unless the command exited with 0.
    pub fn done(self) -> Result<Output> {
        ensure(self.code == 0, || format!("expected exit 0\n{}", self.describe()))?;
        Ok(self)
    }

    /// The one JSON value on stdout.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.stdout).map_err(|error| {
            Failure::violation(format!(
                "stdout is not one JSON value ({error})\n{}",
                self.describe()
            ))
        })
    }

    /// The `error` object of a refusal with this exit code and reason, with a message and a next step.
    pub fn refused(&self, code: i32, reason: &str) -> Result<Value> {
        let error = self.error()?;
        ensure(self.code == code && error["reason"] == reason, || {
            format!("expected exit {code} with {reason}\n{}", self.describe())
        })?;
        Ok(error)
    }

    /// The `error` object of a failed command; its `reason`, `message` and `next` are not empty.
    pub fn error(&self) -> Result<Value> {
        let mut value = self.json()?;
        let error = value["error"].take();
        for field in ["reason", "message", "next"] {
            let text = error[field].as_str().unwrap_or("");
            ensure(!text.trim().is_empty(), || {
                format!("error.{field} is empty\n{}", self.describe())
            })?;
        }
        Ok(error)
    }

    /// stdout as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// The whole output, for messages.
    pub fn describe(&self) -> String {
        let shown = self.stdout.get(..2_000).unwrap_or(&self.stdout);
        format!(
            "$ {}\nexit {} after {:.1} s\nstdout: {}\nstderr: {}",
            self.command,
            self.code,
            self.elapsed.as_secs_f64(),
            String::from_utf8_lossy(shown),
            self.stderr
        )
    }
}

fn with_json<'a>(args: &[&'a str]) -> Vec<&'a str> {
    let mut all = args.to_vec();
    all.extend(["-o", "json"]);
    all
}

fn exit_code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// Writes stdin beside the process, which may end without reading all of it.
fn feed(child: &mut Child, bytes: Vec<u8>) -> Option<JoinHandle<()>> {
    let mut stdin = child.stdin.take()?;
    Some(thread::spawn(move || drop(stdin.write_all(&bytes))))
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What came before an error is still worth showing.
            let _ = pipe.read_to_end(&mut bytes);
        }
        bytes
    })
}

fn joined(reader: JoinHandle<Vec<u8>>) -> Vec<u8> {
    reader.join().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh() -> (tempfile::TempDir, Cli) {
        let dir = tempfile::tempdir().unwrap();
        let cli = Cli::new(Binary::new("/bin/sh").unwrap(), dir.path());
        (dir, cli)
    }

    #[test]
    fn code_output_and_input_are_those_of_the_process() {
        let (_dir, cli) = sh();
        let out = cli.stdin(b"hello").run(&["-c", "cat; echo oops >&2; exit 3"]).unwrap();
        assert_eq!((out.code, out.text().as_str(), out.stderr.as_str()), (3, "hello", "oops\n"));
        assert!(out.done().err().unwrap().is_violation());
    }

    #[test]
    fn death_by_signal_has_the_code_of_a_shell() {
        let (_dir, cli) = sh();
        assert_eq!(cli.run(&["-c", "kill -9 $$"]).unwrap().code, 137);
    }

    #[test]
    fn a_refusal_needs_code_reason_message_and_next() {
        let (_dir, cli) = sh();
        let print = |json: &str| cli.run(&["-c", &format!("echo '{json}'; exit 1")]).unwrap();
        let whole = r#"{"error":{"reason":"SEALED","message":"m","next":"n"}}"#;
        assert!(print(whole).refused(1, "SEALED").is_ok());
        assert!(print(whole).refused(3, "SEALED").is_err());
        assert!(print(whole).refused(1, "NOT_FOUND").is_err());
        let silent = r#"{"error":{"reason":"SEALED","message":"m","next":" "}}"#;
        assert!(print(silent).refused(1, "SEALED").is_err());
        assert!(print("not json").refused(1, "SEALED").is_err());
    }

    #[test]
    fn credentials_replace_each_other() {
        let (_dir, cli) = sh();
        let show = "echo ${CONCLAVE_TOKEN_FILE-none} ${CONCLAVE_CLIENT_CERT-none}";
        let cli = cli.token(Path::new("t"));
        assert_eq!(cli.run(&["-c", show]).unwrap().text(), "t none\n");
        let cli = cli.certificate(Path::new("c"), Path::new("k"));
        assert_eq!(cli.run(&["-c", show]).unwrap().text(), "none c\n");
        assert_eq!(cli.anonymous().run(&["-c", show]).unwrap().text(), "none none\n");
    }
}
