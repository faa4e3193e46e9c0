//! Running a case under callgrind.

use std::process::{Command, Output};

use super::budget::Count;
use super::counted::TIMES;

/// The function of `counted.rs` that is counted, as callgrind sees it.
const COUNTED: &str = "instructions::counted::counted*";

/// What valgrind calls itself.
pub(super) fn version() -> Result<String, String> {
    let output = run(Command::new("valgrind").arg("--version"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// What one operation of a case takes.
pub(super) fn count(case: &str) -> Result<Count, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = run(Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no", "--callgrind-out-file=/dev/null"])
        .arg(format!("--toggle-collect={COUNTED}"))
        .arg(program)
        .args(["--count", case])
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path))))?;
    let (told, said) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    match (collected(&said), told.trim().parse::<u64>()) {
        (Some(instructions), Ok(allocations)) if instructions > 0 => Ok(Count {
            instructions: instructions / u64::from(TIMES),
            allocations: allocations / u64::from(TIMES),
        }),
        _ => Err(format!("{case}: callgrind has counted nothing:\n{told}{said}")),
    }
}

fn run(command: &mut Command) -> Result<Output, String> {
    let output = command.output().map_err(|error| {
        format!("valgrind cannot be run ({error}); Debian has it: apt-get install valgrind")
    })?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("valgrind has ended with {}:\n{said}", output.status))
}

/// The number in `==PID== Collected : NUMBER`.
fn collected(said: &str) -> Option<u64> {
    let mut lines = said.lines().filter_map(|line| line.split_once("Collected :"));
    lines.next()?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found() {
        let said = "==7== Events    : Ir\n==7== Collected : 1203\n==7== \n";
        assert_eq!(collected(said), Some(1_203));
        assert_eq!(collected("==7== Events    : Ir\n"), None);
    }
}
