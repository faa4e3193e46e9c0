//! What is known of a run when it is judged.

use std::collections::{BTreeMap, BTreeSet};

use conclave_core::ids::KeyId;
use conclave_core::records::MemoryRecords;

use super::history::{History, KeyNo};
use super::plan::Plan;
use super::trace::Micros;

/// Everything that the invariants look at.
#[derive(Debug)]
pub struct Evidence {
    /// The run.
    pub plan: Plan,
    /// When the cluster was unsealed for the first time: faults are counted from here.
    pub ready: Micros,
    /// When faults ended.
    pub healed: Micros,
    /// When the run ended.
    pub ended: Micros,
    /// What clients asked and were answered.
    pub history: History,
    /// The ids of the workload's keys, as far as a client has learned them.
    pub keys: BTreeMap<KeyNo, KeyId>,
    /// The ids of its short-lived keys, as far as a client has learned them.
    pub short: BTreeMap<KeyNo, KeyId>,
    /// Each life of each node, in the order in which they began.
    pub lives: Vec<LifeRecord>,
    /// The members at the end, those that stay down left out.
    pub ends: Vec<MemberEnd>,
    /// State digests as the members gave them during the run: by index, who said what.
    pub digests: BTreeMap<u64, BTreeMap<String, BTreeSet<u32>>>,
    /// Who sent appends as the leader of a term: by term, member ids.
    pub leaders: BTreeMap<u64, BTreeSet<u64>>,
    /// What was tried after the heal, and whether it worked.
    pub probes: Vec<Probe>,
    /// What clients saw that can never be: a wrong plaintext, an answer that does not fit.
    pub absurd: Vec<String>,
    /// Operations of the data plane that were answered without a record.
    pub unrecorded: Vec<String>,
    /// Panics of tasks, each with its place.
    pub panics: Vec<String>,
}

/// One life of a node: from a start to an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifeRecord {
    /// The node.
    pub node: u32,
    /// When it began to start.
    pub started: Micros,
    /// How it ended, and when; `None`: it lives.
    pub ended: Option<(Micros, LifeEnd)>,
}

/// How a life ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LifeEnd {
    /// The nemesis cut the power.
    Crashed,
    /// The nemesis stopped it in order.
    Stopped,
    /// It ended itself, or could not start: why. `excused`: its disk had been made to fail.
    Fatal {
        /// What it said.
        reason: String,
        /// Whether the nemesis had given it cause.
        excused: bool,
    },
}

/// A member at the end of a run.
#[derive(Debug)]
pub struct MemberEnd {
    /// The node.
    pub node: u32,
    /// Index of the last applied entry.
    pub applied: u64,
    /// Its digest of the state after the index that all have reached.
    pub digest: Option<String>,
    /// All of its records.
    pub records: MemoryRecords,
}

/// Something that must work once faults have ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// What.
    pub what: String,
    /// What went wrong; `None`: it worked.
    pub failure: Option<String>,
}
