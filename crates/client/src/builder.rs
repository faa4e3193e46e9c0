//! How a client is made.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::attempt::Caller;
use crate::client::Client;
use crate::error::Error;
use crate::instance_header::instance_header;
use crate::node::Node;
use crate::reason::Reason;
use crate::tls::{self, ClientIdentity};
use crate::token;

/// How long a call may take if nothing else is said.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Collects what a [`Client`] needs. Made by [`Client::builder`].
#[derive(Debug, Clone)]
pub struct ClientBuilder {
    addrs: Vec<String>,
    ca_cert: Option<PathBuf>,
    client_cert: Option<PathBuf>,
    client_key: Option<PathBuf>,
    token_file: Option<PathBuf>,
    instance: Option<String>,
    timeout: Duration,
}

impl ClientBuilder {
    pub(crate) fn new() -> Self {
        ClientBuilder {
            addrs: Vec::new(),
            ca_cert: None,
            client_cert: None,
            client_key: None,
            token_file: None,
            instance: None,
            timeout: DEFAULT_TIMEOUT,
        }
    }

    /// Adds a node, `HOST:PORT`. With exactly one node the client never goes to another.
    pub fn addr(mut self, addr: impl Into<String>) -> Self {
        self.addrs.push(addr.into());
        self
    }

    /// Adds several nodes.
    pub fn addrs(mut self, addrs: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.addrs.extend(addrs.into_iter().map(Into::into));
        self
    }

    /// The certificate (PEM) of the authority that issued the nodes' certificates. Required; no
    /// other authority is trusted.
    pub fn ca_cert(mut self, path: impl AsRef<Path>) -> Self {
        self.ca_cert = Some(path.as_ref().to_owned());
        self
    }

    /// The certificate (PEM) that the client shows; needs [`ClientBuilder::client_key`] too.
    pub fn client_cert(mut self, path: impl AsRef<Path>) -> Self {
        self.client_cert = Some(path.as_ref().to_owned());
        self
    }

    /// The private key (PEM, PKCS #8) of the client certificate.
    pub fn client_key(mut self, path: impl AsRef<Path>) -> Self {
        self.client_key = Some(path.as_ref().to_owned());
        self
    }

    /// The file that holds the token to show. It is read once, by [`ClientBuilder::build`].
    pub fn token_file(mut self, path: impl AsRef<Path>) -> Self {
        self.token_file = Some(path.as_ref().to_owned());
        self
    }

    /// The instance (id or name) in which keys, aliases and key rings are looked up, created and
    /// listed. If none is named, nodes take `default`, and key ids of every instance.
    pub fn instance(mut self, instance: impl Into<String>) -> Self {
        self.instance = Some(instance.into());
        self
    }

    /// How long one call may take, all attempts together. Default: [`DEFAULT_TIMEOUT`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Reads the files and makes the client. Nothing is connected yet.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a wrong address or instance, a missing CA certificate, a certificate
    /// without its key, or a file that does not hold what it should; `LOCAL_FILE` for one that
    /// cannot be read.
    pub fn build(self) -> Result<Client, Error> {
        if self.addrs.is_empty() {
            return Err(missing("no address of a node", "--addr or CONCLAVE_ADDR"));
        }
        let nodes =
            self.addrs.iter().map(|addr| Node::new(addr.trim())).collect::<Result<Vec<_>, _>>()?;
        let Some(ca) = &self.ca_cert else {
            return Err(missing("no CA certificate", "--ca-cert or CONCLAVE_CA_CERT"));
        };
        let identity = match (&self.client_cert, &self.client_key) {
            (Some(cert), Some(key)) => Some(ClientIdentity { cert, key }),
            (None, None) => None,
            (Some(_), None) => {
                return Err(missing("no key of the client certificate", "--client-key"));
            }
            (None, Some(_)) => {
                return Err(missing("no certificate of the client key", "--client-cert"));
            }
        };
        let instance = self.instance.as_deref().map(instance_header).transpose()?;
        let tls = tls::client_config(ca, identity)?;
        let bearer = self.token_file.as_deref().map(token::bearer_from_file).transpose()?;
        Ok(Client::new(nodes, Caller::new(tls, bearer, instance), self.timeout))
    }
}

fn missing(what: &str, how: &str) -> Error {
    Error::new(Reason::InvalidArgument, format!("{what} was given"), format!("give it with {how}"))
}
