//! What the applier tells: the view is swapped, caches are invalidated and keys are wiped before an
//! applied index is published.

use crate::context::Context;
use conclave_core::digest::Touched;
use conclave_core::ids::KeyId;
use conclave_core::mutants::Mutant;
use conclave_core::records::{RecordsRead, Table};
use conclave_core::replica::Observer;
use conclave_core::state;
use conclave_core::view::View;
use std::sync::Arc;

impl Observer for Context {
    fn applied(&self, records: &dyn RecordsRead, index: u64, touched: &[Touched]) {
        let before = self.view.load();
        let view = before.advance(records, index, touched);
        if before.seal().map(Arc::as_ptr) != view.seal().map(Arc::as_ptr) {
            self.follow_seal(&view);
        }
        for touched in touched {
            self.forget(touched, index);
        }
        // Last: whoever loads the new view finds nothing in the tables that is older.
        self.view.store(Arc::new(view));
    }

    fn installed(&self, records: &dyn RecordsRead, index: u64) {
        let view = View::load(records, index);
        self.follow_seal(&view);
        if !Mutant::KeepCacheOnInstall.active() {
            self.tables.clear(index);
            self.unwrapped.clear(index);
        }
        self.view.store(Arc::new(view));
    }
}

impl Context {
    /// Seals this node if the seal generation has risen above the one it was opened under.
    fn follow_seal(&self, view: &View) {
        let Some(seal) = view.seal() else { return };
        if self.seal.raise(seal.generation) {
            self.unwrapped.clear(view.index());
            tracing::info!(generation = seal.generation, "seal generation raised; node is sealed");
        }
        self.ceremonies.follow(seal);
    }

    fn forget(&self, touched: &Touched, index: u64) {
        match touched.table {
            Table::Keys | Table::Versions => {
                let Some(key) = state::key_id_of(&touched.key) else { return };
                self.forget_key(touched, key, index);
            }
            Table::Aliases => {
                if let Some(alias) = state::alias_of(&touched.key) {
                    self.tables.aliases.invalidate(&alias, index);
                }
            }
            _ => {}
        }
    }

    fn forget_key(&self, touched: &Touched, key: KeyId, index: u64) {
        self.unwrapped.evict(key, index);
        let version = touched.key.get(16..).and_then(|rest| <[u8; 4]>::try_from(rest).ok());
        match version {
            Some(version) => {
                self.tables.versions.invalidate(&(key, u32::from_be_bytes(version)), index);
            }
            None => self.tables.keys.invalidate(&key, index),
        }
    }
}
