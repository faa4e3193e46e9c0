//! The replicated state machine of Conclave: pure, deterministic, without I/O.
//!
//! Deliberately absent: clocks, entropy, hash-map iteration, ciphers, I/O of any kind. Time, ids and
//! wrapped material arrive inside commands.

pub mod records;
pub mod seams;
