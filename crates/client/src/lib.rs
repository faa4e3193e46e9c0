//! The Rust SDK of Conclave.
