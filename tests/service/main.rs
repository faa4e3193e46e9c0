//! End to end: a node as a service. What it tells the service manager, how it stops, how it is deployed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[path = "../common.rs"]
mod common;

mod deployed;
mod drain;
mod load;
mod managed;
mod manager;
