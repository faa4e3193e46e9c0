//! The services that clients call: authenticate, authorize, propose or read, present. And the node's
//! side of the seal: ceremonies, hand-over, the keys that an unsealed node holds.
//!
//! A call becomes a [`call::Call`] (credential, deadline, freshness), a read barrier gives the one
//! view from which all is decided ([`moment`], [`decisions`]), and only what was decided reaches the
//! keys ([`unwrapped_keys`]). A mutation becomes a command ([`mutate`]) that the state machine judges
//! again. Replication is behind [`conclave_core::replica::Replica`]; this crate knows nothing of Raft.
//!
//! Deliberately absent: sockets, TLS, files, clocks, entropy of its own.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod config;
mod error;
mod identity;
mod journaled;
mod readiness;
mod services;

mod access;
mod batch;
mod bench;
mod boundary;
mod call;
mod context;
mod credential;
mod crypto;
mod deadline;
mod decisions;
mod digest;
mod handlers;
mod health;
mod hot;
mod instances;
mod keys;
mod limits;
mod lock;
mod moment;
mod mutate;
mod observer;
mod operator;
mod rate_limit;
mod render;
mod rotations;
mod rounds;
mod seal;
mod seal_state;
mod sight;
mod status;
mod unwrapped_keys;
mod validate;

#[cfg(test)]
mod testing;

pub use config::ApiConfig;
pub use error::ApiError;
pub use identity::{CertificateIdentity, PeerIdentity};
pub use readiness::NotReady;
pub use services::{Services, Shared};
