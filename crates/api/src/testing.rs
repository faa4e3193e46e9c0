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

use tonic::Status;
use tonic_types::StatusExt;

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
