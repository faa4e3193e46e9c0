//! The small global state as one immutable value: who may do what, and the seal. The applier swaps
//! it before it publishes an applied index; requests decide from it without a lock.

use crate::access::AccessFacts;
use crate::command::Subject;
use crate::digest::Touched;
use crate::ids::{PrincipalId, TokenId};
use crate::model::{BindingRecord, PrincipalRecord, SealRecord, TokenRecord};
use crate::records::{RecordsRead, Table};
use crate::state::State;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// Principals, tokens, bindings and seal as of one applied index.
#[derive(Clone, Debug, Default)]
pub struct View {
    index: u64,
    cluster_time_ms: u64,
    seal: Option<Arc<SealRecord>>,
    access: Arc<Access>,
}

#[derive(Clone, Debug, Default)]
struct Access {
    principals: BTreeMap<PrincipalId, Arc<PrincipalRecord>>,
    names: BTreeMap<String, PrincipalId>,
    certificates: BTreeMap<String, PrincipalId>,
    tokens: BTreeMap<TokenId, Arc<TokenRecord>>,
    bindings: BTreeMap<Subject, Vec<BindingRecord>>,
}

impl View {
    /// Reads everything, as of `index`.
    pub fn load(records: &dyn RecordsRead, index: u64) -> View {
        let state = State(records);
        View {
            index,
            cluster_time_ms: state.machine().cluster_time_ms,
            seal: state.seal().map(Arc::new),
            access: Arc::new(Access::load(&state)),
        }
    }

    /// The view after the entries up to `index`, which touched these records.
    #[must_use]
    pub fn advance(&self, records: &dyn RecordsRead, index: u64, touched: &[Touched]) -> View {
        let state = State(records);
        let mut next = self.clone();
        next.index = index;
        next.cluster_time_ms = state.machine().cluster_time_ms;
        if touched.iter().any(|t| t.table == Table::Meta && t.key == crate::state::SEAL) {
            next.seal = state.seal().map(Arc::new);
        }
        if touched.iter().any(|t| is_access(t.table)) {
            // Changes of principals, tokens and bindings are rare beside the reads they serve.
            next.access = Arc::new(Access::load(&state));
        }
        next
    }

    /// Log index up to which this view is true.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Cluster time as of the view, in milliseconds since the Unix epoch.
    pub fn cluster_time_ms(&self) -> u64 {
        self.cluster_time_ms
    }

    /// The seal, once the cluster was initialized.
    pub fn seal(&self) -> Option<&Arc<SealRecord>> {
        self.seal.as_ref()
    }

    /// The principal with this name.
    pub fn principal_named(&self, name: &str) -> Option<PrincipalId> {
        self.access.names.get(name).copied()
    }
}

impl AccessFacts for View {
    fn principal(&self, id: PrincipalId) -> Option<PrincipalRecord> {
        self.access.principals.get(&id).map(|record| record.as_ref().clone())
    }

    fn token(&self, id: TokenId) -> Option<TokenRecord> {
        self.access.tokens.get(&id).map(|record| record.as_ref().clone())
    }

    fn principal_of_certificate(&self, uri: &str) -> Option<PrincipalId> {
        self.access.certificates.get(uri).copied()
    }

    fn bindings_of(&self, subject: &Subject) -> Vec<BindingRecord> {
        self.access.bindings.get(subject).cloned().unwrap_or_default()
    }
}

impl Access {
    fn load(state: &State<'_>) -> Access {
        let mut access = Access::default();
        for record in state.principals(None, usize::MAX) {
            access.names.insert(record.name.clone(), record.id);
            if let Some(uri) = &record.certificate {
                access.certificates.insert(uri.clone(), record.id);
            }
            access.principals.insert(record.id, Arc::new(record));
        }
        for record in state.tokens(None, usize::MAX) {
            access.tokens.insert(record.id, Arc::new(record));
        }
        for record in state.bindings(usize::MAX) {
            access.bindings.entry(record.grant.subject.clone()).or_default().push(record);
        }
        access
    }
}

fn is_access(table: Table) -> bool {
    matches!(
        table,
        Table::Principals
            | Table::PrincipalNames
            | Table::CertificateNames
            | Table::Tokens
            | Table::Bindings
    )
}

/// Records of nothing: what a node has before its first entry.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRecords;

impl RecordsRead for NoRecords {
    fn get(&self, _: Table, _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn range(
        &self,
        _: Table,
        _: Bound<&[u8]>,
        _: Bound<&[u8]>,
        _: usize,
    ) -> Vec<crate::records::Record> {
        Vec::new()
    }
}
