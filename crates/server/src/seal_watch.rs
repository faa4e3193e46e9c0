//! What the process itself has to do when the seal changes: note the keyspace in `node.json`, and end
//! client connections after a seal.

use std::sync::{Arc, Mutex, PoisonError};

use conclave_core::digest::Touched;
use conclave_core::model::SealRecord;
use conclave_core::records::{RecordsRead, Table};
use conclave_core::replica::Observer;
use conclave_core::state::{SEAL, State};
use conclave_storage::FatalHook;

use crate::data_dir::IdentityFile;
use crate::listen::HangUp;

/// An observer that tells another one first.
pub struct SealWatch {
    inner: Arc<dyn Observer>,
    identity: Arc<IdentityFile>,
    hang_up: Arc<HangUp>,
    fatal: FatalHook,
    /// Epoch and generation of the seal as last seen.
    seen: Mutex<Option<(u32, u64)>>,
}

impl SealWatch {
    /// Tells `inner` of everything before it acts itself.
    pub fn new(
        inner: Arc<dyn Observer>,
        identity: Arc<IdentityFile>,
        hang_up: Arc<HangUp>,
        fatal: FatalHook,
    ) -> SealWatch {
        SealWatch { inner, identity, hang_up, fatal, seen: Mutex::new(None) }
    }

    fn look(&self, records: &dyn RecordsRead) {
        let Some(seal) = State(records).seal() else { return };
        if let Err(error) = self.identity.learn(None, Some(seal.keyspace.0)) {
            self.fatal.raise(&format!("node.json cannot be written: {error}"));
        }
        if self.was_sealed(&seal) {
            self.hang_up.sealed();
        }
    }

    /// Within one epoch the generation rises only by a seal; an init starts another epoch.
    fn was_sealed(&self, seal: &SealRecord) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = seen.replace((seal.epoch, seal.generation));
        before
            .is_some_and(|(epoch, generation)| epoch == seal.epoch && generation < seal.generation)
    }
}

impl Observer for SealWatch {
    fn applied(&self, records: &dyn RecordsRead, index: u64, touched: &[Touched]) {
        self.inner.applied(records, index, touched);
        if touched.iter().any(|record| record.table == Table::Meta && record.key == SEAL) {
            self.look(records);
        }
    }

    fn installed(&self, records: &dyn RecordsRead, index: u64) {
        self.inner.installed(records, index);
        self.look(records);
    }
}
