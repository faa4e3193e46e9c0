use super::*;
use crate::testing::{FakeCluster, FakeNode};
use std::sync::atomic::Ordering;

async fn check(node: &FakeNode, service: &str) -> Result<i32, tonic::Code> {
    let health = HealthService(node.context());
    let request = Request::new(HealthCheckRequest { service: service.to_owned() });
    let answer = health.check(request).await.map_err(|status| status.code())?;
    Ok(answer.into_inner().status)
}

#[tokio::test]
async fn a_node_serves_while_it_is_unsealed_and_has_a_leader() {
    let serving = Ok(i32::from(ServingStatus::Serving));
    let not_serving = Ok(i32::from(ServingStatus::NotServing));
    let empty = FakeCluster::new(1);
    assert_eq!(check(&empty.nodes[0], "").await, not_serving);
    let (sealed, _) = FakeCluster::initialized(1).await;
    assert_eq!(check(&sealed.nodes[0], "").await, not_serving);
    let (cluster, _, _) = FakeCluster::unsealed(1).await;
    let node = &cluster.nodes[0];
    for service in ["", "conclave.v1.Keys", "conclave.v1.Crypto", "conclave.v1.Operator"] {
        assert_eq!(check(node, service).await, serving, "{service}");
    }
    cluster.quorum.store(false, Ordering::SeqCst);
    assert_eq!(check(node, "conclave.v1.Keys").await, not_serving);
    assert_eq!(check(node, "conclave.v1.Operator").await, serving);
    assert_eq!(check(node, "nothing").await, Err(tonic::Code::NotFound));
}

#[tokio::test(start_paused = true)]
async fn a_watch_tells_each_change() {
    let (cluster, _, _) = FakeCluster::unsealed(1).await;
    let health = HealthService(cluster.nodes[0].context());
    let request = Request::new(HealthCheckRequest { service: String::new() });
    let mut stream = health.watch(request).await.unwrap().into_inner();
    let mut next = async || stream.next().await.unwrap().unwrap().status();
    assert_eq!(next().await, ServingStatus::Serving);
    cluster.quorum.store(false, Ordering::SeqCst);
    assert_eq!(next().await, ServingStatus::NotServing);
    cluster.quorum.store(true, Ordering::SeqCst);
    assert_eq!(next().await, ServingStatus::Serving);
}

#[tokio::test]
async fn what_keeps_a_node_from_serving_is_said() {
    use crate::readiness::NotReady;
    let empty = FakeCluster::new(1);
    assert_eq!(empty.nodes[0].services().readiness().await, Err(NotReady::NotInitialized));
    let (cluster, init) = FakeCluster::initialized(1).await;
    let services = cluster.nodes[0].services();
    assert_eq!(services.readiness().await, Err(NotReady::Sealed));
    assert!(services.is_sealed());
    for share in &init.shares[..3] {
        cluster.submit(1, &share.text).await.unwrap();
    }
    assert_eq!(services.readiness().await, Ok(()));
    cluster.quorum.store(false, Ordering::SeqCst);
    assert_eq!(services.readiness().await, Err(NotReady::NoQuorum));
    assert_eq!(NotReady::NoQuorum.to_string(), "no_quorum");
}
