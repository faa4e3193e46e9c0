//! The writer loop: take what waits, one transaction, one sync, then the callbacks in order.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use redb::Database;

use super::memory::{Op, Shared};
use super::{Done, LOG_FILE, LogFailure, file};
use crate::fatal::FatalHook;
use crate::seams::Disk;

/// Runs until the log is closed or a commit fails. The same code is a thread in production and a
/// task in the simulator.
pub(super) fn run(
    shared: Arc<Shared>,
    database: Database,
    disk: Arc<dyn Disk>,
    fatal: FatalHook,
) -> impl Future<Output = ()> + Send {
    // Outside of the loop, so that it is there even if the loop is dropped before it ever ran.
    let end = End(shared);
    async move { write_batches(&end.0, database, disk, fatal).await }
}

async fn write_batches(shared: &Shared, database: Database, disk: Arc<dyn Disk>, fatal: FatalHook) {
    loop {
        while !shared.has_work() {
            shared.wake.notified().await;
        }
        let delay = disk.commit_delay();
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let mut batch = shared.take_batch();
        #[cfg(feature = "mutants")]
        if conclave_core::mutants::Mutant::AckBeforeSync.active() {
            acknowledge(shared, &mut batch, delay).await;
        }
        if let Err(reason) = commit(&database, &batch) {
            return fail(shared, batch, &reason, &fatal);
        }
        shared.committed(&batch);
        let close = batch.pop_if(|operation| matches!(operation, Op::Close { .. }));
        finish(batch, &Ok(()));
        if let Some(close) = close {
            drop(database);
            return finish(vec![close], &Ok(()));
        }
        tokio::task::yield_now().await;
    }
}

/// Says that a batch is durable, and pauses before it is.
#[cfg(feature = "mutants")]
async fn acknowledge(shared: &Shared, batch: &mut [Op], delay: std::time::Duration) {
    shared.committed(batch);
    batch.iter_mut().for_each(Op::acknowledge);
    if delay.is_zero() {
        for _ in 0..32 {
            tokio::task::yield_now().await;
        }
    } else {
        tokio::time::sleep(delay).await;
    }
}

/// Commits; a panic of redb (a damaged page, for one) is a failure like any other.
fn commit(database: &Database, batch: &[Op]) -> Result<(), String> {
    match catch_unwind(AssertUnwindSafe(|| file::commit(database, batch))) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(format!("a commit failed: {error}")),
        Err(_) => Err("a commit failed: the database panicked".to_owned()),
    }
}

/// A commit failed, and what it held may or may not be on disk: nobody is told that it is, nothing
/// is tried again, the node stops.
fn fail(shared: &Shared, batch: Vec<Op>, reason: &str, fatal: &FatalHook) {
    let failure = LogFailure::Failed(reason.into());
    let waiting = shared.refuse(failure.clone());
    let result = Err(failure);
    finish(batch, &result);
    finish(waiting, &result);
    fatal.raise(&format!("{LOG_FILE}: {reason}"));
}

fn finish(batch: impl IntoIterator<Item = Op>, result: &Result<(), LogFailure>) {
    let callbacks = batch.into_iter().filter_map(Op::into_done);
    callbacks.for_each(|done: Done| done(result.clone()));
}

/// Lets nobody wait for a writer that is gone, however it went.
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.ended();
    }
}
