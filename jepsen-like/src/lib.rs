//! Black-box runs of `conclave`: real processes, real faults, recorded histories, verdicts.
//!
//! The harness knows the program only by its command line, its files and the SDK. A run ends in one of
//! three ways: nothing found, a [`Failure::Violation`], or a [`Failure::Harness`] that says what is
//! missing for the run to be made. It never skips.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod binary;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod dev;
pub mod failure;
pub mod faults;
pub mod history;
pub mod network;
pub mod node;
pub mod pki;
pub mod process;
pub mod scale;
pub mod scan;
pub mod scenario;
pub mod sdk;
pub mod status;
pub mod wait;
pub mod workload;

pub use binary::Binary;
pub use cli::{Cli, Output};
pub use cluster::Cluster;
pub use failure::{Failure, Result, ensure, require};
pub use scale::Scale;
pub use wait::wait_until;
