//! Seal, unseal, and the state of the cluster.

use conclave_proto::v1;
use conclave_proto::v1::operator_client::OperatorClient;

use crate::call::Kind;
use crate::client::Client;
use crate::error::Error;
use crate::request_id::mutation;

/// Calls of `conclave.v1.Operator`.
impl Client {
    /// Makes the root key and deals its shares. Needs the operator certificate that the node's
    /// configuration names. Sent once; if the answer is lost it may be run again until the first
    /// unseal has confirmed it.
    ///
    /// # Errors
    /// `ALREADY_INITIALIZED`, `INVALID_ARGUMENT`; `OUTCOME_UNKNOWN` if the answer was lost.
    pub async fn init(&self, request: v1::InitRequest) -> Result<v1::InitAnswer, Error> {
        self.run(Kind::Once, request, |wire, request| async move {
            OperatorClient::with_origin(wire.connection, wire.origin).init(request).await
        })
        .await
    }

    /// Hands one share (its text, all lines) to the running ceremony. Needs no login. Sent once: a
    /// share whose answer was lost is either accepted or can be given again.
    ///
    /// # Errors
    /// `SHARE_DAMAGED`, `SHARE_WRONG`, `SHARE_REPEATED`, `SHARE_OLD_EPOCH`,
    /// `SHARE_OTHER_KEYSPACE`, `CEREMONY_EXPIRED`, `RATE_LIMITED`; `OUTCOME_UNKNOWN` if the answer
    /// was lost.
    pub async fn submit_share(&self, share: String) -> Result<v1::SubmitShareAnswer, Error> {
        let request = v1::SubmitShareRequest { share };
        self.run(Kind::Once, request, |wire, request| async move {
            OperatorClient::with_origin(wire.connection, wire.origin).submit_share(request).await
        })
        .await
    }

    /// Makes every node forget its keys; returns when each reachable node has.
    ///
    /// # Errors
    /// What every call may meet.
    pub async fn seal(&self, request: v1::SealRequest) -> Result<v1::SealAnswer, Error> {
        let (kind, request) = mutation(request)?;
        self.run(kind, request, |wire, request| async move {
            OperatorClient::with_origin(wire.connection, wire.origin).seal(request).await
        })
        .await
    }

    /// The state of the cluster and its nodes. With `at_index`, each node's digest of the state
    /// after exactly that index; nodes are waited for until the deadline. Without credentials only
    /// the short form.
    ///
    /// # Errors
    /// What every call may meet.
    pub async fn status(&self, at_index: Option<u64>) -> Result<v1::StatusAnswer, Error> {
        let kind = if at_index.is_some() { Kind::LongRead } else { Kind::Read };
        let request = v1::StatusRequest { at_index };
        self.run(kind, request, |wire, request| async move {
            OperatorClient::with_origin(wire.connection, wire.origin).status(request).await
        })
        .await
    }
}
