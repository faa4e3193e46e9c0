//! The one function that mutates replicated state.

use crate::access::{self, Authenticated};
use crate::command::{Caller, Command, Entry};
use crate::digest::{StateDigest, Touched, Tracked};
use crate::ids::PrincipalId;
use crate::keys;
use crate::lifecycle::KeyAction;
use crate::model::MachineRecord;
use crate::outcome::{Applied, Effect, Outcome, Refusal};
use crate::principals;
use crate::records::Records;
use crate::requests;
use crate::seal;
use crate::state::StateMut;

/// What an entry changes beside its outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Records that were written or removed, in order; a record may stand here more than once.
    pub touched: Vec<Touched>,
}

/// Where and when an entry is applied, and for whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context {
    pub(crate) index: u64,
    pub(crate) now_ms: u64,
    pub(crate) principal: PrincipalId,
}

/// Applies an entry at `index` of the log.
///
/// Equal records and equal entries give equal records, digest and answer on every replica. A
/// deterministic failure is an answer; nothing else can fail here.
///
/// The order of judgement is that of [`Refusal`]: credential, request memory, permission, then the
/// command itself. A refused command changes nothing but audit and request memory.
pub fn apply(
    records: &mut dyn Records,
    digest: &mut StateDigest,
    index: u64,
    entry: &Entry,
) -> (Applied, Changes) {
    let mut changes = Changes::default();
    let mut tracked = Tracked::new(records, digest, &mut changes.touched);
    let mut state = StateMut(&mut tracked);
    let mut machine = state.read().machine();
    machine.cluster_time_ms = machine.cluster_time_ms.max(entry.stamp.at_ms);
    let applied = judge(&mut state, &mut machine, index, entry);
    if !applied.replayed {
        crate::audit::append(&mut state, &mut machine, entry, index, &applied.outcome);
    }
    state.put_machine(&machine);
    (applied, changes)
}

fn judge(
    state: &mut StateMut<'_>,
    machine: &mut MachineRecord,
    index: u64,
    entry: &Entry,
) -> Applied {
    let proposal = &entry.proposal;
    let context =
        Context { index, now_ms: machine.cluster_time_ms, principal: proposal.caller.principal() };
    let refused = |refusal| Applied { index, replayed: false, outcome: Outcome::Refused(refusal) };
    let who = match access::authenticate(&state.read(), &proposal.caller, context.now_ms) {
        Ok(who) => who,
        Err(refusal) => return refused(refusal),
    };
    match requests::recall(state, machine, proposal) {
        Some(Ok(first)) => return first,
        Some(Err(refusal)) => return refused(refusal),
        None => {}
    }
    let outcome = match permit(state, &context, &who, &proposal.command)
        .and_then(|()| execute(state, &context, &who, &proposal.command))
    {
        Ok(effect) => Outcome::Done(effect),
        Err(refusal) => Outcome::Refused(refusal),
    };
    if let Outcome::Refused(refusal) = &outcome
        && !refusal.is_remembered()
    {
        return Applied { index, replayed: false, outcome };
    }
    requests::remember(state, machine, proposal, index, &outcome);
    Applied { index, replayed: false, outcome }
}

/// Whether this caller may give this command at all.
fn permit(
    state: &StateMut<'_>,
    context: &Context,
    who: &Authenticated,
    command: &Command,
) -> Result<(), Refusal> {
    match (command.action(), who.caller()) {
        (Some(action), _) => {
            access::authorize(&state.read(), who, action, context.now_ms).map(|_| ())
        }
        (None, Caller::Operator { .. } | Caller::Custodian) => Ok(()),
        (None, Caller::Principal { .. }) => Err(Refusal::WrongCaller),
    }
}

fn execute(
    state: &mut StateMut<'_>,
    context: &Context,
    who: &Authenticated,
    command: &Command,
) -> Result<Effect, Refusal> {
    match command {
        Command::InitializeSeal(command) => seal::initialize(state, context, who.caller(), command),
        Command::RecordShare(command) => seal::record_share(state, context, command),
        Command::CompleteUnseal(command) => seal::complete_unseal(state, context, command),
        Command::Seal => seal::seal(state),
        Command::CreateKey(command) => keys::create(state, context, command),
        Command::RotateKey(command) => keys::rotate(state, context, command),
        Command::EnableKey { key } => keys::switch(state, context, *key, KeyAction::Enable),
        Command::DisableKey { key } => keys::switch(state, context, *key, KeyAction::Disable),
        Command::UpdateKey(command) => keys::update(state, context, command),
        Command::CreatePrincipal { id, name, certificate } => {
            principals::create(state, *id, name, certificate.as_ref())
        }
        Command::DisablePrincipal { principal } => principals::disable(state, *principal),
        Command::SetGroupMember { group, principal, member } => {
            principals::set_group_member(state, context, group, *principal, *member)
        }
        Command::CreateToken(command) => principals::create_token(state, context, command),
        Command::RevokeToken { token } => principals::revoke_token(state, *token),
        Command::BindRole { grant, id, until_ms } => {
            principals::bind(state, context, who, principals::binding(grant, *id, *until_ms))
        }
        Command::UnbindRole { grant } => principals::unbind(state, context, who, grant),
    }
}
