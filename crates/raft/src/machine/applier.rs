//! The applier: the one task that changes the state, in log order.
//!
//! A batch of entries is one transaction, without a sync. Only after it is visible are the caches
//! told, then the applied index is published, then the answers leave: in this order.

use super::Digests;
use super::newest::{AppliedState, Newest};
use super::syncs::{Ended, SYNC_AFTER_RECORDS, Syncs, WAIT_AFTER_RECORDS};
use crate::types::{LogEntry, LogId, Membership, Payload, TypeConfig, io_error};
use crate::watch::mismatch;
use conclave_core::apply;
use conclave_core::codec;
use conclave_core::digest::{StateDigest, Touched};
use conclave_core::mutants::Mutant;
use conclave_core::outcome::Applied;
use conclave_core::replica::Observer;
use conclave_storage::{ApplyTxn, FatalHook, LogFile, ReadTxn, SnapshotFile, Spawner, StateFile};
use openraft::EntryPayload;
use openraft::storage::ApplyResponder;
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

/// Entries of one transaction: enough to share its cost, few enough that answers do not wait long.
pub(super) const BATCH: usize = 256;

/// Entries that may wait for the applier; more wait in the log.
const ENTRIES_WAITING: usize = 4 * BATCH;

/// Name of the applied record in the state file.
const APPLIED: &str = "applied";

/// What the state file says of itself, in the transaction of the records.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct AppliedMeta {
    pub(crate) last: Option<LogId>,
    pub(crate) membership: Membership,
    pub(crate) digest: StateDigest,
}

impl AppliedMeta {
    /// Index of the last applied entry.
    pub(crate) fn index(&self) -> Option<u64> {
        self.last.map(|id| id.index)
    }
}

/// What the state says of itself; the default for an empty state.
pub(crate) fn read_applied(read: &ReadTxn) -> io::Result<AppliedMeta> {
    read.meta(APPLIED).map_or_else(|| Ok(AppliedMeta::default()), |b| decode_applied(&b))
}

/// What a snapshot says of its state; the default for that of an empty state.
pub(super) fn snapshot_applied(file: &SnapshotFile) -> io::Result<AppliedMeta> {
    file.applied(APPLIED).map_or_else(|| Ok(AppliedMeta::default()), decode_applied)
}

fn decode_applied(bytes: &[u8]) -> io::Result<AppliedMeta> {
    codec::decode(bytes).map_err(io_error)
}

/// An entry with the one who waits for its answer.
pub(super) type Work = (LogEntry, Option<ApplyResponder<TypeConfig>>);

pub(super) enum Job {
    /// Entries that follow those before; their room in the queue is given back when they are applied.
    Apply {
        work: Vec<Work>,
        room: OwnedSemaphorePermit,
    },
    /// Answered when all before is applied.
    Flush {
        done: oneshot::Sender<io::Result<()>>,
    },
    Install {
        file: SnapshotFile,
        done: oneshot::Sender<io::Result<()>>,
    },
    SyncTo {
        index: u64,
        done: oneshot::Sender<io::Result<()>>,
    },
    Sync,
    Close {
        done: oneshot::Sender<io::Result<()>>,
    },
}

/// What an applier is made of.
pub struct ApplierParts {
    /// The state.
    pub state: StateFile,
    /// The log: the state is never synced ahead of it.
    pub log: LogFile,
    /// The caches above.
    pub observer: Arc<dyn Observer>,
    /// Runs the syncs of the state.
    pub spawner: Arc<dyn Spawner>,
    /// Called when this replica's state differs from that of the majority.
    pub fatal: FatalHook,
}

/// The task that owns the state.
pub struct Applier {
    state: StateFile,
    observer: Arc<dyn Observer>,
    fatal: FatalHook,
    meta: AppliedMeta,
    syncs: Syncs,
    newest: Newest,
    published: watch::Sender<Option<u64>>,
    digests: Arc<Digests>,
    jobs: mpsc::UnboundedReceiver<Job>,
}

/// The applier from outside.
#[derive(Clone)]
pub struct StateSync {
    jobs: mpsc::UnboundedSender<Job>,
    room: Arc<Semaphore>,
    newest: Newest,
}

