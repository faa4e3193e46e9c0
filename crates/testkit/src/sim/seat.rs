//! A place in the cluster: what of a node survives its lives.

use std::sync::Arc;

use conclave_api::Services;
use conclave_core::replica::Member;
use conclave_crypto::node_key::NodeKey;
use conclave_raft::{InitialMember, RaftNode};
use tonic::service::Routes;
use uuid::Uuid;

use super::entropy::SeededEntropy;
use super::net::Alive;
use super::sim_clock::SimClock;
use super::uses::SimJournal;
use crate::{Dice, SimDisk};

/// A place in the cluster.
pub(super) struct Seat {
    pub(super) node: u32,
    /// Made with the data directory, as `node.json` keeps it.
    pub(super) member: u64,
    pub(super) key: [u8; 32],
    /// The cluster, once it is known, as `node.json` keeps it.
    pub(super) cluster_id: Option<Uuid>,
    pub(super) disk: SimDisk,
    pub(super) clock: SimClock,
    /// How often it was started.
    pub(super) lives: u64,
    /// Whether the newest life, begun or running, goes on.
    pub(super) alive: Option<Alive>,
    /// The newest life, once it serves.
    pub(super) life: Option<Arc<Life>>,
    /// Position of the newest life in the records of the run.
    pub(super) record: usize,
    /// Whether its disk was made to fail, so that it may end itself.
    pub(super) excused: bool,
}

/// One life of a node.
pub struct Life {
    /// The node.
    pub node: u32,
    /// Whether it lives.
    pub alive: Alive,
    /// Replication.
    pub raft: RaftNode,
    /// The services above it.
    pub services: Services,
    pub(super) journal: Arc<SimJournal>,
    pub(super) routes: Routes,
}

impl Seat {
    /// An empty data directory.
    pub(super) fn new(node: u32, dice: &mut Dice) -> Seat {
        let member = dice.roll();
        let entropy = SeededEntropy::new(dice.roll());
        let seed = NodeKey::generate(&entropy);
        let key = seed.seed().expose().try_into().expect("a seed has 32 bytes");
        Seat {
            node,
            member,
            key,
            cluster_id: None,
            disk: SimDisk::default(),
            clock: SimClock::new(dice.below(1_000_000)),
            lives: 0,
            alive: None,
            life: None,
            record: 0,
            excused: false,
        }
    }

    pub(super) fn node_key(&self) -> NodeKey {
        NodeKey::from_seed(&self.key).expect("a seed has 32 bytes")
    }

    /// How the others know this member.
    pub(super) fn as_member(&self, voter: bool) -> Member {
        Member {
            member: self.member,
            node_id: self.node,
            api: api_address(self.node),
            peer: peer_address(self.node),
            node_key: self.node_key().public_key(),
            voter,
        }
    }
}

pub(super) fn initial_member(node: u32) -> InitialMember {
    InitialMember { id: node, peer: peer_address(node), api: api_address(node) }
}

pub(super) fn peer_address(node: u32) -> String {
    format!("node-{node}:7202")
}

fn api_address(node: u32) -> String {
    format!("node-{node}:7201")
}
