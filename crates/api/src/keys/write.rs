//! Changing keys.

use crate::call::Call;
use crate::context::Context;
use crate::crypto::format_algorithm;
use crate::digest;
use crate::error::ApiError;
use crate::moment::Moment;
use crate::mutate::{Done, Mutation, unexpected_effect};
use crate::render;
use crate::validate::{self, KeySelector};
use conclave_core::command::{
    Algorithm, Command, CreateKey, RotateKey, UpdateKey, WrappedMaterial,
};
use conclave_core::ids::KeyId;
use conclave_core::lifecycle::KeyAction;
use conclave_core::outcome::Thing;
use conclave_core::reason::Reason;
use conclave_core::roles::Action;
use conclave_core::seams::random_uuid;
use conclave_core::state::State;
use conclave_crypto::KeyMaterial;
use conclave_crypto::wrap::{self, MaterialContext};
use conclave_proto::v1;

impl Context {
    pub(super) async fn create_key(
        &self,
        call: &Call,
        request: v1::CreateKeyRequest,
    ) -> Result<v1::KeyAnswer, ApiError> {
        let id = validate::request_id(&request.request_id)?;
        let alias = validate::alias(&request.alias)?;
        let algorithm = validate::algorithm(&request.algorithm)?;
        validate::description(&request.description)?;
        let labels = validate::labels("labels", request.labels)?;
        let digest = digest::create_key(alias.as_deref(), algorithm, &request.description, &labels);
        let key = KeyId(random_uuid(&*self.entropy));
        let mutation = Mutation { call, request: id, digest, action: Action::CreateKey };
        let done = self
            .mutate(mutation, |basis| {
                let material = self.fresh_material(basis.moment, key, 1, algorithm)?;
                Ok(Command::CreateKey(CreateKey {
                    key,
                    alias: alias.clone(),
                    algorithm,
                    description: request.description.clone(),
                    labels: labels.clone(),
                    material,
                }))
            })
            .await
            .map_err(|error| match (&alias, error.reason()) {
                (Some(taken), Some(Reason::AlreadyExists)) => error.naming(taken),
                _ => error,
            })?;
        self.key_answer(call, done, Some(key)).await
    }

    pub(super) async fn rotate_key(
        &self,
        call: &Call,
        request: &v1::KeyRequest,
    ) -> Result<v1::KeyAnswer, ApiError> {
        let (id, selector) = of_key(request)?;
        let digest = digest::of_key("RotateKey", &selector);
        let mutation = Mutation { call, request: id, digest, action: Action::RotateKey };
        let done = self
            .mutate(mutation, |basis| {
                let key = selector.resolve(&basis.state)?;
                let record = find(&basis.state, key)?;
                let version = record.primary_version.saturating_add(1);
                let material = self.fresh_material(basis.moment, key, version, record.algorithm)?;
                Ok(Command::RotateKey(RotateKey { key, version, material }))
            })
            .await?;
        self.key_answer(call, done, None).await
    }

    pub(super) async fn switch_key(
        &self,
        call: &Call,
        request: &v1::KeyRequest,
        to: KeyAction,
    ) -> Result<v1::KeyAnswer, ApiError> {
        let (id, selector) = of_key(request)?;
        let (method, action) = match to {
            KeyAction::Enable => ("EnableKey", Action::EnableKey),
            _ => ("DisableKey", Action::DisableKey),
        };
        let digest = digest::of_key(method, &selector);
        let mutation = Mutation { call, request: id, digest, action };
        let done = self
            .mutate(mutation, |basis| {
                let key = selector.resolve(&basis.state)?;
                Ok(match to {
                    KeyAction::Enable => Command::EnableKey { key },
                    _ => Command::DisableKey { key },
                })
            })
            .await?;
        self.key_answer(call, done, None).await
    }

    pub(super) async fn update_key(
        &self,
        call: &Call,
        request: v1::UpdateKeyRequest,
    ) -> Result<v1::KeyAnswer, ApiError> {
        let id = validate::request_id(&request.request_id)?;
        let selector = validate::key(&request.key)?;
        let description = request.description;
        validate::description(description.as_deref().unwrap_or_default())?;
        let set_labels = validate::labels("set_labels", request.set_labels)?;
        let remove_labels = validate::label_names("remove_labels", request.remove_labels)?;
        let digest =
            digest::update_key(&selector, description.as_deref(), &set_labels, &remove_labels);
        let mutation = Mutation { call, request: id, digest, action: Action::UpdateKey };
        let done = self
            .mutate(mutation, |basis| {
                Ok(Command::UpdateKey(UpdateKey {
                    key: selector.resolve(&basis.state)?,
                    description: description.clone(),
                    set_labels: set_labels.clone(),
                    remove_labels: remove_labels.clone(),
                }))
            })
            .await?;
        self.key_answer(call, done, None).await
    }

    /// Fresh material of a key version under the newest wrapping key. Needs an unsealed node.
    fn fresh_material(
        &self,
        moment: &Moment,
        key: KeyId,
        version: u32,
        algorithm: Algorithm,
    ) -> Result<WrappedMaterial, ApiError> {
        let seal = moment.view.seal().ok_or_else(ApiError::not_initialized)?;
        let generation = seal.wrapping_generation();
        let algorithm = format_algorithm(algorithm);
        let context = MaterialContext {
            keyspace_id: seal.keyspace.0,
            key_id: key.0,
            version,
            algorithm,
            generation,
        };
        let wrapped = self.seal.with(seal.generation, seal.keyspace, generation, |wrapping| {
            let material = KeyMaterial::generate(&*self.entropy, algorithm);
            wrap::wrap_material(wrapping, &context, &material)
        });
        let wrapped = wrapped.ok_or_else(ApiError::sealed)?;
        let wrapped =
            wrapped.map_err(|_| ApiError::alarm("fresh key material could not be wrapped"))?;
        Ok(WrappedMaterial { generation, wrapped })
    }

    /// `made` is the key that this very call wanted to make: if the answer names it, it is no repeat,
    /// even if the proposal had to be sent twice.
    async fn key_answer(
        &self,
        call: &Call,
        done: Done,
        made: Option<KeyId>,
    ) -> Result<v1::KeyAnswer, ApiError> {
        let snapshot = self.state_at(done.index, &call.deadline).await?;
        let view = self.view.load();
        let (id, key) = render::keys::key_after(&State(&*snapshot), &view, &done.effect)
            .ok_or_else(unexpected_effect)?;
        Ok(v1::KeyAnswer {
            key: Some(key),
            log_index: done.index,
            replayed: done.replayed && made != Some(id),
        })
    }
}

fn of_key(
    request: &v1::KeyRequest,
) -> Result<(conclave_core::ids::RequestId, KeySelector), ApiError> {
    Ok((validate::request_id(&request.request_id)?, validate::key(&request.key)?))
}

fn find(state: &State<'_>, key: KeyId) -> Result<conclave_core::model::KeyRecord, ApiError> {
    state.key(key).ok_or_else(|| ApiError::not_found(Thing::Key, key))
}
