//! End to end: wrong inputs. Each is answered with what is wrong, what is allowed and what to do, and
//! changes nothing.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[path = "../common.rs"]
mod common;

mod access;
mod ciphertexts;
mod keys;
mod lifecycle;
mod peers;
mod server;
mod shares;
mod table;
