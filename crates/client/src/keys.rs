//! Keys: objects with a lifecycle.

mod deletion;
mod resources;

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
    /// `ALREADY_EXISTS` for a taken alias, `NOT_FOUND` for the instance or the key ring,
    /// `INVALID_ARGUMENT`; what every call may meet.
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

    /// Lists one page of the keys of the instance; Destroyed ones only if they are asked for.
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
    /// `NOT_FOUND`, `KEY_STATE`, `TOO_EARLY` for a cool-down of the policy, `VERSION_LIMIT`; what
    /// every call may meet.
    pub async fn rotate_key(&self, request: v1::KeyRequest) -> Result<v1::KeyAnswer, Error> {
        let (kind, request) = mutation(request)?;
        self.run(kind, request, |wire, request| async move {
            KeysClient::with_origin(wire.connection, wire.origin).rotate_key(request).await
        })
        .await
    }

    /// Lets the key be used again; an expired one becomes Deactivated.
    ///
    /// # Errors
    /// `NOT_FOUND`, `KEY_STATE`, `TOO_EARLY` for a cool-down of the policy; what every call may meet.
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

    /// Changes description, labels and key ring.
    ///
    /// # Errors
    /// `NOT_FOUND` for the key or the ring, `KEY_STATE`, `INVALID_ARGUMENT`; what every call may meet.
    pub async fn update_key(&self, request: v1::UpdateKeyRequest) -> Result<v1::KeyAnswer, Error> {
        let (kind, request) = mutation(request)?;
        self.run(kind, request, |wire, request| async move {
            KeysClient::with_origin(wire.connection, wire.origin).update_key(request).await
        })
        .await
    }

    /// Switches one version on or off. It is usable if the key is, too.
    ///
    /// # Errors
    /// `NOT_FOUND`, `KEY_STATE`, `VERSION_STATE` for the newest version or one that is so already; what every call may meet.
    pub async fn set_version_enabled(
        &self,
        request: v1::SetVersionEnabledRequest,
    ) -> Result<v1::KeyAnswer, Error> {
        let (kind, request) = mutation(request)?;
        self.run(kind, request, |wire, request| async move {
            KeysClient::with_origin(wire.connection, wire.origin).set_version_enabled(request).await
        })
        .await
    }

    /// Gives the key one more alias.
    ///
    /// # Errors
    /// `NOT_FOUND`, `KEY_STATE`, `ALREADY_EXISTS`, `INVALID_ARGUMENT`; what every call may meet.
    pub async fn add_alias(&self, request: v1::AliasRequest) -> Result<v1::KeyAnswer, Error> {
        let (kind, request) = mutation(request)?;
        self.run(kind, request, |wire, request| async move {
            KeysClient::with_origin(wire.connection, wire.origin).add_alias(request).await
        })
        .await
    }

    /// Takes an alias from the key; it is free then.
    ///
    /// # Errors
    /// `NOT_FOUND`, `KEY_STATE`; what every call may meet.
    pub async fn remove_alias(&self, request: v1::AliasRequest) -> Result<v1::KeyAnswer, Error> {
        let (kind, request) = mutation(request)?;
        self.run(kind, request, |wire, request| async move {
            KeysClient::with_origin(wire.connection, wire.origin).remove_alias(request).await
        })
        .await
    }

    /// Changes the rotation schedule, or lengthens the windows of the key.
    ///
    /// # Errors
    /// `NOT_FOUND`, `KEY_STATE`, `POLICY_INVALID` for a window that would be shorter, `VERSION_LIMIT` for a
    /// schedule without room for versions, `INVALID_ARGUMENT`; what every call may meet.
    pub async fn set_key_policy(
        &self,
        request: v1::SetKeyPolicyRequest,
    ) -> Result<v1::KeyAnswer, Error> {
        let (kind, request) = mutation(request)?;
        self.run(kind, request, |wire, request| async move {
            KeysClient::with_origin(wire.connection, wire.origin).set_key_policy(request).await
        })
        .await
    }
}
