//! Calls that arrive in one turn of a runtime share one question for a read barrier. Each would wake
//! this runtime from the thread of consensus otherwise, and be answered by itself.

use crate::batch::Batch;
use crate::lock::lock;
use conclave_core::replica::{Barrier, Replica, Unavailable};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long a question may take. Its calls have deadlines of their own, mostly shorter ones.
const LONGEST: Duration = crate::limits::MAX_DEADLINE;

type Round = Batch<Result<Barrier, Unavailable>>;

/// The calls of one runtime that wait for a read barrier.
#[derive(Default)]
pub(crate) struct Rounds {
    /// Not asked yet: who comes now may join.
    gathering: Mutex<Option<Arc<Round>>>,
}

impl Rounds {
    /// A barrier that is asked for after this call has arrived.
    pub(crate) async fn barrier(
        self: &Arc<Self>,
        replica: &Arc<dyn Replica>,
        timeout: Duration,
    ) -> Result<Barrier, Unavailable> {
        let round = self.join(replica);
        let answered = tokio::time::timeout(timeout, round.ended()).await;
        answered.unwrap_or(Err(Unavailable::NoQuorum))
    }

    fn join(self: &Arc<Self>, replica: &Arc<dyn Replica>) -> Arc<Round> {
        let mut gathering = lock(&self.gathering);
        if let Some(round) = &*gathering {
            return round.clone();
        }
        let round = gathering.insert(Arc::default()).clone();
        tokio::spawn(self.clone().ask(round.clone(), replica.clone()));
        round
    }

    /// A task of its own: a round goes on when whoever began it goes away.
    async fn ask(self: Arc<Self>, round: Arc<Round>, replica: Arc<dyn Replica>) {
        // All that is ready in this turn goes first, and may join.
        tokio::task::yield_now().await;
        lock(&self.gathering).take();
        round.end(replica.read_barrier(LONGEST).await);
    }
}
