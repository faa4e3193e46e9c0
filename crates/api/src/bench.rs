//! The service `conclave.v1.Bench`: what the real calls are measured against.

use crate::call::Call;
use crate::context::Context;
use crate::crypto::within;
use crate::decisions::Target;
use crate::error::ApiError;
use crate::journaled::{Draft, Journaled, Unrecorded};
use crate::validate;
use conclave_core::journal::Operation;
use conclave_core::roles::Action;
use conclave_formats::limits::MAX_PLAINTEXT;
use conclave_proto::v1;
use conclave_proto::v1::EchoDepth;
use conclave_proto::v1::bench_server::Bench;
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// See `proto/conclave/v1/bench.proto`.
pub(crate) struct BenchService {
    pub(crate) context: Arc<Context>,
    pub(crate) journal: Arc<Journaled>,
}

#[tonic::async_trait]
impl Bench for BenchService {
    async fn echo(
        &self,
        request: Request<v1::EchoRequest>,
    ) -> Result<Response<v1::EchoAnswer>, Status> {
        let depth = EchoDepth::try_from(request.get_ref().depth).map_err(|_| unknown_depth())?;
        if depth == EchoDepth::Bare {
            return Ok(Response::new(v1::EchoAnswer { payload: request.into_inner().payload }));
        }
        let mut draft = Draft::new(Operation::Echo, request.get_ref().payload.len());
        let call = Call::of(&self.context, &request)?;
        let descended = self.context.descend(&call, request.get_ref(), depth, &mut draft).await;
        let payload = request.into_inner().payload;
        if depth == EchoDepth::Audited {
            let echo = descended.map(|()| Unrecorded::new(v1::EchoAnswer { payload }));
            return self.journal.answer(draft.ends(&self.context, echo)).await;
        }
        descended?;
        Ok(Response::new(v1::EchoAnswer { payload }))
    }
}

impl Context {
    /// Does as much of an Encrypt as `depth` says, by the functions that Encrypt uses.
    async fn descend(
        &self,
        call: &Call,
        request: &v1::EchoRequest,
        depth: EchoDepth,
        draft: &mut Draft,
    ) -> Result<(), ApiError> {
        within("payload", request.payload.len(), MAX_PLAINTEXT)?;
        match depth {
            EchoDepth::Bare => {}
            EchoDepth::Authenticated => {
                self.local().authenticate(call)?;
            }
            EchoDepth::Barrier => {
                self.fresh(call).await?.authenticate(call)?;
            }
            EchoDepth::Permitted => {
                let selector = validate::key(&request.key)?;
                let target = Target::Primary(&selector);
                self.permit_use(call, Action::Encrypt, &target, draft).await?;
            }
            EchoDepth::Encrypted | EchoDepth::Audited => {
                self.encrypt_under(call, &request.key, &request.payload, &[], draft).await?;
            }
        }
        Ok(())
    }
}

fn unknown_depth() -> ApiError {
    ApiError::field("depth", "0 to 5 are known; see bench.proto")
}

#[cfg(test)]
mod tests;
