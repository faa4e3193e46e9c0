//! The state of the cluster as far as this node can see it. It answers with or without a quorum.

use crate::call::Call;
use crate::context::Context;
use crate::error::ApiError;
use crate::limits::{REPORT_TIMEOUT, STATUS_BARRIER_TIMEOUT};
use crate::moment::Moment;
use crate::render::timestamp;
use conclave_core::model::{CeremonyRecord, SealRecord};
use conclave_core::replica::{Member, NodeReport, NodeRole, Unavailable};
use conclave_core::roles::Action;
use conclave_proto::v1;

/// Features that every node of this release has.
const FEATURE_LEVEL: u32 = 1;

type Reports = Vec<(Member, Result<NodeReport, Unavailable>)>;

impl Context {
    /// The full form for whoever may see it, the short form for a caller who shows nothing. A
    /// credential that is not good is an error, not the short form.
    pub(crate) async fn status(
        &self,
        call: &Call,
        request: &v1::StatusRequest,
    ) -> Result<v1::StatusAnswer, ApiError> {
        let short_form = call.claim()?.is_nothing();
        let timeout = call.deadline.at_most(STATUS_BARRIER_TIMEOUT);
        let moment = match self.barrier(timeout).await {
            Ok(covered) => covered.moment,
            Err(_) => self.local(),
        };
        if short_form {
            let reports = self.replica().report_all(None, REPORT_TIMEOUT).await;
            return Ok(short(&moment, &reports));
        }
        moment.judge(call, Action::Status)?;
        let reports = match request.at_index {
            None => self.replica().report_all(None, call.deadline.at_most(REPORT_TIMEOUT)).await,
            at_index => self.replica().report_all(at_index, call.deadline.remaining()).await,
        };
        Ok(self.full(&moment, &reports))
    }

    fn full(&self, moment: &Moment, reports: &Reports) -> v1::StatusAnswer {
        let now_ms = self.clock.wall_ms();
        let nodes =
            reports.iter().map(|(member, report)| node(member, report.as_ref().ok(), now_ms));
        let seal = moment.view.seal().map(|seal| seal_status(seal, reports));
        v1::StatusAnswer {
            cluster: Some(self.cluster(moment, reports)),
            seal: Some(seal.unwrap_or_default()),
            nodes: nodes.collect(),
            short_form: false,
        }
    }

    fn cluster(&self, moment: &Moment, reports: &Reports) -> v1::ClusterStatus {
        let view = &moment.view;
        let ids = |voter: bool| {
            reports.iter().filter(move |(member, _)| member.voter == voter).map(|(m, _)| m.node_id)
        };
        let cluster_id = answers(reports).find_map(|(_, report)| report.cluster_id);
        let keyspace = view.seal().map(|seal| seal.keyspace.to_string());
        v1::ClusterStatus {
            initialized: view.seal().is_some(),
            sealed: is_sealed(reports),
            id: cluster_id.map_or_else(String::new, |id| id.to_string()),
            keyspace_id: keyspace.unwrap_or_default(),
            name: self.config.cluster_name.clone(),
            failures_survivable: failures_survivable(reports),
            leader: leader(reports),
            term: answers(reports).map(|(_, report)| report.term).max().unwrap_or(0),
            voters: ids(true).collect(),
            learners: ids(false).collect(),
            cluster_time: Some(timestamp(self.local().now.at_ms)),
            feature_level: FEATURE_LEVEL,
            alarms: Vec::new(),
        }
    }
}

fn short(moment: &Moment, reports: &Reports) -> v1::StatusAnswer {
    let seal = moment.view.seal();
    v1::StatusAnswer {
        cluster: Some(v1::ClusterStatus {
            initialized: seal.is_some(),
            sealed: is_sealed(reports),
            ..Default::default()
        }),
        seal: Some(v1::SealStatus {
            epoch: seal.map_or(0, |seal| seal.epoch),
            threshold: seal.map_or(0, |seal| seal.threshold.into()),
            ceremony: seal.and_then(|seal| running(seal, reports)),
            ..Default::default()
        }),
        nodes: Vec::new(),
        short_form: true,
    }
}

