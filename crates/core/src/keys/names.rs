//! Names, description, labels and ring of a key.

use super::{check_texts, decide, on_key};
use crate::command::UpdateKey;
use crate::ids::{InstanceId, KeyId};
use crate::lifecycle::KeyAction;
use crate::limits;
use crate::outcome::{Bounded, Effect, Refusal, Thing};
use crate::step::Step;

/// Changes description, labels and ring.
pub(crate) fn update(step: &mut Step<'_, '_>, command: &UpdateKey) -> Result<Effect, Refusal> {
    on_key(step, command.key, "UpdateKey", |step, key| {
        let next = decide(key, KeyAction::Update, step.context.now_ms)?;
        if let Some(ring) = command.ring {
            decide(key, KeyAction::Move, step.context.now_ms)?;
            if step.read().ring(key.instance, ring).is_none() {
                return Err(Refusal::NotFound { what: Thing::Ring });
            }
            key.ring = ring;
        }
        if let Some(description) = &command.description {
            key.description.clone_from(description);
        }
        for name in &command.remove_labels {
            key.labels.remove(name);
        }
        key.labels.extend(command.set_labels.clone());
        check_texts(None, &key.description, &key.labels)?;
        Ok(next)
    })
}

/// Adds or removes an alias.
pub(crate) fn set_alias(
    step: &mut Step<'_, '_>,
    id: KeyId,
    alias: &str,
    present: bool,
) -> Result<Effect, Refusal> {
    let name = if present { "AddAlias" } else { "RemoveAlias" };
    on_key(step, id, name, |step, key| {
        let next = decide(key, KeyAction::Alias, step.context.now_ms)?;
        if present {
            is_free(step, key.instance, alias)?;
            Bounded::NameBytes.check(alias.len(), limits::NAME_BYTES)?;
            Bounded::Aliases.check(key.aliases.len() + 1, limits::ALIASES_PER_KEY)?;
            key.aliases.push(alias.to_owned());
            step.state.put_alias(key.instance, alias, key.id);
        } else {
            let place = key.aliases.iter().position(|name| name == alias);
            let place = place.ok_or(Refusal::NotFound { what: Thing::Alias })?;
            key.aliases.remove(place);
            step.state.delete_alias(key.instance, alias);
        }
        Ok(next)
    })
}

/// Whether nobody has an alias. Who has it may be due to be purged, which frees it.
pub(super) fn is_free(
    step: &mut Step<'_, '_>,
    instance: InstanceId,
    alias: &str,
) -> Result<(), Refusal> {
    match step.read().alias(instance, alias) {
        Some(holder) if step.settle(holder).is_some() => {
            Err(Refusal::AlreadyExists { what: Thing::Alias })
        }
        _ => Ok(()),
    }
}
