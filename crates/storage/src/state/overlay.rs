//! What was committed since the last sync, in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use conclave_core::mutants::Mutant;
use conclave_core::records::Table;
use rpds::RedBlackTreeMapSync;

/// What became of a record in a transaction: its new value, or `None` if it was removed.
pub type Change = Option<Vec<u8>>;

/// The changes of one batch of entries.
pub(super) type Changes = BTreeMap<Table, BTreeMap<Vec<u8>, Change>>;

/// Changes over the state in the file. A clone costs next to nothing and stays as it is.
#[derive(Clone)]
pub(super) struct Overlay {
    tables: [RedBlackTreeMapSync<Vec<u8>, Change>; Table::ALL.len()],
    /// All applied records, those in the file too.
    applied: Arc<BTreeMap<String, Vec<u8>>>,
    /// Commits since the last sync.
    commits: u64,
    fronts: Fronts,
}

impl Overlay {
    /// No changes over a file with these applied records.
    pub(super) fn new(applied: BTreeMap<String, Vec<u8>>) -> Overlay {
        let tables = std::array::from_fn(|_| RedBlackTreeMapSync::new_sync());
        Overlay { tables, applied: Arc::new(applied), commits: 0, fronts: Fronts::default() }
    }

    /// Whether nothing was committed since the last sync.
    pub(super) fn is_synced(&self) -> bool {
        self.commits == 0
    }

    /// Records that were changed since the last sync.
    pub(super) fn records(&self) -> usize {
        self.tables.iter().map(RedBlackTreeMapSync::size).sum()
    }

    /// Adds the changes of a batch.
    pub(super) fn commit(&mut self, changes: Changes, applied: &[(&str, Vec<u8>)], fronts: Fronts) {
        for (table, records) in changes {
            let committed = &mut self.tables[usize::from(table.number())];
            for (key, change) in records {
                committed.insert_mut(key, change);
            }
        }
        if !applied.is_empty() {
            let named = applied.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
            Arc::make_mut(&mut self.applied).extend(named);
        }
        self.commits += 1;
        self.fronts = fronts;
    }

    /// Where tables begin.
    pub(super) fn fronts(&self) -> &Fronts {
        &self.fronts
    }

    /// No changes over the state with these.
    pub(super) fn next(&self) -> Overlay {
        let fronts = self.fronts.clone();
        Overlay { fronts, ..Overlay::new((*self.applied).clone()) }
    }

    /// What became of a record; `None` if nothing did.
    pub(super) fn get(&self, table: Table, key: &[u8]) -> Option<&Change> {
        self.of(table).get(key)
    }

    /// What became of the records with keys inside the bounds, ascending. The bounds are not those of an
    /// empty range.
    pub(super) fn range<'a>(
        &'a self,
        table: Table,
        from: Bound<&'a [u8]>,
        to: Bound<&'a [u8]>,
    ) -> impl Iterator<Item = (&'a Vec<u8>, &'a Change)> {
        self.of(table).range::<[u8], _>((from, to))
    }

    /// What became of all records of a table, ascending.
    pub(super) fn all_of(&self, table: Table) -> impl Iterator<Item = (&Vec<u8>, &Change)> {
        self.of(table).iter()
    }

    /// The applied records.
    pub(super) fn applied(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.applied
    }

    fn of(&self, table: Table) -> &RedBlackTreeMapSync<Vec<u8>, Change> {
        &self.tables[usize::from(table.number())]
    }
}

/// Where the records of each table begin, as far as it is known: none has a smaller key.
///
/// Queues lose their first records, and until the next sync each of them stays in the file, and in the
/// overlay as removed. A range from the beginning does not pass by all of them each time.
#[derive(Clone, Default)]
pub(super) struct Fronts([Option<Vec<u8>>; Table::ALL.len()]);

impl Fronts {
    /// From where on a range that has no beginning finds records.
    pub(super) fn of(&self, table: Table) -> Option<&Vec<u8>> {
        self.0[usize::from(table.number())].as_ref()
    }

    /// A range without a beginning has found this record first.
    pub(super) fn found(&mut self, table: Table, key: &[u8]) {
        self.0[usize::from(table.number())] = Some(key.to_vec());
    }

    /// A record was written.
    pub(super) fn wrote(&mut self, table: Table, key: &[u8]) {
        if Mutant::StaleFront.active() {
            return;
        }
        let front = &mut self.0[usize::from(table.number())];
        if front.as_ref().is_some_and(|front| key < front.as_slice()) {
            *front = Some(key.to_vec());
        }
    }
}

/// The records of a state with changes over it, in ascending order of their keys.
pub(super) struct Merged<B: Iterator, C: Iterator> {
    base: std::iter::Peekable<B>,
    changes: std::iter::Peekable<C>,
}

impl<'a, B, C> Merged<B, C>
where
    B: Iterator<Item = conclave_core::records::Record>,
    C: Iterator<Item = (&'a Vec<u8>, &'a Change)>,
{
    pub(super) fn new(base: B, changes: C) -> Merged<B, C> {
        Merged { base: base.peekable(), changes: changes.peekable() }
    }
}

impl<'a, B, C> Iterator for Merged<B, C>
where
    B: Iterator<Item = conclave_core::records::Record>,
    C: Iterator<Item = (&'a Vec<u8>, &'a Change)>,
{
    type Item = conclave_core::records::Record;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some((changed, _)) = self.changes.peek() else {
                return self.base.next();
            };
            if self.base.peek().is_some_and(|(key, _)| key < *changed) {
                return self.base.next();
            }
            // The change stands for the record with its key, if there is one.
            self.base.next_if(|(key, _)| key == *changed);
            if let Some((key, Some(value))) = self.changes.next() {
                return Some((key.clone(), value.clone()));
            }
        }
    }
}

/// Whether no key can lie inside the bounds. (A backward range is empty here and an error to redb and
/// to ordered maps.)
pub(super) fn is_empty(from: Bound<&[u8]>, to: Bound<&[u8]>) -> bool {
    match (from, to) {
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (
            Bound::Included(from) | Bound::Excluded(from),
            Bound::Included(to) | Bound::Excluded(to),
        ) => from >= to,
        _ => false,
    }
}
