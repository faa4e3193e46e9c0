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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use conclave_core::ids::{KeyspaceId, PrincipalId, TokenId};
    use conclave_core::records::MemoryRecords;
    use conclave_core::state::StateMut;
    use tokio::time::timeout;
    use uuid::Uuid;

    use super::*;
    use crate::data_dir::DataDir;
    use crate::listen::Wishes;

    /// Counts what it is told.
    #[derive(Default)]
    struct Counting(Mutex<u32>);

    impl Observer for Counting {
        fn applied(&self, _: &dyn RecordsRead, _: u64, _: &[Touched]) {
            *self.0.lock().unwrap() += 1;
        }

        fn installed(&self, _: &dyn RecordsRead, _: u64) {
            *self.0.lock().unwrap() += 1;
        }
    }

    fn sealed(epoch: u32, generation: u64) -> MemoryRecords {
        let mut records = MemoryRecords::default();
        StateMut(&mut records).put_seal(&SealRecord {
            keyspace: KeyspaceId(Uuid::from_u128(9)),
            epoch,
            threshold: 1,
            commitments: Vec::new(),
            check_value: Vec::new(),
            wrapping_keys: Vec::new(),
            confirmed: true,
            generation,
            last_proven_ms: Vec::new(),
            ceremony: None,
            first_admin: (PrincipalId(Uuid::nil()), TokenId(Uuid::nil())),
        });
        records
    }

    async fn ends(wishes: &mut Wishes) -> bool {
        timeout(Duration::from_millis(10), wishes.end()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_seal_ends_connections_and_an_init_notes_the_keyspace_only() {
        let parent = tempfile::tempdir().unwrap();
        let identity = Arc::new(DataDir::identity_for_tests(&parent.path().join("data")));
        let (hang_up, inner) = (Arc::new(HangUp::new()), Arc::new(Counting::default()));
        let fatal = FatalHook::new(|reason| panic!("{reason}"));
        let watch = SealWatch::new(inner.clone(), identity.clone(), hang_up.clone(), fatal);
        let mut open = hang_up.wishes();
        open.begin();
        let touched = [Touched { table: Table::Meta, key: SEAL.to_vec() }];

        watch.installed(&MemoryRecords::default(), 0);
        assert_eq!(identity.current().keyspace_id, None);
        watch.applied(&sealed(1, 1), 1, &touched);
        assert_eq!(identity.current().keyspace_id, Some(Uuid::from_u128(9)));
        watch.applied(&sealed(2, 2), 2, &touched);
        assert!(!ends(&mut open).await, "a second init is no seal");
        watch.applied(&sealed(2, 3), 3, &[]);
        assert!(!ends(&mut open).await, "the seal was not touched");
        watch.applied(&sealed(2, 3), 4, &touched);
        assert!(ends(&mut open).await);
        assert_eq!(*inner.0.lock().unwrap(), 5);
    }
}
