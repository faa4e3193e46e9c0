//! Changing keys: what needs no material.

use crate::call::Call;
use crate::context::Context;
use crate::digest::{self, KeyUpdate};
use crate::error::ApiError;
use crate::moment::On;
use crate::mutate::{Basis, Mutation};
use crate::validate::{self, KeySelector};
use conclave_core::command::{Command, RegisterResource, RotationChange, SetKeyPolicy, UpdateKey};
use conclave_core::ids::KeyId;
use conclave_core::reason::Reason;
use conclave_core::roles::Action;
use conclave_proto::v1;

/// A change of one key: what it is called, what it needs, and what it becomes.
struct Change<'a> {
    request_id: &'a str,
    key: &'a KeySelector,
    digest: [u8; 32],
    action: Action,
}

impl Context {
    pub(super) async fn enable_key(
        &self,
        call: &Call,
        request: v1::KeyRequest,
    ) -> Result<v1::KeyAnswer, ApiError> {
        let command = |key| Command::EnableKey { key };
        self.move_key(call, &request, "EnableKey", Action::EnableKey, command).await
    }

    pub(super) async fn disable_key(
        &self,
        call: &Call,
        request: v1::KeyRequest,
    ) -> Result<v1::KeyAnswer, ApiError> {
        let command = |key| Command::DisableKey { key };
        self.move_key(call, &request, "DisableKey", Action::DisableKey, command).await
    }

    pub(super) async fn cancel_deletion(
        &self,
        call: &Call,
        request: v1::KeyRequest,
    ) -> Result<v1::KeyAnswer, ApiError> {
        let command = |key| Command::CancelDeletion { key };
        self.move_key(call, &request, "CancelDeletion", Action::CancelDeletion, command).await
    }

    pub(super) async fn delete_now(
        &self,
        call: &Call,
        request: v1::KeyRequest,
    ) -> Result<v1::KeyAnswer, ApiError> {
        let command = |key| Command::DeleteNow { key };
        self.move_key(call, &request, "DeleteNow", Action::DeleteKey, command).await
    }

    pub(super) async fn restore_key(
        &self,
        call: &Call,
        request: v1::KeyRequest,
    ) -> Result<v1::KeyAnswer, ApiError> {
        let command = |key| Command::RestoreKey { key };
        self.move_key(call, &request, "RestoreKey", Action::RestoreKey, command).await
    }

    pub(super) async fn purge_key(
        &self,
        call: &Call,
        request: v1::KeyRequest,
    ) -> Result<v1::KeyAnswer, ApiError> {
        let command = |key| Command::PurgeKey { key };
        self.move_key(call, &request, "PurgeKey", Action::PurgeKey, command).await
    }

    /// Requests that name a key and nothing else.
    async fn move_key(
        &self,
        call: &Call,
        request: &v1::KeyRequest,
        method: &str,
        action: Action,
        command: impl Fn(KeyId) -> Command + Send + Sync,
    ) -> Result<v1::KeyAnswer, ApiError> {
        let key = validate::key(&request.key)?;
        let digest = digest::of_key(call, method, &key);
        let change = Change { request_id: &request.request_id, key: &key, digest, action };
        self.change_key(call, change, |_, key| Ok(command(key))).await
    }

