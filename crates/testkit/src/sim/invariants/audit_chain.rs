//! The audit chain holds: sequence numbers without a gap, each record with the hash of the one before
//! it, head and counter of the machine those of the last record; and all members have the same chain.
//!
//! From docs/ARCHITECTURE.md: "the audit chain" of `core`, one record per applied command, refused
//! ones included, and invariant 6 (equal log, equal bytes). A chain that can be changed in the middle
//! without a trace proves nothing to an auditor (Schneier and Kelsey, "Secure Audit Logs to Support
//! Computer Forensics", 1999). The hash is computed here anew, not by the code that is judged.
//!
//! Cannot see: a chain that was rewritten from some record to its end, on all members alike; only
//! what clients were answered contradicts that, see `acknowledged`.

use std::collections::BTreeMap;

use conclave_core::audit::AuditRecord;
use conclave_core::canonical::Canonical;
use conclave_core::codec;
use conclave_core::limits::AUDIT_RECORDS;

use super::chain;
use crate::sim::evidence::{Evidence, MemberEnd};
use crate::sim::violation::Violation;

/// Name of the invariant.
pub const NAME: &str = "the audit chain verifies";

/// Checks the invariant.
pub fn check(evidence: &Evidence) -> Vec<Violation> {
    let each = evidence.ends.iter().filter_map(|end| {
        let why = broken(end, AUDIT_RECORDS)?;
        Some(Violation::new(NAME, format!("node {}: {why}", end.node)))
    });
    each.chain(differences(&evidence.ends)).collect()
}

/// What is wrong with the chain of a member, which keeps the newest `kept` records; the first thing
/// only, since all that follows is wrong too.
fn broken(end: &MemberEnd, kept: u64) -> Option<String> {
    let machine = chain::machine(end);
    let mut next = machine.next_audit.saturating_sub(kept);
    // Of a chain whose beginning was dropped, the first link that is left leads nowhere.
    let mut head = (next == 0).then_some([0; 32]);
    for (key, bytes) in chain::stored(end) {
        let record: AuditRecord = match codec::decode(&bytes) {
            Ok(record) => record,
            Err(error) => return Some(format!("record {next} cannot be read: {error}")),
        };
        if record.seq != next || key != next.to_be_bytes() {
            return Some(format!("record {} stands where {next} should be", record.seq));
        }
        if head.is_some_and(|head| head != record.prev) {
            return Some(format!("record {next} does not follow from the one before it"));
        }
        head = Some(hash(&record));
        next += 1;
    }
    if next != machine.next_audit {
        return Some(format!("it ends before record {next}, not before {}", machine.next_audit));
    }
    let head = head.unwrap_or_default();
    (head != machine.audit_head).then(|| "its head is not the hash of its last record".to_owned())
}

/// The hash of a record, as docs/formats.md has it.
fn hash(record: &AuditRecord) -> [u8; 32] {
    Canonical::new("conclave audit record v1")
        .number(record.seq)
        .bytes(&record.prev)
        .number(record.at_ms)
        .number(record.index)
        .bytes(record.principal.bytes())
        .text(&record.action)
        .optional(record.key.as_ref().map(|key| &key.bytes()[..]))
        .optional(record.refused.as_deref().map(str::as_bytes))
        .bytes(record.request.bytes())
        .finish()
}

/// Records that two members have under one sequence number and that are not the same: the first of
/// each pair of neighbours.
fn differences(ends: &[MemberEnd]) -> Vec<Violation> {
    let chains: Vec<BTreeMap<_, _>> =
        ends.iter().map(|end| chain::stored(end).into_iter().collect()).collect();
    let neighbours = ends.iter().zip(&chains).zip(ends.iter().zip(&chains).skip(1));
    neighbours
        .filter_map(|((a, of_a), (b, of_b))| {
            let differs = |(seq, bytes): &(&Vec<u8>, &Vec<u8>)| {
                of_b.get(*seq).is_some_and(|other| other != *bytes)
            };
            let (seq, _) = of_a.iter().find(differs)?;
            let seq = <[u8; 8]>::try_from(seq.as_slice()).map_or(0, u64::from_be_bytes);
            let text = format!("record {seq} of node {} is not that of node {}", a.node, b.node);
            Some(Violation::new(NAME, text))
        })
        .collect()
}

#[cfg(test)]
mod tests;
