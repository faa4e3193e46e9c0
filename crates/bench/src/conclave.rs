//! Calls of the cluster that is measured.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use conclave_client::{Client, Error, Reason};
use conclave_proto::v1::bench_client::BenchClient;
use conclave_proto::v1::crypto_client::CryptoClient;
use conclave_proto::v1::keys_client::KeysClient;
use conclave_proto::v1::{self, EchoDepth};
use tonic::Request;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use uuid::Uuid;

use crate::load::Subject;
use crate::plan::Where;
use crate::target::Target;

/// What is encrypted and echoed.
pub(crate) const PAYLOAD: [u8; 64] = [0x61; 64];

/// Connections to a node. The server hands each to one of its threads.
const CONNECTIONS: usize = 4;

/// Alias of the key that is used; it stays behind, and is used again.
const KEY: &str = "conclave-bench";

/// Longer than anything that is worth a figure.
const DEADLINE: Duration = Duration::from_secs(10);

/// Connections to a cluster.
pub(crate) struct Wires {
    leader: Vec<Channel>,
    follower: Vec<Channel>,
    all: Vec<Channel>,
    bearer: AsciiMetadataValue,
}

impl Wires {
    pub(crate) async fn open(target: &Target) -> Result<Wires, Error> {
        let ca = Certificate::from_pem(read(&target.ca_cert)?);
        let bearer = format!("Bearer {}", read(&target.token_file)?.trim());
        let bearer = bearer.parse().map_err(|_| {
            let text = format!("{} holds no token", target.token_file.display());
            Error::new(Reason::LocalFile, text, "give a file with a token")
        })?;
        let leader = several(&target.leader, &ca).await?;
        let mut all = leader.clone();
        let mut follower = Vec::new();
        for node in &target.followers {
            let channels = several(node, &ca).await?;
            all.extend(channels.iter().cloned());
            follower = channels;
        }
        Ok(Wires { leader, follower, all, bearer })
    }

    fn of(&self, place: Where) -> &[Channel] {
        match place {
            Where::Leader => &self.leader,
            Where::Follower => &self.follower,
            Where::All => &self.all,
        }
    }

    /// Whether there is a node to ask.
    pub(crate) fn has(&self, place: Where) -> bool {
        !self.of(place).is_empty()
    }

    /// The cluster has the service that is compared with.
    pub(crate) async fn have_echo(&self) -> bool {
        let echo = Echo { wires: self, depth: EchoDepth::Bare };
        echo.call(0).await.is_ok()
    }

    pub(crate) fn channel(&self, place: Where, slot: usize) -> Channel {
        let channels = self.of(place);
        channels[slot % channels.len()].clone()
    }

    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.bearer.clone());
        request.set_timeout(DEADLINE);
        request
    }
}

async fn several(addr: &str, ca: &Certificate) -> Result<Vec<Channel>, Error> {
    let unreachable = |error: &dyn std::error::Error| {
        let mut text = format!("{addr} cannot be reached: {error}");
        if let Some(cause) = error.source() {
            text.push_str(&format!(": {cause}"));
        }
        Error::new(Reason::Unreachable, text, "see `conclave status`")
    };
    let mut channels = Vec::new();
    for _ in 0..CONNECTIONS {
        let tls = ClientTlsConfig::new().ca_certificate(ca.clone());
        let endpoint = Endpoint::from_shared(format!("https://{addr}"));
        let endpoint = endpoint.and_then(|endpoint| endpoint.tcp_nodelay(true).tls_config(tls));
        let endpoint = endpoint.map_err(|error| unreachable(&error))?;
        channels.push(endpoint.connect().await.map_err(|error| unreachable(&error))?);
    }
    Ok(channels)
}

fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|error| {
        let text = format!("{} cannot be read: {error}", path.display());
        Error::new(Reason::LocalFile, text, "check the path and its permissions")
    })
}

/// A time on the wire.
pub(crate) fn timestamp(time: jiff::Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: time.as_second(), nanos: time.subsec_nanosecond() }
}

pub(crate) fn refused(status: &tonic::Status) -> Error {
    Error::from_status(status, "the node")
}

/// Echo at the leader.
pub(crate) struct Echo<'a> {
    pub(crate) wires: &'a Wires,
    pub(crate) depth: EchoDepth,
}

