//! The cluster's state for people.

use conclave_client::v1;

use super::json;
use crate::table;
use crate::values::{counted, time_text};

pub(super) fn status(status: &v1::StatusAnswer) -> String {
    let cluster = status.cluster.clone().unwrap_or_default();
    let seal = status.seal.clone().unwrap_or_default();
    let mut text = format!("{}\n", headline(status, &cluster));
    if cluster.initialized {
        text.push_str(&format!("{}\n", seal_line(&seal)));
    }
    for alarm in &cluster.alarms {
        let since = time_text(alarm.since.as_ref()).unwrap_or_default();
        text.push_str(&format!("alarm {}: {} (since {since})\n", alarm.kind, alarm.text));
    }
    if !status.nodes.is_empty() {
        text.push('\n');
        text.push_str(&nodes(&status.nodes));
    }
    text
}

/// Epoch and threshold, and how far a ceremony is.
pub(crate) fn seal_line(seal: &v1::SealStatus) -> String {
    let mut line =
        format!("seal epoch {}, {} needed", seal.epoch, counted(seal.threshold.into(), "share"));
    if let Some(ceremony) = &seal.ceremony {
        let accepted: Vec<String> = ceremony.accepted.iter().map(u32::to_string).collect();
        let expiry = time_text(ceremony.expires_at.as_ref()).unwrap_or_default();
        line.push_str(&format!(
            "; {} ceremony on node {}: {} of {} accepted ({}), until {expiry}",
            ceremony.kind,
            ceremony.collector,
            accepted.len(),
            ceremony.needed,
            accepted.join(", "),
        ));
    }
    line
}

fn headline(status: &v1::StatusAnswer, cluster: &v1::ClusterStatus) -> String {
    if !cluster.initialized {
        return "not initialized; next: conclave operator init".to_owned();
    }
    let seal = if cluster.sealed { "sealed" } else { "unsealed" };
    if status.short_form {
        return format!("{seal} (show a token or a certificate to see more)");
    }
    let voters = || status.nodes.iter().filter(|node| node.voter);
    let healthy = voters().filter(|node| node.state() != v1::NodeState::Unreachable).count();
    let leader = cluster.leader.map_or("no leader".to_owned(), |id| format!("leader {id}"));
    format!(
        "survives {} ({healthy} of {} voters healthy, {leader}, {seal})",
        counted(cluster.failures_survivable.into(), "failure"),
        voters().count(),
    )
}

fn nodes(nodes: &[v1::NodeStatus]) -> String {
    let rows = nodes.iter().map(|node| {
        let number = |value: Option<u64>| value.map(|n| n.to_string()).unwrap_or_default();
        let seal = match node.sealed {
            Some(true) => "sealed",
            Some(false) => "unsealed",
            None => "",
        };
        let digest = node.state_digest.as_deref().unwrap_or_default();
        [
            node.id.to_string(),
            node.api.clone(),
            json::state(node).to_owned(),
            seal.to_owned(),
            number(node.applied_index),
            digest.chars().take(16).collect(),
            node.clock_skew_ms.map(|ms| format!("{ms} ms")).unwrap_or_default(),
            node.version.clone().unwrap_or_default(),
        ]
    });
    table::table(["NODE", "API", "STATE", "SEAL", "APPLIED", "DIGEST", "SKEW", "VERSION"], rows)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Three voters: one unreachable, the leader, a sealed follower.
    pub(in crate::status) fn example() -> v1::StatusAnswer {
        let time = Some(prost_types::Timestamp { seconds: 1_795_255_200, nanos: 0 });
        let node = |id: u32, state: v1::NodeState| v1::NodeStatus {
            id,
            api: format!("h{id}:7400"),
            peer: format!("h{id}:7401"),
            voter: true,
            state: state.into(),
            ..Default::default()
        };
        let alive = |id, state, sealed, index, digest: &str, skew| v1::NodeStatus {
            sealed: Some(sealed),
            version: Some("0.1.0".to_owned()),
            last_log_index: Some(9),
            commit_index: Some(index),
            applied_index: Some(index),
            state_digest: Some(digest.to_owned()),
            clock_skew_ms: Some(skew),
            ..node(id, state)
        };
        v1::StatusAnswer {
            cluster: Some(v1::ClusterStatus {
                initialized: true,
                sealed: false,
                id: "c1".to_owned(),
                keyspace_id: "k1".to_owned(),
                name: "demo".to_owned(),
                failures_survivable: 1,
                leader: Some(2),
                term: 5,
                voters: vec![1, 2, 3],
                learners: vec![],
                cluster_time: time,
                feature_level: 1,
                alarms: vec![],
            }),
            seal: Some(v1::SealStatus {
                epoch: 1,
                shares: 5,
                threshold: 3,
                wrapping_generation: 1,
                ceremony: Some(v1::Ceremony {
                    id: "e1".to_owned(),
                    kind: "unseal".to_owned(),
                    collector: 2,
                    accepted: vec![1, 4],
                    needed: 3,
                    expires_at: time,
                }),
                custodians: vec![v1::Custodian { index: 1, last_proven_at: None }],
            }),
            nodes: vec![
                node(1, v1::NodeState::Unreachable),
                alive(2, v1::NodeState::Leader, false, 9, "ab", -3),
                alive(3, v1::NodeState::Follower, true, 8, "cd", 4),
            ],
            short_form: false,
        }
    }

    #[test]
    fn the_first_line_says_what_the_cluster_survives() {
        let first = |answer: &v1::StatusAnswer| status(answer).lines().next().unwrap().to_owned();
        let mut answer = example();
        assert_eq!(
            first(&answer),
            "survives 1 failure (2 of 3 voters healthy, leader 2, unsealed)"
        );
        answer.nodes[0].state = v1::NodeState::Follower.into();
        assert_eq!(
            first(&answer),
            "survives 1 failure (3 of 3 voters healthy, leader 2, unsealed)"
        );
        let cluster = answer.cluster.as_mut().unwrap();
        (cluster.failures_survivable, cluster.leader, cluster.sealed) = (0, None, true);
        assert_eq!(
            first(&answer),
            "survives 0 failures (3 of 3 voters healthy, no leader, sealed)"
        );
        answer.cluster.as_mut().unwrap().initialized = false;
        assert_eq!(first(&answer), "not initialized; next: conclave operator init");
    }

    #[test]
    fn a_ceremony_and_each_node_have_a_line() {
        let text = status(&example());
        assert!(text.contains("unseal ceremony on node 2: 2 of 3 accepted (1, 4), until 2026"));
        assert_eq!(text.lines().filter(|line| line.contains(":7400")).count(), 3);
    }
}
