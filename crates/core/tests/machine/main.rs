//! The state machine, seen from outside. `script` is the only caller of `apply`; everything else is
//! written in its words.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod audit;
mod boundaries;
mod credentials;
mod deletion;
mod derived;
mod dice;
mod encodings;
mod examples;
mod grants;
mod instances;
mod keys;
mod layered;
mod lifecycle;
mod machine;
mod model_based;
mod mutants;
mod permissions;
mod precedence;
mod random_log;
mod replay;
mod requests;
mod script;
mod seal;
mod timers;
mod usage;