impl Applier {
    /// Opens the state as it is on disk and tells the observer.
    ///
    /// # Errors
    /// The applied record cannot be read.
    #[allow(clippy::type_complexity)]
    pub fn open(
        parts: ApplierParts,
    ) -> io::Result<(Applier, StateSync, watch::Receiver<Option<u64>>, Arc<Digests>)> {
        let read = parts.state.read();
        let meta = read_applied(&read)?;
        let (published, watching) = watch::channel(meta.index());
        let digests = Arc::new(Digests::default());
        if let Some(index) = meta.index() {
            digests.note(index, meta.digest);
        }
        parts.observer.installed(&read, meta.index().unwrap_or(0));
        let newest = Newest::new(read, &meta);
        let (sender, jobs) = mpsc::unbounded_channel();
        let syncs = Syncs::new(parts.state.clone(), parts.log, parts.spawner, meta.index());
        let applier = Applier {
            state: parts.state,
            observer: parts.observer,
            fatal: parts.fatal,
            meta,
            syncs,
            newest: newest.clone(),
            published,
            digests: digests.clone(),
            jobs,
        };
        let room = Arc::new(Semaphore::new(ENTRIES_WAITING));
        Ok((applier, StateSync { jobs: sender, room, newest }, watching, digests))
    }

    /// Works until it is closed or all handles are gone.
    pub async fn run(mut self) {
        let mut next = None;
        loop {
            let worked = match self.next_job(&mut next).await {
                Ok(Some(job)) => self.work(job, &mut next).await,
                Ok(None) => return,
                Err(error) => Err(error),
            };
            match worked {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::error!(%error, "entries were not applied");
                    return;
                }
            }
        }
    }

    /// Does a job; whether there is more to do.
    async fn work(&mut self, job: Job, next: &mut Option<Job>) -> io::Result<bool> {
        // A receiver that is gone does not need the answer.
        match job {
            Job::Apply { work, room } => {
                let (work, _rooms) = self.with_those_that_wait(work, room, next);
                self.apply(work).await?;
            }
            Job::Flush { done } => {
                let _ = done.send(Ok(()));
            }
            Job::Install { file, done } => {
                self.end_sync().await?;
                let _ = done.send(self.install(&file));
                self.syncs.serve(self.meta.index()).await?;
            }
            Job::SyncTo { index, done } => {
                self.syncs.wait_for(self.meta.index().min(Some(index)), done);
                self.syncs.serve(self.meta.index()).await?;
            }
            Job::Sync => {
                if !self.state.is_synced() {
                    self.syncs.begin(self.meta.index()).await?;
                }
            }
            Job::Close { done } => {
                self.end_sync().await?;
                let _ = done.send(self.syncs.now(self.meta.index()).await);
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The next job; what a sync that ends meanwhile asks for is done first.
    async fn next_job(&mut self, next: &mut Option<Job>) -> io::Result<Option<Job>> {
        if let Some(job) = next.take() {
            return Ok(Some(job));
        }
        loop {
            tokio::select! {
                biased;
                Some(ended) = self.syncs.ended() => {
                    self.let_go_of(ended?);
                    self.syncs.serve(self.meta.index()).await?;
                }
                job = self.jobs.recv() => return Ok(job),
            }
        }
    }

    /// Waits for the end of a sync that runs.
    async fn end_sync(&mut self) -> io::Result<()> {
        if let Some(ended) = self.syncs.ended().await {
            self.let_go_of(ended?);
        }
        Ok(())
    }

    /// Whoever reads from now on does not hold what was synced in memory, nor the pages it replaced.
    fn let_go_of(&self, ended: Ended) {
        self.newest.replace(self.state.read(), &self.meta);
        drop(ended);
    }

    /// Entries that came while others were applied share a transaction, which costs more than they do.
    fn with_those_that_wait(
        &mut self,
        mut work: Vec<Work>,
        room: OwnedSemaphorePermit,
        next: &mut Option<Job>,
    ) -> (Vec<Work>, Vec<OwnedSemaphorePermit>) {
        let mut rooms = vec![room];
        while work.len() < BATCH {
            match self.jobs.try_recv() {
                Ok(Job::Apply { work: more, room }) => {
                    work.extend(more);
                    rooms.push(room);
                }
                Ok(other) => {
                    *next = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        (work, rooms)
    }

    async fn apply(&mut self, work: Vec<Work>) -> io::Result<()> {
        if Mutant::AppliedOutsideTransaction.active() {
            self.end_sync().await?;
            self.syncs.sync_log().await?;
        }
        let mut transaction = self.state.begin();
        let mut touched: Vec<Touched> = Vec::new();
        let mut answers = Vec::with_capacity(work.len());
        for (entry, responder) in work {
            let (applied, changes) = self.apply_one(&mut transaction, entry);
            touched.extend(changes);
            answers.push((responder, applied));
        }
        self.commit(transaction);
        self.publish(&touched).await;
        for (responder, applied) in answers {
            if let Some(responder) = responder {
                responder.send(applied);
            }
        }
        if self.state.unsynced_records() >= WAIT_AFTER_RECORDS {
            self.end_sync().await?;
        }
        if self.state.unsynced_records() >= SYNC_AFTER_RECORDS {
            self.syncs.begin(self.meta.index()).await?;
        }
        Ok(())
    }

    fn apply_one(
        &mut self,
        records: &mut dyn conclave_core::records::Records,
        entry: LogEntry,
    ) -> (Option<Applied>, Vec<Touched>) {
        let log_id = entry.log_id;
        let result = match entry.payload {
            EntryPayload::Blank => (None, Vec::new()),
            EntryPayload::Normal(Payload::Command(entry)) => {
                let (applied, changes) =
                    apply::apply(records, &mut self.meta.digest, log_id.index, &entry);
                (Some(applied), changes.touched)
            }
            EntryPayload::Normal(Payload::DigestCheck { index, digest }) => {
                self.compare(index, digest);
                (None, Vec::new())
            }
            EntryPayload::Membership(membership) => {
                self.meta.membership = Membership::new(Some(log_id), membership);
                (None, Vec::new())
            }
        };
        self.meta.last = Some(log_id);
        self.digests.note(log_id.index, self.meta.digest);
        result
    }

    /// A replica whose state differs from that of the majority must not serve from it.
    fn compare(&self, index: u64, agreed: StateDigest) {
        if let Some(own) = self.digests.at(index).filter(|own| *own != agreed) {
            self.fatal.stop(&mismatch(index, &own.to_string(), &agreed.to_string()));
        }
    }

    /// The records and what was applied, in one transaction.
    fn commit(&self, mut records: ApplyTxn) {
        if Mutant::AppliedOutsideTransaction.active() {
            // Two transactions, and the sync that comes every now and then comes between them.
            records.commit(&[]);
            self.state.sync();
            records = self.state.begin();
        }
        records.commit(&[(APPLIED, codec::encode(&self.meta))]);
    }

    /// Caches first, then the index that read barriers wait for.
    async fn publish(&self, touched: &[Touched]) {
        let index = self.meta.index();
        if Mutant::PublishBeforeEvict.active() {
            self.published.send_replace(index);
            // As if the thread had been paused here.
            for _ in 0..32 {
                tokio::task::yield_now().await;
            }
        }
        let state = self.newest.replace(self.state.read(), &self.meta);
        self.observer.applied(state.records(), index.unwrap_or(0), touched);
        self.published.send_replace(index);
    }

    fn install(&mut self, file: &SnapshotFile) -> io::Result<()> {
        let meta = snapshot_applied(file)?;
        self.state.install(file)?;
        self.meta = meta;
        self.syncs.installed(self.meta.index());
        if let Some(index) = self.meta.index() {
            self.digests.note(index, self.meta.digest);
        }
        let state = self.newest.replace(self.state.read(), &self.meta);
        self.observer.installed(state.records(), self.meta.index().unwrap_or(0));
        self.published.send_replace(self.meta.index());
        Ok(())
    }
}

impl StateSync {
    /// The newest state.
    pub(crate) fn newest(&self) -> Arc<AppliedState> {
        self.newest.load()
    }

    /// Hands entries over, as soon as there is room in the queue. They are applied in the order of these
    /// calls; whoever waits for one of them is answered then.
    pub(super) async fn apply(&self, work: Vec<Work>) -> io::Result<()> {
        let stopped = || io_error("the applier has stopped");
        let size = u32::try_from(work.len().min(ENTRIES_WAITING)).unwrap_or(u32::MAX);
        let room = self.room.clone().acquire_many_owned(size).await.map_err(|_| stopped())?;
        self.jobs.send(Job::Apply { work, room }).map_err(|_| stopped())
    }

    /// Waits until everything that was handed over is applied.
    pub(super) async fn flush(&self) -> io::Result<()> {
        self.run(|done| Job::Flush { done }).await
    }

    /// Waits until the state is durable up to at least `index`.
    pub(crate) async fn sync_to(&self, index: u64) -> io::Result<()> {
        self.run(|done| Job::SyncTo { index, done }).await
    }

    /// Asks for a sync if anything is waiting for one.
    pub(crate) fn sync_soon(&self) {
        // The applier is gone only when the node stops.
        let _ = self.jobs.send(Job::Sync);
    }

    /// Syncs and ends the applier.
    pub(crate) async fn close(&self) -> io::Result<()> {
        self.run(|done| Job::Close { done }).await
    }

    pub(super) async fn run(
        &self,
        job: impl FnOnce(oneshot::Sender<io::Result<()>>) -> Job,
    ) -> io::Result<()> {
        let (done, waiting) = oneshot::channel();
        self.jobs.send(job(done)).map_err(|_| io_error("the applier has stopped"))?;
        waiting.await.map_err(|_| io_error("the applier has stopped"))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use conclave_core::records::RecordsRead;
    use conclave_core::replica::Member;
    use conclave_testkit::{FatalLog, ManualClock, SimDisk, TaskSpawner};
    use openraft::vote::leader_id_std::CommittedLeaderId;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Knows up to which index it was told.
    #[derive(Default)]
    struct Told(AtomicU64);

    impl Observer for Told {
        fn applied(&self, _: &dyn RecordsRead, index: u64, _: &[Touched]) {
            self.0.store(index, Ordering::SeqCst);
        }
        fn installed(&self, _: &dyn RecordsRead, _: u64) {}
    }

    fn entry(index: u64, payload: EntryPayload<Payload, u64, Member>) -> LogEntry {
        let log_id = LogId::new(CommittedLeaderId { term: 1 }, index);
        openraft::Entry { log_id, payload }
    }

    fn parts(observer: Arc<dyn Observer>, fatal: FatalHook) -> ApplierParts {
        let disk = Arc::new(SimDisk::default());
        let clock = Arc::new(ManualClock::default());
        ApplierParts {
            state: StateFile::open(disk.clone(), clock, fatal.clone()).unwrap(),
            log: LogFile::open(disk, &TaskSpawner, fatal.clone()).unwrap(),
            observer,
            spawner: Arc::new(TaskSpawner),
            fatal,
        }
    }

    /// Applies an entry and then a check of the state after it against `agreed`.
    async fn check_against(agreed: impl FnOnce(StateDigest) -> StateDigest) -> Option<String> {
        let log = FatalLog::default();
        let parts = parts(Arc::new(Told::default()), log.hook());
        let (applier, handle, _, digests) = Applier::open(parts).unwrap();
        let running = tokio::spawn(applier.run());
        let work = vec![(entry(1, EntryPayload::Blank), None)];
        handle.apply(work).await.unwrap();
        handle.flush().await.unwrap();
        let digest = agreed(digests.at(1).unwrap());
        let check = Payload::DigestCheck { index: 1, digest };
        let work = vec![(entry(2, EntryPayload::Normal(check)), None)];
        handle.apply(work).await.unwrap();
        let applied = handle.flush().await;
        assert_eq!(
            applied.is_err(),
            log.reason().is_some(),
            "a replica that differs goes no further"
        );
        drop(handle);
        let _ = running.await;
        log.reason()
    }

    #[tokio::test]
    async fn a_replica_compares_its_state_with_what_was_agreed() {
        assert_eq!(check_against(|own| own).await, None);
        let other = |mut own: StateDigest| {
            own.add(conclave_core::records::Table::Meta, b"x", b"y");
            own
        };
        let why = check_against(other).await.unwrap();
        assert!(why.contains("DIGEST_MISMATCH"), "{why}");
    }

    /// Up to which index the caches were told when a reader was let go that waited for index 1.
    async fn told_before_published() -> u64 {
        let told = Arc::new(Told::default());
        let parts = parts(told.clone(), FatalLog::default().hook());
        let (applier, handle, mut applied, _) = Applier::open(parts).unwrap();
        tokio::spawn(applier.run());
        let reader = tokio::spawn(async move {
            applied.wait_for(|index| *index >= Some(1)).await.unwrap();
            told.0.load(Ordering::SeqCst)
        });
        let work = vec![(entry(1, EntryPayload::Blank), None)];
        handle.apply(work).await.unwrap();
        reader.await.unwrap()
    }

    #[tokio::test]
    async fn the_caches_are_told_before_the_index_is_published() {
        assert_eq!(told_before_published().await, 1);
    }

    #[cfg(feature = "mutants")]
    #[test]
    fn the_mutant_that_publishes_first_is_caught() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let told = conclave_core::mutants::with(Mutant::PublishBeforeEvict, || {
            runtime.block_on(told_before_published())
        });
        assert_eq!(told, 0);
    }
}
