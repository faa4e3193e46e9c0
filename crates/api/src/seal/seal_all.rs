//! Sealing the cluster.

use crate::call::Call;
use crate::context::Context;
use crate::digest;
use crate::error::ApiError;
use crate::limits::SEAL_REPORT_TIMEOUT;
use crate::moment::On;
use crate::mutate::Mutation;
use crate::validate;
use conclave_core::command::Command;
use conclave_core::roles::Action;
use conclave_proto::v1;

impl Context {
    /// Raises the seal generation and waits until each member that can be reached has applied that,
    /// which wipes its keys before it says so. The others seal when they apply the entry and cannot
    /// serve before, because of the read barrier.
    pub(crate) async fn seal_cluster(
        &self,
        call: &Call,
        request: &v1::SealRequest,
    ) -> Result<v1::SealAnswer, ApiError> {
        let request_id = validate::request_id(&request.request_id)?;
        let mutation = Mutation {
            call,
            request: request_id,
            digest: digest::seal(),
            action: Action::Seal,
            on: On::Cluster,
        };
        let done = self.mutate(mutation, |_| Ok(Command::Seal)).await?;
        let timeout = call.deadline.at_most(SEAL_REPORT_TIMEOUT);
        let members = self.member_seals(Some(done.index), timeout).await;
        Ok(v1::SealAnswer { members, log_index: done.index })
    }
}
