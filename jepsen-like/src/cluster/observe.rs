//! What a cluster says of itself.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Cluster;
use crate::failure::{Failure, Result, ensure};
use crate::status::Status;

/// A new leader after the loss of one: a few election timeouts on a busy machine.
const LEADER_WITHIN: Duration = Duration::from_secs(30);
/// For a lagging node to apply what the others have.
const CATCHES_UP_WITHIN: Duration = Duration::from_secs(60);

impl Cluster {
    /// The status as one node tells it.
    pub fn status(&self, id: u32) -> Result<Status> {
        Status::parse(self.cli_at(id).json(&["status"])?)
    }

    /// The leader that these nodes agree on.
    pub fn wait_leader(&self, ids: &[u32]) -> Result<u32> {
        self.wait_leader_among(ids, ids)
    }

    /// The leader that all of `witnesses` name and that is one of `candidates`.
    pub fn wait_leader_among(&self, witnesses: &[u32], candidates: &[u32]) -> Result<u32> {
        let what = format!("a leader among {candidates:?}, named by {witnesses:?}");
        self.wait(LEADER_WITHIN, &what, || {
            let mut named = BTreeMap::new();
            for id in witnesses {
                let status = self.status(*id).map_err(|failure| failure.to_string())?;
                named.insert(*id, (status.cluster.term, status.cluster.leader));
            }
            let mut leaders = named.values();
            match leaders.next() {
                Some((term, Some(leader)))
                    if candidates.contains(leader)
                        && leaders.all(|other| *other == (*term, Some(*leader))) =>
                {
                    Ok(*leader)
                }
                _ => Err(format!("{named:?}")),
            }
        })
    }

    /// Waits until these nodes have applied everything that any of them has applied now, and compares
    /// their digests at that index. The index and the digest.
    pub fn digests_agree(&self, ids: &[u32]) -> Result<(u64, String)> {
        let asked = *ids.first().ok_or_else(|| Failure::harness("no nodes to compare"))?;
        let status = self.status(asked)?;
        let newest =
            ids.iter().filter_map(|id| status.node(*id).ok()?.applied_index).max().ok_or_else(
                || Failure::violation(format!("nobody tells applied_index: {status:?}")),
            )?;
        let digests = self.wait_digests(asked, ids, newest)?;
        let (_, first) = digests.iter().next().expect("ids is not empty");
        ensure(digests.values().all(|digest| digest == first), || {
            format!("state digests differ at index {newest}: {digests:?}")
        })?;
        Ok((newest, first.clone()))
    }

    fn wait_digests(&self, asked: u32, ids: &[u32], index: u64) -> Result<BTreeMap<u32, String>> {
        let at = index.to_string();
        self.wait(CATCHES_UP_WITHIN, &format!("digests of {ids:?} at {index}"), || {
            let value = self
                .cli_at(asked)
                .json(&["status", "--at-index", &at])
                .map_err(|failure| failure.to_string())?;
            let status = Status::parse(value).map_err(|failure| failure.to_string())?;
            ids.iter()
                .map(|id| {
                    let node = status.node(*id).map_err(|failure| failure.to_string())?;
                    let digest = node.state_digest.clone().filter(|digest| !digest.is_empty());
                    Ok((*id, digest.ok_or_else(|| format!("node {id} has none: {node:?}"))?))
                })
                .collect()
        })
    }
}
