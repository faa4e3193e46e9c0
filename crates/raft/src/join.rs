//! Before a member takes part: it introduces itself, and takes part only if no peer knows more of it
//! than it knows itself.
//!
//! A first start forms the cluster: the initial member with the lowest node id waits until all the
//! others have introduced themselves (their member ids are random numbers that no configuration
//! holds), makes the cluster id and initializes consensus; the others adopt the cluster id from it.

use crate::log_store;
use crate::machine::read_applied;
use crate::node::Inner;
use crate::ticks::keep_ticking;
use crate::transport::Target;
use crate::types::{Membership, Raft, io_error};
use crate::watch::watch_over;
use crate::wire::{Answer, HelloAnswer, Introduction, Knowledge, Request};
use conclave_core::codec;
use conclave_core::mutants::Mutant;
use conclave_core::replica::Member;
use conclave_storage::{LogFile, MetaKey};
use futures::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

const INCARNATION: MetaKey = MetaKey::new("incarnation");

/// How long a peer has to answer an introduction.
const HELLO_TIMEOUT: Duration = Duration::from_secs(2);
/// Pause before silent peers are asked again when this member already takes part.
const LATER_PAUSE: Duration = Duration::from_secs(2);
/// Pause before peers that did not answer are asked again.
const HELLO_PAUSE: Duration = Duration::from_millis(200);

/// Why a member does not take part.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JoinError {
    /// The data directory is an old copy.
    #[error(
        "OLD_DATA_DIRECTORY: node {peer} has seen more of this member than the data directory \
         holds: it is an old copy. Nothing was changed. Put the newest data directory back; the \
         other members go on without this one"
    )]
    OldCopy {
        /// Who knows more.
        peer: u32,
    },
    /// The cluster exists and does not know this member.
    #[error(
        "NOT_A_MEMBER: the data directory is new, but node {peer} belongs to a cluster that has \
         started already and does not know this member. Put the node's data directory back"
    )]
    NotAMember {
        /// Who says so.
        peer: u32,
    },
    /// The peers belong to another cluster.
    #[error(
        "OTHER_CLUSTER: the data directory belongs to cluster {own}, but the peers (node {peer}) \
         belong to cluster {theirs}. Check node.data_dir and cluster.initial_members"
    )]
    OtherCluster {
        /// The cluster in the data directory.
        own: Uuid,
        /// The peers' cluster.
        theirs: Uuid,
        /// One of them.
        peer: u32,
    },
    /// The log file was made after the cluster was formed.
    #[error(
        "LOST_LOG: the data directory belongs to a cluster, but its log is gone: this member would \
         forget what it has voted and acknowledged. Nothing was changed. Put raft.redb back; the \
         other members go on without this one"
    )]
    LostLog,
    /// Two nodes have come with one member id.
    #[error(
        "SAME_MEMBER: two nodes came with the same member id: a data directory was copied. Empty the \
         data directory of one of them and start both again"
    )]
    SameMember,
    /// Storage or consensus failed.
    #[error("the member cannot take part: {0}")]
    Io(#[from] io::Error),
}

/// Raises the number of starts in the log file, durably, and gives it.
pub(crate) async fn raise_incarnation(log: &LogFile) -> io::Result<u64> {
    let before: u64 = match log.meta(INCARNATION) {
        Some(bytes) => codec::decode(&bytes).map_err(io_error)?,
        None => 0,
    };
    let now = before + 1;
    log.write_meta(vec![(INCARNATION, Some(codec::encode(&now)))]).await.map_err(io_error)?;
    Ok(now)
}

