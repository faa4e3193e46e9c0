//! The state file (`state.redb`): the tables of the state machine and the records that say up to
//! where they were applied, changed together in one transaction for a batch of entries.
//!
//! A commit is visible at once, in memory, and written and durable with the next [`StateFile::sync`]:
//! what a thousand entries change is written once, in order. After a crash the file holds the state of
//! the last sync, with exactly its applied records.

mod apply;
mod base;
mod install;
mod overlay;
mod read;
mod tables;
mod turn;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use conclave_core::seams::Clock;
use redb::Database;

use crate::database::{self, Usage};
use crate::error::OpenError;
use crate::fatal::FatalHook;
use crate::limits::{STATE_CACHE_BYTES, UNSYNCED_BYTES};
use crate::seams::Disk;
use base::Base;
use overlay::{Changes, Fronts, Overlay};
use read::Version;
use turn::{Turn, Turns};

pub use apply::ApplyTxn;
pub use overlay::Change;
pub use read::ReadTxn;

/// Name of the state file.
pub const STATE_FILE: &str = "state.redb";

/// A sync writes a lot, and nobody waits for it.
const USAGE: Usage = Usage { cache_bytes: STATE_CACHE_BYTES, unsynced_bytes: UNSYNCED_BYTES };

/// A handle to the state file; clones share it.
#[derive(Clone)]
pub struct StateFile {
    shared: Arc<Shared>,
}

struct Shared {
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    fatal: FatalHook,
    /// To change the state in memory …
    turns: Turns,
    /// … and, taken before that, to write to the file.
    writing: Turns,
    /// Something could not be written: nothing is committed any more.
    stopped: AtomicBool,
    current: RwLock<Current>,
}

/// What is read and written now.
#[derive(Clone)]
struct Current {
    /// Replaced when a snapshot is installed; readers of the old file keep it alive.
    database: Arc<Database>,
    version: Arc<Version>,
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
        let database = database::open_or_create(&*disk, STATE_FILE, USAGE, create)?;
        tables::create_missing(&database).map_err(OpenError::database(STATE_FILE))?;
        let current = RwLock::new(Current::of(Arc::new(database), &fatal));
        let (turns, writing, stopped) =
            (Turns::default(), Turns::default(), AtomicBool::new(false));
        let shared = Shared { disk, clock, fatal, turns, writing, stopped, current };
        Ok(StateFile { shared: Arc::new(shared) })
    }

    /// Begins the transaction of a batch of entries. There is one at a time: this waits for the end
    /// of another one and of an installation, so never call it with an [`ApplyTxn`] in hand.
    pub fn begin(&self) -> ApplyTxn {
        let turn = self.turn();
        ApplyTxn::new(self.clone(), turn)
    }

    /// The newest committed state, fixed from now on. Never waits.
    pub fn read(&self) -> ReadTxn {
        ReadTxn::new(self.current().version, self.shared.clock.clone())
    }

    /// Records that were changed since the last sync: they are in memory.
    pub fn unsynced_records(&self) -> usize {
        self.current().version.overlay.records()
    }

    /// Makes everything committed so far durable. Blocks for as long, while a sync runs that was begun
    /// before, and while an [`ApplyTxn`] is open.
    ///
    /// The caller syncs only up to an index whose log entries are synced. What was committed since the
    /// last sync is lost when the file is closed.
    pub fn sync(&self) {
        if let Some(sync) = self.begin_sync() {
            drop(sync.finish());
        }
    }

    /// Whether everything that was committed is in a sync that has begun or ended.
    pub fn is_synced(&self) -> bool {
        self.current().version.overlay.is_synced()
    }

    /// Fixes what is to be made durable: everything committed so far. `None` if it is. Blocks while
    /// another sync runs or an [`ApplyTxn`] is open.
    pub fn begin_sync(&self) -> Option<PendingSync> {
        let writing = self.shared.writing.take();
        let _turn = self.turn();
        let Current { database, version } = self.current();
        if version.overlay.is_synced() {
            return None;
        }
        let Version { base, overlay, .. } = &*version;
        let (base, frozen, overlay) = (base.clone(), Arc::new(overlay.clone()), overlay.next());
        let version = Version { base, frozen: Some(frozen.clone()), overlay };
        self.set_current(Current { database: database.clone(), version: Arc::new(version) });
        let (state, is_finished) = (self.clone(), false);
        Some(PendingSync { state, database, frozen, is_finished, _writing: writing })
    }

    /// Puts changes over a state, which is the newest.
    fn replace(
        &self,
        newest: &ReadTxn,
        changes: Changes,
        applied: &[(&str, Vec<u8>)],
        fronts: Fronts,
    ) {
        let Version { base, frozen, overlay } = &*newest.version;
        let mut overlay = overlay.clone();
        overlay.commit(changes, applied, fronts);
        let version = Version { base: base.clone(), frozen: frozen.clone(), overlay };
        let version = Arc::new(version);
        self.shared.current.write().unwrap_or_else(PoisonError::into_inner).version = version;
    }

    /// The exclusive right to change the state.
    fn turn(&self) -> Turn {
        let turn = self.shared.turns.take();
        if self.shared.stopped.load(Ordering::Acquire) {
            self.shared.fatal.stop(&format!("{STATE_FILE}: something could not be written before"));
        }
        turn
    }

    fn current(&self) -> Current {
        self.shared.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_current(&self, current: Current) {
        *self.shared.current.write().unwrap_or_else(PoisonError::into_inner) = current;
    }
}

impl Current {
    /// The state in a file.
    fn of(database: Arc<Database>, fatal: &FatalHook) -> Current {
        let base = Base::new(database.clone(), fatal.clone());
        let overlay = Overlay::new(base.applied());
        let version = Version { base: Arc::new(base), frozen: None, overlay };
        Current { database, version: Arc::new(version) }
    }
}

/// A sync that was begun. What is committed meanwhile is not in it. It has to be finished: once it is
/// dropped before, nothing is committed any more.
pub struct PendingSync {
    state: StateFile,
    database: Arc<Database>,
    frozen: Arc<Overlay>,
    is_finished: bool,
    _writing: Turn,
}

impl PendingSync {
    /// Writes and syncs; blocks for as long. Others read and commit meanwhile.
    pub fn finish(mut self) -> Synced {
        let shared = &self.state.shared;
        base::write(&self.database, &self.frozen)
            .unwrap_or_else(|error| shared.stop("the sync failed", &error));
        let base = Base::new(self.database.clone(), shared.fatal.clone());
        let _turn = self.state.turn();
        let overlay = self.state.current().version.overlay.clone();
        let version = Version { base: Arc::new(base), frozen: None, overlay };
        let database = self.database.clone();
        self.state.set_current(Current { database, version: Arc::new(version) });
        self.is_finished = true;
        Synced { _frozen: self.frozen.clone() }
    }
}

impl Drop for PendingSync {
    fn drop(&mut self) {
        if !self.is_finished {
            self.state.shared.stopped.store(true, Ordering::Release);
        }
    }
}

/// What was synced, in memory still. Whoever lets it go last frees it, record by record, which takes
/// some ten milliseconds for a large sync: that should be somebody for whom nobody waits.
#[must_use = "freeing it takes a while"]
pub struct Synced {
    _frozen: Arc<Overlay>,
}

impl fmt::Debug for Synced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Synced")
    }
}

impl fmt::Debug for PendingSync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PendingSync")
    }
}

impl Shared {
    fn stop(&self, what: &str, error: &redb::Error) -> ! {
        self.stopped.store(true, Ordering::Release);
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
