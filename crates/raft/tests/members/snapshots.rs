//! Snapshots: written when a member needs one, and only then.

use crate::world::{TestMember, World, barrier, digests, propose};
use crate::{is_leader, wait_until};
use conclave_storage::snapshot::SNAPSHOT_DIRECTORY;
use conclave_storage::{Disk, LogFile};
use conclave_testkit::{FatalLog, TaskSpawner};
use std::sync::Arc;
use std::time::Duration;

/// Entries that stay in the log.
const LOG_KEPT: u64 = 48;
/// Far more than that.
const MANY: u128 = 400;

/// Three members, one of which was cut off while many entries were applied.
struct Lagging {
    world: World,
    members: Vec<TestMember>,
    lagging: usize,
    next: u128,
}

impl Lagging {
    async fn begin() -> Lagging {
        let mut world = World::new(3);
        world.log_kept = LOG_KEPT;
        let members = world.form().await;
        let lagging = (0..3).find(|at| !is_leader(&members[*at])).unwrap();
        let mut this = Lagging { world, members, lagging, next: 0 };
        this.cut(true);
        this.propose(MANY).await;
        this
    }

    fn id(&self) -> u32 {
        self.lagging as u32 + 1
    }

    fn cut(&self, cut: bool) {
        self.world.cut(self.id(), cut);
    }

    fn serving(&self) -> &TestMember {
        &self.members[(self.lagging + 1) % 3]
    }

    async fn propose(&mut self, count: u128) {
        for number in self.next..self.next + count {
            propose(&self.serving().node, number).await.unwrap();
        }
        self.next += count;
    }

    async fn all_are_equal(&self) {
        let all = digests(&self.members).await;
        assert!(all.iter().all(|digest| *digest == all[0]), "{all:?}");
    }

    /// How many files of snapshots there are, at all members.
    fn files(&self) -> usize {
        let count = |member: &TestMember| member.disk.list(SNAPSHOT_DIRECTORY).unwrap().len();
        self.members.iter().map(count).sum()
    }

    /// Entries in the log of the leader, as its disk has them.
    async fn log_of_leader(&self) -> u64 {
        let leader = self.members.iter().find(|member| is_leader(member)).unwrap();
        let disk = Arc::new(leader.disk.copy());
        let log = LogFile::open(disk, &TaskSpawner, FatalLog::default().hook()).unwrap();
        log.entries(.., usize::MAX).len() as u64
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_while_all_keep_up() {
    let mut world = World::new(3);
    world.log_kept = LOG_KEPT;
    let members = world.form().await;
    let mut this = Lagging { world, members, lagging: 0, next: 0 };
    this.propose(MANY).await;
    this.all_are_equal().await;
    assert_eq!((this.world.snapshots(), this.files()), (0, 0));
    let kept = this.log_of_leader().await;
    assert!((LOG_KEPT..MANY as u64 / 2).contains(&kept), "{kept} entries");
}

#[tokio::test(start_paused = true)]
async fn a_member_that_lags_far_catches_up_by_a_snapshot() {
    let this = Lagging::begin().await;
    this.cut(false);
    this.all_are_equal().await;
    let sent = this.world.sent_snapshot().map(|sent| sent.to);
    assert_eq!(sent, Some(this.id()), "it caught up by entries");
    wait_until(|| this.files() == 0).await;
}

/// The entries after it stay in the log while it is sent: the member needs no second one.
#[tokio::test(start_paused = true)]
async fn one_snapshot_is_enough_however_long_it_takes() {
    let mut this = Lagging::begin().await;
    let gate = this.world.gate_snapshots();
    this.cut(false);
    wait_until(|| this.world.snapshots() == 1).await;
    this.propose(MANY).await;
    assert!(this.log_of_leader().await >= MANY as u64);
    drop(gate);
    barrier(&this.members[this.lagging].node).await;
    this.all_are_equal().await;
    assert_eq!(this.world.snapshots(), 1);
    tokio::time::sleep(Duration::from_secs(3)).await;
    this.propose(MANY).await;
    let kept = this.log_of_leader().await;
    assert!(kept < MANY as u64 / 2, "{kept} entries: the log is purged again");
}

#[tokio::test(start_paused = true)]
async fn another_attempt_sends_the_same_file() {
    let mut this = Lagging::begin().await;
    let gate = this.world.gate_snapshots();
    this.cut(false);
    let mut sent = Vec::new();
    for attempt in 1..=3 {
        wait_until(|| this.world.snapshots() == attempt).await;
        sent.push(this.world.sent_snapshot().unwrap().chunks);
        assert_eq!(this.files(), 1, "attempt {attempt}");
        // A file that were written anew would hold these; the log is marked meanwhile.
        this.propose(u128::from(LOG_KEPT) / 4).await;
        gate.send(attempt == 3).unwrap();
    }
    this.all_are_equal().await;
    assert!(sent.iter().all(|chunks| *chunks == sent[0]));
    wait_until(|| this.files() == 0).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_for_a_member_that_is_not_there() {
    let mut this = Lagging::begin().await;
    for _ in 0..50 {
        this.propose(2).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!((this.world.snapshots(), this.files()), (0, 0));
    }
    this.cut(false);
    this.all_are_equal().await;
    assert_eq!(this.world.snapshots(), 1);
}
