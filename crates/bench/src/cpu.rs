//! CPU time of processes, and how idle the machine was meanwhile.

use procfs::process::Process;
use procfs::{CurrentSI, KernelStats, ticks_per_second};

/// A period that is being measured.
pub(crate) struct Meter<'a> {
    pids: &'a [i32],
    begun: Option<Reading>,
}

/// What a period has cost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Cost {
    /// CPU seconds of all processes; absent if there is none that can be looked at.
    pub(crate) cpu_s: Option<f64>,
    /// CPU seconds of the one that needed most.
    pub(crate) most_cpu_s: Option<f64>,
    /// Resident memory of the one that has most, in bytes.
    pub(crate) most_memory: Option<u64>,
    /// Share of the machine's CPU time that nobody needed, in percent.
    pub(crate) idle_percent: Option<f64>,
}

struct Reading {
    /// Ticks, by process.
    used: Option<Vec<u64>>,
    idle: u64,
    all: u64,
}

impl<'a> Meter<'a> {
    /// Begins now.
    pub(crate) fn begin(pids: &'a [i32]) -> Meter<'a> {
        Meter { pids, begun: Reading::now(pids) }
    }

    /// What it was until now.
    pub(crate) fn end(self) -> Cost {
        let (Some(before), Some(now)) = (self.begun, Reading::now(self.pids)) else {
            return Cost::default();
        };
        let seconds = |ticks: u64| ticks as f64 / ticks_per_second() as f64;
        let each: Option<Vec<u64>> = before.used.zip(now.used).map(|(before, now)| {
            now.iter().zip(before).map(|(now, before)| now.saturating_sub(before)).collect()
        });
        let all = now.all.saturating_sub(before.all).max(1);
        Cost {
            cpu_s: each.as_ref().map(|each| seconds(each.iter().sum())),
            most_cpu_s: each.and_then(|each| each.into_iter().max()).map(seconds),
            most_memory: self.pids.iter().filter_map(|pid| memory(*pid)).max(),
            idle_percent: Some(100.0 * now.idle.saturating_sub(before.idle) as f64 / all as f64),
        }
    }
}

impl Reading {
    /// None if the system shows no figures.
    fn now(pids: &[i32]) -> Option<Reading> {
        let machine = KernelStats::current().ok()?.total;
        let idle = machine.idle + machine.iowait.unwrap_or(0);
        let busy = machine.user + machine.nice + machine.system;
        let rest = [machine.irq, machine.softirq, machine.steal].into_iter().flatten().sum::<u64>();
        let used = pids.iter().map(|pid| used(*pid)).collect::<Option<Vec<_>>>();
        Some(Reading { used: used.filter(|used| !used.is_empty()), idle, all: idle + busy + rest })
    }
}

fn used(pid: i32) -> Option<u64> {
    let stat = Process::new(pid).ok()?.stat().ok()?;
    Some(stat.utime + stat.stime)
}

fn memory(pid: i32) -> Option<u64> {
    Process::new(pid).ok()?.status().ok()?.vmrss.map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_of_this_process_is_seen() {
        let pids = [std::process::id() as i32];
        let meter = Meter::begin(&pids);
        let begun = used(pids[0]).unwrap();
        let mut spun = 0_u64;
        while used(pids[0]).unwrap() < begun + 3 {
            spun = (0..100_000).fold(spun, |sum: u64, n| sum.wrapping_mul(31).wrapping_add(n));
        }
        let cost = meter.end();
        assert!(cost.cpu_s.unwrap() >= 3.0 / ticks_per_second() as f64, "{cost:?} {spun}");
        assert_eq!(cost.cpu_s, cost.most_cpu_s);
        assert!(cost.most_memory.unwrap() > 1 << 20, "{cost:?}");
        assert!((0.0..=100.0).contains(&cost.idle_percent.unwrap()), "{cost:?}");
    }

    #[test]
    fn a_process_that_is_not_there_has_no_figures() {
        let cost = Meter::begin(&[i32::MAX]).end();
        assert_eq!((cost.cpu_s, cost.most_memory), (None, None));
        assert_eq!(Meter::begin(&[]).end().cpu_s, None);
    }
}
