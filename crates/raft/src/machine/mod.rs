//! The state machine on [`conclave_storage::StateFile`]: the applier, which owns the state, and the
//! handle through which the consensus library reaches it.

mod adapter;
mod applier;
mod digests;
mod newest;
mod scrub;
mod snapshot;
mod syncs;

pub use adapter::{Machine, SnapshotBuilder};
pub(crate) use applier::read_applied;
pub use applier::{Applier, ApplierParts, StateSync};
pub use digests::Digests;
pub(crate) use newest::Reader;
pub(crate) use scrub::scrub;
pub use snapshot::SnapshotData;
pub(crate) use snapshot::{Snapshots, covered_by_file};
