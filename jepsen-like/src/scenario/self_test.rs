//! Each fault, tried on ordinary programs: what has no effect there shows nothing elsewhere.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Context, Report};
use crate::binary::Binary;
use crate::cluster::directory;
use crate::failure::{Failure, Result, require};
use crate::faults::faketime::FakeClock;
use crate::faults::netns::Lab;
use crate::faults::strace::{Injection, Tracer};
use crate::process::Process;

const DAY_S: u64 = 86_400;

/// Runs the scenario.
pub fn run(_context: &Context) -> Result<Report> {
    let dir = directory()?;
    let mut report = Report::default();
    report.count("failed_syncs", failed_sync(dir.path())?);
    report.count("faked_seconds", fake_clock(dir.path())?);
    report.count("cut_paths", cuts()?);
    Ok(report)
}

/// A shell that syncs a file until a sync fails.
fn failed_sync(dir: &Path) -> Result<u64> {
    let mut command = Command::new("/bin/sh");
    let script = "echo x >synced; echo ready; while sync -d synced; do sleep 0.05; done; exit 9";
    command.args(["-c", script]).current_dir(dir);
    let (out, err) = (dir.join("sync.out"), dir.join("sync.err"));
    let mut shell = Process::spawn("syncing shell", command, &out, &err)?;
    shell.wait_line("ready", Duration::from_secs(10))?;
    // Each sync is a process of its own, so the first of one is the one to fail.
    let injection = Injection { call: "fdatasync", error: "EIO", when: 1 };
    let tracer = Tracer::attach(shell.pid(), &injection, dir)?;
    tracer.wait_injected(Duration::from_secs(30))?;
    let status = shell.wait_exit(Duration::from_secs(30))?;
    require(status.code() == Some(9), || format!("no sync failed: the shell ended with {status}"))?;
    Ok(tracer.injected()? as u64)
}

/// `date` under another clock, moved between two calls.
fn fake_clock(dir: &Path) -> Result<u64> {
    let clock = FakeClock::new(dir)?;
    let date = clock.on(Binary::new("/bin/date")?);
    let told = || -> Result<u64> {
        let out = date.command(&[]).arg("+%s").output()?;
        String::from_utf8_lossy(&out.stdout)
            .trim()
            .parse()
            .map_err(|error| Failure::harness(format!("date said {out:?}: {error}")))
    };
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let before = told()?;
    require(before.abs_diff(now()) < 60, || format!("the clock was off before: {before}"))?;
    clock.shift("+1d")?;
    let ahead = told()?.saturating_sub(now());
    require(ahead.abs_diff(DAY_S) < 60, || format!("a day ahead is {ahead} s"))?;
    Ok(ahead)
}

/// Three nodes: who reaches whom under each cut.
fn cuts() -> Result<u64> {
    let lab = Lab::new(3)?;
    let pairs = [(1, 2), (1, 3), (2, 1), (2, 3), (3, 1), (3, 2)];
    let reaches = |cut: &str| -> Result<Vec<(u32, u32)>> {
        let mut open = Vec::new();
        for (from, to) in pairs {
            if lab.reaches(from, to).map_err(|failure| failure.context(cut))? {
                open.push((from, to));
            }
        }
        Ok(open)
    };
    let expect = |cut: &str, wanted: &[(u32, u32)]| -> Result<u64> {
        let open = reaches(cut)?;
        require(open == wanted, || format!("{cut}: {open:?} reach each other, not {wanted:?}"))?;
        Ok((pairs.len() - open.len()) as u64)
    };
    expect("no cut", &pairs)?;
    lab.isolate(1)?;
    let mut cut = expect("node 1 alone", &[(2, 3), (3, 2)])?;
    // An answer needs both directions.
    lab.cut(&[(1, 2)])?;
    cut += expect("1 to 2 only", &[(1, 3), (2, 3), (3, 1), (3, 2)])?;
    lab.heal()?;
    expect("healed", &pairs)?;
    Ok(cut)
}
