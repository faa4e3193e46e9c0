//! End to end: what a cluster of real processes must do, whole and broken.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

#[path = "../common.rs"]
mod common;

mod bench;
mod dev;
mod example;
mod files;
mod hierarchy;
mod quorum;
mod secrets;
mod stories;
mod uses;
