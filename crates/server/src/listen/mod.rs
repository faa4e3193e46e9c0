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
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_named_with_its_field() {
        let taken = bind("api.listen", "127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let failure = bind("peer.listen", &address.to_string()).unwrap_err();
        let text = failure.to_string();
        let expected = format!(
            "error: peer.listen = \"{address}\": port {} is in use by another process",
            address.port()
        );
        assert!(text.starts_with(&expected), "{text}");
        assert_eq!(failure.code, crate::exit::FAILED);
    }

    #[test]
    fn an_address_of_another_machine_is_refused() {
        let text = bind("api.listen", "192.0.2.1:7400").unwrap_err().to_string();
        assert!(text.contains("192.0.2.1 is not an address of this machine"), "{text}");
    }
}
