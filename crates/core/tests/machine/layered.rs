//! A second, independent implementation of `Records`: one sorted list, and above it the writes that
//! were not merged yet, as a database with a write-ahead buffer has them.

use conclave_core::records::{Record, Records, RecordsRead, Table};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Bound;

type Place = (u8, Vec<u8>);

#[derive(Clone, Default)]
pub struct LayeredRecords {
    /// Ascending by place.
    merged: Vec<(Place, Vec<u8>)>,
    /// `None`: removed.
    fresh: BTreeMap<Place, Option<Vec<u8>>>,
}

/// How many writes wait before they are merged: small and odd, so that merges fall inside entries.
const MERGE_AT: usize = 37;

impl LayeredRecords {
    fn write(&mut self, table: Table, key: &[u8], value: Option<Vec<u8>>) {
        self.fresh.insert((table.number(), key.to_vec()), value);
        if self.fresh.len() >= MERGE_AT {
            self.merge();
        }
    }

    fn merge(&mut self) {
        for (place, value) in std::mem::take(&mut self.fresh) {
            match (self.merged.binary_search_by(|(there, _)| there.cmp(&place)), value) {
                (Ok(at), Some(value)) => self.merged[at].1 = value,
                (Ok(at), None) => drop(self.merged.remove(at)),
                (Err(at), Some(value)) => self.merged.insert(at, (place, value)),
                (Err(_), None) => {}
            }
        }
    }
}

impl RecordsRead for LayeredRecords {
    fn get(&self, table: Table, key: &[u8]) -> Option<Vec<u8>> {
        let place = (table.number(), key.to_vec());
        if let Some(fresh) = self.fresh.get(&place) {
            return fresh.clone();
        }
        let at = self.merged.binary_search_by(|(there, _)| there.cmp(&place)).ok()?;
        Some(self.merged[at].1.clone())
    }

    fn range(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Vec<Record> {
        let number = table.number();
        let reached = |place: &Place| match from {
            Bound::Unbounded => place.0 >= number,
            Bound::Included(key) => (place.0, place.1.as_slice()) >= (number, key),
            Bound::Excluded(key) => (place.0, place.1.as_slice()) > (number, key),
        };
        let inside = |place: &Place| {
            place.0 == number
                && match to {
                    Bound::Unbounded => true,
                    Bound::Included(key) => place.1.as_slice() <= key,
                    Bound::Excluded(key) => place.1.as_slice() < key,
                }
        };
        let start = self.merged.partition_point(|(place, _)| !reached(place));
        let mut old = self.merged[start..].iter().take_while(|(place, _)| inside(place)).peekable();
        let lowest = (number, Vec::new());
        let above = self.fresh.range(lowest..).skip_while(|(place, _)| !reached(place));
        let mut new = above.take_while(|(place, _)| inside(place)).peekable();
        let mut found = Vec::new();
        while found.len() < limit {
            let order = match (old.peek(), new.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((old, _)), Some((new, _))) => old.cmp(new),
            };
            if order == Ordering::Less {
                found.extend(old.next().map(|(place, value)| (place.1.clone(), value.clone())));
                continue;
            }
            if order == Ordering::Equal {
                old.next();
            }
            let fresh = new.next();
            found.extend(fresh.and_then(|(place, value)| Some((place.1.clone(), value.clone()?))));
        }
        found
    }
}

impl Records for LayeredRecords {
    fn put(&mut self, table: Table, key: &[u8], value: Vec<u8>) {
        self.write(table, key, Some(value));
    }

    fn delete(&mut self, table: Table, key: &[u8]) {
        self.write(table, key, None);
    }
}
