//! When the state is made durable: on a thread of its own, beside the applier.

use crate::types::io_error;
use conclave_storage::{LogFile, Priority, Spawner, StateFile, Synced};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Changed records after which the state is synced without waiting for the interval: they are in memory
/// until then …
pub(super) const SYNC_AFTER_RECORDS: usize = 50_000;
/// … and after which nothing is applied until a sync that runs has ended.
pub(super) const WAIT_AFTER_RECORDS: usize = 2 * SYNC_AFTER_RECORDS;

/// The syncs of the state, one at a time, and who waits for them. Those who call say up to which index
/// the state is applied.
pub(super) struct Syncs {
    state: StateFile,
    log: LogFile,
    spawner: Arc<dyn Spawner>,
    /// Up to where the state is durable.
    synced: Option<u64>,
    running: Option<Running>,
    waiting: Vec<(Option<u64>, oneshot::Sender<io::Result<()>>)>,
}

struct Running {
    /// Up to where.
    index: Option<u64>,
    done: oneshot::Receiver<()>,
    ended: Ended,
}

/// A sync has ended. What it synced is freed by its thread once this is dropped, which takes longer than
/// anybody should wait for the applier: to be dropped when nobody is handed what was synced any more.
pub(super) struct Ended {
    _in_use: oneshot::Sender<Infallible>,
}

impl Syncs {
    /// `synced` is up to where the state was durable when it was opened.
    pub(super) fn new(
        state: StateFile,
        log: LogFile,
        spawner: Arc<dyn Spawner>,
        synced: Option<u64>,
    ) -> Syncs {
        Syncs { state, log, spawner, synced, running: None, waiting: Vec::new() }
    }

    /// Begins to make the state durable, unless that is going on: entries are applied meanwhile.
    pub(super) async fn begin(&mut self, applied: Option<u64>) -> io::Result<()> {
        if self.running.is_some() {
            return Ok(());
        }
        self.sync_log_to(applied).await?;
        let Some(sync) = self.state.begin_sync() else {
            self.synced = applied;
            return Ok(());
        };
        let (tell, done) = oneshot::channel();
        let (in_use, unused) = oneshot::channel();
        let work = async move {
            let synced: Synced = sync.finish();
            // The applier has ended when it does not listen.
            let _ = tell.send(());
            let _ = unused.await;
            drop(synced);
        };
        self.spawner.spawn("state-sync", Priority::Background, Box::pin(work))?;
        self.running = Some(Running { index: applied, done, ended: Ended { _in_use: in_use } });
        Ok(())
    }

    /// Waits for the end of the sync that runs; `None` if there is none. May be dropped and called again.
    pub(super) async fn ended(&mut self) -> Option<io::Result<Ended>> {
        let done = (&mut self.running.as_mut()?.done).await;
        let Running { index, ended, .. } = self.running.take()?;
        Some(done.map_err(|_| io_error("a sync of the state has failed")).map(|()| {
            self.synced = index;
            ended
        }))
    }

    /// Makes the state durable; nothing else happens meanwhile. No other sync runs.
    pub(super) async fn now(&mut self, applied: Option<u64>) -> io::Result<()> {
        self.sync_log_to(applied).await?;
        self.state.sync();
        self.synced = applied;
        self.serve(applied).await
    }

    /// A snapshot has replaced the state, durably.
    pub(super) fn installed(&mut self, applied: Option<u64>) {
        self.synced = applied;
    }

    /// `done` is told when the state is durable up to `index`, once that was [`Syncs::serve`]d.
    pub(super) fn wait_for(&mut self, index: Option<u64>, done: oneshot::Sender<io::Result<()>>) {
        self.waiting.push((index, done));
    }

    /// Answers those up to whose index the state is durable; syncs for the others.
    pub(super) async fn serve(&mut self, applied: Option<u64>) -> io::Result<()> {
        if self.waiting.iter().any(|(index, _)| *index > self.synced) {
            self.begin(applied).await?;
        }
        for (_, done) in self.waiting.extract_if(.., |(index, _)| *index <= self.synced) {
            // A receiver that is gone does not need the answer.
            let _ = done.send(Ok(()));
        }
        Ok(())
    }

    /// The state is durable after the log entries that led to it.
    async fn sync_log_to(&self, applied: Option<u64>) -> io::Result<()> {
        if self.log.synced_index() < applied { self.sync_log().await } else { Ok(()) }
    }

    /// Makes everything durable that was asked of the log so far.
    pub(super) async fn sync_log(&self) -> io::Result<()> {
        // An empty change waits its turn in the ordered queue: what came before is synced then.
        self.log.write_meta(Vec::new()).await.map_err(io_error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use conclave_core::records::{Records, Table};
    use conclave_testkit::{FatalLog, ManualClock, SimDisk, TaskSpawner};

    /// Whoever waits purges the log up to there once it is told.
    #[tokio::test]
    async fn who_waits_is_told_after_the_sync() {
        let (disk, fatal) = (Arc::new(SimDisk::default()), FatalLog::default());
        let clock = Arc::new(ManualClock::default());
        let state = StateFile::open(disk.clone(), clock, fatal.hook()).unwrap();
        let log = LogFile::open(disk.clone(), &TaskSpawner, fatal.hook()).unwrap();
        let mut batch = state.begin();
        batch.put(Table::Keys, b"key", b"value".to_vec());
        batch.commit(&[]);
        let mut syncs = Syncs::new(state, log, Arc::new(TaskSpawner), None);
        let (done, mut told) = oneshot::channel();
        syncs.wait_for(Some(7), done);
        syncs.serve(Some(7)).await.unwrap();
        assert!(told.try_recv().is_err(), "told before the sync has ended");
        let before = disk.syncs();
        drop(syncs.ended().await.unwrap().unwrap());
        assert!(disk.syncs() > before, "nothing was synced");
        syncs.serve(Some(7)).await.unwrap();
        assert!(told.try_recv().unwrap().is_ok());
    }
}
