//! A cluster in one process: the real member code on simulated disks, with messages that are handed
//! over directly. Time is tokio's paused clock.

use conclave_core::command::{Caller, Command, Proposal, RecordShare};
use conclave_core::digest::Touched;
use conclave_core::ids::{CeremonyId, MemberId, RequestId};
use conclave_core::outcome::Applied;
use conclave_core::records::RecordsRead;
use conclave_core::replica::{BoxFuture, Member, Observer, PeerSeal, ProposeError, Replica};
use conclave_raft::transport::{AppendAnswers, Handler, Target, Transport, TransportError};
use conclave_raft::wire::{
    Answer, Header, MAX_FRAME_BYTES, PROTOCOL, Request, SnapshotAnswer, SnapshotHead,
};
use conclave_raft::{ClockRate, InitialMember, PeerSide, RaftConfig, RaftNode, Seams};
use conclave_storage::SnapshotFile;
use conclave_testkit::{FatalLog, ManualClock, SimDisk, TaskSpawner};
use futures::StreamExt;
use futures::stream::BoxStream;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use uuid::Uuid;

pub const PATIENCE: Duration = Duration::from_secs(60);

/// All members by node id, and which of them cannot be reached.
#[derive(Default)]
struct Net {
    members: BTreeMap<u32, (Header, Arc<PeerSide>)>,
    cut: BTreeSet<u32>,
    read_index_asked: u64,
    starts: u64,
    gate: Option<Arc<tokio::sync::Notify>>,
    /// The next answer to a forwarded proposal gets lost.
    lose_proposed: bool,
    /// The next message that names a successor gets lost.
    lose_transfer: bool,
    /// Whoever asks these members waits for ever.
    silent: BTreeSet<u32>,
    /// Questions for a confirmation, by the member that was asked.
    confirm_asked: BTreeMap<u32, u64>,
    /// Messages of consensus (votes, appends) to these members get lost; introductions do not.
    deaf: BTreeSet<u32>,
    /// The newest snapshot that was sent: by whom, to whom, what.
    sent_snapshot: Option<SentSnapshot>,
    /// How many were sent, with or without success.
    snapshots: u64,
    /// Held back until something comes: `false` lets the snapshot get lost.
    snapshot_gate: Option<Arc<tokio::sync::Mutex<mpsc::UnboundedReceiver<bool>>>>,
}

impl Net {
    /// Counts a question; whether it goes unanswered.
    fn notes(&mut self, request: &Request, to: u32) -> bool {
        if matches!(request, Request::Confirm(_)) {
            *self.confirm_asked.entry(to).or_default() += 1;
        }
        let lost = matches!(request, Request::TransferLeader(_)) && self.lose_transfer;
        self.lose_transfer &= !lost;
        lost || self.silent.contains(&to)
    }
}

/// A snapshot as it went over the network.
#[derive(Clone)]
pub struct SentSnapshot {
    pub from: Header,
    pub to: u32,
    pub head: SnapshotHead,
    pub chunks: Vec<Vec<u8>>,
}

#[derive(Clone, Default)]
pub struct World {
    net: Arc<Mutex<Net>>,
    pub log_kept: u64,
    /// Begins the address of every member: worlds with other names do not reach each other.
    pub hosts: &'static str,
    /// Member ids begin above this.
    pub member_ids: u64,
    size: u32,
}

pub struct TestMember {
    pub node: RaftNode,
    pub disk: SimDisk,
    pub fatal: FatalLog,
}

impl World {
    pub fn new(size: u32) -> World {
        World { size, log_kept: 10_000, hosts: "node", ..World::default() }
    }

    /// Starts all members on new disks and waits until each has applied the first entry.
    pub async fn form(&self) -> Vec<TestMember> {
        let mut members = Vec::new();
        for id in 1..=self.size {
            members.push(self.start(id, SimDisk::default(), None).await);
        }
        for member in &members {
            barrier(&member.node).await;
        }
        members
    }

    /// Starts a member on a disk; `cluster` is what `node.json` would hold.
    pub async fn start(&self, id: u32, disk: SimDisk, cluster: Option<Uuid>) -> TestMember {
        self.start_as(id, self.identity(id).member, disk, cluster).await
    }

    /// What the others are told of a member; those after the first `size` are learners.
    pub fn identity(&self, id: u32) -> Member {
        Member {
            member: self.member_ids + u64::from(id) * 111,
            node_id: id,
            api: format!("api-{id}:1"),
            peer: self.address(id),
            node_key: [id as u8; 32],
            voter: id <= self.size,
        }
    }

