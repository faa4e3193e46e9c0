//! No node ends itself or fails to start without cause, nothing panics, and no client is told what
//! can never be.
//!
//! From docs/ARCHITECTURE.md, invariants 5 and 11 read backwards: a node ends itself when something
//! that is not deterministic fails in apply, and when something cannot be made durable. While its
//! disk is sound neither can happen, whatever crashes, clocks and the network do. That a ciphertext
//! decrypts to what was encrypted, or not at all, is RFC 8452's.
//!
//! Cannot see: a node that hangs and neither works nor ends; `live` sees it, after the heal.

use crate::sim::evidence::{Evidence, LifeEnd, LifeRecord};
use crate::sim::trace::Micros;
use crate::sim::violation::Violation;

/// Name of the invariant.
pub const NAME: &str = "nobody dies";

/// Checks the invariant.
pub fn check(evidence: &Evidence) -> Vec<Violation> {
    let deaths = evidence.lives.iter().filter_map(death).map(|(node, at, reason)| {
        format!("node {node} ended itself at {at} µs without cause: {reason}")
    });
    let panics = evidence.panics.iter().map(|panic| format!("a panic: {panic}"));
    let absurd = evidence.absurd.iter().map(|what| format!("this can never be: {what}"));
    deaths.chain(panics).chain(absurd).map(|text| Violation::new(NAME, text)).collect()
}

fn death(life: &LifeRecord) -> Option<(u32, Micros, &str)> {
    match &life.ended {
        Some((at, LifeEnd::Fatal { reason, excused: false })) => Some((life.node, *at, reason)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::invariants::testing::Script;

    fn fatal(excused: bool) -> LifeEnd {
        LifeEnd::Fatal { reason: "a sync failed".to_owned(), excused }
    }

    #[test]
    fn crashes_stops_and_excused_ends_are_no_deaths() {
        let mut evidence = Script::unsealed().evidence();
        for end in [LifeEnd::Crashed, LifeEnd::Stopped, fatal(true)] {
            evidence.lives.push(LifeRecord { node: 2, started: 5, ended: Some((9, end)) });
        }
        assert_eq!(check(&evidence), []);
    }

    #[test]
    fn a_death_without_cause_is_seen() {
        let mut evidence = Script::unsealed().evidence();
        evidence.lives.push(LifeRecord { node: 2, started: 5, ended: Some((9, fatal(false))) });
        let found = check(&evidence);
        assert_eq!(found.len(), 1);
        let text = "node 2 ended itself at 9 µs without cause: a sync failed";
        assert_eq!(found[0], Violation::new(NAME, text));
    }

    #[test]
    fn panics_and_absurd_answers_are_seen() {
        let mut evidence = Script::unsealed().evidence();
        evidence.panics.push("index out of bounds (at a.rs:1)".to_owned());
        evidence.absurd.push("node 1 decrypted key 0 to something else".to_owned());
        let found = check(&evidence);
        assert_eq!(found.len(), 2);
        assert!(found[0].text.contains("a.rs:1"));
        assert!(found[1].text.contains("something else"));
    }
}
