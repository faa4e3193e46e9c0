use super::message::{Ask, Reply};
use super::*;
use crate::testing::{Actor, FakeCluster, fact, reason, request_id};
use conclave_core::reason::Reason;
use conclave_proto::v1;
use std::sync::atomic::Ordering;

fn sealed_nodes(cluster: &FakeCluster) -> Vec<bool> {
    cluster.nodes.iter().map(|node| node.is_sealed()).collect()
}

fn seals(members: &[v1::MemberSeal]) -> Vec<Option<bool>> {
    members.iter().map(|member| member.sealed).collect()
}

fn texts(init: v1::InitAnswer) -> Vec<String> {
    init.shares.into_iter().map(|share| share.text).collect()
}

fn seal_request() -> v1::SealRequest {
    v1::SealRequest { request_id: request_id() }
}

mod ceremony;
mod handing_over;
mod initializing;
mod submitting;
