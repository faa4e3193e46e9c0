//! The journal of uses on real nodes: `kill -9` in the middle of a load loses no record of what was
//! answered, and the chain goes on in the next life.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use conclave_core::journal::{FrameError, LINK_BYTES, Operation, Use, Verdict, read_frame};
use conclave_harness::sdk::{Access, Session};
use conclave_harness::workload::block_on;
use conclave_harness::{Cluster, Failure, Result, Scale, ensure, wait_until};

use crate::common::binary;

/// Bytes of the header of a segment, see docs/formats.md.
const HEADER: usize = 180;
/// Connections: more than a node has threads, so that each of its journals is written.
const CLIENTS: usize = 16;
/// Answers before the node dies.
const BEFORE: usize = 300;
/// Plaintexts are told by their size, which is bounded.
const LONGEST: u64 = 60_000;

#[test]
fn kill_9_loses_no_record_of_an_answer() -> Result<()> {
    let mut cluster = Cluster::unsealed(&binary()?)?;
    cluster.cli().ok(&["key", "create", "used"])?;
    let victim = cluster.wait_leader(&cluster.ids())?;
    let sizes = Arc::new(AtomicU64::new(1));
    let kills = Scale::from_env().map_err(Failure::harness)?.pick(3, 20);
    let mut answered = Vec::new();
    for _ in 0..kills {
        let load = Load::start(&cluster, victim, &sizes)?;
        wait_until(Duration::from_secs(60), "answers", || match load.answers() {
            few if few < BEFORE => Err(few.to_string()),
            _ => Ok(()),
        })?;
        cluster.node(victim).kill9()?;
        answered.extend(load.stop()?);
        let recorded = encrypted(&records(cluster.node(victim).dir())?);
        let lost: Vec<_> = answered.iter().filter(|size| !recorded.contains_key(size)).collect();
        ensure(lost.is_empty(), || format!("answered and not recorded: {lost:?}"))?;
        let twice = recorded.iter().find(|(_, count)| **count > 1);
        ensure(twice.is_none(), || format!("recorded twice: {twice:?}"))?;
        cluster.node(victim).start()?;
        cluster.unseal(victim)?;
    }
    a_stranger_is_recorded(&mut cluster, victim)
}

/// Whoever shows nothing is refused, and leaves a record; so does a node that stops in order.
fn a_stranger_is_recorded(cluster: &mut Cluster, node: u32) -> Result<()> {
    let stranger = cluster.cli_bare(&[node]);
    stranger.refused(&["encrypt", "used"], 1, "UNAUTHENTICATED")?;
    cluster.node(node).terminate()?;
    let records = records(cluster.node(node).dir())?;
    let is_refused = |record: &&Use| {
        record.verdict == Verdict::Refused && record.reason.as_deref() == Some("UNAUTHENTICATED")
    };
    let refused = records.iter().flatten().filter(is_refused).count();
    ensure(refused == 1, || format!("{refused} records of one refused call"))
}

/// Clients that encrypt on one node without a pause, each plaintext of a size of its own.
struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<Mutex<Vec<u64>>>,
    thread: JoinHandle<Result<()>>,
}

impl Load {
    fn start(cluster: &Cluster, node: u32, sizes: &Arc<AtomicU64>) -> Result<Load> {
        let stop = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(Mutex::new(Vec::new()));
        let access = Access::new(cluster, &[node]);
        let (stopping, seen, sizes) = (stop.clone(), answered.clone(), sizes.clone());
        let thread = thread::spawn(move || {
            let client = |session: Session| {
                let (stopping, seen, sizes) = (&stopping, &seen, &sizes);
                async move {
                    while !stopping.load(Ordering::SeqCst) {
                        let size = sizes.fetch_add(1, Ordering::SeqCst);
                        let plaintext = vec![7; (size % LONGEST) as usize];
                        if session.encrypt("used", &plaintext).await.1.is_none() {
                            return;
                        }
                        seen.lock().unwrap().push(size % LONGEST);
                    }
                }
            };
            block_on(async {
                let mut sessions = Vec::new();
                for _ in 0..CLIENTS {
                    sessions.extend(access.sessions(Duration::from_secs(3))?);
                }
                futures::future::join_all(sessions.into_iter().map(client)).await;
                Ok(())
            })
        });
        Ok(Load { stop, answered, thread })
    }

    fn answers(&self) -> usize {
        self.answered.lock().unwrap().len()
    }

    /// The sizes of what was answered.
    fn stop(self) -> Result<Vec<u64>> {
        self.stop.store(true, Ordering::SeqCst);
        let joined = self.thread.join();
        joined.unwrap_or_else(|_| Err(Failure::harness("the load's thread panicked")))?;
        Ok(std::mem::take(&mut *self.answered.lock().unwrap()))
    }
}

/// How many records of an Encrypt that was done there are of each size.
fn encrypted(records: &[Vec<Use>]) -> BTreeMap<u64, usize> {
    let mut sizes = BTreeMap::new();
    let done = |record: &&Use| {
        let under_a_key = record.key.is_some() && record.version == Some(1);
        record.operation == Operation::Encrypt && record.verdict == Verdict::Ok && under_a_key
    };
    for record in records.iter().flatten().filter(done) {
        *sizes.entry(record.bytes).or_default() += 1;
    }
    sizes
}

/// The records of each segment of a node that does not run. They must follow each other.
fn records(node: &Path) -> Result<Vec<Vec<Use>>> {
    let mut names: Vec<_> = fs::read_dir(node.join("data/audit"))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<_>>()?;
    names.sort();
    ensure(!names.is_empty(), || "there is no journal".to_owned())?;
    let mut all = Vec::new();
    for name in names {
        let mode = fs::metadata(&name)?.permissions().mode() & 0o777;
        ensure(mode == 0o600, || format!("{} has mode {mode:o}", name.display()))?;
        let bytes = fs::read(&name)?;
        let (mut at, mut records) = (HEADER, Vec::new());
        while at < bytes.len() {
            let frame = match read_frame(&bytes[at - LINK_BYTES..]) {
                Ok(frame) => frame,
                // The last write was cut off: its answers never left. The next start cuts it away.
                Err(FrameError::Short) => break,
                Err(error) => {
                    return Err(Failure::violation(format!("{}: {error}", name.display())));
                }
            };
            ensure(frame.seq == records.len() as u64, || format!("a gap at {}", frame.seq))?;
            at += frame.bytes;
            records.push(frame.recorded);
        }
        all.push(records);
    }
    Ok(all)
}