    /// Another number for each start, the same ones in each run.
    fn next_start(&self, member: u64) -> u64 {
        let mut net = self.net.lock().unwrap();
        net.starts += 1;
        member * 1_000 + net.starts
    }

    pub async fn start_as(
        &self,
        id: u32,
        member: u64,
        disk: SimDisk,
        cluster: Option<Uuid>,
    ) -> TestMember {
        let fatal = FatalLog::default();
        let seed = self.next_start(member);
        let initial_members = (1..=self.size)
            .map(|id| InitialMember { id, peer: self.address(id), api: format!("api-{id}:1") })
            .collect();
        let config = RaftConfig {
            cluster_name: "test".to_owned(),
            cluster_id: cluster,
            new_cluster_id: Uuid::from_u128(u128::from(member)),
            member: Member { member, ..self.identity(id) },
            initial_members,
            heartbeat: Duration::from_millis(250),
            election: Duration::from_millis(1_500),
            log_kept: self.log_kept,
            seed,
            version: "test".to_owned(),
            clock_rate: ClockRate::Real,
        };
        let clock = Arc::new(ManualClock::default());
        clock.advance_ms(1_000);
        let seams = Seams {
            disk: Arc::new(disk.clone()),
            spawner: Arc::new(TaskSpawner),
            fatal: fatal.hook(),
            clock,
            observer: Arc::new(Nothing),
            seal: Arc::new(Nothing),
            on_cluster_id: Arc::new(|_| Ok(())),
        };
        let node = RaftNode::open(config, seams).await.unwrap();
        let side = Arc::new(PeerSide(node.clone()));
        let incarnation = 0;
        let header = Header {
            protocol: PROTOCOL,
            cluster_name: "test".to_owned(),
            cluster_id: None,
            node_id: id,
            member,
            incarnation,
            start: seed,
            to: None,
        };
        self.net.lock().unwrap().members.insert(id, (header, side));
        node.run(Arc::new(Local { world: self.clone(), from: id, node: node.clone() }));
        TestMember { node, disk, fatal }
    }

    /// Takes a member off the network, or puts it back.
    pub fn cut(&self, id: u32, cut: bool) {
        let mut net = self.net.lock().unwrap();
        if cut {
            net.cut.insert(id)
        } else {
            net.cut.remove(&id)
        };
    }

    /// Lets messages of consensus to a member get lost, or not.
    pub fn deafen(&self, id: u32, deaf: bool) {
        let mut net = self.net.lock().unwrap();
        if deaf {
            net.deaf.insert(id)
        } else {
            net.deaf.remove(&id)
        };
    }

    pub fn sent_snapshot(&self) -> Option<SentSnapshot> {
        self.net.lock().unwrap().sent_snapshot.clone()
    }

    /// The side of a member that its peers reach, and its header as the others would see it.
    pub fn side(&self, id: u32) -> (Header, Arc<PeerSide>) {
        self.net.lock().unwrap().members[&id].clone()
    }

    /// Kills a member: what it has not synced is lost as the seed says.
    pub fn kill(&self, id: u32, member: TestMember, seed: u64) -> SimDisk {
        let disk = member.disk.crash(seed);
        self.net.lock().unwrap().members.remove(&id);
        tokio::spawn(async move {
            // The fenced disk makes everything fail; nothing it says counts any more.
            let _ = member.node.shutdown().await;
        });
        disk
    }

    /// Holds every answer to a read index until the gate is opened.
    pub fn gate_read_index(&self) -> Arc<tokio::sync::Notify> {
        let gate = Arc::new(tokio::sync::Notify::new());
        self.net.lock().unwrap().gate = Some(gate.clone());
        gate
    }

    /// Holds every snapshot on its way: `true` lets one arrive, `false` lets one get lost; once the sender
    /// is gone all arrive.
    pub fn gate_snapshots(&self) -> mpsc::UnboundedSender<bool> {
        let (open, gate) = mpsc::unbounded_channel();
        let gate = Arc::new(tokio::sync::Mutex::new(gate));
        self.net.lock().unwrap().snapshot_gate = Some(gate);
        open
    }

    /// How many snapshots were sent so far.
    pub fn snapshots(&self) -> u64 {
        self.net.lock().unwrap().snapshots
    }

    pub fn open_gate(&self) {
        if let Some(gate) = self.net.lock().unwrap().gate.take() {
            gate.notify_waiters();
        }
    }

    /// Lets the next answer to a forwarded proposal get lost, after the proposal has had its effect.
    pub fn lose_next_proposed(&self) {
        self.net.lock().unwrap().lose_proposed = true;
    }

