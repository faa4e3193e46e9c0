//! Faults from outside the process. Each module has a preflight that fails, and says what to install,
//! when this machine cannot make its fault: a run that cannot break things is no run.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::failure::{Failure, Result};

pub mod faketime;
pub mod netns;
pub mod strace;

/// The standard output of a tool that must succeed.
pub(crate) fn tool(program: &str, args: &[&str]) -> Result<String> {
    let out = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure::harness(format!("cannot run {program}: {error}")))?;
    if !out.status.success() {
        return Err(Failure::harness(format!(
            "{program} {}: {}: {}",
            args.join(" "),
            out.status,
            String::from_utf8_lossy(&out.stderr)
        )));
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// A harness failure that names the Debian package, unless the program is in the PATH.
pub(crate) fn need_program(program: &str, package: &str) -> Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|dir| dir.join(program).is_file());
    if found {
        Ok(())
    } else {
        Err(Failure::harness(format!("{program} is missing: apt-get install {package}")))
    }
}

/// A harness failure unless this process may make namespaces and trace others.
pub(crate) fn need_root(why: &str) -> Result<()> {
    if rustix::process::geteuid().is_root() {
        Ok(())
    } else {
        Err(Failure::harness(format!("{why} needs root: run it as root or in a container as root")))
    }
}

/// A harness failure that names the Debian package, unless the file is there.
pub(crate) fn need_file(path: &Path, package: &str) -> Result<()> {
    if path.is_file() {
        Ok(())
    } else {
        Err(Failure::harness(format!("{} is missing: apt-get install {package}", path.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_tool_fails_and_names_its_package() {
        let text = need_program("no-such-tool-here", "some-package").unwrap_err().to_string();
        assert!(text.starts_with("HARNESS") && text.contains("some-package"), "{text}");
        let text = need_file(Path::new("/no/such/file"), "other-package").unwrap_err().to_string();
        assert!(text.contains("other-package"), "{text}");
        need_program("sh", "dash").unwrap();
    }

    #[test]
    fn a_failing_tool_tells_its_own_words() {
        let text = tool("sh", &["-c", "echo broken >&2; exit 4"]).unwrap_err().to_string();
        assert!(text.contains("broken"), "{text}");
        assert_eq!(tool("sh", &["-c", "echo fine"]).unwrap(), "fine\n");
    }
}
