//! The only crate of the server that names a cipher: secrets, hierarchy, shares, data plane.
//!
//! All randomness that is kept or replicated comes through [`conclave_core::seams::Entropy`], so a
//! simulation decides it. Two libraries draw their own, for values that live for one message: the
//! ephemeral key of a hand-over (HPKE in rustls on aws-lc) and of an age file. Deliberately absent:
//! clocks, files, sockets, state.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod canonical;
mod gf256;
mod kdf;

pub mod commitment;
pub mod data_plane;
pub mod dealing;
pub mod handover;
pub mod hierarchy;
pub mod node_key;
pub mod secret;
pub mod self_test;
pub mod shamir;
pub mod share;
pub mod share_file;
pub mod token;
pub mod wrap;
pub mod wrapping_keys;

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod testing;

pub use conclave_formats::Algorithm;
pub use hierarchy::{KeyMaterial, RootKey, WrappingKey};
pub use secret::SecretBytes;
