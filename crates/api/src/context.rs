//! What all services of a node share.

use crate::config::ApiConfig;
use crate::decisions::HotTables;
use crate::journaled::Journaled;
use crate::lock::lock;
use crate::rate_limit::RateLimiter;
use crate::seal::Ceremonies;
use crate::seal_state::SealState;
use crate::unwrapped_keys::UnwrappedKeys;
use arc_swap::ArcSwap;
use conclave_core::journal::UseJournal;
use conclave_core::replica::Replica;
use conclave_core::seams::{Clock, Entropy};
use conclave_core::view::View;
use conclave_crypto::node_key::NodeKey;
use std::sync::{Arc, Mutex, OnceLock};

/// One value a node, behind an `Arc` in every service, the observer and the peer side of the seal.
pub(crate) struct Context {
    pub(crate) config: ApiConfig,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) node_key: NodeKey,
    /// The small global state as of the newest entry that the observer was told of.
    pub(crate) view: ArcSwap<View>,
    pub(crate) tables: HotTables,
    pub(crate) seal: SealState,
    pub(crate) unwrapped: UnwrappedKeys,
    pub(crate) ceremonies: Ceremonies,
    pub(crate) shares_rate: RateLimiter,
    replica: OnceLock<Arc<dyn Replica>>,
    /// Those of all runtimes that serve clients.
    journals: Mutex<Vec<Arc<dyn UseJournal>>>,
}

impl Context {
    pub(crate) fn new(
        config: ApiConfig,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        node_key: NodeKey,
    ) -> Context {
        let seal = SealState::default();
        Context {
            config,
            clock,
            entropy,
            node_key,
            view: ArcSwap::default(),
            tables: HotTables::default(),
            unwrapped: UnwrappedKeys::new(seal.generation()),
            seal,
            ceremonies: Ceremonies::default(),
            shares_rate: RateLimiter::default(),
            replica: OnceLock::new(),
            journals: Mutex::default(),
        }
    }

    /// Replication starts with the observer of this context, so it comes after it. A second call is
    /// ignored: there is one replica a process.
    pub(crate) fn attach(&self, replica: Arc<dyn Replica>) {
        let _ = self.replica.set(replica);
    }

    /// The way into a journal for the services of one runtime.
    pub(crate) fn journaled(&self, journal: Arc<dyn UseJournal>) -> Arc<Journaled> {
        lock(&self.journals).push(journal.clone());
        Arc::new(Journaled::new(journal))
    }

    /// Whether a journal cannot be written.
    pub(crate) fn is_audit_blocked(&self) -> bool {
        lock(&self.journals).iter().any(|journal| journal.is_blocked())
    }

    /// The replica, once there is one.
    pub(crate) fn attached(&self) -> Option<&Arc<dyn Replica>> {
        self.replica.get()
    }

    /// The replica.
    pub(crate) fn replica(&self) -> &Arc<dyn Replica> {
        self.replica.get().expect("services exist only after attach, see Services::new")
    }
}
