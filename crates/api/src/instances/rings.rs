//! Key rings.

use crate::call::Call;
use crate::context::Context;
use crate::digest;
use crate::error::ApiError;
use crate::moment::On;
use crate::mutate::{Mutation, unexpected_effect};
use crate::render;
use crate::sight::Sight;
use crate::validate;
use conclave_core::access::Resource;
use conclave_core::command::Command;
use conclave_core::ids::RingId;
use conclave_core::outcome::Effect;
use conclave_core::replica::StateRead;
use conclave_core::roles::Action;
use conclave_core::seams::random_uuid;
use conclave_core::state::State;
use conclave_proto::v1;

impl Context {
    pub(super) async fn create_key_ring(
        &self,
        call: &Call,
        request: &v1::KeyRingRequest,
    ) -> Result<v1::KeyRingAnswer, ApiError> {
        let request_id = validate::request_id(&request.request_id)?;
        let name = validate::group_name(&request.name)?;
        let digest = digest::of_ring(call, "CreateKeyRing", &name, false);
        let id = RingId(random_uuid(&*self.entropy));
        let (action, on) = (Action::ManageRings, On::Here);
        let done = self
            .mutate(Mutation { call, request: request_id, digest, action, on }, |basis| {
                let instance = basis.moment.within(call)?;
                Ok(Command::CreateRing { id, instance, name: name.clone() })
            })
            .await?;
        let Effect::Ring { instance, ring } = done.effect else { return Err(unexpected_effect()) };
        let snapshot = self.state_at(done.index, &call.deadline).await?;
        let record = State(&*snapshot).ring(instance, ring);
        Ok(v1::KeyRingAnswer {
            // Absent: deleted since.
            ring: record.map(|record| render::instances::ring(&self.view.load(), &record)),
            log_index: done.index,
            replayed: done.replayed && ring != id,
        })
    }

    pub(super) async fn delete_key_ring(
        &self,
        call: &Call,
        request: &v1::DeleteKeyRingRequest,
    ) -> Result<v1::DeletedAnswer, ApiError> {
        let request_id = validate::request_id(&request.request_id)?;
        if request.ring.is_empty() {
            return Err(ApiError::field("ring", "the id (UUID) or name of a key ring is needed"));
        }
        let selector = validate::ring(&request.ring)?;
        let force = request.force;
        let digest = digest::of_ring(call, "DeleteKeyRing", &selector.to_string(), force);
        let (action, on) = (Action::ManageRings, On::Ring(&selector));
        let done = self
            .mutate(Mutation { call, request: request_id, digest, action, on }, |basis| {
                let (instance, ring) = basis.ring(&selector)?;
                Ok(Command::DeleteRing { instance, ring, force })
            })
            .await?;
        let Effect::Ring { ring, .. } = done.effect else { return Err(unexpected_effect()) };
        let (log_index, replayed) = (done.index, done.replayed);
        Ok(v1::DeletedAnswer { id: ring.to_string(), log_index, replayed })
    }

    /// Those in which the caller has a role that reads.
    pub(super) async fn list_key_rings(
        &self,
        call: &Call,
        _: &v1::ListKeyRingsRequest,
    ) -> Result<v1::ListKeyRingsAnswer, ApiError> {
        let moment = self.fresh(call).await?;
        let snapshot = self.replica().state();
        let state = State(&*snapshot);
        let held = moment.held(&moment.authenticate(call)?);
        let sight = Sight::of(&held, Action::GetInstance, &state);
        let instance = moment.listed(call, Action::GetInstance, &state, &sight)?;
        let mut rings = state.rings(instance);
        rings.retain(|ring| {
            held.permit(Action::GetInstance, Resource::Ring(instance, ring.id)).is_ok()
        });
        rings.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(v1::ListKeyRingsAnswer {
            rings: rings.iter().map(|ring| render::instances::ring(&moment.view, ring)).collect(),
            log_index: StateRead::applied_index(&*snapshot),
        })
    }
}