    /// Lets the next message that names a successor get lost.
    pub fn lose_next_transfer(&self) {
        self.net.lock().unwrap().lose_transfer = true;
    }

    /// Whether it has got lost.
    pub fn has_lost_transfer(&self) -> bool {
        !self.net.lock().unwrap().lose_transfer
    }

    /// Lets questions to a member go unanswered, or not.
    pub fn silence(&self, id: u32, silent: bool) {
        let mut net = self.net.lock().unwrap();
        if silent {
            net.silent.insert(id)
        } else {
            net.silent.remove(&id)
        };
    }

    /// How often each member was asked to confirm a leadership.
    pub fn confirm_asked(&self) -> BTreeMap<u32, u64> {
        self.net.lock().unwrap().confirm_asked.clone()
    }

    /// Whether it has got lost.
    pub fn has_lost_proposed(&self) -> bool {
        !self.net.lock().unwrap().lose_proposed
    }

    pub fn read_index_asked(&self) -> u64 {
        self.net.lock().unwrap().read_index_asked
    }

    fn reach_consensus(&self, from: u32, to: &Target) -> Result<Arc<PeerSide>, TransportError> {
        if self.net.lock().unwrap().deaf.contains(&to.node_id) {
            return Err(TransportError::NotSent("deaf".to_owned()));
        }
        self.reach(from, to)
    }

    fn address(&self, id: u32) -> String {
        format!("{}-{id}:1", self.hosts)
    }

    fn reach(&self, from: u32, target: &Target) -> Result<Arc<PeerSide>, TransportError> {
        let to = target.node_id;
        if target.address != self.address(to) {
            return Err(TransportError::NotSent("nobody is there".to_owned()));
        }
        let net = self.net.lock().unwrap();
        if net.cut.contains(&from) || net.cut.contains(&to) {
            return Err(TransportError::NotSent("cut off".to_owned()));
        }
        let member = net.members.get(&to);
        let (_, side) = member.ok_or_else(|| TransportError::NotSent("down".to_owned()))?;
        Ok(side.clone())
    }
}

/// A command that changes the state a little: it is refused, remembered and audited.
pub fn proposal(number: u128) -> Proposal {
    Proposal {
        caller: Caller::Custodian,
        request: RequestId(Uuid::from_u128(number)),
        request_digest: [7; 32],
        seen_index: None,
        command: Command::RecordShare(RecordShare {
            ceremony: CeremonyId(Uuid::from_u128(number)),
            collector: MemberId(1),
            epoch: 1,
            index: 1,
            replaces: None,
        }),
    }
}

/// Runs a test in virtual time under a mutant.
#[cfg(feature = "mutants")]
pub fn under<T>(mutant: conclave_core::mutants::Mutant, test: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().unwrap();
    conclave_core::mutants::with(mutant, || runtime.block_on(test))
}

pub async fn propose(node: &RaftNode, number: u128) -> Result<Applied, ProposeError> {
    node.propose(proposal(number), PATIENCE).await
}

pub async fn barrier(node: &RaftNode) -> u64 {
    node.read_barrier(PATIENCE).await.unwrap().index
}

/// The digests of all members after the same index.
pub async fn digests(members: &[TestMember]) -> Vec<String> {
    let mut index = 0;
    for member in members {
        index = index.max(barrier(&member.node).await);
    }
    let mut digests = Vec::new();
    for member in members {
        let report = member.node.report(Some(index), PATIENCE).await;
        digests.push(report.state_digest.expect("reached and kept"));
    }
    digests
}

struct Local {
    world: World,
    from: u32,
    node: RaftNode,
}

impl Local {
    async fn header(&self) -> Header {
        let mut header = self.world.net.lock().unwrap().members[&self.from].0.clone();
        header.cluster_id = self.node.report(None, Duration::ZERO).await.cluster_id;
        header.incarnation = self.node.incarnation();
        header
    }
}

