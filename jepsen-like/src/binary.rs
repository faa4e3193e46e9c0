//! The program under test.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::{Failure, Result};

/// Environment variable with the path of the program under test.
pub const BINARY_VARIABLE: &str = "CONCLAVE_BIN";

/// A built `conclave`, and what every process of it gets in its environment.
#[derive(Clone)]
pub struct Binary {
    path: PathBuf,
    env: Vec<(OsString, OsString)>,
}

impl Binary {
    /// The program at `path`; a file that cannot be executed is a harness failure.
    pub fn new(path: impl AsRef<Path>) -> Result<Binary> {
        let path = path.as_ref();
        let full = path.canonicalize().map_err(|error| {
            Failure::harness(format!("no program at {}: {error}; build it first", path.display()))
        })?;
        let mode = full.metadata()?.permissions().mode();
        if !full.is_file() || mode & 0o111 == 0 {
            return Err(Failure::harness(format!("{} is not a program", full.display())));
        }
        Ok(Binary { path: full, env: Vec::new() })
    }

    /// The program named by `CONCLAVE_BIN`.
    pub fn from_env() -> Result<Binary> {
        match std::env::var_os(BINARY_VARIABLE) {
            Some(path) => Binary::new(PathBuf::from(path)),
            None => Err(Failure::harness(format!(
                "set {BINARY_VARIABLE} to the path of a built conclave, for example target/release/conclave"
            ))),
        }
    }

    /// The same program with one more variable in the environment of each of its processes.
    pub fn with_env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Binary {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Path of the program.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A command that runs the program behind `prefix` (for example `ip netns exec NAME`), with
    /// nothing of the caller's own `CONCLAVE_*` environment.
    pub fn command(&self, prefix: &[String]) -> Command {
        let mut command = match prefix.split_first() {
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(&self.path);
                command
            }
            None => Command::new(&self.path),
        };
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CONCLAVE_") {
                command.env_remove(name);
            }
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_run_is_a_harness_failure() {
        for path in ["/no/such/program", "/etc/passwd", "/tmp"] {
            let failure = Binary::new(path).err().unwrap();
            assert!(!failure.is_violation(), "{path}: {failure}");
        }
    }

    #[test]
    fn the_environment_and_the_prefix_reach_the_process() {
        let sh = Binary::new("/bin/sh").unwrap().with_env("CONCLAVE_CANARY", "bird");
        let prefix = ["env".to_owned(), "EXTRA=1".to_owned()];
        let out =
            sh.command(&prefix).args(["-c", "echo $CONCLAVE_CANARY $EXTRA"]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&out.stdout), "bird 1\n");
    }
}
