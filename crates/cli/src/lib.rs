//! The verbs of the conclave command line, one module a noun. The binary adds `server` and `dev`.
//!
//! stdout carries the result alone; progress, warnings and errors go to stderr. With `-o json`
//! exactly one JSON value is printed on stdout, for a refusal too.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod completions;
pub mod exit;
pub mod globals;
pub mod pki;

mod bench;
mod confirm;
mod crypto;
mod failure;
mod files;
mod input;
mod instance;
mod key;
mod key_ring;
mod operator;
mod output;
mod policy;
mod principal;
mod prompt;
mod role;
mod run;
#[cfg(test)]
mod scenarios;
mod status;
mod table;
mod token;
mod values;
mod verb;

pub use globals::{Format, Globals};
pub use run::{run, usage_error};
pub use values::parse_duration;
pub use verb::Verb;
