//! Text and byte formats shared by server and clients: shares, tokens, ciphertexts, streams, names.
//!
//! Every decoder is total: any bytes give a value or one of a closed list of errors, never a panic.
//! Deliberately absent: ciphers, entropy, clocks, I/O other than reading from a given [`std::io::Read`].
//! What is secret (share bytes, token secrets) goes through the table-free codec of `base32.rs` only.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

mod algorithm;
mod base32;
mod line_check;
mod share_header;

pub mod ciphertext;
pub mod form;
pub mod limits;
pub mod names;
pub mod share_text;
pub mod stream;
pub mod stream_chunks;
pub mod token;

pub use algorithm::Algorithm;
