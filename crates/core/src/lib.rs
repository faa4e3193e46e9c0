//! The replicated state machine of Conclave: pure, deterministic, without I/O.
//!
//! One function, [`apply::apply`], mutates replicated state. Its inputs are the records of the state
//! (behind the trait [`records::Records`]) and an entry of the log; its outputs are changed records,
//! an [`outcome::Applied`] answer and the list of touched records.
//!
//! Deliberately absent: clocks, entropy, hash maps, ciphers, I/O of any kind. Time, ids and wrapped
//! material arrive inside commands.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod access;
pub mod apply;
pub mod audit;
pub mod canonical;
pub mod codec;
pub mod command;
pub mod digest;
pub mod ids;
pub mod instances;
pub mod journal;
mod keys;
pub mod lifecycle;
pub mod limits;
pub mod model;
pub mod mutants;
pub mod outcome;
mod principals;
pub mod reason;
pub mod records;
pub mod replica;
pub mod requests;
pub mod roles;
pub mod seal;
pub mod seams;
pub mod state;
mod step;
pub mod timers;
pub mod usage;
pub mod view;
