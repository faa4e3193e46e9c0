//! The state digest: one number that two replicas with equal state agree on.
//!
//! Each record contributes BLAKE3(table, key, value); contributions are added modulo 2^256, so that
//! a change costs one subtraction and one addition and the order of changes does not matter.

use crate::canonical::Canonical;
use crate::records::{Record, Records, RecordsRead, Table};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Bound;

/// Sum of the contributions of all records, modulo 2^256. Little-endian limbs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateDigest([u64; 4]);

impl StateDigest {
    /// Adds the contribution of a record.
    pub fn add(&mut self, table: Table, key: &[u8], value: &[u8]) {
        self.combine(contribution(table, key, value), |a, b, carry| {
            let (sum, over) = a.overflowing_add(b);
            let (sum, again) = sum.overflowing_add(u64::from(carry));
            (sum, over || again)
        });
    }

    /// Takes the contribution of a record away.
    pub fn subtract(&mut self, table: Table, key: &[u8], value: &[u8]) {
        self.combine(contribution(table, key, value), |a, b, borrow| {
            let (rest, under) = a.overflowing_sub(b);
            let (rest, again) = rest.overflowing_sub(u64::from(borrow));
            (rest, under || again)
        });
    }

    /// The digest of all records of a state, computed from nothing.
    pub fn of(records: &dyn RecordsRead) -> StateDigest {
        const PAGE: usize = 1_000;
        let mut digest = StateDigest::default();
        for table in Table::ALL {
            let mut last: Option<Vec<u8>> = None;
            loop {
                let from = last.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
                let page = records.range(table, from, Bound::Unbounded, PAGE);
                for (key, value) in &page {
                    digest.add(table, key, value);
                }
                match page.into_iter().next_back() {
                    Some((key, _)) => last = Some(key),
                    None => break,
                }
            }
        }
        digest
    }

    fn combine(&mut self, other: [u64; 4], step: impl Fn(u64, u64, bool) -> (u64, bool)) {
        let mut carry = false;
        for (limb, add) in self.0.iter_mut().zip(other) {
            (*limb, carry) = step(*limb, add, carry);
        }
    }
}

impl fmt::Display for StateDigest {
    /// 64 hex digits, most significant first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().rev().try_for_each(|limb| write!(f, "{limb:016x}"))
    }
}

fn contribution(table: Table, key: &[u8], value: &[u8]) -> [u64; 4] {
    let hash = Canonical::new("conclave state digest v1")
        .number(u64::from(table.number()))
        .bytes(key)
        .bytes(value)
        .finish();
    let mut limbs = [0; 4];
    for (limb, chunk) in limbs.iter_mut().zip(hash.chunks_exact(8)) {
        *limb = u64::from_le_bytes(chunk.try_into().expect("chunks of eight bytes"));
    }
    limbs
}

/// Records that keep a digest up to date and note what was touched.
pub struct Tracked<'a> {
    records: &'a mut dyn Records,
    digest: &'a mut StateDigest,
    touched: &'a mut Vec<Touched>,
}

/// A record that an entry changed: what the caches above must drop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Touched {
    /// Table of the record.
    pub table: Table,
    /// Key of the record.
    pub key: Vec<u8>,
}

impl<'a> Tracked<'a> {
    /// Wraps the records of one entry.
    pub fn new(
        records: &'a mut dyn Records,
        digest: &'a mut StateDigest,
        touched: &'a mut Vec<Touched>,
    ) -> Self {
        Self { records, digest, touched }
    }

    fn forget(&mut self, table: Table, key: &[u8]) {
        if let Some(old) = self.records.get(table, key) {
            self.digest.subtract(table, key, &old);
        }
        self.touched.push(Touched { table, key: key.to_vec() });
    }
}

impl RecordsRead for Tracked<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Option<Vec<u8>> {
        self.records.get(table, key)
    }

    fn range(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Vec<Record> {
        self.records.range(table, from, to, limit)
    }
}

impl Records for Tracked<'_> {
    fn put(&mut self, table: Table, key: &[u8], value: Vec<u8>) {
        self.forget(table, key);
        self.digest.add(table, key, &value);
        self.records.put(table, key, value);
    }

    fn insert(&mut self, table: Table, key: &[u8], value: Vec<u8>) {
        debug_assert!(self.records.get(table, key).is_none(), "{table:?} {key:02x?} is there");
        self.touched.push(Touched { table, key: key.to_vec() });
        self.digest.add(table, key, &value);
        self.records.insert(table, key, value);
    }

    fn delete(&mut self, table: Table, key: &[u8]) {
        self.forget(table, key);
        self.records.delete(table, key);
    }
}
