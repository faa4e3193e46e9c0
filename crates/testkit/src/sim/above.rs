//! What a member's replication calls above it, and how it lets go.
//!
//! The services of a node and its replication hold each other for as long as the process lives. Here
//! one process sees thousands of runs, so the link upwards is cut when a run is over.

use std::sync::{Arc, Mutex};

use conclave_core::digest::Touched;
use conclave_core::ids::MemberId;
use conclave_core::records::RecordsRead;
use conclave_core::replica::{BoxFuture, Observer, PeerSeal};

/// The link from replication to the services; clones share it.
#[derive(Clone)]
pub(super) struct Above(Arc<Mutex<Option<Services>>>);

#[derive(Clone)]
struct Services {
    observer: Arc<dyn Observer>,
    seal: Arc<dyn PeerSeal>,
}

impl Above {
    pub(super) fn new(observer: Arc<dyn Observer>, seal: Arc<dyn PeerSeal>) -> Above {
        Above(Arc::new(Mutex::new(Some(Services { observer, seal }))))
    }

    /// Lets go of the services: nothing is called any more.
    pub(super) fn cut(&self) {
        let services = self.0.lock().unwrap().take();
        drop(services);
    }

    fn services(&self) -> Option<Services> {
        self.0.lock().unwrap().clone()
    }
}

impl Observer for Above {
    fn applied(&self, records: &dyn RecordsRead, index: u64, touched: &[Touched]) {
        if let Some(services) = self.services() {
            services.observer.applied(records, index, touched);
        }
    }

    fn installed(&self, records: &dyn RecordsRead, index: u64) {
        if let Some(services) = self.services() {
            services.observer.installed(records, index);
        }
    }
}

impl PeerSeal for Above {
    fn answer(&self, from: MemberId, message: Vec<u8>) -> BoxFuture<'_, Vec<u8>> {
        let services = self.services();
        Box::pin(async move {
            match services {
                Some(services) => services.seal.answer(from, message).await,
                None => Vec::new(),
            }
        })
    }

    fn is_sealed(&self) -> bool {
        self.services().is_none_or(|services| services.seal.is_sealed())
    }
}
