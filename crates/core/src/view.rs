//! The small global state as one immutable value: who may do what, and the seal. The applier swaps
//! it before it publishes an applied index; requests decide from it without a lock.

use crate::access::AccessFacts;
use crate::command::{Stamp, Subject};
use crate::digest::Touched;
use crate::ids::{InstanceId, PrincipalId, TokenId};
use crate::model::{BindingRecord, InstanceRecord, PrincipalRecord, SealRecord, TokenRecord};
use crate::records::{RecordsRead, Table};
use crate::state::State;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// Principals, tokens, bindings, instances and seal as of one applied index.
#[derive(Clone, Debug, Default)]
pub struct View {
    index: u64,
    time: Stamp,
    seal: Option<Arc<SealRecord>>,
    access: Arc<Access>,
    instances: Arc<Instances>,
}

#[derive(Clone, Debug, Default)]
struct Instances {
    by_id: BTreeMap<InstanceId, Arc<InstanceRecord>>,
    names: BTreeMap<String, InstanceId>,
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
            time: state.machine().time(),
            seal: state.seal().map(Arc::new),
            access: Arc::new(Access::load(&state)),
            instances: Arc::new(Instances::load(&state)),
        }
    }

    /// The view after the entries up to `index`, which touched these records.
    #[must_use]
    pub fn advance(&self, records: &dyn RecordsRead, index: u64, touched: &[Touched]) -> View {
        let state = State(records);
        let mut next = self.clone();
        next.index = index;
        next.time = state.machine().time();
        if touched.iter().any(|t| t.table == Table::Meta && t.key == crate::state::SEAL) {
            next.seal = state.seal().map(Arc::new);
        }
        if touched.iter().any(|t| is_access(t.table)) {
            // Changes of principals, tokens and bindings are rare beside the reads they serve.
            next.access = Arc::new(Access::load(&state));
        }
        if touched.iter().any(|t| t.table == Table::Instances) {
            next.instances = Arc::new(Instances::load(&state));
        }
        next
    }

    /// Log index up to which this view is true.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The time of the newest entry in the view.
    pub fn time(&self) -> Stamp {
        self.time
    }

    /// An instance.
    pub fn instance(&self, id: InstanceId) -> Option<&Arc<InstanceRecord>> {
        self.instances.by_id.get(&id)
    }

    /// The instance with a name.
    pub fn instance_named(&self, name: &str) -> Option<InstanceId> {
        self.instances.names.get(name).copied()
    }

    /// All instances, ascending by id.
    pub fn instances(&self) -> impl Iterator<Item = &Arc<InstanceRecord>> {
        self.instances.by_id.values()
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

    fn each_binding(&self, subject: &Subject, see: &mut dyn FnMut(&BindingRecord)) {
        self.access.bindings.get(subject).into_iter().flatten().for_each(see);
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

impl Instances {
    fn load(state: &State<'_>) -> Instances {
        let mut instances = Instances::default();
        for record in state.instances() {
            instances.names.insert(record.name.clone(), record.id);
            instances.by_id.insert(record.id, Arc::new(record));
        }
        instances
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
