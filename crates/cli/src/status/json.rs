//! The cluster's state in JSON.

use conclave_client::v1;
use serde_json::{Value, json};

use crate::values::{text_json, time_json};

/// The whole shape; without credentials most of it is `null` or empty.
pub(super) fn status(status: &v1::StatusAnswer) -> Value {
    let full = !status.short_form;
    let of_cluster = status.cluster.clone().unwrap_or_default();
    let of_seal = status.seal.clone().unwrap_or_default();
    json!({
        "cluster": cluster(&of_cluster, full),
        "seal": seal(&of_seal, full),
        "nodes": status.nodes.iter().map(node).collect::<Vec<_>>(),
    })
}

fn cluster(cluster: &v1::ClusterStatus, full: bool) -> Value {
    json!({
        "id": text_json(&cluster.id),
        "keyspace_id": text_json(&cluster.keyspace_id),
        "name": text_json(&cluster.name),
        "initialized": cluster.initialized,
        "sealed": cluster.sealed,
        "failures_survivable": full.then_some(cluster.failures_survivable),
        "leader": cluster.leader,
        "term": full.then_some(cluster.term),
        "voters": cluster.voters,
        "learners": cluster.learners,
        "cluster_time": time_json(cluster.cluster_time.as_ref()),
        "time_jump": null,
        "alarms": cluster.alarms.iter().map(alarm).collect::<Vec<_>>(),
        "feature_level": full.then_some(cluster.feature_level),
    })
}

fn alarm(alarm: &v1::Alarm) -> Value {
    json!({
        "kind": alarm.kind,
        "node": (alarm.node != 0).then_some(alarm.node),
        "since": time_json(alarm.since.as_ref()),
        "text": alarm.text,
    })
}

fn seal(seal: &v1::SealStatus, full: bool) -> Value {
    let custodian = |custodian: &v1::Custodian| {
        json!({
            "index": custodian.index,
            "last_proven_at": time_json(custodian.last_proven_at.as_ref()),
        })
    };
    json!({
        "epoch": seal.epoch,
        "shares": full.then_some(seal.shares),
        "threshold": seal.threshold,
        "wrapping_generation": full.then_some(seal.wrapping_generation),
        "ceremony": seal.ceremony.as_ref().map(ceremony),
        "custodians": seal.custodians.iter().map(custodian).collect::<Vec<_>>(),
        "rewrap": null,
    })
}

fn ceremony(ceremony: &v1::Ceremony) -> Value {
    json!({
        "id": ceremony.id,
        "kind": ceremony.kind,
        "collector": ceremony.collector,
        "accepted": ceremony.accepted,
        "needed": ceremony.needed,
        "expires_at": time_json(ceremony.expires_at.as_ref()),
    })
}

fn node(node: &v1::NodeStatus) -> Value {
    json!({
        "id": node.id,
        "api": text_json(&node.api),
        "peer": text_json(&node.peer),
        "role": if node.voter { "voter" } else { "learner" },
        "state": state(node),
        "sealed": node.sealed,
        "version": node.version,
        "last_log_index": node.last_log_index,
        "commit_index": node.commit_index,
        "applied_index": node.applied_index,
        "state_digest": node.state_digest,
        "clock_skew_ms": node.clock_skew_ms,
    })
}

/// The name of a node's state, as it is written everywhere.
pub(super) fn state(node: &v1::NodeStatus) -> &'static str {
    match node.state() {
        v1::NodeState::Unreachable => "unreachable",
        v1::NodeState::Leader => "leader",
        v1::NodeState::Follower => "follower",
        v1::NodeState::Candidate => "candidate",
        v1::NodeState::Learner => "learner",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::text::tests::example;

    #[test]
    fn the_full_form_has_all_fields_of_the_contract() {
        let expected = json!({
            "cluster": {"id": "c1", "keyspace_id": "k1", "name": "demo", "initialized": true,
                "sealed": false, "failures_survivable": 1, "leader": 2, "term": 5,
                "voters": [1, 2, 3], "learners": [], "cluster_time": "2026-11-21T10:00:00Z",
                "time_jump": null, "alarms": [], "feature_level": 1},
            "seal": {"epoch": 1, "shares": 5, "threshold": 3, "wrapping_generation": 1,
                "ceremony": {"id": "e1", "kind": "unseal", "collector": 2, "accepted": [1, 4],
                    "needed": 3, "expires_at": "2026-11-21T10:00:00Z"},
                "custodians": [{"index": 1, "last_proven_at": null}], "rewrap": null},
            "nodes": [
                {"id": 1, "api": "h1:7400", "peer": "h1:7401", "role": "voter",
                 "state": "unreachable", "sealed": null, "version": null, "last_log_index": null,
                 "commit_index": null, "applied_index": null, "state_digest": null,
                 "clock_skew_ms": null},
                {"id": 2, "api": "h2:7400", "peer": "h2:7401", "role": "voter", "state": "leader",
                 "sealed": false, "version": "0.1.0", "last_log_index": 9, "commit_index": 9,
                 "applied_index": 9, "state_digest": "ab", "clock_skew_ms": -3},
                {"id": 3, "api": "h3:7400", "peer": "h3:7401", "role": "voter", "state": "follower",
                 "sealed": true, "version": "0.1.0", "last_log_index": 9, "commit_index": 8,
                 "applied_index": 8, "state_digest": "cd", "clock_skew_ms": 4},
            ],
        });
        assert_eq!(status(&example()), expected);
    }

    #[test]
    fn the_short_form_tells_only_what_anybody_may_know() {
        let short = v1::StatusAnswer {
            cluster: Some(v1::ClusterStatus {
                initialized: true,
                sealed: true,
                ..Default::default()
            }),
            seal: Some(v1::SealStatus { epoch: 1, threshold: 3, ..Default::default() }),
            nodes: vec![],
            short_form: true,
        };
        let expected = json!({
            "cluster": {"id": null, "keyspace_id": null, "name": null, "initialized": true,
                "sealed": true, "failures_survivable": null, "leader": null, "term": null,
                "voters": [], "learners": [], "cluster_time": null, "time_jump": null,
                "alarms": [], "feature_level": null},
            "seal": {"epoch": 1, "shares": null, "threshold": 3, "wrapping_generation": null,
                "ceremony": null, "custodians": [], "rewrap": null},
            "nodes": [],
        });
        assert_eq!(status(&short), expected);
    }
}
