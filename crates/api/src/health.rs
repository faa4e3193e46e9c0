//! The standard health service: SERVING while this node is unsealed and knows a leader. Open to
//! everybody, and asked anew for each answer.

use crate::context::Context;
use crate::limits::HEALTH_PAUSE;
use futures::stream::{self, BoxStream, StreamExt};
use std::sync::Arc;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

/// The services that are asked for by name; the empty name is the node.
const KNOWN: [&str; 5] =
    ["", "conclave.v1.Keys", "conclave.v1.Crypto", "conclave.v1.Access", "conclave.v1.Operator"];
/// Serves sealed too: that is where it is needed.
const ALWAYS: &str = "conclave.v1.Operator";

/// See `grpc/health/v1/health.proto`.
pub(crate) struct HealthService(pub(crate) Arc<Context>);

#[tonic::async_trait]
impl Health for HealthService {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let service = request.into_inner().service;
        match serving(&self.0, &service).await {
            ServingStatus::ServiceUnknown => Err(Status::not_found(format!(
                "there is no service {service:?}; the services are {}",
                KNOWN[1..].join(", ")
            ))),
            status => Ok(Response::new(response(status))),
        }
    }

    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let service = request.into_inner().service;
        Ok(Response::new(changes(self.0.clone(), service)))
    }
}

/// The status now, then each change of it.
fn changes(
    context: Arc<Context>,
    service: String,
) -> BoxStream<'static, Result<HealthCheckResponse, Status>> {
    stream::unfold(None, move |last: Option<ServingStatus>| {
        let (context, service) = (context.clone(), service.clone());
        async move {
            loop {
                let status = serving(&context, &service).await;
                if last != Some(status) {
                    return Some((Ok(response(status)), Some(status)));
                }
                tokio::time::sleep(HEALTH_PAUSE).await;
            }
        }
    })
    .boxed()
}

async fn serving(context: &Context, service: &str) -> ServingStatus {
    if !KNOWN.contains(&service) {
        return ServingStatus::ServiceUnknown;
    }
    if service == ALWAYS || context.readiness().await.is_ok() {
        return ServingStatus::Serving;
    }
    ServingStatus::NotServing
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

#[cfg(test)]
mod tests;
