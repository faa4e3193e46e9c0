//! The way of a key out of the cluster, and back.

use conclave_proto::v1;
use conclave_proto::v1::keys_client::KeysClient;

use crate::client::Client;
use crate::error::Error;
use crate::request_id::mutation;

/// Calls of `conclave.v1.Keys` that destroy and bring back. Where the answer of one has no key, the
/// key was purged and `key_id` names it.
impl Client {
    /// Requests deletion. What follows, and when, is in `deletion` of the answer; a policy without any
    /// delay purges the key at once. With `force`, registered resources do not hold it up.
    ///
    /// # Errors
    /// `NOT_FOUND`, `KEY_STATE`, `RETENTION` for a registration that prevents deletion, `REGISTERED` for
    /// another one without force; what every call may meet.
    pub async fn delete_key(&self, request: v1::DeleteKeyRequest) -> Result<v1::KeyAnswer, Error> {
        let (kind, request) = mutation(request)?;
        self.run(kind, request, |wire, request| async move {
            KeysClient::with_origin(wire.connection, wire.origin).delete_key(request).await
        })
        .await
    }

    /// Takes the request for deletion back, while the grace period lasts.
    ///
    /// # Errors
    /// `NOT_FOUND`, `KEY_STATE`; what every call may meet.
    pub async fn cancel_deletion(&self, request: v1::KeyRequest) -> Result<v1::KeyAnswer, Error> {
        let (kind, request) = mutation(request)?;
        self.run(kind, request, |wire, request| async move {
            KeysClient::with_origin(wire.connection, wire.origin).cancel_deletion(request).await
        })
        .await
    }

    /// Skips the rest of the grace period.
    ///
    /// # Errors
    /// `NOT_FOUND`, `KEY_STATE`, `RETENTION`, `REGISTERED`; what every call may meet.
    pub async fn delete_now(&self, request: v1::KeyRequest) -> Result<v1::KeyAnswer, Error> {
        let (kind, request) = mutation(request)?;
        self.run(kind, request, |wire, request| async move {
            KeysClient::with_origin(wire.connection, wire.origin).delete_now(request).await
        })
        .await
    }

    /// Brings a destroyed key back, while its restore window lasts.
    ///
    /// # Errors
    /// `NOT_FOUND`, `KEY_STATE`, `TOO_EARLY` for a cool-down of the policy, `WINDOW_OVER`, `EXPIRED`; what
    /// every call may meet.
    pub async fn restore_key(&self, request: v1::KeyRequest) -> Result<v1::KeyAnswer, Error> {
        let (kind, request) = mutation(request)?;
        self.run(kind, request, |wire, request| async move {
            KeysClient::with_origin(wire.connection, wire.origin).restore_key(request).await
        })
        .await
    }

    /// Removes everything of a destroyed key but a tombstone. Role KeyPurge only.
    ///
    /// # Errors
    /// `NOT_FOUND`, `KEY_STATE`, `TOO_EARLY` before the purge floor; what every call may meet.
    pub async fn purge_key(&self, request: v1::KeyRequest) -> Result<v1::KeyAnswer, Error> {
        let (kind, request) = mutation(request)?;
        self.run(kind, request, |wire, request| async move {
            KeysClient::with_origin(wire.connection, wire.origin).purge_key(request).await
        })
        .await
    }
}
