//! Instances and key rings, without anything in them.

use conclave_client::v1;
use tonic::{Code, Request, Response, Status};
use v1::instances_server::Instances;

use super::{Answer, Fake, changed, refuse};

/// Log index of every answer.
const INDEX: u64 = 20;

impl Fake {
    /// The instance with this name, after a change.
    fn instance(
        &self,
        name: &str,
        change: impl FnOnce(&mut v1::Instance),
    ) -> Answer<v1::InstanceAnswer> {
        let mut state = self.called();
        let found = state.instances.iter_mut().find(|it| it.name == name || it.id == name);
        let instance = found.ok_or_else(missing)?;
        change(instance);
        let instance = Some(instance.clone());
        Ok(Response::new(v1::InstanceAnswer { instance, log_index: INDEX, replayed: false }))
    }

    fn floor(&self) -> Answer<v1::DeletionFloorAnswer> {
        let floor_s = self.called().floor_s;
        Ok(Response::new(v1::DeletionFloorAnswer { floor_s, log_index: INDEX, replayed: false }))
    }
}

fn missing() -> Status {
    refuse(Code::NotFound, "NOT_FOUND", &[])
}

fn deleted(id: String) -> Answer<v1::DeletedAnswer> {
    Ok(Response::new(v1::DeletedAnswer { id, log_index: INDEX, replayed: false }))
}

#[tonic::async_trait]
impl Instances for Fake {
    async fn create_instance(
        &self,
        r: Request<v1::CreateInstanceRequest>,
    ) -> Answer<v1::InstanceAnswer> {
        let r = r.into_inner();
        let base = v1::DeletionPolicy { preset: "layered".to_owned(), ..Default::default() };
        let instance = v1::Instance {
            id: format!("id-of-{}", r.name),
            name: r.name.clone(),
            deletion_policy: Some(changed(base, r.policy.unwrap_or_default())),
            ..Default::default()
        };
        self.state().instances.push(instance);
        self.instance(&r.name, |_| ())
    }
    async fn get_instance(&self, r: Request<v1::GetInstanceRequest>) -> Answer<v1::InstanceAnswer> {
        self.instance(&r.into_inner().instance, |_| ())
    }
    async fn list_instances(
        &self,
        _: Request<v1::ListInstancesRequest>,
    ) -> Answer<v1::ListInstancesAnswer> {
        let instances = self.called().instances.clone();
        Ok(Response::new(v1::ListInstancesAnswer { instances, log_index: INDEX }))
    }
    async fn set_instance_policy(
        &self,
        r: Request<v1::SetInstancePolicyRequest>,
    ) -> Answer<v1::InstanceAnswer> {
        let r = r.into_inner();
        self.instance(&r.instance, |instance| {
            let present = instance.deletion_policy.take().unwrap_or_default();
            instance.deletion_policy = Some(changed(present, r.policy.unwrap_or_default()));
        })
    }
    async fn delete_instance(&self, r: Request<v1::InstanceRequest>) -> Answer<v1::DeletedAnswer> {
        let name = r.into_inner().instance;
        let answer = self.instance(&name, |_| ())?.into_inner();
        let id = answer.instance.unwrap_or_default().id;
        self.state().instances.retain(|it| it.id != id);
        deleted(id)
    }
    async fn create_key_ring(&self, r: Request<v1::KeyRingRequest>) -> Answer<v1::KeyRingAnswer> {
        let name = r.into_inner().name;
        let ring = v1::KeyRing { id: format!("id-of-{name}"), name, ..Default::default() };
        self.called().rings.push(ring.clone());
        let ring = Some(ring);
        Ok(Response::new(v1::KeyRingAnswer { ring, log_index: INDEX, replayed: false }))
    }
    async fn list_key_rings(
        &self,
        _: Request<v1::ListKeyRingsRequest>,
    ) -> Answer<v1::ListKeyRingsAnswer> {
        let rings = self.called().rings.clone();
        Ok(Response::new(v1::ListKeyRingsAnswer { rings, log_index: INDEX }))
    }
    /// A ring is never empty here: force is needed.
    async fn delete_key_ring(
        &self,
        r: Request<v1::DeleteKeyRingRequest>,
    ) -> Answer<v1::DeletedAnswer> {
        let r = r.into_inner();
        let mut state = self.called();
        let found = state.rings.iter().position(|ring| ring.name == r.ring).ok_or_else(missing)?;
        if !r.force {
            return Err(refuse(Code::FailedPrecondition, "NOT_EMPTY", &[]));
        }
        deleted(state.rings.remove(found).id)
    }
    async fn set_deletion_floor(
        &self,
        r: Request<v1::SetDeletionFloorRequest>,
    ) -> Answer<v1::DeletionFloorAnswer> {
        self.state().floor_s = r.into_inner().floor_s;
        self.floor()
    }
    async fn get_deletion_floor(
        &self,
        _: Request<v1::GetDeletionFloorRequest>,
    ) -> Answer<v1::DeletionFloorAnswer> {
        self.floor()
    }
}
