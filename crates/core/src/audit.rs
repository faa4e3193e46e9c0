//! The control-plane audit chain: one record per applied command, refused ones included. Every
//! replica computes the same chain. Records name keys by id only and never hold contents.

use crate::canonical::Canonical;
use crate::command::Entry;
use crate::ids::{KeyId, PrincipalId, RequestId};
use crate::limits;
use crate::model::MachineRecord;
use crate::mutants::Mutant;
use crate::outcome::Outcome;
use crate::records::Table;
use crate::state::StateMut;
use serde::{Deserialize, Serialize};

/// A record of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// Position in the chain, from 0.
    pub seq: u64,
    /// Hash of the record before; zeros for the first.
    pub prev: [u8; 32],
    /// Time of the entry, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Log index of the entry.
    pub index: u64,
    /// On whose behalf; [`PrincipalId::NOBODY`] for custodians, operator certificates and timers.
    pub principal: PrincipalId,
    /// Name of the command or of the timer.
    pub action: String,
    /// The key it was about.
    pub key: Option<KeyId>,
    /// Reason of a refusal; `None`: done.
    pub refused: Option<String>,
    /// The caller's request id.
    pub request: RequestId,
}

impl AuditRecord {
    /// The hash that the next record carries as `prev`.
    pub fn hash(&self) -> [u8; 32] {
        let mut form = Canonical::new("conclave audit record v1");
        form.number(self.seq);
        if !Mutant::UnchainedAudit.active() {
            form.bytes(&self.prev);
        }
        form.number(self.at_ms)
            .number(self.index)
            .bytes(self.principal.bytes())
            .text(&self.action)
            .optional(self.key.as_ref().map(|key| &key.bytes()[..]))
            .optional(self.refused.as_deref().map(str::as_bytes))
            .bytes(self.request.bytes())
            .finish()
    }
}

/// What a record says beside its place in the chain.
pub(crate) struct Draft<'a> {
    pub(crate) index: u64,
    pub(crate) principal: PrincipalId,
    pub(crate) action: &'a str,
    pub(crate) key: Option<KeyId>,
    pub(crate) refused: Option<&'a str>,
    pub(crate) request: RequestId,
}

impl<'a> Draft<'a> {
    /// Of a command and what it came to.
    pub(crate) fn of(entry: &'a Entry, index: u64, outcome: &Outcome) -> Draft<'a> {
        let proposal = &entry.proposal;
        Draft {
            index,
            principal: proposal.caller.principal(),
            action: proposal.command.name(),
            key: proposal.command.key(),
            refused: match outcome {
                Outcome::Done(_) => None,
                Outcome::Refused(refusal) => Some(refusal.reason().as_str()),
            },
            request: proposal.request,
        }
    }
}

/// Appends a record and drops the one that falls out of the bound.
pub(crate) fn append(state: &mut StateMut<'_>, machine: &mut MachineRecord, draft: Draft<'_>) {
    let record = AuditRecord {
        seq: machine.next_audit,
        prev: machine.audit_head,
        at_ms: machine.cluster_time_ms,
        index: draft.index,
        principal: draft.principal,
        action: draft.action.to_owned(),
        key: draft.key,
        refused: draft.refused.map(str::to_owned),
        request: draft.request,
    };
    machine.audit_head = record.hash();
    machine.next_audit += 1;
    state.insert(Table::Audit, &record.seq.to_be_bytes(), &record);
    if let Some(fallen) = record.seq.checked_sub(limits::AUDIT_RECORDS) {
        state.0.delete(Table::Audit, &fallen.to_be_bytes());
    }
}
