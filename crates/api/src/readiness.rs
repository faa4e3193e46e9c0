//! Whether this node can serve, and why not.

use crate::context::Context;
use crate::limits::{READY_LAG, REPORT_TIMEOUT};
use conclave_core::replica::NodeRole;

/// Why a node is not ready. When several apply, the one that stands first here is the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReady {
    /// The cluster has no root key.
    #[error("not_initialized")]
    NotInitialized,
    /// The node cannot use keys.
    #[error("sealed")]
    Sealed,
    /// No leader is known.
    #[error("no_quorum")]
    NoQuorum,
    /// Far behind what it knows to be committed.
    #[error("catching_up")]
    CatchingUp,
    /// The journal of uses cannot be written.
    #[error("audit_blocked")]
    AuditBlocked,
}

impl Context {
    pub(crate) async fn readiness(&self) -> Result<(), NotReady> {
        if self.view.load().seal().is_none() {
            return Err(NotReady::NotInitialized);
        }
        if !self.seal.is_open() {
            return Err(NotReady::Sealed);
        }
        let report = self.replica().report(None, REPORT_TIMEOUT).await;
        if report.leader.is_none() && report.role != NodeRole::Leader {
            return Err(NotReady::NoQuorum);
        }
        if report.commit_index > report.applied_index.saturating_add(READY_LAG) {
            return Err(NotReady::CatchingUp);
        }
        if self.is_audit_blocked() {
            return Err(NotReady::AuditBlocked);
        }
        Ok(())
    }
}