fn answers(reports: &Reports) -> impl Iterator<Item = (&Member, &NodeReport)> {
    reports.iter().filter_map(|(member, report)| Some((member, report.as_ref().ok()?)))
}

/// No node that answers is unsealed.
fn is_sealed(reports: &Reports) -> bool {
    answers(reports).all(|(_, report)| report.sealed)
}

/// The leader of the newest term that anybody knows of; a leader speaks for itself first.
fn leader(reports: &Reports) -> Option<u32> {
    let known = answers(reports).filter_map(|(member, report)| {
        let leads = report.role == NodeRole::Leader;
        let leader = if leads { Some(member.node_id) } else { report.leader };
        Some((report.term, leads, leader?))
    });
    known.max().map(|(_, _, leader)| leader)
}

/// How many more voters may fail before nothing can be decided.
fn failures_survivable(reports: &Reports) -> u32 {
    let voters = reports.iter().filter(|(member, _)| member.voter).count();
    let healthy = answers(reports)
        .filter(|(member, report)| member.voter && report.role != NodeRole::Candidate)
        .count();
    let majority = voters / 2 + 1;
    u32::try_from(healthy.saturating_sub(majority)).unwrap_or(u32::MAX)
}

fn seal_status(seal: &SealRecord, reports: &Reports) -> v1::SealStatus {
    let custodian = |(index, proven): (u32, &Option<u64>)| v1::Custodian {
        index,
        last_proven_at: proven.map(timestamp),
    };
    v1::SealStatus {
        epoch: seal.epoch,
        shares: seal.shares().into(),
        threshold: seal.threshold.into(),
        wrapping_generation: seal.wrapping_generation(),
        ceremony: running(seal, reports),
        custodians: (1..).zip(&seal.last_proven_ms).map(custodian).collect(),
    }
}

fn running(seal: &SealRecord, reports: &Reports) -> Option<v1::Ceremony> {
    let CeremonyRecord { id, collector, accepted, expires_at_ms } = seal.ceremony.as_ref()?;
    let node = reports.iter().find(|(member, _)| member.member == collector.0);
    Some(v1::Ceremony {
        id: id.to_string(),
        kind: if seal.confirmed { "unseal" } else { "init" }.to_owned(),
        collector: node.map_or(0, |(member, _)| member.node_id),
        accepted: accepted.iter().copied().map(u32::from).collect(),
        needed: seal.threshold.into(),
        expires_at: Some(timestamp(*expires_at_ms)),
    })
}

fn node(member: &Member, report: Option<&NodeReport>, now_ms: u64) -> v1::NodeStatus {
    let state = match report.map(|report| report.role) {
        None => v1::NodeState::Unreachable,
        Some(NodeRole::Leader) => v1::NodeState::Leader,
        Some(NodeRole::Follower) => v1::NodeState::Follower,
        Some(NodeRole::Candidate) => v1::NodeState::Candidate,
        Some(NodeRole::Learner) => v1::NodeState::Learner,
    };
    v1::NodeStatus {
        id: member.node_id,
        api: member.api.clone(),
        peer: member.peer.clone(),
        voter: member.voter,
        state: state.into(),
        sealed: report.map(|report| report.sealed),
        version: report.map(|report| report.version.clone()),
        last_log_index: report.map(|report| report.last_log_index),
        commit_index: report.map(|report| report.commit_index),
        applied_index: report.map(|report| report.applied_index),
        state_digest: report.and_then(|report| report.state_digest.clone()),
        clock_skew_ms: report.map(|report| skew(report.wall_ms, now_ms)),
    }
}

fn skew(theirs: u64, ours: u64) -> i64 {
    let difference = i128::from(theirs) - i128::from(ours);
    i64::try_from(difference).unwrap_or(if difference < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests;
