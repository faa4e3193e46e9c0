//! One node of the cluster as the client sees it: its address and, once used, a connection.

use std::sync::Arc;

use http::Uri;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::sync::Mutex;

use crate::connection::{self, Connection};
use crate::error::Error;
use crate::reason::Reason;

/// A node's API address.
pub(crate) struct Node {
    addr: String,
    host: String,
    port: u16,
    name: ServerName<'static>,
    origin: Uri,
    open: Mutex<Option<Connection>>,
}

/// What a generated client needs for one call.
pub(crate) struct Wire {
    pub(crate) connection: Connection,
    pub(crate) origin: Uri,
    /// The connection was open before this call.
    pub(crate) reused: bool,
}

impl Node {
    /// `addr` is `HOST:PORT`; an IPv6 host stands in brackets.
    pub(crate) fn new(addr: &str) -> Result<Self, Error> {
        Self::parse(addr).ok_or_else(|| {
            Error::new(
                Reason::InvalidArgument,
                format!("`{addr}` is not an address: HOST:PORT is expected"),
                "write for example kms-1.example.org:7400, 10.0.0.1:7400 or [::1]:7400",
            )
        })
    }

    fn parse(addr: &str) -> Option<Self> {
        let (host, port) = addr.rsplit_once(':')?;
        let port: u16 = port.parse().ok().filter(|port| *port != 0)?;
        let bare = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']')?,
            None if host.contains(':') => return None,
            None => host,
        };
        Some(Node {
            addr: addr.to_owned(),
            host: bare.to_owned(),
            port,
            name: ServerName::try_from(bare.to_owned()).ok()?,
            origin: format!("https://{addr}").parse().ok()?,
            open: Mutex::new(None),
        })
    }

    /// The address as it was given.
    pub(crate) fn addr(&self) -> &str {
        &self.addr
    }

    /// The open connection, or a new one.
    pub(crate) async fn wire(&self, tls: &Arc<ClientConfig>) -> Result<Wire, String> {
        let mut open = self.open.lock().await;
        let (connection, reused) = match open.as_ref().filter(|open| !open.is_closed()) {
            Some(connection) => (connection.clone(), true),
            None => {
                let tls = Arc::clone(tls);
                let fresh = Connection::open(self.address(), self.name.clone(), tls).await?;
                (open.insert(fresh).clone(), false)
            }
        };
        Ok(Wire { connection, origin: self.origin.clone(), reused })
    }

    /// Why the node refuses our certificate, if it does.
    pub(crate) async fn certificate_refusal(&self, tls: &Arc<ClientConfig>) -> Option<String> {
        connection::certificate_refusal(self.address(), self.name.clone(), Arc::clone(tls)).await
    }

    fn address(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// Drops a connection on which no answer came, so that the next call makes a new one.
    pub(crate) async fn forget(&self) {
        *self.open.lock().await = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in ["localhost:7400", "10.0.0.1:1", "[::1]:7400", "kms-1.example.org:65535"] {
            assert!(Node::new(good).is_ok(), "{good}");
        }
        for bad in ["", "localhost", "localhost:", "localhost:0", "localhost:65536", ":7400"] {
            assert!(Node::new(bad).is_err(), "{bad}");
        }
        for bad in ["::1:7400", "[::1:7400", "http://localhost:7400", "a b:7400", "a/b:7400"] {
            let error = Node::new(bad).err().unwrap_or_else(|| panic!("{bad} was accepted"));
            assert!(error.message.contains("HOST:PORT"), "{}", error.message);
        }
    }
}
