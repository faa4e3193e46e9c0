//! The simulator: the code of a node as it ships, from the services of the API down to the bytes of
//! its files, over a simulated network, disk, clock and entropy, all on one thread and all from one
//! seed. Only the transport of the API and of the peers is left out.
//!
//! A run is a [`plan::Plan`]: what the cluster is made of, who calls it, and which faults strike when.
//! The clients keep a [`history::History`] of what they asked and were answered; the checkers and
//! invariants judge it, and the state of the members, against what may be. The [`trace::Trace`] hashes
//! every message, every write to a disk and every answer: the same seed gives the same hash.

mod above;
pub mod caller;
pub mod ceremony;
pub mod checker;
pub mod cluster;
pub mod entropy;
pub mod evidence;
pub mod history;
pub mod invariants;
pub mod nemesis;
pub mod net;
pub mod panics;
pub mod plan;
pub mod recorder;
pub mod report;
pub mod run;
mod seat;
pub mod short;
pub mod shrink;
pub mod sim_clock;
pub mod trace;
mod uses;
pub mod violation;
pub mod workload;
