//! What a node does to its own process before it touches a secret.

use std::panic::PanicHookInfo;

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{
    DumpableBehavior, Pid, Resource, Rlimit, Signal, geteuid, getppid, getrlimit,
    set_dumpable_behavior, set_parent_process_death_signal, setrlimit,
};

/// Forbids core dumps and tracing by other processes of the same user, keeps memory out of swap, and
/// raises the limit of open files to what the system permits. What cannot be had is logged; the node runs all the same.
pub fn harden() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::warn!(%error, "core dumps cannot be switched off; set LimitCORE=0");
    }
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "the process cannot be made undumpable");
    }
    lock_memory();
    let files = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files }) {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
}

/// Keeps all memory of the process out of swap. Only where the system sets no limit: under one, an
/// allocation beyond it would fail later, in the middle of work.
fn lock_memory() {
    let unlimited = getrlimit(Resource::Memlock).current.is_none() || geteuid().is_root();
    let locked = match unlimited {
        true => {
            let when_touched = MlockAllFlags::ONFAULT;
            mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | when_touched)
        }
        false => Err(rustix::io::Errno::PERM),
    };
    if let Err(error) = locked {
        tracing::warn!(%error, "keys may be swapped out; set LimitMEMLOCK=infinity or run without swap");
    }
}

/// Makes a panic end the process in every build profile, after a log line: half-done work must not
/// be served from.
pub fn abort_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(location, message = message(panic), "panic; the process ends");
        std::process::abort()
    }));
}

/// Makes this process end (killed) when its parent `parent` does; at once if that has happened.
pub fn end_with_parent(parent: i32) -> std::io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let is_there = getppid().map(Pid::as_raw_nonzero).is_some_and(|pid| pid.get() == parent);
    if is_there { Ok(()) } else { Err(std::io::Error::other("the parent has ended already")) }
}

fn message<'a>(panic: &'a PanicHookInfo<'_>) -> &'a str {
    let payload = panic.payload();
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("(no message)")
}
