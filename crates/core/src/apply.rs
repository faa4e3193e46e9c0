//! The one function that mutates replicated state.

use crate::access::{self, Authenticated, Held, Resource};
use crate::audit::{self, Draft};
use crate::command::{Caller, Command, Entry, Grant, Scope};
use crate::digest::{StateDigest, Touched, Tracked};
use crate::ids::KeyId;
use crate::instances;
use crate::keys;
use crate::lifecycle::KeyAction;
use crate::outcome::{Applied, Effect, Outcome, Refusal};
use crate::principals;
use crate::records::Records;
use crate::requests;
use crate::roles::Action;
use crate::seal;
use crate::state::{State, StateMut};
use crate::step::{Context, Step};

/// What an entry changes beside its outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Records that were written or removed, in order; a record may stand here more than once.
    pub touched: Vec<Touched>,
}

/// Applies an entry at `index` of the log.
///
/// Equal records and equal entries give equal records, digest and answer on every replica. A
/// deterministic failure is an answer; nothing else can fail here.
///
/// The order of judgement is that of [`Refusal`]: credential, request memory, permission, then the
/// command itself. Before it is judged, timers of its key that are due run. A refused command changes
/// nothing but the history of its key, audit and request memory.
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
    let time = entry.stamp.max(machine.time());
    machine.cluster_time_ms = time.at_ms;
    machine.unscaled_ms = time.unscaled_ms;
    machine.clock_rate = time.rate;
    let context = Context {
        index,
        now_ms: time.at_ms,
        unscaled_ms: time.unscaled_ms,
        principal: entry.proposal.caller.principal(),
        request: entry.proposal.request,
    };
    let mut step = Step { state: &mut state, machine: &mut machine, context };
    let applied = match entry.proposal.caller {
        Caller::Cluster => by_itself(&mut step, entry),
        _ => judge(&mut step, entry),
    };
    state.put_machine(&machine);
    (applied, changes)
}

/// What the cluster does by itself: no credential to judge, no repeat to remember. A tick leaves the
/// records of the timers that it runs, and none of its own.
fn by_itself(step: &mut Step<'_, '_>, entry: &Entry) -> Applied {
    let outcome = match &entry.proposal.command {
        Command::Tick => keys::due::tick(step),
        Command::ScheduledRotation(command) => keys::rotate_by_schedule(step, command),
        _ => Err(Refusal::WrongCaller),
    };
    let outcome = outcome.map_or_else(Outcome::Refused, Outcome::Done);
    let is_void = match &outcome {
        Outcome::Done(effect) => matches!(effect, Effect::Ticked { .. }),
        // Another node was faster: nothing was asked of the key that had not been done.
        Outcome::Refused(refusal) => !refusal.is_remembered(),
    };
    if !is_void {
        let draft = Draft::of(entry, step.context.index, &outcome);
        audit::append(step.state, step.machine, draft);
    }
    Applied { index: step.context.index, replayed: false, outcome }
}

fn judge(step: &mut Step<'_, '_>, entry: &Entry) -> Applied {
    let applied = answer(step, entry);
    if !applied.replayed {
        let draft = Draft::of(entry, step.context.index, &applied.outcome);
        audit::append(step.state, step.machine, draft);
    }
    applied
}

fn answer(step: &mut Step<'_, '_>, entry: &Entry) -> Applied {
    let proposal = &entry.proposal;
    let (context, index) = (step.context, step.context.index);
    let refused = |refusal| Applied { index, replayed: false, outcome: Outcome::Refused(refusal) };
    let who = match access::authenticate(&step.read(), &proposal.caller, context.unscaled_ms) {
        Ok(who) => who,
        Err(refusal) => return refused(refusal),
    };
    match requests::recall(step.state, step.machine, proposal) {
        Some(Ok(first)) => return first,
        Some(Err(refusal)) => return refused(refusal),
        None => {}
    }
    if let Some(key) = named_key(&proposal.command) {
        // What is due by the time of the entry has happened before it.
        step.settle(key);
    }
    let outcome = match permit(step, &who, &proposal.command)
        .and_then(|()| execute(step, &who, &proposal.command))
    {
        Ok(effect) => Outcome::Done(effect),
        Err(refusal) => Outcome::Refused(refusal),
    };
    if let Outcome::Refused(refusal) = &outcome
        && !refusal.is_remembered()
    {
        return Applied { index, replayed: false, outcome };
    }
    requests::remember(step.state, step.machine, proposal, index, &outcome);
    Applied { index, replayed: false, outcome }
}

/// The key that a command is about, or where it binds a role.
fn named_key(command: &Command) -> Option<KeyId> {
    match command {
        Command::BindRole { grant: Grant { scope: Scope::Key(key), .. }, .. }
        | Command::UnbindRole { grant: Grant { scope: Scope::Key(key), .. } } => Some(*key),
        command => command.key(),
    }
}