/// Takes part as soon as that is safe.
pub(crate) async fn join(inner: &Arc<Inner>) -> Result<(), JoinError> {
    let transport = inner.transport().cloned().ok_or_else(|| io_error("no transport"))?;
    let peers = peers(inner)?;
    let first = if inner.has_state()? {
        let answered = ask_majority(inner, &peers).await?;
        let (later, fatal) = (inner.clone(), inner.seams.fatal.clone());
        tokio::spawn(async move {
            if let Err(error) = introduce_later(later, peers, answered).await {
                fatal.raise(&error.to_string());
            }
        });
        None
    } else {
        form_cluster(inner, &peers).await?
    };
    if inner.is_stopping() {
        return Ok(());
    }
    let raft = inner.start_library(transport).await?;
    tokio::spawn(watch_over(inner.clone(), raft.clone()));
    tokio::spawn(keep_ticking(inner.clone()));
    if let Some(members) = first {
        initialize(&raft, members).await?;
    }
    tracing::info!(incarnation = inner.incarnation, "the member takes part");
    Ok(())
}

impl Inner {
    /// Whether this member has taken part before.
    pub(crate) fn has_state(&self) -> io::Result<bool> {
        let vote = log_store::stored_vote(&self.log)?;
        Ok(vote.is_some() || log_store::last_log_id(&self.log)?.is_some())
    }

    /// What this member shows of itself.
    pub(crate) fn introduction(&self) -> io::Result<Introduction> {
        let vote = log_store::stored_vote(&self.log)?;
        let last = log_store::last_log_id(&self.log)?;
        let member = self.config.member.clone();
        Ok(Introduction { member, knowledge: Knowledge::new(vote, last) })
    }

    /// The membership: that of the running consensus, else that of the state file.
    pub(crate) fn membership(&self) -> io::Result<Arc<Membership>> {
        match self.server(|server| server.membership_config.clone()) {
            Some(membership) => Ok(membership),
            None => Ok(Arc::new(read_applied(&self.state.read())?.membership)),
        }
    }
}

/// The other members: by membership if there is one, else by configuration.
fn peers(inner: &Inner) -> io::Result<Vec<Target>> {
    let own = &inner.config.member;
    let membership = inner.membership()?;
    let known: Vec<Target> = membership
        .membership()
        .nodes()
        .filter(|(id, _)| **id != own.member)
        .map(|(id, node)| crate::network::target_of(*id, node))
        .collect();
    if !known.is_empty() {
        return Ok(known);
    }
    let configured = inner.config.initial_members.iter().filter(|m| m.id != own.node_id);
    Ok(configured
        .map(|m| Target { node_id: m.id, member: None, address: m.peer.clone() })
        .collect())
}

/// The node ids of the voters, this member's own among them if it votes: by membership if there is one,
/// else by configuration.
fn voters(inner: &Inner) -> io::Result<BTreeSet<u32>> {
    let stored = inner.membership()?;
    let membership = stored.membership();
    let voting: BTreeSet<u64> = membership.voter_ids().collect();
    let counts = |id| voting.contains(id) || Mutant::LearnerCountsAsVoter.active();
    let known: BTreeSet<u32> =
        membership.nodes().filter(|(id, _)| counts(id)).map(|(_, node)| node.node_id).collect();
    if !known.is_empty() {
        return Ok(known);
    }
    Ok(inner.config.initial_members.iter().map(|m| m.id).collect())
}

/// A restart: waits for a majority of the voters, this member included if it is one. None of those who
/// answer, learners too, may know more of it than it knows itself.
async fn ask_majority(
    inner: &Inner,
    peers: &[Target],
) -> Result<BTreeMap<u32, HelloAnswer>, JoinError> {
    let voters = voters(inner)?;
    let majority = voters.len() / 2 + 1;
    let is_voter = |node_id: &&u32| voters.contains(*node_id);
    let mut answered: BTreeMap<u32, HelloAnswer> = BTreeMap::new();
    let own = inner.introduction()?;
    let asked = [peers, &configured_elsewhere(inner, peers)].concat();
    loop {
        let mut foreign: BTreeMap<u32, Uuid> = BTreeMap::new();
        for (node_id, answer) in introduce(inner, &own, &asked, &answered).await {
            match (inner.cluster_id.load().as_deref(), answer.cluster_id) {
                (Some(own), Some(theirs)) if *own != theirs => {
                    foreign.insert(node_id, theirs);
                }
                _ => {
                    check_seen(inner, &own, node_id, &answer)?;
                    answered.insert(node_id, answer);
                }
            }
        }
        if answered.keys().chain([&own.member.node_id]).filter(is_voter).count() >= majority {
            return Ok(answered);
        }
        foreign.retain(|node_id, _| !answered.contains_key(node_id));
        // One stray peer must not stop a good member, a majority of them cannot be wrong.
        if let (true, Some((peer, theirs)), Some(own)) = (
            voters.len() - foreign.keys().filter(is_voter).count() < majority,
            foreign.pop_first(),
            inner.cluster_id.load().as_deref().copied(),
        ) {
            return Err(JoinError::OtherCluster { own, theirs, peer });
        }
        if inner.is_stopping() {
            return Ok(answered);
        }
        tokio::time::sleep(HELLO_PAUSE).await;
    }
}

