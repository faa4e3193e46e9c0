use crate::testing::{Actor, FakeCluster, reason};
use conclave_formats::limits::MAX_PLAINTEXT;
use conclave_proto::v1;
use conclave_proto::v1::EchoDepth;
use std::sync::atomic::Ordering;
use tonic::Code;

const DEPTHS: [EchoDepth; 6] = [
    EchoDepth::Bare,
    EchoDepth::Authenticated,
    EchoDepth::Barrier,
    EchoDepth::Permitted,
    EchoDepth::Encrypted,
    EchoDepth::Audited,
];

async fn echo(actor: &Actor, depth: EchoDepth) -> Result<(), String> {
    let request = v1::EchoRequest {
        payload: b"payload".to_vec(),
        depth: depth.into(),
        key: "orders".to_owned(),
    };
    let answer = actor.echo(request).await.map_err(|status| reason(&status).to_owned())?;
    assert_eq!(answer.payload, b"payload");
    Ok(())
}

/// What each depth answers.
async fn all_depths(actor: &Actor) -> [Result<(), String>; 6] {
    let mut answers = [const { Ok(()) }; 6];
    for (answer, depth) in answers.iter_mut().zip(DEPTHS) {
        *answer = echo(actor, depth).await;
    }
    answers
}

fn refused(why: &str) -> Result<(), String> {
    Err(why.to_owned())
}

/// A depth that left out its step would be as good as the one above it.
#[tokio::test]
async fn each_depth_does_what_it_says() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    admin.key("orders").await;
    let ok = || Ok(());
    assert_eq!(all_depths(&admin).await, [ok(), ok(), ok(), ok(), ok(), ok()]);

    let nobody = Actor::nobody(&cluster.nodes[0]);
    let unknown = || refused("UNAUTHENTICATED");
    assert_eq!(
        all_depths(&nobody).await,
        [ok(), unknown(), unknown(), unknown(), unknown(), unknown()]
    );

    let colleague = admin.colleague("carl", "").await;
    let denied = || refused("PERMISSION_DENIED");
    assert_eq!(all_depths(&colleague).await, [ok(), ok(), ok(), denied(), denied(), denied()]);

    admin.disable_key(Actor::of_key("orders")).await.unwrap();
    let off = || refused("KEY_STATE");
    assert_eq!(all_depths(&admin).await, [ok(), ok(), ok(), off(), off(), off()]);
    admin.enable_key(Actor::of_key("orders")).await.unwrap();

    cluster.quorum.store(false, Ordering::SeqCst);
    let alone = || refused("NO_QUORUM");
    assert_eq!(all_depths(&admin).await, [ok(), ok(), alone(), alone(), alone(), alone()]);
    cluster.quorum.store(true, Ordering::SeqCst);

    cluster.nodes[0].journal.set_blocked(true);
    let blocked = || refused("AUDIT_BLOCKED");
    assert_eq!(all_depths(&admin).await, [ok(), ok(), ok(), ok(), ok(), blocked()]);
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused() {
    let (_, admin, _) = FakeCluster::unsealed(1).await;
    let unknown = v1::EchoRequest { depth: 6, ..Default::default() };
    assert_eq!(reason(&admin.echo(unknown).await.unwrap_err()), "INVALID_ARGUMENT");
    let payload = vec![0; MAX_PLAINTEXT + 1];
    let depth = EchoDepth::Authenticated.into();
    let large = v1::EchoRequest { payload, depth, ..Default::default() };
    assert_eq!(reason(&admin.echo(large).await.unwrap_err()), "TOO_LARGE");
}

/// It asks for no credential at first, so no other cluster has it.
#[tokio::test]
async fn only_a_development_node_serves_it() {
    for (cluster, code) in
        [(FakeCluster::development(), Code::Ok), (FakeCluster::new(1), Code::Unimplemented)]
    {
        let routes = cluster.nodes[0].services().routes(cluster.nodes[0].journal.clone());
        let mut client = v1::bench_client::BenchClient::new(routes);
        let answered = client.echo(v1::EchoRequest::default()).await;
        assert_eq!(answered.err().map_or(Code::Ok, |status| status.code()), code);
    }
}
