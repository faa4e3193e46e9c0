//! Commands on instances and key rings.

use crate::access::{Authenticated, Held, Resource};
use crate::apply::require;
use crate::ids::{InstanceId, PrincipalId, RingId};
use crate::keys;
use crate::lifecycle::{DeletionPolicy, KeyState, PolicyChange};
use crate::limits;
use crate::model::{InstanceRecord, KeyRecord, RingRecord, Tombstone};
use crate::outcome::{Bounded, Effect, Refusal, Thing};
use crate::roles::Action;
use crate::seal;
use crate::state::StateMut;
use crate::step::{Context, Step};

/// Name of the instance that init makes, and of the key ring that every instance has.
pub const DEFAULT: &str = "default";

/// The instance that is there from the beginning.
pub(crate) fn create_default(
    state: &mut StateMut<'_>,
    context: &Context,
    id: InstanceId,
    by: PrincipalId,
) {
    add(state, context.now_ms, id, DEFAULT, DeletionPolicy::default(), by);
}

fn add(
    state: &mut StateMut<'_>,
    now_ms: u64,
    id: InstanceId,
    name: &str,
    policy: DeletionPolicy,
    by: PrincipalId,
) {
    state.put_instance(&InstanceRecord {
        id,
        name: name.to_owned(),
        policy,
        created_at_ms: now_ms,
        created_by: by,
        rings: 1,
    });
    state.put_ring(&RingRecord {
        id: id.default_ring(),
        instance: id,
        name: DEFAULT.to_owned(),
        created_at_ms: now_ms,
        created_by: by,
        keys: 0,
    });
}

/// Creates an instance.
pub(crate) fn create(
    step: &mut Step<'_, '_>,
    id: InstanceId,
    name: &str,
    change: &PolicyChange,
) -> Result<Effect, Refusal> {
    seal::confirmed(step.state)?;
    let taken = step.read().instance(id).is_some() || step.read().tombstone(id.0).is_some();
    if taken || step.read().instance_named(name).is_some() {
        return Err(Refusal::AlreadyExists { what: Thing::Instance });
    }
    let policy = change.of(&DeletionPolicy::default());
    policy.check(step.machine.deletion_floor_ms).map_err(Refusal::PolicyInvalid)?;
    Bounded::NameBytes.check(name.len(), limits::NAME_BYTES)?;
    let count = step.read().instances().len();
    Bounded::Instances.check(count + 1, limits::INSTANCES as usize)?;
    add(step.state, step.context.now_ms, id, name, policy, step.context.principal);
    Ok(Effect::Instance(id))
}

/// Changes the policy that new keys copy.
pub(crate) fn set_policy(
    step: &mut Step<'_, '_>,
    id: InstanceId,
    change: &PolicyChange,
) -> Result<Effect, Refusal> {
    let mut instance = find(step, id)?;
    let policy = change.of(&instance.policy);
    policy.check(step.machine.deletion_floor_ms).map_err(Refusal::PolicyInvalid)?;
    instance.policy = policy;
    step.state.put_instance(&instance);
    Ok(Effect::Instance(id))
}

/// Deletes an instance without keys. Destroyed keys past their purge floor go with it, if the caller may
/// purge them.
pub(crate) fn delete(
    step: &mut Step<'_, '_>,
    who: &Authenticated,
    id: InstanceId,
) -> Result<Effect, Refusal> {
    let instance = find(step, id)?;
    if instance.name == DEFAULT {
        return Err(Refusal::Permanent { what: Thing::Instance });
    }
    let keys =
        destroyed_keys(step, |step| step.read().keys_of(id, None, limits::KEYS_PER_BULK + 1));
    let keys = keys.ok_or(Refusal::NotEmpty { what: Thing::Instance })?;
    if !keys.is_empty() {
        let held = Held::of(&step.read(), who, step.context.unscaled_ms);
        require(&held, Action::PurgeKey, Resource::Instance(id))?;
        for key in &keys {
            keys::may_purge(key, step.context.now_ms)?;
        }
        Bounded::KeysAtOnce.check(keys.len(), limits::KEYS_PER_BULK)?;
        for key in &keys {
            keys::remove(step, key, step.context.now_ms);
        }
    }
    for ring in step.read().rings(id) {
        step.state.delete_ring(&ring);
    }
    step.state.delete_instance(&instance);
    let (index, purged_at_ms) = (step.context.index, step.context.now_ms);
    step.state.put_tombstone(id.0, &Tombstone { instance: id, index, purged_at_ms });
    Ok(Effect::Instance(id))
}

