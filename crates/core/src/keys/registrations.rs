//! Resources that a key protects.

use super::{decide, on_key};
use crate::command::RegisterResource;
use crate::ids::{KeyId, PrincipalId};
use crate::lifecycle::KeyAction;
use crate::limits;
use crate::model::{KeyRecord, RegistrationRecord};
use crate::outcome::{Bounded, Effect, Refusal, Thing};
use crate::step::Step;

/// Registers a resource, or changes a registration.
pub(crate) fn register(
    step: &mut Step<'_, '_>,
    command: &RegisterResource,
) -> Result<Effect, Refusal> {
    on_key(step, command.key, "RegisterResource", |step, key| {
        let next = decide(key, KeyAction::Register, step.context.now_ms)?;
        let present = step.read().registration(key.id, &command.resource);
        if let Some(present) = &present {
            may_lift(present, step.context.principal)?;
        }
        Bounded::ResourceBytes.check(command.resource.len(), limits::RESOURCE_BYTES)?;
        Bounded::DescriptionBytes.check(command.description.len(), limits::DESCRIPTION_BYTES)?;
        take_out(key, present.as_ref());
        let count = key.registrations as usize + 1;
        Bounded::Registrations.check(count, limits::REGISTRATIONS_PER_KEY)?;
        key.registrations += 1;
        key.protecting += u32::from(command.prevent_deletion);
        step.state.put_registration(
            key.id,
            &RegistrationRecord {
                resource: command.resource.clone(),
                description: command.description.clone(),
                prevent_deletion: command.prevent_deletion,
                version: key.primary_version,
                registered_at_ms: step.context.now_ms,
                registered_by: step.context.principal,
            },
        );
        Ok(next)
    })
}

/// Removes a registration.
pub(crate) fn unregister(
    step: &mut Step<'_, '_>,
    id: KeyId,
    resource: &str,
) -> Result<Effect, Refusal> {
    on_key(step, id, "UnregisterResource", |step, key| {
        let next = decide(key, KeyAction::Unregister, step.context.now_ms)?;
        let present = step.read().registration(key.id, resource);
        let present = present.ok_or(Refusal::NotFound { what: Thing::Registration })?;
        may_lift(&present, step.context.principal)?;
        take_out(key, Some(&present));
        step.state.delete_registration(key.id, resource);
        Ok(next)
    })
}

/// What prevents deletion is lifted only by the principal that registered it.
fn may_lift(registration: &RegistrationRecord, by: PrincipalId) -> Result<(), Refusal> {
    if registration.prevent_deletion && registration.registered_by != by {
        return Err(Refusal::Retention { registrations: 1 });
    }
    Ok(())
}

fn take_out(key: &mut KeyRecord, registration: Option<&RegistrationRecord>) {
    let Some(registration) = registration else { return };
    key.registrations = key.registrations.saturating_sub(1);
    key.protecting = key.protecting.saturating_sub(u32::from(registration.prevent_deletion));
}
