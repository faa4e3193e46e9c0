//! The one view from which a request is judged, and the time at which.

use crate::call::{Call, MIN_INDEX};
use crate::context::Context;
use crate::error::ApiError;
use crate::journaled::Draft;
use conclave_core::access::{self, Authenticated, Authorized};
use conclave_core::command::Caller;
use conclave_core::mutants::Mutant;
use conclave_core::replica::Barrier;
use conclave_core::roles::Action;
use conclave_core::view::View;
use std::sync::Arc;
use std::time::Duration;

/// A view with the time to judge credentials by, in milliseconds since the Unix epoch.
#[derive(Clone)]
pub(crate) struct Moment {
    pub(crate) view: Arc<View>,
    pub(crate) now_ms: u64,
}

impl Context {
    /// A moment that covers everything acknowledged before this call: a read barrier, then one view.
    pub(crate) async fn fresh(&self, call: &Call) -> Result<Moment, ApiError> {
        call.credential()?;
        if Mutant::NoReadBarrier.active() {
            return Ok(self.local());
        }
        let barrier = call.rounds.barrier(self.replica(), call.deadline.remaining()).await?;
        let moment = self.covered(barrier);
        // A barrier covers whatever any node has ever answered with.
        match call.min_index {
            Some(seen) if seen > moment.covers => Err(ApiError::field(
                MIN_INDEX,
                format!("the cluster is at log index {}, {seen} is ahead of it", moment.covers),
            )),
            _ => Ok(moment.moment),
        }
    }

    /// A barrier on its own.
    pub(crate) async fn barrier(&self, timeout: Duration) -> Result<Covered, ApiError> {
        Ok(self.covered(self.replica().read_barrier(timeout).await?))
    }

    fn covered(&self, barrier: Barrier) -> Covered {
        // The observer is told before an index is published to barriers: the view is at or above it.
        let view = self.view.load_full();
        let now_ms = view.cluster_time_ms().max(barrier.time_ms);
        Covered { moment: Moment { view, now_ms }, covers: barrier.index }
    }

    /// What this node knows without asking anybody: only for what is judged again later.
    pub(crate) fn local(&self) -> Moment {
        let view = self.view.load_full();
        let now_ms = view.cluster_time_ms().max(self.clock.wall_ms());
        Moment { view, now_ms }
    }
}

/// A moment and the log index that its barrier covers.
pub(crate) struct Covered {
    pub(crate) moment: Moment,
    pub(crate) covers: u64,
}

impl Moment {
    /// Who the caller is, with a credential that is good at this moment.
    pub(crate) fn authenticate(&self, call: &Call) -> Result<Authenticated, ApiError> {
        Ok(access::authenticate(&*self.view, &self.identify(call)?, self.now_ms)?)
    }

    /// Whose credential is shown.
    fn identify(&self, call: &Call) -> Result<Caller, ApiError> {
        let identified = call.credential()?.identify(&self.view, &call.peer);
        match identified {
            // Before init there are no principals; that says more than an unknown credential.
            Err(_) if self.view.seal().is_none() => Err(ApiError::not_initialized()),
            identified => identified,
        }
    }

    /// Who the caller is, if a role permits `action`. Comes before any key is looked
    /// at: while roles hold in the whole cluster, the answer tells nothing of which keys exist.
    pub(crate) fn judge(&self, call: &Call, action: Action) -> Result<Authenticated, ApiError> {
        let who = self.authenticate(call)?;
        access::authorize(&*self.view, &who, action, self.now_ms)?;
        Ok(who)
    }

    /// The same with the proof, for an operation of the data plane: what is found out goes into its
    /// record, also when it is refused.
    pub(crate) fn judge_use(
        &self,
        call: &Call,
        action: Action,
        draft: &mut Draft,
    ) -> Result<Authorized, ApiError> {
        draft.judged_at(self.view.index());
        let caller = self.identify(call)?;
        draft.by(caller.principal());
        let who = access::authenticate(&*self.view, &caller, self.now_ms)?;
        Ok(access::authorize(&*self.view, &who, action, self.now_ms)?)
    }

    /// The same time with the newest view: for a view that turned out to be older than a record.
    pub(crate) fn renewed(&self, context: &Context) -> Moment {
        let view = context.view.load_full();
        let now_ms = view.cluster_time_ms().max(self.now_ms);
        Moment { view, now_ms }
    }
}
