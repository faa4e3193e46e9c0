//! Keys: objects with a lifecycle.

use conclave_proto::v1;
use conclave_proto::v1::keys_client::KeysClient;

use crate::call::Kind;
use crate::client::Client;
use crate::error::Error;
use crate::request_id::mutation;

/// Calls of `conclave.v1.Keys`. A mutation without a request id gets a fresh one; every error of a
/// mutation names the id that was used.
impl Client {
    /// Creates a key.
    ///
    /// # Errors
    /// `ALREADY_EXISTS` for a taken alias; what every call may meet.
    pub async fn create_key(&self, request: v1::CreateKeyRequest) -> Result<v1::KeyAnswer, Error> {
        let (kind, request) = mutation(request)?;
        self.run(kind, request, |wire, request| async move {
            KeysClient::with_origin(wire.connection, wire.origin).create_key(request).await
        })
        .await
    }

    /// Shows a key; `key` is its id or an alias.
    ///
    /// # Errors
    /// `NOT_FOUND`; what every call may meet.
    pub async fn get_key(&self, key: &str) -> Result<v1::KeyAnswer, Error> {
        let request = v1::GetKeyRequest { key: key.to_owned() };
        self.run(Kind::Read, request, |wire, request| async move {
            KeysClient::with_origin(wire.connection, wire.origin).get_key(request).await
        })
        .await
    }

    /// Lists one page of keys.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a wrong limit or cursor; what every call may meet.
    pub async fn list_keys(
        &self,
        request: v1::ListKeysRequest,
    ) -> Result<v1::ListKeysAnswer, Error> {
        self.run(Kind::Read, request, |wire, request| async move {
            KeysClient::with_origin(wire.connection, wire.origin).list_keys(request).await
        })
        .await
    }

    /// Makes a new primary version; older versions still decrypt.
    ///
    /// # Errors
    /// `NOT_FOUND`, `KEY_STATE`, `VERSION_LIMIT`; what every call may meet.
    pub async fn rotate_key(&self, request: v1::KeyRequest) -> Result<v1::KeyAnswer, Error> {
        let (kind, request) = mutation(request)?;
        self.run(kind, request, |wire, request| async move {
            KeysClient::with_origin(wire.connection, wire.origin).rotate_key(request).await
        })
        .await
    }

    /// Lets the key be used again.
    ///
    /// # Errors
    /// `NOT_FOUND`, `KEY_STATE`; what every call may meet.
    pub async fn enable_key(&self, request: v1::KeyRequest) -> Result<v1::KeyAnswer, Error> {
        let (kind, request) = mutation(request)?;
        self.run(kind, request, |wire, request| async move {
            KeysClient::with_origin(wire.connection, wire.origin).enable_key(request).await
        })
        .await
    }

    /// Stops all use of the key: when this has returned, no node serves it any more.
    ///
    /// # Errors
    /// `NOT_FOUND`, `KEY_STATE`; what every call may meet.
    pub async fn disable_key(&self, request: v1::KeyRequest) -> Result<v1::KeyAnswer, Error> {
        let (kind, request) = mutation(request)?;
        self.run(kind, request, |wire, request| async move {
            KeysClient::with_origin(wire.connection, wire.origin).disable_key(request).await
        })
        .await
    }

    /// Changes description and labels.
    ///
    /// # Errors
    /// `NOT_FOUND`, `INVALID_ARGUMENT`; what every call may meet.
    pub async fn update_key(&self, request: v1::UpdateKeyRequest) -> Result<v1::KeyAnswer, Error> {
        let (kind, request) = mutation(request)?;
        self.run(kind, request, |wire, request| async move {
            KeysClient::with_origin(wire.connection, wire.origin).update_key(request).await
        })
        .await
    }
}
