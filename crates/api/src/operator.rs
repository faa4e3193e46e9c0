//! The service `conclave.v1.Operator`.

use crate::call::Call;
use crate::context::Context;
use conclave_proto::v1;
use conclave_proto::v1::operator_server::Operator;
use std::sync::Arc;
use tonic::{Request, Response, Status};
use zeroize::Zeroizing;

/// See `proto/conclave/v1/operator.proto`.
pub(crate) struct OperatorService(pub(crate) Arc<Context>);

#[tonic::async_trait]
impl Operator for OperatorService {
    async fn init(
        &self,
        request: Request<v1::InitRequest>,
    ) -> Result<Response<v1::InitAnswer>, Status> {
        let call = Call::of(&self.0, &request)?;
        Ok(Response::new(self.0.init(&call, request.into_inner()).await?))
    }

    async fn submit_share(
        &self,
        request: Request<v1::SubmitShareRequest>,
    ) -> Result<Response<v1::SubmitShareAnswer>, Status> {
        let call = Call::of(&self.0, &request)?;
        let share = Zeroizing::new(request.into_inner().share);
        Ok(Response::new(self.0.submit_share(&call, share).await?))
    }

    async fn seal(
        &self,
        request: Request<v1::SealRequest>,
    ) -> Result<Response<v1::SealAnswer>, Status> {
        let call = Call::of(&self.0, &request)?;
        Ok(Response::new(self.0.seal_cluster(&call, request.get_ref()).await?))
    }

    async fn status(
        &self,
        request: Request<v1::StatusRequest>,
    ) -> Result<Response<v1::StatusAnswer>, Status> {
        let call = Call::of(&self.0, &request)?;
        Ok(Response::new(self.0.status(&call, request.get_ref()).await?))
    }
}
