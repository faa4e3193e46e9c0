//! The audit chain of a member as a checker reads it: what the log has come to.

use std::collections::BTreeMap;
use std::ops::Bound;

use conclave_core::audit::AuditRecord;
use conclave_core::codec;
use conclave_core::ids::{KeyId, RequestId};
use conclave_core::model::{KeyRecord, MachineRecord, SealRecord, VersionRecord};
use conclave_core::reason::Reason;
use conclave_core::records::{Record, RecordsRead, Table};
use conclave_core::state::State;

use crate::sim::evidence::{Evidence, MemberEnd};
use crate::sim::history::{Action, Short};

/// Refusals that are judged anew at each repeat of a request: they say nothing of another entry with
/// the same request id, and may stand beside one.
const NOT_REMEMBERED: [Reason; 5] = [
    Reason::Unauthenticated,
    Reason::TokenExpired,
    Reason::RequestIdReused,
    Reason::RequestTooOld,
    Reason::OutcomeUnknown,
];

/// The commands that a member has applied, by its audit chain.
pub(super) struct Chain(Vec<AuditRecord>);

impl Chain {
    /// The chain of a member. Records that cannot be read are left out: `audit_chain` reports them.
    pub(super) fn of(end: &MemberEnd) -> Chain {
        let records = stored(end).into_iter();
        Chain(records.filter_map(|(_, bytes)| codec::decode(&bytes).ok()).collect())
    }

    /// All records, in the order of the log.
    pub(super) fn records(&self) -> &[AuditRecord] {
        &self.0
    }

    /// The records of commands that had an effect.
    pub(super) fn done(&self) -> impl Iterator<Item = &AuditRecord> {
        self.0.iter().filter(|record| record.refused.is_none())
    }

    /// The changes of each key, in the order of the log.
    pub(super) fn changes_by_key(&self) -> BTreeMap<KeyId, Vec<&AuditRecord>> {
        let mut by_key: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for record in self.0.iter().filter(|record| is_effect(record)) {
            by_key.entry(record.key).or_default().push(record);
        }
        by_key.into_iter().filter_map(|(key, records)| Some((key?, records))).collect()
    }

    /// The records by log index. Where timers have run before a command, it is that of the command.
    pub(super) fn by_index(&self) -> BTreeMap<u64, &AuditRecord> {
        self.0.iter().map(|record| (record.index, record)).collect()
    }

    /// Whether it goes back to the first command. The oldest records of a very long one are dropped;
    /// then nothing can be counted.
    pub(super) fn is_whole(&self) -> bool {
        self.0.first().is_none_or(|record| record.seq == 0)
    }
}

/// The chain's records as they are stored, oldest first.
pub(super) fn stored(end: &MemberEnd) -> Vec<Record> {
    end.records.range(Table::Audit, Bound::Unbounded, Bound::Unbounded, usize::MAX)
}

/// Whether the record of a request settles what a repeat of it is answered. Of what the cluster does
/// by itself there are no repeats.
pub(super) fn is_remembered(record: &AuditRecord) -> bool {
    match &record.refused {
        _ if is_timer(record) => false,
        None => true,
        Some(reason) => NOT_REMEMBERED.iter().all(|other| other.as_str() != reason),
    }
}

/// Whether a refusal for this reason may be given to a request that is done all the same.
pub(super) fn is_about_this_attempt_only(reason: Reason) -> bool {
    NOT_REMEMBERED.contains(&reason)
}

/// The member that has applied the most.
pub(super) fn longest(evidence: &Evidence) -> Option<&MemberEnd> {
    evidence.ends.iter().max_by_key(|end| end.applied)
}

/// The command that an action becomes, under its name in the chain. None of reads, of uses, and of
/// shares, which become commands of the node.
pub(super) fn command_of(action: Action) -> Option<&'static str> {
    match action {
        Action::Create(_) => Some("CreateKey"),
        Action::Enable(_) => Some("EnableKey"),
        Action::Disable(_) => Some("DisableKey"),
        Action::Rotate(_) => Some("RotateKey"),
        Action::Update(_) => Some("UpdateKey"),
        Action::Delete(_) => Some("DeleteKey"),
        Action::Cancel(_) => Some("CancelDeletion"),
        Action::Switch(..) => Some("SetVersionEnabled"),
        Action::Short(_, what) => command_of_short(what),
        Action::Revoke(_) => Some("RevokeToken"),
        Action::BindSelf => Some("BindRole"),
        Action::Seal => Some("Seal"),
        Action::Get(_)
        | Action::Encrypt(_)
        | Action::Decrypt(..)
        | Action::Show(_)
        | Action::SubmitShare(_) => None,
    }
}

fn command_of_short(what: Short) -> Option<&'static str> {
    match what {
        Short::Create => Some("CreateKey"),
        Short::Enable => Some("EnableKey"),
        Short::Register => Some("RegisterResource"),
        Short::Unregister => Some("UnregisterResource"),
        Short::Delete(_) => Some("DeleteKey"),
        Short::Cancel => Some("CancelDeletion"),
        Short::DeleteNow => Some("DeleteNow"),
        Short::Restore => Some("RestoreKey"),
        Short::Purge => Some("PurgeKey"),
        Short::Get | Short::Encrypt | Short::Decrypt => None,
    }
}

/// Whether a record is that of a timer, and not of a command.
pub(super) fn is_timer(record: &AuditRecord) -> bool {
    record.request == RequestId::NONE
}

/// Whether a record stands for a change of its key. A timer that was held up is one, too: it calls the
/// deletion off.
pub(super) fn is_effect(record: &AuditRecord) -> bool {
    record.refused.is_none() || is_timer(record)
}

/// A key of a member.
pub(super) fn key(end: &MemberEnd, id: KeyId) -> Option<KeyRecord> {
    State(&end.records).key(id)
}

/// All keys of a member.
pub(super) fn keys(end: &MemberEnd) -> Vec<KeyRecord> {
    State(&end.records).keys(None, usize::MAX)
}

/// The versions of a key of a member.
pub(super) fn versions(end: &MemberEnd, id: KeyId) -> Vec<VersionRecord> {
    State(&end.records).versions(id)
}

/// The seal of a member.
pub(super) fn seal(end: &MemberEnd) -> Option<SealRecord> {
    State(&end.records).seal()
}

/// The counters of a member.
pub(super) fn machine(end: &MemberEnd) -> MachineRecord {
    State(&end.records).machine()
}
