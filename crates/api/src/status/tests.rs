use super::*;
use crate::testing::{Actor, FakeCluster, reason};
use std::sync::atomic::Ordering;

#[tokio::test]
async fn without_credentials_there_is_the_short_form() {
    let (cluster, init) = FakeCluster::initialized(3).await;
    let share = init.shares[1].text.clone();
    cluster.submit(2, &share).await.unwrap();
    let status = Actor::nobody(&cluster.nodes[0]).status(v1::StatusRequest::default()).await;
    let status = status.unwrap();
    let ceremony = status.seal.clone().unwrap().ceremony.unwrap();
    assert_eq!((ceremony.kind.as_str(), ceremony.collector), ("init", 2));
    assert_eq!((ceremony.accepted.as_slice(), ceremony.needed), (&[2][..], 3));
    let expected = v1::StatusAnswer {
        cluster: Some(v1::ClusterStatus { initialized: true, sealed: true, ..Default::default() }),
        seal: Some(v1::SealStatus {
            epoch: 1,
            threshold: 3,
            ceremony: Some(ceremony),
            ..Default::default()
        }),
        nodes: Vec::new(),
        short_form: true,
    };
    assert_eq!(status, expected);
}

#[tokio::test]
async fn before_init_the_operator_sees_the_nodes() {
    let cluster = FakeCluster::new(3);
    let status = Actor::operator(&cluster.nodes[0]).status(v1::StatusRequest::default()).await;
    let status = status.unwrap();
    let shown = status.cluster.unwrap();
    assert!(!shown.initialized && shown.sealed && !status.short_form);
    assert_eq!(status.nodes.len(), 3);
}

#[tokio::test]
async fn the_full_form_shows_cluster_seal_and_nodes() {
    let (cluster, admin, _) = FakeCluster::unsealed(3).await;
    cluster.clock.advance_ms(1_500);
    let status = admin.status(v1::StatusRequest::default()).await.unwrap();
    let shown = status.cluster.unwrap();
    assert!(shown.initialized && !shown.sealed && !status.short_form);
    assert_eq!((shown.name.as_str(), shown.leader, shown.term), ("test", Some(1), 3));
    assert_eq!((shown.voters, shown.learners), (vec![1, 2, 3], vec![]));
    assert_eq!((shown.failures_survivable, shown.feature_level), (1, 1));
    assert_eq!(shown.id, uuid::Uuid::from_u128(42).to_string());
    assert!(!shown.keyspace_id.is_empty());
    let seal = status.seal.unwrap();
    assert_eq!((seal.epoch, seal.shares, seal.threshold, seal.wrapping_generation), (1, 5, 3, 1));
    assert!(seal.ceremony.is_none());
    let proven: Vec<_> = seal.custodians.iter().map(|c| c.last_proven_at.is_some()).collect();
    assert_eq!(proven, [true, true, true, false, false]);
    let digests: std::collections::BTreeSet<_> =
        status.nodes.iter().map(|node| node.state_digest.clone().unwrap()).collect();
    assert_eq!(digests.len(), 1);
    let first = &status.nodes[0];
    assert_eq!((first.id, first.state(), first.sealed), (1, v1::NodeState::Leader, Some(false)));
    assert_eq!(first.applied_index, Some(cluster.index()));
    assert_eq!(status.nodes[2].state(), v1::NodeState::Follower);
}

#[tokio::test]
async fn a_bad_credential_is_an_error_and_not_the_short_form() {
    let (cluster, admin, _) = FakeCluster::unsealed(1).await;
    let short = admin.token("admin", 60).await.unwrap().secret;
    let nobody = admin.colleague("nobody", "").await;
    cluster.clock.advance_ms(60_000);
    let node = &cluster.nodes[0];
    for (actor, expected) in [
        (Actor::with_token(node, "cnclv_x"), "UNAUTHENTICATED"),
        (Actor::with_certificate(node, "conclave://test/principal/x"), "UNAUTHENTICATED"),
        (Actor::with_certificate(node, "conclave://test/operator/otto"), "UNAUTHENTICATED"),
        (admin.showing(&short), "TOKEN_EXPIRED"),
        (nobody, "PERMISSION_DENIED"),
    ] {
        let refused = actor.status(v1::StatusRequest::default()).await.unwrap_err();
        assert_eq!(reason(&refused), expected);
    }
}

