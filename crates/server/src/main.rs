//! The `conclave` binary: a node (`server`), a development cluster (`dev`), and the verbs of
//! `conclave-cli`.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod allocator;
mod config;
mod data_dir;
mod exit;
mod failure;
mod hygiene;
mod limits;
//mod listen;
mod logging;
mod system;
mod tls;

#[global_allocator]
static ALLOCATOR: allocator::Wiping<std::alloc::System> = allocator::Wiping(std::alloc::System);

fn main() {}
