//! The state file (`state.redb`): the tables of the state machine and the records that say up to
//! where they were applied, changed together in one transaction for a batch of entries.
//!
//! A commit is visible at once and durable with the next [`StateFile::sync`]. After a crash the
//! file holds the state of some commit at or after the last sync, with exactly that commit's
//! applied records.

mod apply;
mod install;
mod read;
mod tables;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use conclave_core::seams::Clock;
use redb::{Database, Durability, WriteTransaction};

use crate::database;
use crate::error::OpenError;
use crate::fatal::FatalHook;
use crate::limits::STATE_CACHE_BYTES;
use crate::seams::Disk;

pub use apply::{ApplyTxn, Change};
pub use read::ReadTxn;

/// Name of the state file.
pub const STATE_FILE: &str = "state.redb";

/// A handle to the state file; clones share it.
#[derive(Clone)]
pub struct StateFile {
    shared: Arc<Shared>,
}

struct Shared {
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    fatal: FatalHook,
    /// Replaced when a snapshot is installed; readers of the old file keep it alive.
    database: RwLock<Arc<Database>>,
}

impl StateFile {
    /// Opens the state file, creating an empty one if there is none, and removes what an interrupted
    /// installation left. `clock` measures the age of read transactions.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing is repaired silently.
    pub fn open(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        fatal: FatalHook,
    ) -> Result<StateFile, OpenError> {
        let create = tables::create_all;
        let database = database::open_or_create(&*disk, STATE_FILE, STATE_CACHE_BYTES, create)?;
        tables::create_missing(&database).map_err(OpenError::database(STATE_FILE))?;
        let database = RwLock::new(Arc::new(database));
        Ok(StateFile { shared: Arc::new(Shared { disk, clock, fatal, database }) })
    }

    /// Begins the transaction of a batch of entries. There is one at a time: this waits for the end
    /// of another one, of [`StateFile::sync`] and of an installation, so never call it with an
    /// [`ApplyTxn`] in hand.
    pub fn begin(&self) -> ApplyTxn {
        let (database, write) = self.begin_write();
        ApplyTxn::new(self.read_of(database), write, self.shared.fatal.clone())
    }

    /// The newest committed state, fixed from now on. Never waits.
    pub fn read(&self) -> ReadTxn {
        self.read_of(self.database())
    }

    /// Makes everything committed so far durable (two-phase commit, so two syncs of the disk). Blocks
    /// for as long, and while an [`ApplyTxn`] is open.
    ///
    /// The caller syncs only up to an index whose log entries are synced here. Closing the file
    /// syncs it as well, so the log is closed first.
    pub fn sync(&self) {
        let (_, mut write) = self.begin_write();
        write.set_two_phase_commit(true);
        let synced = write
            .set_durability(Durability::Immediate)
            .map_err(redb::Error::from)
            .and_then(|()| Ok(write.commit()?));
        synced.unwrap_or_else(|error| self.shared.stop("the sync failed", &error));
    }

    fn read_of(&self, database: Arc<Database>) -> ReadTxn {
        ReadTxn::new(database, self.shared.clock.clone(), self.shared.fatal.clone())
    }

    fn database(&self) -> Arc<Database> {
        self.shared.database.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The exclusive right to write to the current file.
    fn begin_write(&self) -> (Arc<Database>, WriteTransaction) {
        loop {
            let database = self.database();
            let write = database
                .begin_write()
                .unwrap_or_else(|error| self.shared.stop("no transaction begins", &error.into()));
            // An installation may have replaced the file while this call waited.
            if Arc::ptr_eq(&database, &self.database()) {
                return (database, write);
            }
        }
    }
}

impl Shared {
    fn stop(&self, what: &str, error: &redb::Error) -> ! {
        stop(&self.fatal, what, error)
    }
}

fn stop(fatal: &FatalHook, what: &str, error: &redb::Error) -> ! {
    fatal.stop(&format!("{STATE_FILE}: {what}: {error}"))
}

impl fmt::Debug for StateFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StateFile")
    }
}