#[tokio::test]
async fn without_a_quorum_status_still_answers() {
    let (cluster, admin, _) = FakeCluster::unsealed(3).await;
    cluster.quorum.store(false, Ordering::SeqCst);
    cluster.nodes[1].set_up(false);
    cluster.nodes[2].set_up(false);
    let status = admin.status(v1::StatusRequest::default()).await.unwrap();
    let shown = status.cluster.unwrap();
    assert_eq!((shown.failures_survivable, shown.leader, shown.sealed), (0, None, false));
    let states: Vec<_> = status.nodes.iter().map(v1::NodeStatus::state).collect();
    let gone = v1::NodeState::Unreachable;
    assert_eq!(states, [v1::NodeState::Candidate, gone, gone]);
    assert_eq!((status.nodes[1].sealed, status.nodes[1].applied_index), (None, None));
    assert!(Actor::nobody(&cluster.nodes[0]).status(Default::default()).await.unwrap().short_form);
}

#[tokio::test]
async fn a_digest_is_asked_for_at_an_index() {
    let (cluster, admin, _) = FakeCluster::unsealed(3).await;
    cluster.nodes[2].set_lagging(true);
    admin.key("orders").await;
    let at_index = Some(cluster.index());
    let status = admin.status(v1::StatusRequest { at_index }).await.unwrap();
    assert!(status.nodes.iter().all(|node| node.applied_index == at_index));
}

fn report(role: NodeRole, sealed: bool) -> NodeReport {
    NodeReport {
        cluster_id: None,
        role,
        leader: None,
        term: 1,
        sealed,
        version: String::new(),
        last_log_index: 0,
        commit_index: 0,
        applied_index: 0,
        state_digest: None,
        wall_ms: 0,
    }
}

/// Voters as letters: L leader, F follower, C candidate, x unreachable; l is a learner.
fn reports(nodes: &str) -> Reports {
    let one = |(id, letter): (u32, char)| {
        let member = Member { node_id: id, voter: letter != 'l', ..Member::default() };
        let role = match letter {
            'L' => NodeRole::Leader,
            'F' => NodeRole::Follower,
            'C' => NodeRole::Candidate,
            'l' => NodeRole::Learner,
            _ => return (member, Err(Unavailable::Unreachable("down".to_owned()))),
        };
        (member, Ok(report(role, true)))
    };
    (1..).zip(nodes.chars()).map(one).collect()
}

#[test]
fn how_many_failures_a_cluster_survives() {
    let cases = [
        ("L", 0),
        ("LF", 0),
        ("LFF", 1),
        ("LFx", 0),
        ("Cxx", 0),
        ("LFC", 0),
        ("LFFF", 1),
        ("LFFFF", 2),
        ("LFFFx", 1),
        ("LFFll", 1),
        ("xxx", 0),
    ];
    for (nodes, survives) in cases {
        assert_eq!(failures_survivable(&reports(nodes)), survives, "{nodes}");
    }
}

#[test]
fn the_leader_of_the_newest_term_is_shown() {
    let mut known = reports("LLF");
    if let Ok(second) = &mut known[1].1 {
        second.term = 2;
    }
    assert_eq!(leader(&known), Some(2));
    assert_eq!(leader(&reports("FFC")), None);
}

#[test]
fn a_cluster_is_sealed_when_nobody_who_answers_is_open() {
    let mut known = reports("LFx");
    assert!(is_sealed(&known));
    if let Ok(second) = &mut known[1].1 {
        second.sealed = false;
    }
    assert!(!is_sealed(&known));
}