/// After a restart: goes on with the peers that were silent. One that knows more of this member than
/// it knows itself ends it, however late it says so.
async fn introduce_later(
    inner: Arc<Inner>,
    peers: Vec<Target>,
    mut answered: BTreeMap<u32, HelloAnswer>,
) -> Result<(), JoinError> {
    while !inner.is_stopping() && peers.iter().any(|p| !answered.contains_key(&p.node_id)) {
        tokio::time::sleep(LATER_PAUSE).await;
        let answers = introduce(&inner, &inner.introduction()?, &peers, &answered).await;
        // This member has gone on meanwhile: judged by what it holds after the answer.
        let own = inner.introduction()?;
        for (peer, answer) in answers {
            check_seen(&inner, &own, peer, &answer)?;
            answered.insert(peer, answer);
        }
    }
    Ok(())
}

/// Peers that the configuration places elsewhere than the membership does. None counts twice, but they
/// tell a directory that was moved here from another cluster, whose own members are not to be found.
fn configured_elsewhere(inner: &Inner, peers: &[Target]) -> Vec<Target> {
    let is_known =
        |id, address: &str| peers.iter().any(|p| p.node_id == id && p.address == address);
    let is_peer = |id| peers.iter().any(|p| p.node_id == id);
    let configured = inner.config.initial_members.iter();
    configured
        .filter(|m| is_peer(m.id) && !is_known(m.id, &m.peer))
        .map(|m| Target { node_id: m.id, member: None, address: m.peer.clone() })
        .collect()
}

fn check_seen(
    inner: &Inner,
    own: &Introduction,
    peer: u32,
    answer: &HelloAnswer,
) -> Result<(), JoinError> {
    match &answer.seen {
        Some(seen)
            if seen.outdates(inner.incarnation, inner.config.seed)
                || seen.knowledge > own.knowledge =>
        {
            Err(JoinError::OldCopy { peer })
        }
        _ => Ok(()),
    }
}

/// A first start. The member with the lowest node id gets the first membership to initialize; the
/// others return when they know the cluster id.
async fn form_cluster(
    inner: &Inner,
    peers: &[Target],
) -> Result<Option<BTreeMap<u64, Member>>, JoinError> {
    let own = inner.introduction()?;
    if inner.cluster_id.load().is_some() && inner.incarnation == 1 {
        return Err(JoinError::LostLog);
    }
    let founder = peers.iter().all(|peer| own.member.node_id < peer.node_id);
    while !inner.is_stopping() {
        let answered = introduce(inner, &own, peers, &BTreeMap::new()).await;
        for (peer, answer) in &answered {
            check_forming(inner, &own, *peer, answer)?;
        }
        let formed = answered.iter().find(|(_, answer)| answer.has_members);
        let adopted = answered.iter().find_map(|(_, answer)| answer.cluster_id);
        match (formed, adopted) {
            // Formed with this member, which holds nothing of it: it died on the way, or it is a copy
            // from before. Only those who replicated to it can tell, so all others have to answer.
            (Some(_), Some(id)) if answered.len() == peers.len() => {
                return inner.adopt(id).map(|()| None).map_err(Into::into);
            }
            (Some(_), _) => tokio::time::sleep(HELLO_PAUSE).await,
            (None, Some(id)) if !founder => {
                return inner.adopt(id).map(|()| None).map_err(Into::into);
            }
            _ if founder && answered.len() == peers.len() => {
                return found(inner, &own, &answered).map(Some);
            }
            _ => tokio::time::sleep(HELLO_PAUSE).await,
        }
    }
    Ok(None)
}

