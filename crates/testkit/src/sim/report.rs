//! What a run came to.

use std::fmt;

use super::checker::overlap::Overlap;
use super::evidence::{Evidence, LifeEnd};
use super::invariants;
use super::net::NetStats;
use super::trace::{Micros, Trace};
use super::violation::Violation;

/// What a run came to. Two runs of one plan give equal reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Seed of the plan.
    pub seed: u64,
    /// Hash of the trace, in hex: of every message, every write to a disk and every answer.
    pub hash: String,
    /// How many events went into it.
    pub events: u64,
    /// Simulated time, from the first start to the last judgement.
    pub simulated: Micros,
    /// Simulated time under faults.
    pub under_faults: Micros,
    /// How many operations clients had, how many of them met another one, and of how many the
    /// outcome is unknown.
    pub overlap: Overlap,
    /// Messages between nodes, and what became of them.
    pub net: NetStats,
    /// Lives of nodes.
    pub lives: usize,
    /// What must not have happened.
    pub violations: Vec<Violation>,
    /// By when a violation can be told, in milliseconds since the start of the faults.
    pub violated_by_ms: Option<u64>,
    /// The narrative, if one was kept.
    pub lines: Vec<String>,
}

impl Report {
    /// Judges a run.
    pub fn new(evidence: &Evidence, trace: &Trace, net: NetStats) -> Report {
        let violations = invariants::check_all(evidence);
        Report {
            seed: evidence.plan.seed,
            hash: trace.hash().to_hex().to_string(),
            events: trace.events(),
            simulated: evidence.ended,
            under_faults: evidence.healed - evidence.ready,
            overlap: Overlap::of(&evidence.history),
            net,
            lives: evidence.lives.len(),
            violated_by_ms: (!violations.is_empty()).then(|| violated_by_ms(evidence)),
            violations,
            lines: trace.lines(),
        }
    }
}

/// A node that ends itself says when; everything else is only known at the end.
fn violated_by_ms(evidence: &Evidence) -> u64 {
    let fatal = evidence.lives.iter().find_map(|life| match &life.ended {
        Some((at, LifeEnd::Fatal { excused: false, .. })) => Some(*at),
        _ => None,
    });
    fatal.unwrap_or(evidence.healed).saturating_sub(evidence.ready) / 1_000
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "seed {} hash {} {} s simulated, {} s under faults, {} lives, {}, {} events, \
             {} messages, {} snapshots",
            self.seed,
            &self.hash[..16],
            self.simulated / 1_000_000,
            self.under_faults / 1_000_000,
            self.lives,
            self.overlap,
            self.events,
            self.net.messages,
            self.net.snapshots,
        )?;
        for violation in &self.violations {
            write!(f, "\n  VIOLATION {violation}")?;
        }
        Ok(())
    }
}
