//! One entry at work: the state, the counters of the machine, and where and when it is applied.

use crate::ids::{KeyId, PrincipalId, RequestId};
use crate::limits;
use crate::model::{EventKind, EventRecord, HistoryRecord, KeyRecord, MachineRecord};
use crate::state::{State, StateMut};

/// Where and when an entry is applied, and for whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context {
    pub(crate) index: u64,
    /// Cluster time, by which keys are judged.
    pub(crate) now_ms: u64,
    /// The time by which rights that end are judged.
    pub(crate) unscaled_ms: u64,
    pub(crate) principal: PrincipalId,
    pub(crate) request: RequestId,
}

/// An entry at work.
pub(crate) struct Step<'s, 'r> {
    pub(crate) state: &'s mut StateMut<'r>,
    pub(crate) machine: &'s mut MachineRecord,
    pub(crate) context: Context,
}

impl Step<'_, '_> {
    pub(crate) fn read(&self) -> State<'_> {
        self.state.read()
    }

    /// Tells subscribers of a key; the oldest events fall out of the bound.
    pub(crate) fn raise(&mut self, key: &KeyRecord, at_ms: u64, kind: EventKind) {
        let seq = self.machine.next_event;
        let event = EventRecord { seq, at_ms, key: key.id, instance: key.instance, kind };
        self.state.add_event(&event);
        self.machine.next_event += 1;
        if let Some(fallen) = seq.checked_sub(limits::EVENTS) {
            self.state.delete_event(fallen);
        }
    }

    /// Adds an entry to the history of a key; the oldest fall out of the bound. The key itself still
    /// has to be written.
    pub(crate) fn note(&mut self, key: &mut KeyRecord, entry: &HistoryRecord) {
        self.state.add_history(key.id, key.history, entry);
        if let Some(fallen) = key.history.checked_sub(limits::HISTORY_PER_KEY) {
            self.state.delete_history(key.id, fallen);
        }
        key.history += 1;
    }

    /// The numbers of the entries in the history of a key.
    pub(crate) fn history_of(key: &KeyRecord) -> std::ops::Range<u64> {
        key.history.saturating_sub(limits::HISTORY_PER_KEY)..key.history
    }

    /// An entry of a history for what this step does on behalf of its caller.
    pub(crate) fn history(&self, action: &str) -> HistoryRecord {
        HistoryRecord {
            at_ms: self.context.now_ms,
            principal: self.context.principal,
            action: action.to_owned(),
            refused: None,
            from: None,
            to: None,
            version: 0,
            request: self.context.request,
            index: self.context.index,
        }
    }

    /// The key with this id, brought up to the time of the step: timers that are due run first.
    pub(crate) fn settle(&mut self, id: KeyId) -> Option<KeyRecord> {
        let key = self.read().key(id)?;
        if !crate::timers::is_behind(&key, self.context.now_ms) {
            return Some(key);
        }
        crate::keys::due::run(self, &key)
    }
}
