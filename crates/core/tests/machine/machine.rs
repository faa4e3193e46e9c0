//! A state machine on any records. [`Machine::step`] is the only caller of `apply`; it checks after
//! every entry what must hold after every entry.

use crate::derived;
use conclave_core::apply::{Changes, apply};
use conclave_core::command::Entry;
use conclave_core::digest::{StateDigest, Touched};
use conclave_core::ids::KeyId;
use conclave_core::model::{KeyRecord, MachineRecord};
use conclave_core::outcome::{Applied, Outcome};
use conclave_core::records::{Record, Records, Table};
use conclave_core::state::{MACHINE, State, key_id_of};
use conclave_core::view::View;
use std::collections::BTreeSet;
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
        let before = Before::of(&self.state(), entry);
        self.index += 1;
        let (applied, changes) = apply(&mut self.records, &mut self.digest, self.index, entry);
        self.view = self.view.advance(&self.records, self.index, &changes.touched);
        let after = self.counters().time();
        assert!(after == after.max(before.machine.time()), "cluster time went back: {after:?}");
        if applied.replayed || matches!(applied.outcome, Outcome::Refused(_)) {
            let touched = changes.touched.iter();
            touched.for_each(|touched| before.assert_may_touch(&self.state(), &applied, touched));
        }
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
        derived::assert_follow_from_the_keys(&self.records);
    }
}

/// What an entry finds.
struct Before {
    machine: MachineRecord,
    key: Option<KeyRecord>,
    /// Keys with timers that are due: they run whatever the command comes to.
    due: BTreeSet<KeyId>,
}

impl Before {
    fn of(state: &State<'_>, entry: &Entry) -> Before {
        let machine = state.machine();
        let now_ms = entry.stamp.max(machine.time()).at_ms;
        let due = state.due_timers(now_ms, usize::MAX).into_iter().map(|(_, key)| key).collect();
        let key = entry.proposal.command.key().and_then(|key| state.key(key));
        Before { machine, key, due }
    }

    /// A refused command changes nothing but counters, audit, request memory and the history of its key;
    /// a replay only counters.
    fn assert_may_touch(&self, after: &State<'_>, applied: &Applied, touched: &Touched) {
        let key = key_id_of(&touched.key);
        let may = match touched.table {
            Table::Meta => touched.key == MACHINE,
            _ if applied.replayed => false,
            Table::Audit | Table::Requests | Table::RequestOrder => true,
            Table::Keys | Table::History if key.is_none_or(|key| !self.due.contains(&key)) => {
                self.key.as_ref().is_some_and(|before| is_only_noted(before, after))
            }
            _ => !self.due.is_empty(),
        };
        assert!(may, "{applied:?} touched {touched:?}");
    }
}

/// The key is what it was but for one more entry in its history.
fn is_only_noted(before: &KeyRecord, after: &State<'_>) -> bool {
    let noted = KeyRecord { history: before.history + 1, ..before.clone() };
    after.key(before.id) == Some(noted)
}
