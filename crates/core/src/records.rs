//! The view that the state machine has of its state: named tables of byte records.
//!
//! `core` never learns where records live. `storage` implements these traits over a redb write
//! transaction, tests over a `BTreeMap`. None of the methods can fail: a backend that cannot read or
//! write ends the process (invariant 5), because a replica that guesses is worse than one that is gone.

use std::collections::BTreeMap;
use std::ops::Bound;

/// A named table of the replicated state. The number is part of each record's digest contribution
/// and of the snapshot format, so numbers are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// Single records: seal, cluster, audit head, counters. Keys are short ASCII names.
    Meta = 0,
    /// Key id (16 bytes) -> key record.
    Keys = 1,
    /// Key id (16 bytes), version (u32 big endian) -> version record with wrapped material.
    Versions = 2,
    /// Instance id (16 bytes), alias (UTF-8) -> key id.
    Aliases = 3,
    /// Principal id (16 bytes) -> principal record.
    Principals = 4,
    /// Principal name (UTF-8) -> principal id.
    PrincipalNames = 5,
    /// Certificate SAN URI (UTF-8) -> principal id.
    CertificateNames = 6,
    /// Token id (16 bytes) -> token record (hash, expiry; never the token).
    Tokens = 7,
    /// Subject, scope and role -> role binding record.
    Bindings = 8,
    /// Principal id (16 bytes), request id (16 bytes) -> remembered request.
    Requests = 9,
    /// Log index (u64 big endian) -> key of the remembered request, to forget the oldest first.
    RequestOrder = 10,
    /// Audit sequence number (u64 big endian) -> audit record.
    Audit = 11,
    /// Instance id (16 bytes) -> instance record.
    Instances = 12,
    /// Instance name (UTF-8) -> instance id.
    InstanceNames = 13,
    /// Instance id (16 bytes) -> how many keys it has in each state.
    InstanceCounts = 14,
    /// Instance id (16 bytes), ring id (16 bytes) -> key ring record.
    Rings = 15,
    /// Instance id (16 bytes), ring name (UTF-8) -> ring id.
    RingNames = 16,
    /// Instance id (16 bytes), key id (16 bytes) -> nothing.
    InstanceKeys = 17,
    /// Ring id (16 bytes), key id (16 bytes) -> nothing.
    RingKeys = 18,
    /// Key id (16 bytes), resource (UTF-8) -> registration record.
    Registrations = 19,
    /// Key id (16 bytes), number (u64 big endian) -> history record.
    History = 20,
    /// Key or instance id (16 bytes) -> tombstone. Ids are never reused.
    Tombstones = 21,
    /// Instant in ms (u64 big endian), key id (16 bytes) -> nothing: when the next timer of a key runs.
    Deadlines = 22,
    /// Due date in ms (u64 big endian), key id (16 bytes) -> nothing: scheduled rotations.
    Rotations = 23,
    /// Event number (u64 big endian) -> event record.
    Events = 24,
}

impl Table {
    /// All tables, in ascending order of their number: the order of a snapshot.
    pub const ALL: [Table; 25] = [
        Table::Meta,
        Table::Keys,
        Table::Versions,
        Table::Aliases,
        Table::Principals,
        Table::PrincipalNames,
        Table::CertificateNames,
        Table::Tokens,
        Table::Bindings,
        Table::Requests,
        Table::RequestOrder,
        Table::Audit,
        Table::Instances,
        Table::InstanceNames,
        Table::InstanceCounts,
        Table::Rings,
        Table::RingNames,
        Table::InstanceKeys,
        Table::RingKeys,
        Table::Registrations,
        Table::History,
        Table::Tombstones,
        Table::Deadlines,
        Table::Rotations,
        Table::Events,
    ];

    /// The table with this number, if there is one.
    pub fn from_number(number: u8) -> Option<Table> {
        Table::ALL.get(usize::from(number)).copied()
    }

    /// The number that stands for the table in digests and snapshots.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The name of the table in the state file.
    pub const fn name(self) -> &'static str {
        match self {
            Table::Meta => "meta",
            Table::Keys => "keys",
            Table::Versions => "versions",
            Table::Aliases => "aliases",
            Table::Principals => "principals",
            Table::PrincipalNames => "principal_names",
            Table::CertificateNames => "certificate_names",
            Table::Tokens => "tokens",
            Table::Bindings => "bindings",
            Table::Requests => "requests",
            Table::RequestOrder => "request_order",
            Table::Audit => "audit",
            Table::Instances => "instances",
            Table::InstanceNames => "instance_names",
            Table::InstanceCounts => "instance_counts",
            Table::Rings => "rings",
            Table::RingNames => "ring_names",
            Table::InstanceKeys => "instance_keys",
            Table::RingKeys => "ring_keys",
            Table::Registrations => "registrations",
            Table::History => "history",
            Table::Tombstones => "tombstones",
            Table::Deadlines => "deadlines",
            Table::Rotations => "rotations",
            Table::Events => "events",
        }
    }
}

/// A record as it is stored: key and value bytes.
pub type Record = (Vec<u8>, Vec<u8>);

/// Read access to the records of one consistent state.
pub trait RecordsRead {
    /// The value under `key`, or `None`.
    fn get(&self, table: Table, key: &[u8]) -> Option<Vec<u8>>;

    /// At most `limit` records with keys inside the bounds, in ascending order of their keys.
    fn range(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Vec<Record>;
}

/// Read and write access: what [`crate::apply`] works on.
pub trait Records: RecordsRead {
    /// Stores `value` under `key`, replacing what was there.
    fn put(&mut self, table: Table, key: &[u8], value: Vec<u8>);

    /// Stores `value` under `key`, where there is nothing, as the caller knows without looking.
    fn insert(&mut self, table: Table, key: &[u8], value: Vec<u8>) {
        self.put(table, key, value);
    }

    /// Removes the record under `key`; nothing happens if there is none.
    fn delete(&mut self, table: Table, key: &[u8]);
}

/// Records in memory, for tests and for replaying a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryRecords {
    tables: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
}

impl MemoryRecords {
    /// All records in the order of a snapshot.
    pub fn iter(&self) -> impl Iterator<Item = (Table, &[u8], &[u8])> {
        self.tables.iter().map(|((table, key), value)| (*table, key.as_slice(), value.as_slice()))
    }
}

impl RecordsRead for MemoryRecords {
    fn get(&self, table: Table, key: &[u8]) -> Option<Vec<u8>> {
        self.tables.get(&(table, key.to_vec())).cloned()
    }

    fn range(
        &self,
        table: Table,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        limit: usize,
    ) -> Vec<Record> {
        let inside = |key: &[u8]| match to {
            Bound::Included(end) => key <= end,
            Bound::Excluded(end) => key < end,
            Bound::Unbounded => true,
        };
        let start = match from {
            Bound::Included(key) => Bound::Included((table, key.to_vec())),
            Bound::Excluded(key) => Bound::Excluded((table, key.to_vec())),
            Bound::Unbounded => Bound::Included((table, Vec::new())),
        };
        self.tables
            .range((start, Bound::Unbounded))
            .take_while(|((t, key), _)| *t == table && inside(key))
            .take(limit)
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect()
    }
}

impl Records for MemoryRecords {
    fn put(&mut self, table: Table, key: &[u8], value: Vec<u8>) {
        self.tables.insert((table, key.to_vec()), value);
    }

    fn delete(&mut self, table: Table, key: &[u8]) {
        self.tables.remove(&(table, key.to_vec()));
    }
}
