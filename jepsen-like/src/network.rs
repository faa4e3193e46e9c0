//! Where the nodes of a cluster live: addresses of the loopback network, or network namespaces.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;

use uuid::Uuid;

use crate::failure::{Failure, Result};
use crate::faults::netns::Lab;

/// Ports of every node; the addresses differ.
pub const API_PORT: u16 = 7400;
/// Port between nodes.
pub const PEER_PORT: u16 = 7401;
/// Port of health and metrics, always on 127.0.0.1 or an address like it.
pub const LOCAL_PORT: u16 = 7402;

const ATTEMPTS: u32 = 20;

/// The network of one cluster.
///
/// On loopback every cluster has a network 127.X.Y.0/24 of its own, drawn at random, and the default
/// ports. A free port found by binding port 0 would be free only until some outgoing connection takes
/// it while its node is down; nothing connects from these addresses.
#[derive(Clone)]
pub enum Network {
    /// Addresses `127.X.Y.(10 + id)`.
    Loopback {
        /// X and Y.
        prefix: [u8; 2],
    },
    /// One network namespace a node, behind a bridge.
    Namespaces(Arc<Lab>),
}

/// Listeners that keep the addresses of one node until it starts.
pub struct Reservation(#[expect(dead_code, reason = "held, not used")] Vec<TcpListener>);

impl Network {
    /// A loopback network on which the addresses of `nodes` nodes are free, and what keeps them free.
    pub fn loopback(nodes: u32) -> Result<(Network, Vec<Reservation>)> {
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            let [x, y, ..] = *Uuid::new_v4().as_bytes();
            // 64 to 127: what other programs use of 127/8 lies at its beginning.
            let prefix = [64 | (x & 63), y];
            let network = Network::Loopback { prefix };
            match (1..=nodes).map(|id| network.reserve(id)).collect() {
                Ok(reserved) => return Ok((network, reserved)),
                Err(failure) => last = format!("{failure:?}"),
            }
        }
        Err(Failure::harness(format!("no free loopback network in {ATTEMPTS} attempts: {last}")))
    }

    /// Address of a node.
    pub fn ip(&self, id: u32) -> Ipv4Addr {
        match self {
            Network::Loopback { prefix: [x, y] } => Ipv4Addr::new(127, *x, *y, 10 + id as u8),
            Network::Namespaces(lab) => lab.ip(id),
        }
    }

    /// Where a node listens for health checks.
    pub fn local_ip(&self, id: u32) -> Ipv4Addr {
        match self {
            Network::Loopback { .. } => self.ip(id),
            Network::Namespaces(_) => Ipv4Addr::LOCALHOST,
        }
    }

    /// What runs a process on a node's own network.
    pub fn prefix(&self, id: u32) -> Vec<String> {
        match self {
            Network::Loopback { .. } => Vec::new(),
            Network::Namespaces(lab) => lab.exec_prefix(id),
        }
    }

    fn reserve(&self, id: u32) -> Result<Reservation> {
        let listeners = [API_PORT, PEER_PORT, LOCAL_PORT]
            .into_iter()
            .map(|port| TcpListener::bind((self.ip(id), port)))
            .collect::<std::io::Result<_>>()?;
        Ok(Reservation(listeners))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_addresses_are_held_and_then_free() {
        let (network, reserved) = Network::loopback(3).unwrap();
        for id in 1..=3 {
            assert!(TcpListener::bind((network.ip(id), API_PORT)).is_err());
        }
        drop(reserved);
        for id in 1..=3 {
            assert!(TcpListener::bind((network.ip(id), PEER_PORT)).is_ok());
        }
    }
}
