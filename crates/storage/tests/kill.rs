//! A real process on a real directory, killed with SIGKILL at random moments and started again.
#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods)]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use common::{applied, commit_batch, dump, model, run, scaled};
use conclave_storage::{
    DirectoryLock, FsDisk, LogFile, MetaKey, StateFile, ThreadSpawner, write_small_file_atomically,
};
use conclave_testkit::{Dice, FatalLog, ManualClock, TaskSpawner};

/// Names the directory to a test binary that was started as the child.
const DIRECTORY: &str = "CONCLAVE_STORAGE_KILL_DIRECTORY";

/// Where the child's choices come from.
const CHILD_SEED: &str = "CONCLAVE_STORAGE_KILL_SEED";

const VOTE: MetaKey = MetaKey::new("vote");

fn bytes_of(index: u64) -> Arc<[u8]> {
    let mut dice = Dice::new(index);
    let length = if dice.chance(2) { 20_000 } else { dice.below(500) };
    dice.bytes(length as usize).into()
}

fn acknowledge(what: &str, number: u64) {
    // One write: it reaches the pipe whole or not at all.
    let line = format!("\nack {what} {number}\n");
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

/// What the child does until it is killed: appends with many in flight, votes, purges, rewrites the
/// tail, applies and syncs the state, replaces a small file.
#[test]
fn child() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let _lock = DirectoryLock::acquire(Path::new(&directory)).unwrap();
    let disk = Arc::new(FsDisk::open(&directory).unwrap());
    let fatal = FatalLog::default();
    let log = LogFile::open(disk.clone(), &ThreadSpawner, fatal.hook()).unwrap();
    let clock = Arc::new(ManualClock::default());
    let state = StateFile::open(disk.clone(), clock, fatal.hook()).unwrap();
    let mut dice = Dice::new(std::env::var(CHILD_SEED).unwrap().parse().unwrap());
    run(async {
        loop {
            let next = log.last_index().or(log.purged_index()).map_or(0, |last| last + 1);
            let last = next + dice.below(4);
            let entries = (next..=last).map(|index| (index, bytes_of(index))).collect();
            let done = move |result: Result<(), _>| {
                result.unwrap();
                acknowledge("entry", last);
            };
            log.append(entries, Box::new(done)).unwrap();
            match dice.below(40) {
                0 => {
                    log.write_meta(vec![(VOTE, Some(last.to_be_bytes().to_vec()))]).await.unwrap();
                    acknowledge("vote", last);
                }
                1 => log.purge_to(last.saturating_sub(500), Vec::new()).await.unwrap(),
                2 => {
                    // Waits for all that is in flight, so that no acknowledgement comes later.
                    log.write_meta(Vec::new()).await.unwrap();
                    let kept = last.saturating_sub(dice.below(3));
                    acknowledge("truncation", kept);
                    log.truncate_after(Some(kept)).await.unwrap();
                }
                3..6 => commit_batch(&state, applied(&state) + 1),
                6 => {
                    let committed = applied(&state);
                    state.sync();
                    acknowledge("state", committed);
                }
                7 => {
                    let text = format!("{last:020}");
                    write_small_file_atomically(&*disk, "node.json", text.as_bytes()).unwrap();
                    acknowledge("file", last);
                }
                _ => {}
            }
        }
    });
}

/// The highest numbers that the killed processes acknowledged.
#[derive(Debug, Default)]
struct Acknowledged {
    entry: Option<u64>,
    vote: Option<u64>,
    state: Option<u64>,
    file: Option<u64>,
}

impl Acknowledged {
    fn note(&mut self, line: &str) -> bool {
        let Some((what, number)) = line.strip_prefix("ack ").and_then(|rest| rest.split_once(' '))
        else {
            return false;
        };
        let number: u64 = number.parse().unwrap();
        let slot = match what {
            "truncation" => {
                self.entry = self.entry.min(Some(number));
                return true;
            }
            "entry" => &mut self.entry,
            "vote" => &mut self.vote,
            "state" => &mut self.state,
            "file" => &mut self.file,
            other => panic!("unknown acknowledgement {other}"),
        };
        *slot = (*slot).max(Some(number));
        true
    }

    /// Runs a child, kills it after some acknowledgements, and notes all that it made.
    fn run_and_kill(&mut self, directory: &Path, lines: u64, seed: u64) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["child", "--exact", "--nocapture", "--test-threads=1"])
            .env(DIRECTORY, directory)
            .env(CHILD_SEED, seed.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut left = lines;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            left = left.saturating_sub(u64::from(self.note(&line.unwrap())));
            if left == 0 {
                // SIGKILL; what is in the pipe already is still read below.
                child.kill().unwrap();
            }
        }
        assert!(!child.wait().unwrap().success());
        assert_eq!(left, 0, "the child ended by itself");
    }
}

fn verify(directory: &Path, acknowledged: &Acknowledged, context: &str) {
    let disk = Arc::new(FsDisk::open(directory).unwrap());
    let fatal = FatalLog::default();
    let clock = Arc::new(ManualClock::default());
    run(async {
        let log = LogFile::open(disk.clone(), &TaskSpawner, fatal.hook()).unwrap();
        assert!(log.last_index() >= acknowledged.entry, "{context}: {:?}", log.last_index());
        let first = log.first_index().unwrap_or_default();
        for (at, (index, entry)) in (first..).zip(log.entries(.., usize::MAX)) {
            assert_eq!(index, at, "{context}: a hole");
            assert!(entry == bytes_of(index), "{context}: entry {index}");
        }
        let vote = log.meta(VOTE).map(|bytes| u64::from_be_bytes(bytes.try_into().unwrap()));
        assert!(vote >= acknowledged.vote, "{context}: {vote:?}");
        log.close().await.unwrap();
    });
    let state = StateFile::open(disk.clone(), clock, fatal.hook()).unwrap();
    let found = applied(&state);
    assert!(Some(found) >= acknowledged.state, "{context}: {found}");
    assert!(
        dump(&state.read()) == dump(&model(found)),
        "{context}: not the state of batch {found}"
    );
    let file = conclave_storage::read_small_file(&*disk, "node.json").unwrap();
    let file = file.map(|bytes| String::from_utf8(bytes).unwrap().parse::<u64>().unwrap());
    assert!(file >= acknowledged.file, "{context}: {file:?}");
    assert_eq!(fatal.reason(), None);
}

#[test]
fn nothing_acknowledged_is_lost_by_sigkill() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = std::env::var("CONCLAVE_TEST_SEED")
        .map_or(now.as_nanos() as u64, |seed| seed.parse().unwrap());
    // Past the capture of the test runner: the seed is wanted whatever happens.
    writeln!(std::io::stderr(), "CONCLAVE_TEST_SEED={seed}").unwrap();
    let mut dice = Dice::new(seed);
    for directory_number in 0..scaled(3, 25) {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("data");
        FsDisk::open(&directory).unwrap();
        let mut acknowledged = Acknowledged::default();
        for kill in 0..scaled(8, 20) {
            let lines = 1 + dice.below(800);
            acknowledged.run_and_kill(&directory, lines, dice.roll());
            let context =
                format!("seed {seed}, directory {directory_number}, kill {kill}: {acknowledged:?}");
            verify(&directory, &acknowledged, &context);
        }
        assert!(acknowledged.vote.is_some() && acknowledged.state.is_some(), "{acknowledged:?}");
    }
}
