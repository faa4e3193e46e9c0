//! What lies between HTTP and every service: the applied index in each answer, refusals of the
//! transport library in our form, and credentials where a service does not ask for them itself.

use crate::call::{Call, INDEX};
use crate::context::Context;
use crate::error::ApiError;
use crate::rounds::Rounds;
use conclave_core::reason::Reason;
use conclave_formats::limits::MAX_MESSAGE;
use http::{HeaderValue, Request, Response};
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::{Code, Status};
use tower::Service;

/// A service behind the boundary.
#[derive(Clone)]
pub(crate) struct Boundary<S> {
    inner: S,
    context: Arc<Context>,
    rounds: Arc<Rounds>,
    admission: Admission,
}

/// Who gets through to the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Everybody: the service asks for credentials where it needs them.
    Open,
    /// Only a caller with a good credential, whatever its roles.
    Authenticated,
}

impl<S> Boundary<S> {
    pub(crate) fn new(
        inner: S,
        context: Arc<Context>,
        rounds: &Arc<Rounds>,
        admission: Admission,
    ) -> Boundary<S> {
        Boundary { inner, context, rounds: rounds.clone(), admission }
    }
}

impl<S: NamedService> NamedService for Boundary<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Boundary<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, task: &mut TaskContext<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(task)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        request.extensions_mut().insert(self.rounds.clone());
        // The clone that was polled ready serves this request, the fresh one the next.
        let fresh = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        let context = self.context.clone();
        let shown = self.shown(&request);
        Box::pin(async move {
            let mut response = match context.admit(shown).await {
                Err(error) => Status::from(error).into_http(),
                Ok(()) => inner.call(request).await?,
            };
            if let Some(error) = own_form(&response) {
                response = Status::from(error).into_http();
            }
            let index = HeaderValue::from(context.view.load().index());
            response.headers_mut().insert(INDEX, index);
            Ok(response)
        })
    }
}

impl<S> Boundary<S> {
    /// The call, if its credential must be checked here. Read before the request moves on: its body
    /// cannot be shared across an await.
    fn shown(&self, request: &Request<Body>) -> Option<Result<Call, ApiError>> {
        (self.admission == Admission::Authenticated)
            .then(|| Call::from_parts(&self.context, request.headers(), request.extensions()))
    }
}

impl Context {
    async fn admit(&self, shown: Option<Result<Call, ApiError>>) -> Result<(), ApiError> {
        let Some(call) = shown.transpose()? else { return Ok(()) };
        self.fresh(&call).await?.authenticate(&call)?;
        Ok(())
    }
}

/// What the transport library refused by itself before a service saw it, in our form. Our own
/// refusals carry details, the library's do not.
fn own_form(response: &Response<Body>) -> Option<ApiError> {
    let status = Status::from_header_map(response.headers())?;
    if !status.details().is_empty() {
        return None;
    }
    match status.code() {
        Code::OutOfRange | Code::ResourceExhausted => Some(too_large(status.message())),
        Code::Internal => Some(ApiError::field(
            "message",
            "the bytes are not a protobuf message of this call; see the .proto files",
        )),
        _ => None,
    }
}

fn too_large(message: &str) -> ApiError {
    let message = format!("the message is too large ({message})");
    let next = "send less at once; encrypt larger data as a stream under a data key";
    ApiError::new(Reason::TooLarge, message, next).with("limit", MAX_MESSAGE.to_string())
}

#[cfg(test)]
mod tests;