    async fn change_key(
        &self,
        call: &Call,
        change: Change<'_>,
        command: impl Fn(&Basis<'_>, KeyId) -> Result<Command, ApiError> + Send + Sync,
    ) -> Result<v1::KeyAnswer, ApiError> {
        let request = validate::request_id(change.request_id)?;
        let Change { key, digest, action, .. } = change;
        let mutation = Mutation { call, request, digest, action, on: On::Key(key) };
        let done = self
            .mutate(mutation, |basis| {
                let key = basis.key(key)?.id;
                command(basis, key)
            })
            .await?;
        self.key_answer(call, done, None).await
    }

    pub(super) async fn delete_key(
        &self,
        call: &Call,
        request: v1::DeleteKeyRequest,
    ) -> Result<v1::KeyAnswer, ApiError> {
        let key = validate::key(&request.key)?;
        let force = request.force;
        let how = if force { "force" } else { "" };
        let digest = digest::of_key_and(call, "DeleteKey", &key, &[how]);
        let action = Action::DeleteKey;
        let change = Change { request_id: &request.request_id, key: &key, digest, action };
        self.change_key(call, change, |_, key| Ok(Command::DeleteKey { key, force })).await
    }

    pub(super) async fn set_version_enabled(
        &self,
        call: &Call,
        request: v1::SetVersionEnabledRequest,
    ) -> Result<v1::KeyAnswer, ApiError> {
        let key = validate::key(&request.key)?;
        let (version, enabled) = (request.version, request.enabled);
        let (number, to) = (version.to_string(), if enabled { "on" } else { "off" });
        let digest = digest::of_key_and(call, "SetVersionEnabled", &key, &[&number, to]);
        let action = if enabled { Action::EnableKey } else { Action::DisableKey };
        let change = Change { request_id: &request.request_id, key: &key, digest, action };
        self.change_key(call, change, |_, key| {
            Ok(Command::SetVersionEnabled { key, version, enabled })
        })
        .await
    }

    pub(super) async fn update_key(
        &self,
        call: &Call,
        request: v1::UpdateKeyRequest,
    ) -> Result<v1::KeyAnswer, ApiError> {
        let key = validate::key(&request.key)?;
        let description = request.description;
        validate::description(description.as_deref().unwrap_or_default())?;
        let set_labels = validate::labels("set_labels", request.set_labels)?;
        let remove_labels = validate::label_names("remove_labels", request.remove_labels)?;
        let ring = match request.ring.as_str() {
            "" => None,
            ring => Some(validate::ring(ring)?),
        };
        let update = KeyUpdate {
            description: description.as_deref(),
            set: &set_labels,
            remove: &remove_labels,
            ring: ring.as_ref(),
        };
        let digest = digest::update_key(call, &key, &update);
        let action = Action::UpdateKey;
        let change = Change { request_id: &request.request_id, key: &key, digest, action };
        let done = self.change_key(call, change, |basis, key| {
            // Looked up where the call looks names up; one of another instance is unknown to the key.
            let ring = ring.as_ref().map(|ring| basis.ring(ring)).transpose()?;
            Ok(Command::UpdateKey(UpdateKey {
                key,
                description: description.clone(),
                set_labels: set_labels.clone(),
                remove_labels: remove_labels.clone(),
                ring: ring.map(|(_, ring)| ring),
            }))
        });
        // A ring that the caller may not see is found only by the state machine, which has no names.
        done.await.map_err(|error| match (&ring, error.reason()) {
            (Some(ring), Some(Reason::NotFound)) if error.metadata().is_empty() => {
                error.naming(ring)
            }
            _ => error,
        })
    }

    pub(super) async fn add_alias(
        &self,
        call: &Call,
        request: v1::AliasRequest,
    ) -> Result<v1::KeyAnswer, ApiError> {
        self.set_alias(call, request, "AddAlias", true).await
    }

    pub(super) async fn remove_alias(
        &self,
        call: &Call,
        request: v1::AliasRequest,
    ) -> Result<v1::KeyAnswer, ApiError> {
        self.set_alias(call, request, "RemoveAlias", false).await
    }

    async fn set_alias(
        &self,
        call: &Call,
        request: v1::AliasRequest,
        method: &str,
        present: bool,
    ) -> Result<v1::KeyAnswer, ApiError> {
        let key = validate::key(&request.key)?;
        let alias = validate::some_alias(&request.alias)?;
        let digest = digest::of_key_and(call, method, &key, &[&alias]);
        let action = Action::ManageAliases;
        let change = Change { request_id: &request.request_id, key: &key, digest, action };
        let done = self.change_key(call, change, |_, key| {
            Ok(Command::SetAlias { key, alias: alias.clone(), present })
        });
        done.await.map_err(|error| match error.reason() {
            Some(Reason::AlreadyExists) => error.naming(&alias),
            _ => error,
        })
    }

    pub(super) async fn set_key_policy(
        &self,
        call: &Call,
        request: v1::SetKeyPolicyRequest,
    ) -> Result<v1::KeyAnswer, ApiError> {
        let key = validate::key(&request.key)?;
        let windows = validate::policy_change(request.windows.as_ref())?;
        let every_s = request.rotate_every_s;
        let every_ms = every_s.map(|s| validate::millis("rotate_every_s", s)).transpose()?;
        let rotation = every_ms.map(|every_ms| match every_ms {
            0 => RotationChange::Off,
            _ => RotationChange::Every(every_ms),
        });
        let digest = digest::set_key_policy(call, &key, every_ms, &windows);
        let action = Action::SetKeyPolicy;
        let change = Change { request_id: &request.request_id, key: &key, digest, action };
        self.change_key(call, change, |_, key| {
            let windows = windows.clone();
            Ok(Command::SetKeyPolicy(SetKeyPolicy { key, rotation, windows }))
        })
        .await
    }

    pub(super) async fn register_resource(
        &self,
        call: &Call,
        request: v1::RegisterResourceRequest,
    ) -> Result<v1::KeyAnswer, ApiError> {
        let key = validate::key(&request.key)?;
        let resource = validate::resource(&request.resource)?;
        validate::description(&request.description)?;
        let prevent_deletion = request.prevent_deletion;
        let protects = if prevent_deletion { "prevent" } else { "" };
        let more = [resource.as_str(), &request.description, protects];
        let digest = digest::of_key_and(call, "RegisterResource", &key, &more);
        let action = Action::RegisterResource;
        let change = Change { request_id: &request.request_id, key: &key, digest, action };
        self.change_key(call, change, |_, key| {
            Ok(Command::RegisterResource(RegisterResource {
                key,
                resource: resource.clone(),
                description: request.description.clone(),
                prevent_deletion,
            }))
        })
        .await
    }

    pub(super) async fn unregister_resource(
        &self,
        call: &Call,
        request: v1::UnregisterResourceRequest,
    ) -> Result<v1::KeyAnswer, ApiError> {
        let key = validate::key(&request.key)?;
        let resource = validate::resource(&request.resource)?;
        let digest = digest::of_key_and(call, "UnregisterResource", &key, &[&resource]);
        let action = Action::RegisterResource;
        let change = Change { request_id: &request.request_id, key: &key, digest, action };
        self.change_key(call, change, |_, key| {
            Ok(Command::UnregisterResource { key, resource: resource.clone() })
        })
        .await
    }
}