/// Whether this caller may give this command at all.
fn permit(step: &Step<'_, '_>, who: &Authenticated, command: &Command) -> Result<(), Refusal> {
    match (command.action(), who.caller()) {
        (Some(action), _) => {
            let state = step.read();
            let on = resource(&state, command);
            access::authorize(&state, who, action, on, step.context.unscaled_ms)?;
            // A key is moved by who may create keys where it goes.
            if let (Command::UpdateKey(update), Resource::Key(instance, _, _)) = (command, on)
                && let Some(ring) = update.ring
            {
                let held = Held::of(&state, who, step.context.unscaled_ms);
                require(&held, Action::CreateKey, Resource::Ring(instance, ring))?;
            }
            Ok(())
        }
        (None, Caller::Operator { .. } | Caller::Custodian) => Ok(()),
        (None, Caller::Principal { .. } | Caller::Cluster) => Err(Refusal::WrongCaller),
    }
}

/// On what a command is done, in a state.
pub fn resource(state: &State<'_>, command: &Command) -> Resource {
    match command {
        Command::CreateKey(create) => Resource::Ring(create.instance, create.ring),
        Command::BindRole { grant, .. } | Command::UnbindRole { grant } => {
            Resource::of_scope(state, grant.scope)
        }
        Command::SetInstancePolicy { instance, .. }
        | Command::DeleteInstance { instance }
        | Command::CreateRing { instance, .. } => Resource::Instance(*instance),
        Command::DeleteRing { instance, ring, .. } => Resource::Ring(*instance, *ring),
        command => match command.key() {
            Some(key) => Resource::of_key_id(state, key),
            None => Resource::Cluster,
        },
    }
}

/// A second permission that a command needs.
pub(crate) fn require(held: &Held, action: Action, on: Resource) -> Result<(), Refusal> {
    held.permit(action, on).map(|_| ())
}

fn execute(
    step: &mut Step<'_, '_>,
    who: &Authenticated,
    command: &Command,
) -> Result<Effect, Refusal> {
    let context = step.context;
    match command {
        Command::InitializeSeal(command) => {
            seal::initialize(step.state, &context, who.caller(), command)
        }
        Command::RecordShare(command) => seal::record_share(step.state, &context, command),
        Command::CompleteUnseal(command) => seal::complete_unseal(step.state, &context, command),
        Command::Seal => seal::seal(step.state),
        Command::CreateKey(command) => keys::create(step, command),
        Command::RotateKey(command) => keys::rotate(step, command),
        Command::EnableKey { key } => keys::switch(step, *key, KeyAction::Enable),
        Command::DisableKey { key } => keys::switch(step, *key, KeyAction::Disable),
        Command::UpdateKey(command) => keys::update(step, command),
        Command::CreatePrincipal { id, name, certificate } => {
            principals::create(step.state, *id, name, certificate.as_ref())
        }
        Command::DisablePrincipal { principal } => principals::disable(step.state, *principal),
        Command::SetGroupMember { group, principal, member } => {
            principals::set_group_member(step.state, &context, group, *principal, *member)
        }
        Command::CreateToken(command) => principals::create_token(step.state, &context, command),
        Command::RevokeToken { token } => principals::revoke_token(step.state, *token),
        Command::BindRole { grant, id, until_ms } => {
            let binding = principals::binding(grant, *id, *until_ms);
            principals::bind(step.state, &context, who, binding)
        }
        Command::UnbindRole { grant } => principals::unbind(step.state, &context, who, grant),
        Command::Tick | Command::ScheduledRotation(_) => Err(Refusal::WrongCaller),
        Command::SetVersionEnabled { key, version, enabled } => {
            keys::switch_version(step, *key, *version, *enabled)
        }
        Command::DeleteKey { key, force } => keys::request(step, *key, *force),
        Command::CancelDeletion { key } => keys::cancel(step, *key),
        Command::DeleteNow { key } => keys::delete_now(step, *key),
        Command::RestoreKey { key } => keys::restore(step, *key),
        Command::PurgeKey { key } => keys::purge(step, *key),
        Command::SetAlias { key, alias, present } => keys::set_alias(step, *key, alias, *present),
        Command::SetKeyPolicy(command) => keys::set_policy(step, command),
        Command::RegisterResource(command) => keys::register(step, command),
        Command::UnregisterResource { key, resource } => keys::unregister(step, *key, resource),
        Command::CreateInstance { id, name, policy } => instances::create(step, *id, name, policy),
        Command::SetInstancePolicy { instance, policy } => {
            instances::set_policy(step, *instance, policy)
        }
        Command::DeleteInstance { instance } => instances::delete(step, who, *instance),
        Command::SetDeletionFloor { floor_ms } => instances::set_floor(step, *floor_ms),
        Command::CreateRing { id, instance, name } => {
            instances::create_ring(step, *id, *instance, name)
        }
        Command::DeleteRing { instance, ring, force } => {
            instances::delete_ring(step, *instance, *ring, *force)
        }
    }
}
