//! The journal of uses: one for each worker, and the thread that syncs them all.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use conclave_core::journal::UseJournal;
use conclave_storage::{Disk, FatalHook, JournalConfig, Journals};
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use crate::config::Config;
use crate::data_dir::Identity;
use crate::failure::Failure;
use crate::system::SystemClock;

/// Bytes of a mebibyte, the unit of `audit.keep_mib`.
const MIB: u64 = 1024 * 1024;

/// The journals of a node.
pub struct NodeJournals {
    journals: Arc<Journals>,
    running: oneshot::Sender<()>,
    syncing: JoinHandle<()>,
}

impl NodeJournals {
    /// Opens a journal for each worker, and starts the thread that syncs them: a sync takes as long as
    /// the disk takes, and holds up no call.
    ///
    /// # Errors
    /// `audit/` cannot be used, or no thread can be had.
    pub fn start(
        config: &Config,
        identity: &Identity,
        disk: Arc<dyn Disk>,
        fatal: FatalHook,
    ) -> Result<NodeJournals, Failure> {
        let settings = JournalConfig {
            cluster: identity.cluster_name.clone(),
            node: identity.node_id,
            member: identity.member_id,
            workers: config.workers() as u32,
            keep_bytes: config.audit.keep_mib * MIB,
        };
        let journals = Journals::open(disk, Arc::new(SystemClock), settings, fatal)
            .map_err(|error| Failure::data_dir(&error))?;
        let journals = Arc::new(journals);
        let (running, stopped) = oneshot::channel();
        let syncing = sync(journals.clone(), stopped).map_err(|error| {
            let problem = format!("no thread for the journal of uses: {error}");
            Failure::refused(problem, "free memory, threads or descriptors")
        })?;
        Ok(NodeJournals { journals, running, syncing })
    }

    /// The journals, one for each worker.
    pub fn of_workers(&self) -> impl Iterator<Item = Arc<dyn UseJournal>> + '_ {
        self.journals.all().iter().map(|journal| journal.clone() as Arc<dyn UseJournal>)
    }

    /// Syncs what was written last. Comes after the workers have ended.
    pub fn stop(self) {
        drop(self.running);
        if self.syncing.join().is_err() {
            tracing::error!("the thread that syncs the journal of uses did not end in order");
        }
        self.journals.sync();
    }
}

fn sync(
    journals: Arc<Journals>,
    stopped: impl Future + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let work = async move {
        tokio::select! {
            _ = stopped => {}
            () = journals.keep_synced() => {}
        }
    };
    thread::Builder::new().name("audit-sync".to_owned()).spawn(move || runtime.block_on(work))
}
