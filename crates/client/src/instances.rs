//! Instances, the administrative boundary around keys, and the key rings in them.

use conclave_proto::v1;
use conclave_proto::v1::instances_client::InstancesClient;

use crate::call::Kind;
use crate::client::Client;
use crate::error::Error;
use crate::request_id::mutation;

/// Calls of `conclave.v1.Instances`. An instance is given by name or id everywhere; key rings are those
/// of the instance that [`crate::ClientBuilder::instance`] names.
impl Client {
    /// Creates an instance, with a change of the preset `layered` as its policy.
    ///
    /// # Errors
    /// `ALREADY_EXISTS`, `POLICY_INVALID`, `INVALID_ARGUMENT`; what every call may meet.
    pub async fn create_instance(
        &self,
        request: v1::CreateInstanceRequest,
    ) -> Result<v1::InstanceAnswer, Error> {
        let (kind, request) = mutation(request)?;
        self.run(kind, request, |wire, request| async move {
            InstancesClient::with_origin(wire.connection, wire.origin)
                .create_instance(request)
                .await
        })
        .await
    }

    /// Shows an instance.
    ///
    /// # Errors
    /// `NOT_FOUND`; what every call may meet.
    pub async fn get_instance(&self, instance: &str) -> Result<v1::InstanceAnswer, Error> {
        let request = v1::GetInstanceRequest { instance: instance.to_owned() };
        self.run(Kind::Read, request, |wire, request| async move {
            InstancesClient::with_origin(wire.connection, wire.origin).get_instance(request).await
        })
        .await
    }

    /// Lists the instances in which the caller has a role.
    ///
    /// # Errors
    /// What every call may meet.
    pub async fn list_instances(&self) -> Result<v1::ListInstancesAnswer, Error> {
        let request = v1::ListInstancesRequest {};
        self.run(Kind::Read, request, |wire, request| async move {
            InstancesClient::with_origin(wire.connection, wire.origin).list_instances(request).await
        })
        .await
    }

    /// Changes what new keys copy; keys that are there keep theirs.
    ///
    /// # Errors
    /// `NOT_FOUND`, `POLICY_INVALID`, `INVALID_ARGUMENT`; what every call may meet.
    pub async fn set_instance_policy(
        &self,
        request: v1::SetInstancePolicyRequest,
    ) -> Result<v1::InstanceAnswer, Error> {
        let (kind, request) = mutation(request)?;
        self.run(kind, request, |wire, request| async move {
            InstancesClient::with_origin(wire.connection, wire.origin)
                .set_instance_policy(request)
                .await
        })
        .await
    }

    /// Deletes an instance in which no key is left. With the role KeyPurge it is enough that all are
    /// destroyed and past their purge floor.
    ///
    /// # Errors
    /// `NOT_FOUND`, `NOT_EMPTY`, `INVALID_ARGUMENT` for `default`; what every call may meet.
    pub async fn delete_instance(
        &self,
        request: v1::InstanceRequest,
    ) -> Result<v1::DeletedAnswer, Error> {
        let (kind, request) = mutation(request)?;
        self.run(kind, request, |wire, request| async move {
            InstancesClient::with_origin(wire.connection, wire.origin)
                .delete_instance(request)
                .await
        })
        .await
    }

    /// Creates a key ring.
    ///
    /// # Errors
    /// `ALREADY_EXISTS`, `NOT_FOUND` for the instance, `INVALID_ARGUMENT`; what every call may meet.
    pub async fn create_key_ring(
        &self,
        request: v1::KeyRingRequest,
    ) -> Result<v1::KeyRingAnswer, Error> {
        let (kind, request) = mutation(request)?;
        self.run(kind, request, |wire, request| async move {
            InstancesClient::with_origin(wire.connection, wire.origin)
                .create_key_ring(request)
                .await
        })
        .await
    }

    /// Lists the key rings of the instance.
    ///
    /// # Errors
    /// `NOT_FOUND` for the instance; what every call may meet.
    pub async fn list_key_rings(&self) -> Result<v1::ListKeyRingsAnswer, Error> {
        let request = v1::ListKeyRingsRequest {};
        self.run(Kind::Read, request, |wire, request| async move {
            InstancesClient::with_origin(wire.connection, wire.origin).list_key_rings(request).await
        })
        .await
    }

    /// Deletes a key ring in which no live key is. With `force`, destroyed ones move to `default`.
    ///
    /// # Errors
    /// `NOT_FOUND`, `NOT_EMPTY`, `INVALID_ARGUMENT` for `default`; what every call may meet.
    pub async fn delete_key_ring(
        &self,
        request: v1::DeleteKeyRingRequest,
    ) -> Result<v1::DeletedAnswer, Error> {
        let (kind, request) = mutation(request)?;
        self.run(kind, request, |wire, request| async move {
            InstancesClient::with_origin(wire.connection, wire.origin)
                .delete_key_ring(request)
                .await
        })
        .await
    }

    /// Sets the least time from a request to delete a key until its material is out of reach, for every
    /// policy that is set from now on.
    ///
    /// # Errors
    /// `POLICY_INVALID`, `INVALID_ARGUMENT`; what every call may meet.
    pub async fn set_deletion_floor(
        &self,
        request: v1::SetDeletionFloorRequest,
    ) -> Result<v1::DeletionFloorAnswer, Error> {
        let (kind, request) = mutation(request)?;
        self.run(kind, request, |wire, request| async move {
            InstancesClient::with_origin(wire.connection, wire.origin)
                .set_deletion_floor(request)
                .await
        })
        .await
    }

    /// The deletion floor of the cluster.
    ///
    /// # Errors
    /// What every call may meet.
    pub async fn get_deletion_floor(&self) -> Result<v1::DeletionFloorAnswer, Error> {
        let request = v1::GetDeletionFloorRequest {};
        self.run(Kind::Read, request, |wire, request| async move {
            InstancesClient::with_origin(wire.connection, wire.origin)
                .get_deletion_floor(request)
                .await
        })
        .await
    }
}
