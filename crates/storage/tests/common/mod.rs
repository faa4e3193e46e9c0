//! What the tests of this crate share.
#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use std::future::Future;
use std::sync::Arc;

use conclave_core::records::{MemoryRecords, Records, RecordsRead, Table};
use conclave_storage::{LogFile, OpenError, StateFile};
use conclave_testkit::{Dice, FatalLog, ManualClock, SimDisk, TaskSpawner};

/// Runs a test on one thread, writer task included, in virtual time.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(test)
}

/// `ci` when the scale says nothing, `full` when `CONCLAVE_TEST_SCALE=full`.
pub fn scaled(ci: u64, full: u64) -> u64 {
    if std::env::var("CONCLAVE_TEST_SCALE").as_deref() == Ok("full") { full } else { ci }
}

pub fn open_log(disk: &SimDisk, fatal: &FatalLog) -> Result<LogFile, OpenError> {
    LogFile::open(Arc::new(disk.clone()), &TaskSpawner, fatal.hook())
}

pub fn open_state(disk: &SimDisk, fatal: &FatalLog) -> Result<StateFile, OpenError> {
    open_state_at(disk, fatal, Arc::new(ManualClock::default()))
}

pub fn open_state_at(
    disk: &SimDisk,
    fatal: &FatalLog,
    clock: Arc<ManualClock>,
) -> Result<StateFile, OpenError> {
    StateFile::open(Arc::new(disk.clone()), clock, fatal.hook())
}

pub fn entry(text: &str) -> Arc<[u8]> {
    text.as_bytes().into()
}

/// The changes of batch `number`: the same for every call.
pub fn apply_batch(records: &mut impl Records, number: u64) {
    let mut dice = Dice::new(number);
    for _ in 0..1 + dice.below(6) {
        let table = Table::ALL[dice.below(4) as usize];
        let key = format!("key-{}", dice.below(30));
        if dice.chance(30) {
            records.delete(table, key.as_bytes());
        } else {
            let length = if dice.chance(5) { 5_000 } else { dice.below(200) as usize };
            records.put(table, key.as_bytes(), dice.bytes(length));
        }
    }
    records.put(Table::Meta, b"newest", number.to_be_bytes().to_vec());
}

/// Applies batch `number` to the state file, with its number as the applied record.
pub fn commit_batch(state: &StateFile, number: u64) {
    let mut transaction = state.begin();
    apply_batch(&mut transaction, number);
    transaction.commit(&[("applied", number.to_be_bytes().to_vec())]);
}

/// The state after batches 1 to `number`.
pub fn model(number: u64) -> MemoryRecords {
    let mut records = MemoryRecords::default();
    (1..=number).for_each(|batch| apply_batch(&mut records, batch));
    records
}

/// Number of the batch that this state names as its last one.
pub fn applied(state: &StateFile) -> u64 {
    let bytes = state.read().meta("applied");
    bytes.map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().unwrap()))
}

/// Every record, in the order of a snapshot.
pub fn dump(records: &impl RecordsRead) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
    use std::ops::Bound::Unbounded;
    let of = |table| {
        let records = records.range(table, Unbounded, Unbounded, usize::MAX);
        records.into_iter().map(move |(key, value)| (table, key, value))
    };
    Table::ALL.into_iter().flat_map(of).collect()
}
