//! Rotations by schedule. The material of a new version can only be made where keys can be used, so
//! each unsealed node looks for what is due and proposes it; the state machine takes one proposal for
//! each version and refuses the others.
//!
//! So that not all of them do the same work, the leader begins and the others wait a little longer,
//! each in its turn. While every node is sealed nothing is rotated; what has become due meanwhile runs
//! once, after the unseal.

use crate::context::Context;
use crate::error::ApiError;
use crate::moment::Moment;
use conclave_core::command::{Caller, Command, RotateKey};
use conclave_core::ids::KeyId;
use conclave_core::outcome::{Applied, Outcome};
use conclave_core::replica::NodeRole;
use conclave_core::state::State;
use std::time::Duration;

/// How often a node looks for what is due.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How much longer each node waits than the one before it.
const TURN_MS: u64 = 3_000;
/// Rotations that are proposed before it is looked again.
const AT_ONCE: usize = 64;
/// How long one may take.
const ROTATION_TIMEOUT: Duration = Duration::from_secs(5);
/// How long this node may take to say whether it leads.
const REPORT_TIMEOUT: Duration = Duration::from_secs(1);

impl Context {
    /// Rotates what is due, for as long as it is polled.
    pub(crate) async fn keep_rotating(&self) {
        let mut due_since_ms = None;
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let moment = self.local();
            let due = self.due(&moment);
            if due.is_empty() || !self.seal.is_open() {
                due_since_ms = None;
                continue;
            }
            let now_ms = self.clock.elapsed_ms();
            let waited_ms = now_ms.saturating_sub(*due_since_ms.get_or_insert(now_ms));
            if waited_ms >= self.nodes_before().await * TURN_MS {
                self.rotate_all(&moment, &due).await;
            }
        }
    }

    fn due(&self, moment: &Moment) -> Vec<KeyId> {
        if self.attached().is_none() {
            return Vec::new();
        }
        let state = self.replica().state();
        let due = State(&*state).due_rotations(moment.now.at_ms, AT_ONCE);
        due.into_iter().map(|(_, key)| key).collect()
    }

    /// How many nodes come before this one.
    async fn nodes_before(&self) -> u64 {
        let report = self.replica().report(None, REPORT_TIMEOUT).await;
        if report.role == NodeRole::Leader {
            return 0;
        }
        let (members, me) = (self.replica().members(), self.replica().member_id().0);
        let before = members.iter().position(|member| member.member == me);
        before.map_or(0, |place| place as u64) + 1
    }

    async fn rotate_all(&self, moment: &Moment, due: &[KeyId]) {
        for key in due {
            match self.rotate_by_schedule(moment, *key).await {
                // Refused: another node was faster, or it is not due any more.
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(%key, %error, "a scheduled rotation has to wait");
                    return;
                }
            }
        }
    }

    async fn rotate_by_schedule(&self, moment: &Moment, key: KeyId) -> Result<bool, ApiError> {
        let record = State(&*self.replica().state()).key(key);
        let Some(record) = record else { return Ok(false) };
        let version = record.primary_version.saturating_add(1);
        let material = self.fresh_material(moment, key, version, record.algorithm)?;
        let command = Command::ScheduledRotation(RotateKey { key, version, material });
        let Applied { outcome, .. } =
            self.propose_own(Caller::Cluster, command, ROTATION_TIMEOUT).await?;
        Ok(matches!(outcome, Outcome::Done(_)))
    }
}

#[cfg(test)]
mod tests;
