//! A state machine on any records. [`Machine::step`] is the only caller of `apply`; it checks after
//! every entry what must hold after every entry.

use conclave_core::apply::{Changes, apply};
use conclave_core::command::Entry;
use conclave_core::digest::StateDigest;
use conclave_core::model::MachineRecord;
use conclave_core::outcome::{Applied, Outcome};
use conclave_core::records::{Record, Records, Table};
use conclave_core::state::{MACHINE, State};
use conclave_core::view::View;
use std::ops::Bound;

#[derive(Clone, Default)]
pub struct Machine<R> {
    pub records: R,
    pub digest: StateDigest,
    pub index: u64,
    pub view: View,
}

impl<R: Records> Machine<R> {
    pub fn step(&mut self, entry: &Entry) -> (Applied, Changes) {
        let time_before = self.counters().cluster_time_ms;
        self.index += 1;
        let (applied, changes) = apply(&mut self.records, &mut self.digest, self.index, entry);
        self.view = self.view.advance(&self.records, self.index, &changes.touched);
        assert_refusals_change_nothing(&applied, &changes);
        assert!(self.counters().cluster_time_ms >= time_before, "cluster time went back");
        (applied, changes)
    }

    pub fn state(&self) -> State<'_> {
        State(&self.records)
    }

    pub fn counters(&self) -> MachineRecord {
        self.state().machine()
    }

    /// All records in the order of a snapshot.
    pub fn dump(&self) -> Vec<(Table, Record)> {
        let all = |table| {
            let records = self.records.range(table, Bound::Unbounded, Bound::Unbounded, usize::MAX);
            records.into_iter().map(move |record| (table, record))
        };
        Table::ALL.into_iter().flat_map(all).collect()
    }

    /// What was kept step by step equals what is computed from nothing.
    pub fn assert_recomputable(&self) {
        assert_eq!(self.digest, StateDigest::of(&self.records), "digest at {}", self.index);
        let loaded = View::load(&self.records, self.index);
        assert_eq!(format!("{:?}", self.view), format!("{loaded:?}"), "view at {}", self.index);
    }
}

/// A refused command changes nothing but counters, audit and request memory; a replay only counters.
fn assert_refusals_change_nothing(applied: &Applied, changes: &Changes) {
    if !applied.replayed && matches!(applied.outcome, Outcome::Done(_)) {
        return;
    }
    for touched in &changes.touched {
        let bookkeeping = match touched.table {
            Table::Meta => touched.key == MACHINE,
            Table::Audit | Table::Requests | Table::RequestOrder => !applied.replayed,
            _ => false,
        };
        assert!(bookkeeping, "{applied:?} touched {touched:?}");
    }
}
