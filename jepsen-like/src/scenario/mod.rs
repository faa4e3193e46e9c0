//! Whole runs: a cluster, a fault, a load, a verdict.

use std::fmt;

use crate::binary::Binary;
use crate::failure::Result;
use crate::scale::Scale;

pub mod fake_time;
pub mod fsync_error;
pub mod kill_all;
pub mod mutants;
pub mod partition;
pub mod revocation;
pub mod self_test;

/// What a run is given.
pub struct Context {
    /// The program under test.
    pub binary: Binary,
    /// The same program with known bugs built in, for the runs that must find them.
    pub mutant_binary: Option<Binary>,
    /// How long.
    pub scale: Scale,
    /// Seed of all draws.
    pub seed: u64,
}

/// What a run that found nothing wrong has done, so that a reader can judge what it shows.
#[derive(Debug, Default)]
pub struct Report {
    counts: Vec<(&'static str, u64)>,
}

impl Report {
    /// Adds a count.
    pub fn count(&mut self, what: &'static str, number: u64) {
        self.counts.push((what, number));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> =
            self.counts.iter().map(|(what, number)| format!("{what}={number}")).collect();
        f.write_str(&words.join(" "))
    }
}

/// A run with a name.
pub struct Scenario {
    /// As the command line calls it.
    pub name: &'static str,
    /// What it shows.
    pub about: &'static str,
    /// Runs it; `Err` tells findings from a harness that could not run.
    pub run: fn(&Context) -> Result<Report>,
}

/// All runs.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "self-test",
        about: "each fault does to ordinary programs what it says",
        run: self_test::run,
    },
    Scenario {
        name: "kill-all",
        about: "kill -9 of all nodes with commands in flight: nothing acknowledged is lost or doubled",
        run: kill_all::run,
    },
    Scenario {
        name: "revocation",
        about: "no use of a key that begins after its disable returned succeeds, on any node",
        run: revocation::run,
    },
    Scenario {
        name: "fsync-error",
        about: "a failed fdatasync ends that node, loses nothing acknowledged, the others serve on",
        run: fsync_error::run,
    },
    Scenario {
        name: "partition-smoke",
        about: "a leader that is cut off serves nothing stale, and all agree after healing",
        run: partition::run,
    },
    Scenario {
        name: "fake-time-smoke",
        about: "one wall clock a day ahead changes nothing for clients",
        run: fake_time::run,
    },
    Scenario {
        name: "mutants",
        about: "revocation finds each known bug of the read path (needs --mutant-bin)",
        run: mutants::run,
    },
];
