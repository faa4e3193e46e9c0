//! The service `conclave.v1.Instances`.

mod rings;

use crate::call::Call;
use crate::context::Context;
use crate::digest;
use crate::error::ApiError;
use crate::handlers::handlers;
use crate::moment::On;
use crate::mutate::{Done, Mutation, unexpected_effect};
use crate::render;
use crate::sight::Sight;
use crate::validate;
use conclave_core::command::Command;
use conclave_core::ids::InstanceId;
use conclave_core::outcome::Effect;
use conclave_core::replica::StateRead;
use conclave_core::roles::Action;
use conclave_core::seams::random_uuid;
use conclave_core::state::State;
use conclave_proto::v1;
use conclave_proto::v1::instances_server::Instances;
use std::sync::Arc;

/// See `proto/conclave/v1/instances.proto`.
pub(crate) struct InstancesService(pub(crate) Arc<Context>);

handlers! {
    Instances for InstancesService, get_ref;
    create_instance(CreateInstanceRequest) -> InstanceAnswer;
    get_instance(GetInstanceRequest) -> InstanceAnswer;
    list_instances(ListInstancesRequest) -> ListInstancesAnswer;
    set_instance_policy(SetInstancePolicyRequest) -> InstanceAnswer;
    delete_instance(InstanceRequest) -> DeletedAnswer;
    create_key_ring(KeyRingRequest) -> KeyRingAnswer;
    list_key_rings(ListKeyRingsRequest) -> ListKeyRingsAnswer;
    delete_key_ring(DeleteKeyRingRequest) -> DeletedAnswer;
    set_deletion_floor(SetDeletionFloorRequest) -> DeletionFloorAnswer;
    get_deletion_floor(GetDeletionFloorRequest) -> DeletionFloorAnswer;
}

impl Context {
    async fn create_instance(
        &self,
        call: &Call,
        request: &v1::CreateInstanceRequest,
    ) -> Result<v1::InstanceAnswer, ApiError> {
        let request_id = validate::request_id(&request.request_id)?;
        let name = validate::group_name(&request.name)?;
        let policy = validate::policy_change(request.policy.as_ref())?;
        let digest = digest::of_instance_policy("CreateInstance", &name, &policy);
        let id = InstanceId(random_uuid(&*self.entropy));
        let (action, on) = (Action::CreateInstance, On::Cluster);
        let done = self
            .mutate(Mutation { call, request: request_id, digest, action, on }, |_| {
                let (name, policy) = (name.clone(), policy.clone());
                Ok(Command::CreateInstance { id, name, policy })
            })
            .await?;
        self.instance_answer(call, done, Some(id)).await
    }

    async fn set_instance_policy(
        &self,
        call: &Call,
        request: &v1::SetInstancePolicyRequest,
    ) -> Result<v1::InstanceAnswer, ApiError> {
        let request_id = validate::request_id(&request.request_id)?;
        let selector = validate::instance("instance", &request.instance)?;
        let policy = validate::policy_change(request.policy.as_ref())?;
        let name = selector.to_string();
        let digest = digest::of_instance_policy("SetInstancePolicy", &name, &policy);
        let (action, on) = (Action::SetInstancePolicy, On::Instance(&selector));
        let done = self
            .mutate(Mutation { call, request: request_id, digest, action, on }, |basis| {
                let instance = basis.instance(&selector)?;
                Ok(Command::SetInstancePolicy { instance, policy: policy.clone() })
            })
            .await?;
        self.instance_answer(call, done, None).await
    }

    async fn delete_instance(
        &self,
        call: &Call,
        request: &v1::InstanceRequest,
    ) -> Result<v1::DeletedAnswer, ApiError> {
        let request_id = validate::request_id(&request.request_id)?;
        let selector = validate::instance("instance", &request.instance)?;
        let digest = digest::of_instance("DeleteInstance", &selector.to_string());
        let (action, on) = (Action::DeleteInstance, On::Instance(&selector));
        let done = self
            .mutate(Mutation { call, request: request_id, digest, action, on }, |basis| {
                Ok(Command::DeleteInstance { instance: basis.instance(&selector)? })
            })
            .await?;
        let Effect::Instance(id) = done.effect else { return Err(unexpected_effect()) };
        let (log_index, replayed) = (done.index, done.replayed);
        Ok(v1::DeletedAnswer { id: id.to_string(), log_index, replayed })
    }