/// Sets the least time from a request to delete a key until its material is out of reach. Policies that
/// are there stay: what is promised to a key is not changed behind its back.
pub(crate) fn set_floor(step: &mut Step<'_, '_>, floor_ms: u64) -> Result<Effect, Refusal> {
    seal::confirmed(step.state)?;
    if floor_ms > limits::LONGEST_WINDOW_MS {
        return Err(Refusal::PolicyInvalid(crate::lifecycle::PolicyProblem::TooLong));
    }
    step.machine.deletion_floor_ms = floor_ms;
    Ok(Effect::DeletionFloor { floor_ms })
}

/// Creates a key ring.
pub(crate) fn create_ring(
    step: &mut Step<'_, '_>,
    id: RingId,
    instance: InstanceId,
    name: &str,
) -> Result<Effect, Refusal> {
    let mut record = find(step, instance)?;
    let taken = step.read().ring(instance, id).is_some();
    if taken || step.read().ring_named(instance, name).is_some() {
        return Err(Refusal::AlreadyExists { what: Thing::Ring });
    }
    Bounded::NameBytes.check(name.len(), limits::NAME_BYTES)?;
    Bounded::Rings.check(record.rings as usize + 1, limits::RINGS_PER_INSTANCE as usize)?;
    record.rings += 1;
    step.state.put_instance(&record);
    step.state.put_ring(&RingRecord {
        id,
        instance,
        name: name.to_owned(),
        created_at_ms: step.context.now_ms,
        created_by: step.context.principal,
        keys: 0,
    });
    Ok(Effect::Ring { instance, ring: id })
}

/// Deletes a key ring without live keys; with force, destroyed ones in it move to `default`.
pub(crate) fn delete_ring(
    step: &mut Step<'_, '_>,
    instance: InstanceId,
    id: RingId,
    force: bool,
) -> Result<Effect, Refusal> {
    let mut record = find(step, instance)?;
    let ring = step.read().ring(instance, id).ok_or(Refusal::NotFound { what: Thing::Ring })?;
    if id == instance.default_ring() {
        return Err(Refusal::Permanent { what: Thing::Ring });
    }
    let keys =
        destroyed_keys(step, |step| step.read().keys_in(id, None, limits::KEYS_PER_BULK + 1));
    let keys = keys.filter(|keys| force || keys.is_empty());
    let keys = keys.ok_or(Refusal::NotEmpty { what: Thing::Ring })?;
    Bounded::KeysAtOnce.check(keys.len(), limits::KEYS_PER_BULK)?;
    for key in keys {
        keys::move_to(step, &key, instance.default_ring());
    }
    step.state.delete_ring(&ring);
    record.rings = record.rings.saturating_sub(1);
    step.state.put_instance(&record);
    Ok(Effect::Ring { instance, ring: id })
}

/// The keys that `list` names, brought up to date; `None`: one of them is not destroyed.
fn destroyed_keys(
    step: &mut Step<'_, '_>,
    list: impl FnOnce(&Step<'_, '_>) -> Vec<crate::ids::KeyId>,
) -> Option<Vec<KeyRecord>> {
    let ids = list(step);
    let mut keys = Vec::with_capacity(ids.len());
    for id in ids {
        // One that is purged just now is no key any more.
        if let Some(key) = step.settle(id) {
            (key.state == KeyState::Destroyed).then(|| keys.push(key))?;
        }
    }
    Some(keys)
}

fn find(step: &Step<'_, '_>, id: InstanceId) -> Result<InstanceRecord, Refusal> {
    seal::confirmed(step.state)?;
    step.read().instance(id).ok_or(Refusal::NotFound { what: Thing::Instance })
}
