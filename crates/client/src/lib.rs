//! `conclave-client`: the Rust SDK of Conclave.
//!
//! A [`Client`] talks to the nodes of one cluster over TLS 1.3 with a client certificate, a token,
//! or both. It connects when it is first used, goes on to the next node when one cannot serve,
//! repeats a mutation under *one* request id so that it runs at most once, and keeps to one
//! deadline a call. Every refusal is an [`Error`] with a stable [`Reason`].
//!
//! ```no_run
//! # async fn example() -> Result<(), conclave_client::Error> {
//! let client = conclave_client::Client::builder()
//!     .addr("kms-1.example.org:7400")
//!     .addr("kms-2.example.org:7400")
//!     .ca_cert("/etc/conclave/ca.pem")
//!     .token_file("/etc/conclave/app.token")
//!     .build()?;
//! let answer = client.encrypt("orders", b"secret".to_vec(), Vec::new()).await?;
//! assert_eq!(answer.version, 1);
//! # Ok(())
//! # }
//! ```

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::panic))]

pub mod stream;

mod access;
mod attempt;
mod builder;
mod call;
mod client;
mod connection;
mod crypto;
mod error;
mod instance_header;
mod instances;
mod keys;
mod node;
mod operator;
mod reason;
mod request_id;
mod tls;
mod token;

pub use builder::{ClientBuilder, DEFAULT_TIMEOUT};
pub use client::Client;
pub use conclave_proto::v1;
pub use error::Error;
pub use reason::Reason;