/// What a peer's answer says against a first start.
fn check_forming(
    inner: &Inner,
    own: &Introduction,
    peer: u32,
    answer: &HelloAnswer,
) -> Result<(), JoinError> {
    if answer.has_members && !answer.knows_caller {
        return Err(JoinError::NotAMember { peer });
    }
    check_seen(inner, own, peer, answer)?;
    match (inner.cluster_id.load().as_deref().copied(), answer.cluster_id) {
        (Some(own), Some(theirs)) if own != theirs => {
            Err(JoinError::OtherCluster { own, theirs, peer })
        }
        _ => Ok(()),
    }
}

/// The founder has heard of everybody, in one round: makes the cluster id and the first membership.
fn found(
    inner: &Inner,
    own: &Introduction,
    answered: &[(u32, HelloAnswer)],
) -> Result<BTreeMap<u64, Member>, JoinError> {
    let all = answered.iter().map(|(_, answer)| &answer.member).chain([&own.member]);
    let members: BTreeMap<u64, Member> =
        all.map(|member| (member.member, Member { voter: true, ..member.clone() })).collect();
    if members.len() != answered.len() + 1 {
        return Err(JoinError::SameMember);
    }
    inner.adopt(inner.config.new_cluster_id)?;
    Ok(members)
}

async fn initialize(raft: &Raft, members: BTreeMap<u64, Member>) -> Result<(), JoinError> {
    match raft.initialize(members).await {
        Ok(()) => Ok(()),
        // Somebody's vote arrived first: then this member has state, and there is nothing to do.
        Err(error) if error.api_error().is_some() => {
            tracing::warn!(%error, "the cluster was initialized already");
            Ok(())
        }
        Err(error) => Err(io_error(error.to_string()).into()),
    }
}

impl Inner {
    /// A peer has answered an introduction; its certificate names `node_id`.
    fn meet(&self, node_id: u32, answer: HelloAnswer) -> Option<(u32, HelloAnswer)> {
        if answer.member.node_id != node_id {
            tracing::warn!(node_id, said = answer.member.node_id, "a peer gives another node id");
            return None;
        }
        // Whoever restarts while the cluster forms is not asked by the others again: it learns here
        // who they are.
        if let Err(error) = self.introduce_first(node_id, answer.member.member) {
            tracing::warn!(node_id, %error, "a peer's answer was not taken");
            return None;
        }
        Some((node_id, answer))
    }

    fn adopt(&self, id: Uuid) -> io::Result<()> {
        if self.cluster_id.load().is_none() {
            (self.seams.on_cluster_id)(id)?;
            self.cluster_id.store(Some(Arc::new(id)));
        }
        Ok(())
    }
}

/// Asks all peers that have not answered yet, at once.
async fn introduce(
    inner: &Inner,
    own: &Introduction,
    peers: &[Target],
    answered: &BTreeMap<u32, HelloAnswer>,
) -> Vec<(u32, HelloAnswer)> {
    let Some(transport) = inner.transport() else {
        return Vec::new();
    };
    let open = peers.iter().filter(|peer| !answered.contains_key(&peer.node_id));
    let asked = open.map(|peer| async move {
        let request = Request::Hello(own.clone());
        match transport.call(peer.clone(), request, HELLO_TIMEOUT).await {
            Ok(Answer::Hello(answer)) => inner.meet(peer.node_id, *answer),
            Ok(other) => {
                tracing::warn!(peer = peer.node_id, ?other, "an introduction was not answered");
                None
            }
            Err(error) => {
                tracing::debug!(peer = peer.node_id, %error, "waiting for a peer");
                None
            }
        }
    });
    join_all(asked).await.into_iter().flatten().collect()
}