impl Transport for Local {
    fn call(
        &self,
        to: Target,
        request: Request,
        timeout: Duration,
    ) -> BoxFuture<'static, Result<Answer, TransportError>> {
        let local = Local { world: self.world.clone(), from: self.from, node: self.node.clone() };
        Box::pin(async move {
            let side = match &request {
                Request::Vote(_) | Request::PreVote(_) | Request::Append(_) => {
                    local.world.reach_consensus(local.from, &to)?
                }
                _ => local.world.reach(local.from, &to)?,
            };
            let header = local.header().await;
            if local.world.net.lock().unwrap().notes(&request, to.node_id) {
                let silence = tokio::time::timeout(timeout, std::future::pending::<()>());
                silence.await.map_err(|_| TransportError::Lost("silence".to_owned()))?;
            }
            let gate = {
                let mut net = local.world.net.lock().unwrap();
                let asks = matches!(request, Request::ReadIndex(_));
                net.read_index_asked += u64::from(asks);
                net.gate.clone().filter(|_| asks)
            };
            let asked = side.call(header, request);
            let answer = tokio::time::timeout(timeout, asked)
                .await
                .map_err(|_| TransportError::Lost("late".to_owned()))?
                .map_err(|why| TransportError::Lost(why.to_string()))?;
            if matches!(answer, Answer::Proposed(_))
                && std::mem::take(&mut local.world.net.lock().unwrap().lose_proposed)
            {
                return Err(TransportError::Lost("the answer".to_owned()));
            }
            if let Some(gate) = gate {
                gate.notified().await;
            }
            // It was sent: whoever cannot be reached any more may have done what was asked.
            let is_back = local.world.reach(local.from, &to);
            is_back.map_err(|why| TransportError::Lost(why.to_string()))?;
            Ok(answer)
        })
    }

    fn append(
        &self,
        to: Target,
        requests: BoxStream<'static, Vec<u8>>,
        _idle: Duration,
    ) -> BoxFuture<'static, Result<AppendAnswers, TransportError>> {
        // As gRPC does it: a message that is too long ends the stream, with an error for the caller.
        let (refused, refusal) = futures::channel::oneshot::channel();
        let mut refused = Some(refused);
        let requests = requests
            .scan((), move |(), bytes| {
                let fits = bytes.len() <= MAX_FRAME_BYTES;
                if !fits && let Some(refused) = refused.take() {
                    let _ = refused.send(());
                }
                std::future::ready(fits.then_some(bytes))
            })
            .boxed();
        let local = Local { world: self.world.clone(), from: self.from, node: self.node.clone() };
        Box::pin(async move {
            let side = local.world.reach_consensus(local.from, &to)?;
            let header = local.header().await;
            let answers = side
                .append(header, requests)
                .map_err(|why| TransportError::NotSent(why.to_string()))?;
            let answers = answers.map(move |answer| {
                local.world.reach_consensus(local.from, &to)?;
                answer.map_err(|why| TransportError::Lost(why.to_string()))
            });
            let refusal = futures::stream::once(refusal).filter_map(|refused| {
                let error = TransportError::Lost("message length too large".to_owned());
                std::future::ready(refused.is_ok().then_some(Err(error)))
            });
            Ok(answers.chain(refusal).boxed())
        })
    }

    fn snapshot(
        &self,
        to: Target,
        head: SnapshotHead,
        file: SnapshotFile,
        _idle: Duration,
    ) -> BoxFuture<'static, Result<SnapshotAnswer, TransportError>> {
        let local = Local { world: self.world.clone(), from: self.from, node: self.node.clone() };
        Box::pin(async move {
            let side = local.world.reach_consensus(local.from, &to)?;
            let header = local.header().await;
            let mut chunks = Vec::new();
            let mut offset = 0;
            loop {
                let chunk = file.read_chunk(offset, 1_000).unwrap();
                if chunk.is_empty() {
                    break;
                }
                offset += chunk.len() as u64;
                chunks.push(chunk);
            }
            let sent = SentSnapshot {
                from: header.clone(),
                to: to.node_id,
                head: head.clone(),
                chunks: chunks.clone(),
            };
            let gate = {
                let mut net = local.world.net.lock().unwrap();
                net.snapshots += 1;
                net.sent_snapshot = Some(sent);
                net.snapshot_gate.clone()
            };
            if let Some(gate) = gate
                && gate.lock().await.recv().await == Some(false)
            {
                return Err(TransportError::Lost("the gate".to_owned()));
            }
            let chunks: Vec<_> = chunks.into_iter().map(Ok).collect();
            side.snapshot(header, head, futures::stream::iter(chunks).boxed())
                .await
                .map_err(|why| TransportError::Lost(why.to_string()))
        })
    }
}

pub struct Nothing;

impl Observer for Nothing {
    fn applied(&self, _: &dyn RecordsRead, _: u64, _: &[Touched]) {}
    fn installed(&self, _: &dyn RecordsRead, _: u64) {}
}

impl PeerSeal for Nothing {
    fn answer(&self, _: MemberId, message: Vec<u8>) -> BoxFuture<'_, Vec<u8>> {
        Box::pin(std::future::ready(message))
    }
    fn is_sealed(&self) -> bool {
        true
    }
}
