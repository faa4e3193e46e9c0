//! Where a node listens: one port for clients, served by several single-threaded runtimes; and plain
//! HTTP on loopback for probes. The listener for other members belongs to `conclave-raft`.
//!
//! The multi-thread scheduler cost 1.5 to 3 times the CPU per call when measured, so one task accepts
//! and hands each socket, round-robin, to one of several threads with a runtime of its own.

mod accept;
mod connection;
mod hang_up;
pub mod local;
mod workers;

use std::io;
use std::net::{SocketAddr, TcpListener};

use crate::failure::Failure;

pub use accept::accept;
pub use hang_up::HangUp;
#[cfg(test)]
pub use hang_up::Wishes;
pub use workers::Workers;

/// Binds a listener for the field that names its address.
///
/// # Errors
/// The port is in use, or the address is not one of this machine.
pub fn bind(field: &str, address: &str) -> Result<TcpListener, Failure> {
    let refused = |problem: &str, allowed: &str, next: &str| {
        Failure::refused(format!("{field} = \"{address}\": {problem}; allowed: {allowed}"), next)
    };
    let parsed: SocketAddr = address.parse().map_err(|_| {
        refused("not an address to listen on", "\"IP:PORT\"", &format!("correct {field}"))
    })?;
    let listener = TcpListener::bind(parsed).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    listener.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => refused(
            &format!("port {} is in use by another process", parsed.port()),
            "a free port",
            &format!("stop that process or set another port in {field}"),
        ),
        io::ErrorKind::AddrNotAvailable => refused(
            &format!("{} is not an address of this machine", parsed.ip()),
            "an address of this machine, or 0.0.0.0 for all of them",
            &format!("correct {field}"),
        ),
        _ => refused(
            &error.to_string(),
            "an address and port that this user may listen on",
            "choose another",
        ),
    })
}

#[cfg(test)]
mod tests;
