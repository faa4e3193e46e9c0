//! Keys that live for seconds: the instances that they are made in, and how long each part of a deletion
//! takes there.

use conclave_core::records::RecordsRead;
use conclave_core::state::State;
use conclave_proto::v1;

use super::history::KeyNo;

/// An instance, and the windows that its keys have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Name of the instance.
    pub instance: &'static str,
    /// From the request to the destruction; the others count from there.
    pub grace_ms: u64,
    /// Until when a key can be restored; then its material goes.
    pub restore_ms: u64,
    /// From when on it can be purged.
    pub floor_ms: u64,
    /// When it is purged by itself.
    pub purge_ms: u64,
}

/// The instances. In the second one keys lie about without material for long.
pub const INSTANCES: [Windows; 2] = [
    Windows {
        instance: "short",
        grace_ms: 2_000,
        restore_ms: 4_000,
        floor_ms: 1_000,
        purge_ms: 6_000,
    },
    Windows {
        instance: "lasting",
        grace_ms: 1_000,
        restore_ms: 2_000,
        floor_ms: 1_000,
        purge_ms: 40_000,
    },
];

/// The windows of a key.
pub fn windows(key: KeyNo) -> &'static Windows {
    &INSTANCES[key as usize % INSTANCES.len()]
}

impl Windows {
    /// What makes the default policy one with these windows.
    pub fn policy(&self) -> v1::PolicyChange {
        v1::PolicyChange {
            grace_s: Some(self.grace_ms / 1_000),
            restore_window_s: Some(self.restore_ms / 1_000),
            purge_floor_s: Some(self.floor_ms / 1_000),
            auto_purge_s: Some(self.purge_ms / 1_000),
            ..v1::PolicyChange::default()
        }
    }
}

/// Whether a member has applied an entry of a time at which a timer of some key had to have run.
pub fn is_behind(records: &dyn RecordsRead) -> bool {
    let state = State(records);
    state.next_deadline_ms().is_some_and(|instant| instant <= state.machine().cluster_time_ms)
}
