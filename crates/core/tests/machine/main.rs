//! The state machine, seen from outside. `script` is the only caller of `apply`; everything else is
//! written in its words.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod audit;
mod credentials;
mod dice;
mod encodings;
mod examples;
mod grants;
mod keys;
mod layered;
mod machine;
mod mutants;
mod permissions;
mod precedence;
mod random_log;
mod replay;
mod requests;
mod script;
mod seal;
mod usage;
