//! openraft bound to `core` and `storage`: replication, the read barrier, membership.
//!
//! Reading order: [`types`] (what the library is instantiated with), [`node`] (a member),
//! [`transport`] (the seam of the network) and `grpc` (its implementation), `join` (before a member
//! takes part), `machine` (the applier), `barrier`, [`leadership`] and `propose` (reads and writes).
//!
//! Deliberately absent: what a command means, ciphers, anything of the API.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod barrier;
mod config;
pub mod grpc;
mod hand_on;
mod handler;
mod join;
pub mod leadership;
pub mod log_store;
pub mod machine;
mod network;
pub mod node;
mod propose;
mod report;
mod start;
mod ticks;
pub mod transport;
pub mod types;
mod watch;
pub mod wire;
mod witness;

pub use config::{ClockRate, InitialMember, LOG_KEPT, RaftConfig, Seams};
pub use handler::PeerSide;
pub use node::{AddLearnerError, RaftNode, StartError};
pub use start::RunningNode;
