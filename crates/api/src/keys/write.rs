//! Making keys and versions: what needs fresh material.

use crate::call::Call;
use crate::context::Context;
use crate::crypto::format_algorithm;
use crate::digest::{self, NewKey};
use crate::error::ApiError;
use crate::moment::{Moment, On};
use crate::mutate::{Done, Mutation, unexpected_effect};
use crate::render;
use crate::validate;
use conclave_core::command::{Algorithm, Command, CreateKey, RotateKey, WrappedMaterial};
use conclave_core::ids::KeyId;
use conclave_core::reason::Reason;
use conclave_core::roles::Action;
use conclave_core::seams::time_ordered_uuid;
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
        let ring = validate::ring(&request.ring)?;
        let expires_at_ms = validate::time("expires_at", request.expires_at)?;
        let rotate_every_ms = match request.rotate_every_s {
            0 => None,
            seconds => Some(validate::millis("rotate_every_s", seconds)?),
        };
        let asked = NewKey {
            alias: alias.as_deref(),
            algorithm,
            description: &request.description,
            labels: &labels,
            ring: &ring,
            expires_at_ms,
            rotate_every_ms,
        };
        let digest = digest::create_key(call, &asked);
        let key = KeyId(time_ordered_uuid(&*self.clock, &*self.entropy));
        let (action, on) = (Action::CreateKey, On::Ring(&ring));
        let done = self
            .mutate(Mutation { call, request: id, digest, action, on }, |basis| {
                let (instance, ring) = basis.ring(&ring)?;
                Ok(Command::CreateKey(CreateKey {
                    key,
                    instance,
                    ring,
                    alias: alias.clone(),
                    algorithm,
                    description: request.description.clone(),
                    labels: labels.clone(),
                    expires_at_ms,
                    rotate_every_ms,
                    material: self.fresh_material(basis.moment, key, 1, algorithm)?,
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
        request: v1::KeyRequest,
    ) -> Result<v1::KeyAnswer, ApiError> {
        let id = validate::request_id(&request.request_id)?;
        let selector = validate::key(&request.key)?;
        let digest = digest::of_key(call, "RotateKey", &selector);
        let (action, on) = (Action::RotateKey, On::Key(&selector));
        let done = self
            .mutate(Mutation { call, request: id, digest, action, on }, |basis| {
                let key = basis.key(&selector)?;
                let (key, version, algorithm) =
                    (key.id, key.primary_version.saturating_add(1), key.algorithm);
                let material = self.fresh_material(basis.moment, key, version, algorithm)?;
                Ok(Command::RotateKey(RotateKey { key, version, material }))
            })
            .await?;
        self.key_answer(call, done, None).await
    }

    /// Fresh material of a key version under the newest wrapping key. Needs an unsealed node.
    pub(crate) fn fresh_material(
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
    pub(super) async fn key_answer(
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
            key,
            log_index: done.index,
            replayed: done.replayed && made != Some(id),
            key_id: id.to_string(),
        })
    }
}
