//! Commands on keys.

use crate::apply::Context;
use crate::command::{CreateKey, RotateKey, UpdateKey, WrappedMaterial};
use crate::ids::KeyId;
use crate::lifecycle::{self, KeyAction, KeyState};
use crate::limits;
use crate::model::{KeyRecord, SealRecord, VersionRecord};
use crate::outcome::{Bounded, Effect, Refusal, Thing};
use crate::seal;
use crate::state::StateMut;
use std::collections::BTreeMap;

/// Creates a key in state Enabled with version 1.
pub(crate) fn create(
    state: &mut StateMut<'_>,
    context: &Context,
    command: &CreateKey,
) -> Result<Effect, Refusal> {
    let seal = seal::confirmed(state)?;
    let read = state.read();
    if read.key(command.key).is_some() {
        return Err(Refusal::AlreadyExists { what: Thing::Key });
    }
    if command.alias.as_deref().is_some_and(|alias| read.alias(alias).is_some()) {
        return Err(Refusal::AlreadyExists { what: Thing::Alias });
    }
    check_texts(command.alias.as_deref(), &command.description, &command.labels)?;
    accept_generation(&seal, &command.material)?;
    let key = KeyRecord {
        id: command.key,
        aliases: command.alias.iter().cloned().collect(),
        algorithm: command.algorithm,
        state: KeyState::Enabled,
        description: command.description.clone(),
        labels: command.labels.clone(),
        primary_version: 1,
        created_at_ms: context.now_ms,
        created_by: context.principal,
        revision: 1,
        changed_at: context.index,
    };
    for alias in &key.aliases {
        state.put_alias(alias, key.id);
    }
    put_version(state, context, &key, &command.material);
    state.put_key(&key);
    Ok(effect(&key))
}

/// Adds a primary version.
pub(crate) fn rotate(
    state: &mut StateMut<'_>,
    context: &Context,
    command: &RotateKey,
) -> Result<Effect, Refusal> {
    let seal = seal::confirmed(state)?;
    let mut key = find(state, command.key)?;
    key.state = next_state(&key, KeyAction::Rotate)?;
    if key.primary_version >= limits::VERSIONS_PER_KEY {
        return Err(Refusal::VersionLimit);
    }
    // The material is bound to a version number: another rotation in between makes it useless.
    if command.version != key.primary_version + 1 {
        return Err(Refusal::Superseded);
    }
    accept_generation(&seal, &command.material)?;
    key.primary_version = command.version;
    put_version(state, context, &key, &command.material);
    Ok(change(state, context, key))
}

/// Moves a key along the lifecycle table.
pub(crate) fn switch(
    state: &mut StateMut<'_>,
    context: &Context,
    key: KeyId,
    action: KeyAction,
) -> Result<Effect, Refusal> {
    let mut key = find(state, key)?;
    key.state = next_state(&key, action)?;
    Ok(change(state, context, key))
}

/// Changes description and labels.
pub(crate) fn update(
    state: &mut StateMut<'_>,
    context: &Context,
    command: &UpdateKey,
) -> Result<Effect, Refusal> {
    let mut key = find(state, command.key)?;
    key.state = next_state(&key, KeyAction::Update)?;
    if let Some(description) = &command.description {
        key.description.clone_from(description);
    }
    for name in &command.remove_labels {
        key.labels.remove(name);
    }
    key.labels.extend(command.set_labels.clone());
    check_texts(None, &key.description, &key.labels)?;
    Ok(change(state, context, key))
}

fn find(state: &StateMut<'_>, key: KeyId) -> Result<KeyRecord, Refusal> {
    state.read().key(key).ok_or(Refusal::NotFound { what: Thing::Key })
}

fn next_state(key: &KeyRecord, action: KeyAction) -> Result<KeyState, Refusal> {
    lifecycle::transition(key.state, action).ok_or(Refusal::KeyState { state: key.state, action })
}

/// Writes a changed key.
fn change(state: &mut StateMut<'_>, context: &Context, mut key: KeyRecord) -> Effect {
    key.revision += 1;
    key.changed_at = context.index;
    state.put_key(&key);
    effect(&key)
}

fn put_version(
    state: &mut StateMut<'_>,
    context: &Context,
    key: &KeyRecord,
    material: &WrappedMaterial,
) {
    let version = VersionRecord {
        version: key.primary_version,
        enabled: true,
        created_at_ms: context.now_ms,
        material: material.clone(),
        changed_at: context.index,
    };
    state.put_version(key.id, &version);
}

/// Material must be wrapped under the newest generation, or it could not be rewrapped in time.
fn accept_generation(seal: &SealRecord, material: &WrappedMaterial) -> Result<(), Refusal> {
    if seal.wrapping_generation() != material.generation {
        return Err(Refusal::Superseded);
    }
    Ok(())
}

/// The front ends check texts as well, with rules on characters; these bounds hold below all of them.
fn check_texts(
    alias: Option<&str>,
    description: &str,
    labels: &BTreeMap<String, String>,
) -> Result<(), Refusal> {
    Bounded::NameBytes.check(alias.map_or(0, str::len), limits::NAME_BYTES)?;
    Bounded::DescriptionBytes.check(description.len(), limits::DESCRIPTION_BYTES)?;
    Bounded::Labels.check(labels.len(), limits::LABELS_PER_KEY)?;
    for (name, value) in labels {
        Bounded::LabelNameBytes.check(name.len(), limits::LABEL_NAME_BYTES)?;
        Bounded::LabelValueBytes.check(value.len(), limits::LABEL_VALUE_BYTES)?;
    }
    Ok(())
}

fn effect(key: &KeyRecord) -> Effect {
    Effect::Key {
        key: key.id,
        state: key.state,
        primary_version: key.primary_version,
        revision: key.revision,
    }
}
