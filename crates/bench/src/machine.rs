//! On what it was measured.

use procfs::{CpuInfo, Current, Meminfo};
use serde::{Deserialize, Serialize};

/// A machine, as far as it matters for figures.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Model of its processors.
    pub cpu: String,
    /// How many of them there are.
    pub cores: usize,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Kernel and its release.
    pub kernel: String,
}

/// This machine.
pub(crate) fn this() -> Machine {
    let cpus = CpuInfo::current().ok();
    let model = cpus.as_ref().and_then(|cpus| cpus.model_name(0).map(str::to_owned));
    let system = rustix::system::uname();
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    Machine {
        cpu: model.unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        cores: cpus.map_or(1, |cpus| cpus.num_cores()),
        memory_mib: Meminfo::current().map_or(0, |memory| memory.mem_total >> 20),
        kernel: format!("{} {}", text(system.sysname()), text(system.release())),
    }
}

/// The commit of this program, as its build has found it.
pub(crate) fn commit() -> &'static str {
    env!("CONCLAVE_COMMIT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_cores_and_memory() {
        let machine = this();
        assert!(machine.cores >= 1 && machine.memory_mib > 100, "{machine:?}");
        assert!(!machine.cpu.is_empty() && machine.kernel.starts_with("Linux "), "{machine:?}");
    }
}
