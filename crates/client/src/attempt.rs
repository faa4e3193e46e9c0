//! One attempt at one node, and what it says about whether the call took effect.

use std::error::Error as _;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use rustls::ClientConfig;
use tokio::time::{Instant, timeout_at};
use tonic::metadata::MetadataMap;
use tonic::{Code, Request, Response, Status};

use crate::connection::TransportError;
use crate::error::Error;
use crate::node::{Node, Wire};
use crate::reason::Reason;

/// "At least this fresh", towards a node.
const MIN_INDEX: &str = "x-conclave-min-index";
/// The instance whose keys, aliases and key rings are meant, towards a node.
const INSTANCE: &str = "x-conclave-instance";
/// The applied log index of an answer.
const INDEX: &str = "x-conclave-index";
/// How much earlier than ours the node's deadline ends: at most this, so that its own answer (say,
/// that it has no quorum) still arrives.
const ANSWER_SLACK: Duration = Duration::from_millis(250);

/// How long a node is listened to for the reason why it refused our certificate.
const REFUSAL_WAIT: Duration = Duration::from_secs(1);

/// What became of one attempt.
pub(crate) enum Attempt<T> {
    /// The node did it.
    Answered(T),
    /// The node decided not to.
    Refused(Error),
    /// The request never left: it certainly had no effect.
    NotSent(Error),
    /// The request may have left and no answer came: it may have had an effect.
    Lost(Error),
}

/// How long an attempt may take, from its start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    /// Until there is a connection.
    pub(crate) connection: Duration,
    /// Until there is an answer; not less.
    pub(crate) answer: Duration,
}

/// What every attempt of a client shares.
pub(crate) struct Caller {
    tls: Arc<ClientConfig>,
    bearer: Option<HeaderValue>,
    instance: Option<HeaderValue>,
    /// The highest log index seen in an answer.
    index: AtomicU64,
}

impl Caller {
    /// Shows `bearer`, and names `instance`, in every call.
    pub(crate) fn new(
        tls: Arc<ClientConfig>,
        bearer: Option<HeaderValue>,
        instance: Option<HeaderValue>,
    ) -> Self {
        Caller { tls, bearer, instance, index: AtomicU64::new(0) }
    }

    /// The highest log index seen so far.
    pub(crate) fn index(&self) -> u64 {
        self.index.load(Ordering::Relaxed)
    }

    /// One attempt, asking for a state at or above `min_index`. If nothing left because a
    /// connection from before had died, a new one is tried at once.
    pub(crate) async fn attempt<Req, Res, F, Fut>(
        &self,
        node: &Node,
        request: &Req,
        min_index: u64,
        budget: Budget,
        call: &F,
    ) -> Attempt<Res>
    where
        Req: Clone,
        F: Fn(Wire, Request<Req>) -> Fut,
        Fut: Future<Output = Result<Response<Res>, Status>>,
    {
        let start = Instant::now();
        let end = start + budget.answer;
        loop {
            let wire = match timeout_at(start + budget.connection, node.wire(&self.tls)).await {
                Ok(Ok(wire)) => wire,
                Ok(Err(why)) => return Attempt::NotSent(unreachable(node, &why)),
                Err(_) => {
                    let why = format!("no connection within {}", seconds(budget.connection));
                    return Attempt::NotSent(unreachable(node, &why));
                }
            };
            let reused = wire.reused;
            let left = end.saturating_duration_since(Instant::now());
            let message = self.message(request.clone(), min_index, left);
            let outcome = match timeout_at(end, call(wire, message)).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    node.forget().await;
                    return Attempt::Lost(no_answer(node, budget.answer));
                }
            };
            match self.outcome(node, outcome) {
                Attempt::NotSent(_) if reused => node.forget().await,
                failed @ (Attempt::NotSent(_) | Attempt::Lost(_)) if !reused => {
                    return self.explain(node, end, failed).await;
                }
                other => return other,
            }
        }
    }

    /// The same failure of a fresh connection, unless the cause is that the node refuses our
    /// certificate: then no request was looked at.
    async fn explain<Res>(&self, node: &Node, end: Instant, failed: Attempt<Res>) -> Attempt<Res> {
        if !self.tls.client_auth_cert_resolver.has_certs() {
            return failed;
        }
        let end = end.min(Instant::now() + REFUSAL_WAIT);
        match timeout_at(end, node.certificate_refusal(&self.tls)).await {
            Ok(Some(alert)) => Attempt::Refused(certificate_refused(node, &alert)),
            _ => failed,
        }
    }

    fn message<Req>(&self, request: Req, min_index: u64, left: Duration) -> Request<Req> {
        let mut message = Request::new(request);
        *message.metadata_mut() = MetadataMap::from_headers(self.headers(min_index));
        message.set_timeout(left.saturating_sub(ANSWER_SLACK.min(left / 10)));
        message
    }

    fn outcome<Res>(&self, node: &Node, outcome: Result<Response<Res>, Status>) -> Attempt<Res> {
        match outcome {
            Ok(answer) => {
                self.note_index(answer.metadata());
                Attempt::Answered(answer.into_inner())
            }
            Err(status) => {
                self.note_index(status.metadata());
                classify(node, &status)
            }
        }
    }

    /// The headers of every call. The bytes of token and instance are shared, not copied.
    fn headers(&self, min_index: u64) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(4);
        if let Some(bearer) = &self.bearer {
            headers.insert(AUTHORIZATION, bearer.clone());
        }
        if let Some(instance) = &self.instance {
            headers.insert(INSTANCE, instance.clone());
        }
        if min_index > 0 {
            headers.insert(MIN_INDEX, HeaderValue::from(min_index));
        }
        headers
    }

    fn note_index(&self, metadata: &MetadataMap) {
        let seen = metadata.get(INDEX).and_then(|value| value.to_str().ok()?.parse().ok());
        self.index.fetch_max(seen.unwrap_or(0), Ordering::Relaxed);
    }
}

/// Tells a node's decision from a failure of the transport.
fn classify<T>(node: &Node, status: &Status) -> Attempt<T> {
    if let Some(refusal) = Error::from_refusal(status) {
        return Attempt::Refused(refusal);
    }
    if let Some(cause) = status.source().and_then(|cause| cause.downcast_ref::<TransportError>()) {
        let error = unreachable(node, &cause.to_string());
        return if cause.sent { Attempt::Lost(error) } else { Attempt::NotSent(error) };
    }
    let error = Error::from_bare_status(status, node.addr());
    match status.code() {
        Code::Unauthenticated
        | Code::PermissionDenied
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::ResourceExhausted
        | Code::OutOfRange
        | Code::Unimplemented => Attempt::Refused(error),
        _ => Attempt::Lost(error),
    }
}

fn unreachable(node: &Node, why: &str) -> Error {
    Error::new(
        Reason::Unreachable,
        format!("{} cannot be reached: {why}", node.addr()),
        "check the address (--addr, CONCLAVE_ADDR), that the node runs, and the CA certificate",
    )
}

fn no_answer(node: &Node, waited: Duration) -> Error {
    let text = format!("{} gave no answer within {}", node.addr(), seconds(waited));
    Error::new(Reason::DeadlineExceeded, text, "see `conclave status`")
}

fn certificate_refused(node: &Node, alert: &str) -> Error {
    Error::new(
        Reason::Unauthenticated,
        format!("{} refused the client certificate: {alert}", node.addr()),
        "show a certificate that the cluster's CA issued and that has not expired",
    )
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
