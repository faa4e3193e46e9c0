//! Creating a key.

use super::{accept_generation, check_texts, effect, put_version, rotation, store};
use crate::command::CreateKey;
use crate::lifecycle::KeyState;
use crate::model::{EventKind, KeyRecord};
use crate::outcome::{Effect, Refusal, Thing};
use crate::seal;
use crate::step::Step;

/// Creates a key in state Enabled with version 1.
pub(crate) fn create(step: &mut Step<'_, '_>, command: &CreateKey) -> Result<Effect, Refusal> {
    let seal = seal::confirmed(step.state)?;
    let now_ms = step.context.now_ms;
    let instance = step.read().instance(command.instance);
    let instance = instance.ok_or(Refusal::NotFound { what: Thing::Instance })?;
    if step.read().ring(command.instance, command.ring).is_none() {
        return Err(Refusal::NotFound { what: Thing::Ring });
    }
    if step.read().key(command.key).is_some() || step.read().tombstone(command.key.0).is_some() {
        return Err(Refusal::AlreadyExists { what: Thing::Key });
    }
    if let Some(alias) = &command.alias {
        super::names::is_free(step, command.instance, alias)?;
    }
    let every_ms = command.rotate_every_ms.map(rotation::check_period).transpose()?;
    if command.expires_at_ms.is_some_and(|end| end <= now_ms) {
        return Err(Refusal::ExpiryInThePast);
    }
    check_texts(command.alias.as_deref(), &command.description, &command.labels)?;
    accept_generation(&seal, &command.material)?;
    let mut key = KeyRecord {
        id: command.key,
        instance: command.instance,
        ring: command.ring,
        aliases: command.alias.iter().cloned().collect(),
        algorithm: command.algorithm,
        state: KeyState::Enabled,
        description: command.description.clone(),
        labels: command.labels.clone(),
        primary_version: 1,
        created_at_ms: now_ms,
        created_by: step.context.principal,
        expires_at_ms: command.expires_at_ms,
        policy: instance.policy,
        rotation: every_ms.map(|every_ms| rotation::schedule(every_ms, now_ms)),
        rotated_at_ms: None,
        disabled_at_ms: None,
        deletion: None,
        registrations: 0,
        protecting: 0,
        history: 0,
        revision: 1,
        changed_at: step.context.index,
    };
    let mut entry = step.history("CreateKey");
    (entry.to, entry.version) = (Some(key.state), key.primary_version);
    step.note(&mut key, &entry);
    put_version(step, key.id, 1, &command.material);
    store::add(step.state, &key);
    step.raise(&key, now_ms, EventKind::StateChanged { from: None, to: Some(key.state) });
    Ok(effect(&key))
}
