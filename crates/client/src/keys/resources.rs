//! What hangs on a key, and what happened to it.

use conclave_proto::v1;
use conclave_proto::v1::keys_client::KeysClient;

use crate::call::Kind;
use crate::client::Client;
use crate::error::Error;
use crate::request_id::mutation;

/// Calls of `conclave.v1.Keys` about resources, history and impact.
impl Client {
    /// Registers a resource that the key protects, or changes a registration.
    ///
    /// # Errors
    /// `NOT_FOUND`, `KEY_STATE`, `RETENTION` for a registration of somebody else that prevents deletion,
    /// `INVALID_ARGUMENT`; what every call may meet.
    pub async fn register_resource(
        &self,
        request: v1::RegisterResourceRequest,
    ) -> Result<v1::KeyAnswer, Error> {
        let (kind, request) = mutation(request)?;
        self.run(kind, request, |wire, request| async move {
            KeysClient::with_origin(wire.connection, wire.origin).register_resource(request).await
        })
        .await
    }

    /// Ends a registration. One that prevents deletion is lifted only by who registered it.
    ///
    /// # Errors
    /// `NOT_FOUND` for the key or the registration, `KEY_STATE`, `RETENTION`; what every call may meet.
    pub async fn unregister_resource(
        &self,
        request: v1::UnregisterResourceRequest,
    ) -> Result<v1::KeyAnswer, Error> {
        let (kind, request) = mutation(request)?;
        self.run(kind, request, |wire, request| async move {
            KeysClient::with_origin(wire.connection, wire.origin).unregister_resource(request).await
        })
        .await
    }

    /// What happened to the key, refused commands included, oldest first.
    ///
    /// # Errors
    /// `NOT_FOUND`; what every call may meet.
    pub async fn get_history(&self, key: &str) -> Result<v1::HistoryAnswer, Error> {
        let request = v1::GetKeyRequest { key: key.to_owned() };
        self.run(Kind::Read, request, |wire, request| async move {
            KeysClient::with_origin(wire.connection, wire.origin).get_history(request).await
        })
        .await
    }

    /// What a deletion of the key would meet, and when it would lead where.
    ///
    /// # Errors
    /// `NOT_FOUND`; what every call may meet.
    pub async fn get_impact(&self, key: &str) -> Result<v1::ImpactAnswer, Error> {
        let request = v1::GetKeyRequest { key: key.to_owned() };
        self.run(Kind::Read, request, |wire, request| async move {
            KeysClient::with_origin(wire.connection, wire.origin).get_impact(request).await
        })
        .await
    }
}