impl Subject for Echo<'_> {
    async fn call(&self, slot: usize) -> Result<(), Error> {
        let message = v1::EchoRequest {
            payload: PAYLOAD.to_vec(),
            depth: self.depth.into(),
            key: KEY.to_owned(),
        };
        let mut client = BenchClient::new(self.wires.channel(Where::Leader, slot));
        let answer = client.echo(self.wires.request(message)).await;
        answer.map(drop).map_err(|status| refused(&status))
    }
}

/// Encrypt.
pub(crate) struct Encrypt<'a> {
    pub(crate) wires: &'a Wires,
    pub(crate) place: Where,
}

impl Subject for Encrypt<'_> {
    async fn call(&self, slot: usize) -> Result<(), Error> {
        let message = v1::EncryptRequest {
            key: KEY.to_owned(),
            plaintext: PAYLOAD.to_vec(),
            associated_data: Vec::new(),
        };
        let mut client = CryptoClient::new(self.wires.channel(self.place, slot));
        let answer = client.encrypt(self.wires.request(message)).await;
        answer.map(drop).map_err(|status| refused(&status))
    }
}

/// Disabling and enabling keys in turn, each key by one call at a time.
pub(crate) struct Lifecycle<'a> {
    wires: &'a Wires,
    /// Those that no call is at, the one that has rested longest first.
    keys: RefCell<VecDeque<Toggled>>,
}

struct Toggled {
    id: String,
    enabled: bool,
}

impl<'a> Lifecycle<'a> {
    /// Makes sure that there are `count` keys, and what state they are in.
    pub(crate) async fn prepare(
        client: &Client,
        wires: &'a Wires,
        count: usize,
    ) -> Result<Lifecycle<'a>, Error> {
        let mut keys = VecDeque::new();
        for number in 0..count {
            let key = key(client, &format!("{KEY}-{number}")).await?;
            let enabled = key.state() == v1::KeyState::Enabled;
            keys.push_back(Toggled { id: key.id, enabled });
        }
        Ok(Lifecycle { wires, keys: RefCell::new(keys) })
    }

    /// On these keys, which are enabled.
    pub(crate) fn on(wires: &'a Wires, ids: impl IntoIterator<Item = String>) -> Lifecycle<'a> {
        let keys = ids.into_iter().map(|id| Toggled { id, enabled: true }).collect();
        Lifecycle { wires, keys: RefCell::new(keys) }
    }

    async fn toggle(&self, key: &Toggled, slot: usize) -> Result<(), Error> {
        let request_id = Uuid::now_v7().to_string();
        let request = self.wires.request(v1::KeyRequest { request_id, key: key.id.clone() });
        let mut client = KeysClient::new(self.wires.channel(Where::Leader, slot));
        let answer = match key.enabled {
            true => client.disable_key(request).await,
            false => client.enable_key(request).await,
        };
        answer.map(drop).map_err(|status| refused(&status))
    }
}

impl Subject for Lifecycle<'_> {
    async fn call(&self, slot: usize) -> Result<(), Error> {
        let rested = self.keys.borrow_mut().pop_front();
        let mut key = rested.ok_or_else(|| {
            let text = "there are fewer keys than calls at a time";
            Error::new(Reason::Other("INTERNAL".into()), text, "report it")
        })?;
        let done = self.toggle(&key, slot).await;
        key.enabled ^= done.is_ok();
        self.keys.borrow_mut().push_back(key);
        done
    }
}

/// Makes sure that there is the key that Encrypt uses.
pub(crate) async fn prepare_key(client: &Client) -> Result<(), Error> {
    key(client, KEY).await.map(drop)
}

/// The key of this alias, made if there is none.
async fn key(client: &Client, alias: &str) -> Result<v1::Key, Error> {
    let found = match client.get_key(alias).await {
        Err(error) if error.reason == Reason::NotFound => {
            let request = v1::CreateKeyRequest {
                alias: alias.to_owned(),
                description: "made by `conclave bench`".to_owned(),
                ..v1::CreateKeyRequest::default()
            };
            client.create_key(request).await?
        }
        found => found?,
    };
    found.key.ok_or_else(|| {
        let text = "the node answered without the key";
        Error::new(Reason::Other("INTERNAL".into()), text, "look into the node's log")
    })
}
