//! Fakes for the tests of this crate: a clock and entropy that the test decides, and a cluster whose
//! log is a vector. Everything above the [`conclave_core::replica::Replica`] is the real thing.

mod actor;
mod clock;
mod cluster;
mod entropy;
mod journal;
mod node;
mod permits;

pub(crate) use actor::{Actor, request_id};
pub(crate) use clock::{ManualClock, START_MS};
pub(crate) use cluster::FakeCluster;
pub(crate) use entropy::SeededEntropy;
pub(crate) use journal::FakeJournal;
pub(crate) use node::FakeNode;
pub(crate) use permits::permit;

use prost_types::Timestamp;
use std::collections::BTreeMap;
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Milliseconds.
pub(crate) const HOUR: u64 = 3_600_000;
/// Milliseconds.
pub(crate) const DAY: u64 = 24 * HOUR;

/// The stable reason of a refusal on the wire.
pub(crate) fn reason(status: &Status) -> String {
    let info = status.get_details_error_info().unwrap_or_else(|| panic!("no details: {status:?}"));
    assert_eq!(info.domain, crate::error::DOMAIN);
    assert!(info.metadata.contains_key(crate::error::NEXT), "{status:?}");
    info.reason
}

/// A fact of a refusal on the wire.
pub(crate) fn fact(status: &Status, name: &str) -> String {
    let info = status.get_details_error_info().unwrap();
    info.metadata.get(name).cloned().unwrap_or_default()
}

/// Everything that a caller learns from a refusal, with the name that it gave left out.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    code: Code,
    message: String,
    reason: String,
    facts: BTreeMap<String, String>,
}

impl Told {
    pub(crate) fn of(status: &Status, given: &str) -> Told {
        let blank = |text: &str| text.replace(given, "_");
        let info = status.get_details_error_info().unwrap();
        Told {
            code: status.code(),
            message: blank(status.message()),
            reason: reason(status),
            facts: info.metadata.iter().map(|(name, value)| (name.clone(), blank(value))).collect(),
        }
    }

    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }
}

/// A refusal as a line: its reason, its facts but the advice, what is wrong, and the advice.
pub(crate) fn refusal(status: &Status) -> String {
    let Told { message, reason, mut facts, .. } = Told::of(status, "\0");
    let next = facts.remove(crate::error::NEXT).unwrap();
    let facts: String = facts.iter().map(|(name, value)| format!(" {name}={value}")).collect();
    format!("{reason}{facts} | {message} | {next}")
}

/// A time of an answer as text.
pub(crate) fn time(time: Option<Timestamp>) -> String {
    let Some(time) = time else { return "-".to_owned() };
    let ms = time.seconds * 1_000 + i64::from(time.nanos) / 1_000_000;
    crate::render::rfc3339(ms.try_into().unwrap()).unwrap()
}
