//! Whole requests through the routes, as HTTP.

use crate::testing::{Actor, FakeCluster, fact, reason};
use conclave_proto::v1;
use conclave_proto::v1::crypto_client::CryptoClient;
use conclave_proto::v1::operator_client::OperatorClient;
use http::{Request, Response};
use http_body_util::BodyExt;
use tonic::body::Body;
use tonic::service::Routes;
use tower::ServiceExt;

/// Routes as a channel: what a server would do, without a socket.
#[derive(Clone)]
struct Wire(Routes);

impl tower::Service<Request<Body>> for Wire {
    type Response = Response<Body>;
    type Error = std::convert::Infallible;
    type Future = futures::future::BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let routes = self.0.clone();
        Box::pin(async move {
            let response = routes.oneshot(request).await?;
            Ok(response.map(Body::new))
        })
    }
}

async fn wire() -> (Wire, Actor, std::sync::Arc<FakeCluster>) {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    admin.key("orders").await;
    let routes = cluster.nodes[0].services().routes(cluster.nodes[0].journal.clone());
    (Wire(routes), admin, cluster)
}

#[tokio::test]
async fn every_answer_carries_the_applied_index() {
    let (wire, admin, cluster) = wire().await;
    let index = cluster.index().to_string();
    let answered = OperatorClient::new(wire.clone()).status(v1::StatusRequest::default()).await;
    assert_eq!(answered.unwrap().metadata().get("x-conclave-index").unwrap(), index.as_str());
    let request = v1::EncryptRequest { key: "nothing".to_owned(), ..Default::default() };
    let refused =
        CryptoClient::new(wire.clone()).encrypt(admin.request(request)).await.unwrap_err();
    assert_eq!(reason(&refused), "NOT_FOUND");
    assert_eq!(refused.metadata().get("x-conclave-index").unwrap(), index.as_str());
    let request = v1::EncryptRequest { key: "orders".to_owned(), ..Default::default() };
    assert!(CryptoClient::new(wire).encrypt(admin.request(request)).await.is_ok());
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_too_large_in_our_form() {
    let (wire, admin, _cluster) = wire().await;
    let plaintext = vec![0; 1024 * 1024 + 1];
    let request = v1::EncryptRequest { key: "orders".to_owned(), plaintext, ..Default::default() };
    let refused = CryptoClient::new(wire).encrypt(admin.request(request)).await.unwrap_err();
    assert_eq!(reason(&refused), "TOO_LARGE");
    assert_eq!(fact(&refused, "limit"), "1048576");
}

#[tokio::test]
async fn bytes_that_are_no_message_are_an_invalid_argument() {
    let (wire, _, _cluster) = wire().await;
    // Frame header, then a field whose length runs beyond the message.
    let body = bytes_of(&[0, 0, 0, 0, 2, 0x0a, 0x7f]);
    let request = Request::builder()
        .method("POST")
        .uri("/conclave.v1.Crypto/Encrypt")
        .header("content-type", "application/grpc")
        .body(body)
        .unwrap();
    let response = wire.oneshot(request).await.unwrap();
    let refused = tonic::Status::from_header_map(response.headers()).unwrap();
    assert_eq!(reason(&refused), "INVALID_ARGUMENT");
}

#[tokio::test]
async fn reflection_is_for_those_who_are_known() {
    let (wire, admin, _cluster) = wire().await;
    let ask = |actor: Option<&Actor>| {
        let mut request = Request::builder()
            .method("POST")
            .uri("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
            .header("content-type", "application/grpc")
            .body(bytes_of(&[]))
            .unwrap();
        if let Some(actor) = actor {
            let shown = actor.request(()).into_parts().0;
            request.headers_mut().extend(shown.into_headers());
        }
        wire.clone().oneshot(request)
    };
    let anonymous = ask(None).await.unwrap();
    let refused = tonic::Status::from_header_map(anonymous.headers()).unwrap();
    assert_eq!(reason(&refused), "UNAUTHENTICATED");
    let known = ask(Some(&admin)).await.unwrap();
    assert!(tonic::Status::from_header_map(known.headers()).is_none());
}

fn bytes_of(bytes: &'static [u8]) -> Body {
    Body::new(http_body_util::Full::new(bytes.into()).map_err(|never| match never {}))
}