    async fn get_instance(
        &self,
        call: &Call,
        request: &v1::GetInstanceRequest,
    ) -> Result<v1::InstanceAnswer, ApiError> {
        let selector = validate::instance("instance", &request.instance)?;
        let moment = self.fresh(call).await?;
        let snapshot = self.replica().state();
        let state = State(&*snapshot);
        let on = On::Instance(&selector);
        moment.judge_on(call, Action::GetInstance, &state, on)?;
        let found = moment.instance(Some(&selector)).and_then(|id| state.instance(id));
        let record = found.ok_or_else(|| on.missing(call))?;
        Ok(v1::InstanceAnswer {
            instance: Some(render::instances::instance(&state, &moment.view, &record)),
            log_index: StateRead::applied_index(&*snapshot),
            replayed: false,
        })
    }

    async fn list_instances(
        &self,
        call: &Call,
        _: &v1::ListInstancesRequest,
    ) -> Result<v1::ListInstancesAnswer, ApiError> {
        let moment = self.fresh(call).await?;
        let snapshot = self.replica().state();
        let state = State(&*snapshot);
        let held = moment.held(&moment.authenticate(call)?);
        let mut found = state.instances();
        let sight = Sight::of(&held, Action::GetInstance, &state);
        found.retain(|instance| sight.has_instance(instance.id));
        found.sort_by(|a, b| a.name.cmp(&b.name));
        let shown = found.iter().map(|i| render::instances::instance(&state, &moment.view, i));
        Ok(v1::ListInstancesAnswer {
            instances: shown.collect(),
            log_index: StateRead::applied_index(&*snapshot),
        })
    }

    async fn instance_answer(
        &self,
        call: &Call,
        done: Done,
        made: Option<InstanceId>,
    ) -> Result<v1::InstanceAnswer, ApiError> {
        let Effect::Instance(id) = done.effect else { return Err(unexpected_effect()) };
        let snapshot = self.state_at(done.index, &call.deadline).await?;
        let state = State(&*snapshot);
        let view = self.view.load();
        let record = state.instance(id);
        Ok(v1::InstanceAnswer {
            // Absent: deleted since.
            instance: record.map(|record| render::instances::instance(&state, &view, &record)),
            log_index: done.index,
            replayed: done.replayed && made != Some(id),
        })
    }

    async fn set_deletion_floor(
        &self,
        call: &Call,
        request: &v1::SetDeletionFloorRequest,
    ) -> Result<v1::DeletionFloorAnswer, ApiError> {
        let request_id = validate::request_id(&request.request_id)?;
        let floor_ms = validate::millis("floor_s", request.floor_s)?;
        let digest = digest::set_deletion_floor(floor_ms);
        let (action, on) = (Action::SetDeletionFloor, On::Cluster);
        let mutation = Mutation { call, request: request_id, digest, action, on };
        let done = self.mutate(mutation, |_| Ok(Command::SetDeletionFloor { floor_ms })).await?;
        let Effect::DeletionFloor { floor_ms } = done.effect else {
            return Err(unexpected_effect());
        };
        let (log_index, replayed) = (done.index, done.replayed);
        Ok(v1::DeletionFloorAnswer { floor_s: floor_ms / 1_000, log_index, replayed })
    }

    async fn get_deletion_floor(
        &self,
        call: &Call,
        _: &v1::GetDeletionFloorRequest,
    ) -> Result<v1::DeletionFloorAnswer, ApiError> {
        self.fresh(call).await?.judge(call, Action::GetInstance)?;
        let snapshot = self.replica().state();
        Ok(v1::DeletionFloorAnswer {
            floor_s: State(&*snapshot).machine().deletion_floor_ms / 1_000,
            log_index: StateRead::applied_index(&*snapshot),
            replayed: false,
        })
    }
}

#[cfg(test)]
mod tests;
