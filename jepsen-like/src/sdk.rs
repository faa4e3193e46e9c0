//! Calls from inside the harness, through the SDK: for load, and for calls that must follow each other
//! within microseconds.

use std::path::PathBuf;
use std::time::Duration;

use conclave_client::v1::{CreateKeyRequest, KeyAnswer, KeyRequest, KeyState, ListKeysRequest};
use conclave_client::{Client, Error, Reason};
use uuid::Uuid;

use crate::cluster::Cluster;
use crate::failure::{Failure, Result};
use crate::history::{KeySeen, Op, Outcome};

/// What a session needs to know of its cluster, apart from the cluster: it goes to other threads.
#[derive(Clone)]
pub struct Access {
    /// Node id and API address.
    pub nodes: Vec<(u32, String)>,
    ca: PathBuf,
    token: PathBuf,
}

/// A client of one node. It never goes to another node, and knows nothing of what other sessions have
/// seen: an SDK client asks a node to be as fresh as the newest answer it got itself, which would hide
/// a node that serves from an old state.
#[derive(Clone)]
pub struct Session {
    /// The node.
    pub node: u32,
    client: Client,
}

impl Access {
    /// Access to these nodes as the administrator.
    pub fn new(cluster: &Cluster, nodes: &[u32]) -> Access {
        Access {
            nodes: nodes.iter().map(|id| (*id, cluster.address(*id).to_owned())).collect(),
            ca: cluster.pki().cert("ca"),
            token: cluster.token_file(),
        }
    }

    /// The same access to these nodes.
    pub fn only(&self, nodes: &[(u32, String)]) -> Access {
        Access { nodes: nodes.to_vec(), ..self.clone() }
    }

    /// A session with each node, in the order of [`Access::nodes`].
    pub fn sessions(&self, timeout: Duration) -> Result<Vec<Session>> {
        self.nodes.iter().map(|(id, address)| self.session(*id, address, timeout)).collect()
    }

    fn session(&self, node: u32, address: &str, timeout: Duration) -> Result<Session> {
        let client = Client::builder()
            .addr(address)
            .ca_cert(&self.ca)
            .token_file(&self.token)
            .timeout(timeout)
            .build()
            .map_err(|error| Failure::harness(format!("no client of {address}: {error}")))?;
        Ok(Session { node, client })
    }
}

impl Session {
    /// A change of the key with this alias.
    pub async fn change(&self, op: Op, alias: &str, request_id: Uuid) -> Outcome {
        let request_id = request_id.to_string();
        let request = KeyRequest { request_id: request_id.clone(), key: alias.to_owned() };
        let answer = match op {
            Op::Create => {
                let alias = alias.to_owned();
                let request = CreateKeyRequest { request_id, alias, ..Default::default() };
                self.client.create_key(request).await
            }
            Op::Rotate => self.client.rotate_key(request).await,
            Op::Enable => self.client.enable_key(request).await,
            Op::Disable => self.client.disable_key(request).await,
            Op::Encrypt | Op::Decrypt => {
                return Outcome::Refused(format!("{op:?} changes nothing"));
            }
        };
        match answer.map(seen) {
            Ok(Ok(key)) => Outcome::Changed(key),
            Ok(Err(text)) => Outcome::Refused(text),
            Err(error) => outcome_of(&error),
        }
    }

    /// Encrypts; the ciphertext on success.
    pub async fn encrypt(&self, key: &str, plaintext: &[u8]) -> (Outcome, Option<Vec<u8>>) {
        match self.client.encrypt(key, plaintext.to_vec(), Vec::new()).await {
            Ok(answer) => (Outcome::Used, Some(answer.ciphertext)),
            Err(error) => (outcome_of(&error), None),
        }
    }

    /// Decrypts; the plaintext on success.
    pub async fn decrypt(&self, ciphertext: &[u8]) -> (Outcome, Option<Vec<u8>>) {
        match self.client.decrypt(ciphertext.to_vec(), Vec::new(), None).await {
            Ok(answer) => (Outcome::Used, Some(answer.plaintext)),
            Err(error) => (outcome_of(&error), None),
        }
    }

    /// The key with this alias, `None` if there is none.
    pub async fn key(&self, alias: &str) -> std::result::Result<Option<KeySeen>, String> {
        match self.client.get_key(alias).await {
            Ok(answer) => seen(answer).map(Some),
            Err(error) if error.reason == Reason::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Aliases of all keys, with repetition if two keys have the same.
    pub async fn aliases(&self) -> std::result::Result<Vec<String>, String> {
        let mut request = ListKeysRequest { limit: 1_000, ..Default::default() };
        let mut aliases = Vec::new();
        loop {
            let page =
                self.client.list_keys(request.clone()).await.map_err(|error| error.to_string())?;
            aliases.extend(page.keys.into_iter().flat_map(|key| key.aliases));
            if page.next_cursor.is_empty() {
                return Ok(aliases);
            }
            request.cursor = page.next_cursor;
        }
    }

    /// Term and leader as the node knows them.
    pub async fn leader(&self) -> std::result::Result<(u64, Option<u32>), String> {
        let status = self.client.status(None).await.map_err(|error| error.to_string())?;
        let cluster = status.cluster.ok_or("status without a cluster")?;
        Ok((cluster.term, cluster.leader))
    }
}

/// What an error says about the effect of a call.
fn outcome_of(error: &Error) -> Outcome {
    match &error.reason {
        Reason::OutcomeUnknown => Outcome::Unknown(error.to_string()),
        reason if reason.is_unavailable() => Outcome::Unavailable(reason.to_string()),
        // An answer that is no answer of ours says nothing about the effect.
        Reason::Other(text) => Outcome::Unknown(format!("{text}: {error}")),
        reason => Outcome::Refused(reason.to_string()),
    }
}

fn seen(answer: KeyAnswer) -> std::result::Result<KeySeen, String> {
    let key = answer.key.ok_or("an answer without a key")?;
    Ok(KeySeen {
        enabled: key.state() == KeyState::Enabled,
        id: key.id,
        primary_version: key.primary_version,
        revision: key.revision,
        versions: key.versions.iter().map(|version| version.version).collect(),
        log_index: answer.log_index,
        replayed: answer.replayed,
    })
}
