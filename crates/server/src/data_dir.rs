//! The data directory: whose it is, the node's key, and the lock that keeps others out.
//!
//! ```text
//! LOCK  raft.redb  state.redb  snapshots/  audit/  node.key  node.json
//! ```

use std::sync::{Arc, Mutex, PoisonError};

use conclave_core::seams::Entropy;
use conclave_crypto::node_key::NodeKey;
use conclave_storage::{
    DirectoryLock, Disk, FsDisk, LOG_FILE, read_small_file, write_small_file_atomically,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::config::Config;
use crate::failure::Failure;

const IDENTITY_FILE: &str = "node.json";
const KEY_FILE: &str = "node.key";
/// Format of the data directory that this release writes and reads.
const FORMAT: u32 = 1;

/// An open data directory. Held until the process ends.
pub struct DataDir {
    /// The files.
    pub disk: Arc<FsDisk>,
    /// The node's own key.
    pub node_key: NodeKey,
    /// Whose the directory is.
    pub identity: Arc<IdentityFile>,
    /// Keeps other processes out.
    pub lock: DirectoryLock,
}

/// `node.json`, as it is on the disk.
pub struct IdentityFile {
    disk: Arc<FsDisk>,
    current: Mutex<Identity>,
}

/// Whose a data directory is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The keyspace, once the cluster has been initialised.
    pub keyspace_id: Option<Uuid>,
    /// The cluster, once the node belongs to one.
    pub cluster_id: Option<Uuid>,
    /// `cluster.name` at the first start.
    pub cluster_name: String,
    /// `node.id` at the first start.
    pub node_id: u32,
    /// The member id: random, made with the directory, never 0; 16 hex digits in the file.
    #[serde(with = "hex_digits")]
    pub member_id: u64,
    /// Format of the directory.
    pub format: u32,
}

impl DataDir {
    /// Opens the directory that the configuration names, making it at the first start.
    ///
    /// # Errors
    /// The directory is in use, open to others, of another node or cluster, or incomplete.
    pub fn open(config: &Config, entropy: &dyn Entropy) -> Result<DataDir, Failure> {
        let path = &config.node.data_dir;
        let disk = FsDisk::open(path).map_err(|error| Failure::data_dir(&error))?;
        let lock = DirectoryLock::acquire(path).map_err(|error| Failure::data_dir(&error))?;
        let directory = Directory { config, disk: Arc::new(disk) };
        let identity = directory.identity(entropy)?;
        let node_key = directory.node_key()?;
        let identity =
            Arc::new(IdentityFile { disk: directory.disk.clone(), current: Mutex::new(identity) });
        Ok(DataDir { disk: directory.disk, node_key, identity, lock })
    }
}

impl IdentityFile {
    /// What is known now.
    pub fn current(&self) -> Identity {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes the ids that have become known; durable on return. What is known already stays.
    ///
    /// # Errors
    /// Whatever the disk answers.
    pub fn learn(&self, cluster: Option<Uuid>, keyspace: Option<Uuid>) -> std::io::Result<()> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = current.clone();
        next.cluster_id = next.cluster_id.or(cluster);
        next.keyspace_id = keyspace.or(next.keyspace_id);
        if next != *current {
            write(&*self.disk, &next)?;
            *current = next;
        }
        Ok(())
    }
}

#[cfg(test)]
impl DataDir {
    /// The identity of a new directory.
    pub fn identity_for_tests(path: &std::path::Path) -> IdentityFile {
        let disk = Arc::new(FsDisk::open(path).unwrap());
        let identity = Identity {
            keyspace_id: None,
            cluster_id: None,
            cluster_name: "dev".to_owned(),
            node_id: 1,
            member_id: 7,
            format: FORMAT,
        };
        IdentityFile { disk, current: Mutex::new(identity) }
    }
}

/// The steps of opening.
struct Directory<'a> {
    config: &'a Config,
    disk: Arc<FsDisk>,
}

impl Directory<'_> {
    fn identity(&self, entropy: &dyn Entropy) -> Result<Identity, Failure> {
        let has_log = self.disk.exists(LOG_FILE).map_err(|error| self.io(LOG_FILE, &error))?;
        let bytes = read_small_file(&*self.disk, IDENTITY_FILE)
            .map_err(|error| self.io(IDENTITY_FILE, &error))?;
        let identity = match bytes {
            Some(bytes) => self.parse(&bytes)?,
            None if has_log => return Err(self.incomplete(IDENTITY_FILE)),
            None => return self.make(entropy),
        };
        self.refuse_another_owner(&identity)?;
        if identity.cluster_id.is_some() && !has_log {
            return Err(self.incomplete(LOG_FILE));
        }
        Ok(identity)
    }

    /// First start: the key before the identity, so that an identity means that there is a key.
    fn make(&self, entropy: &dyn Entropy) -> Result<Identity, Failure> {
        let key = NodeKey::generate(entropy);
        write_small_file_atomically(&*self.disk, KEY_FILE, key.seed().expose())
            .map_err(|error| self.io(KEY_FILE, &error))?;
        let identity = Identity {
            keyspace_id: None,
            cluster_id: None,
            cluster_name: self.config.cluster.name.clone(),
            node_id: self.config.node.id,
            member_id: random_member_id(entropy),
            format: FORMAT,
        };
        write(&*self.disk, &identity).map_err(|error| self.io(IDENTITY_FILE, &error))?;
        Ok(identity)
    }

    fn parse(&self, bytes: &[u8]) -> Result<Identity, Failure> {
        let identity: Identity = serde_json::from_slice(bytes).map_err(|error| {
            self.refused(
                &format!("{IDENTITY_FILE} is damaged: {error}"),
                "the file as the node wrote it",
                "restore it from this node's own backup, or start the node with an empty data_dir as a new member",
            )
        })?;
        if identity.format > FORMAT {
            return Err(self.refused(
                &format!("written in format {}", identity.format),
                &format!("format {FORMAT}"),
                "start the release that wrote it",
            ));
        }
        Ok(identity)
    }

    fn refuse_another_owner(&self, identity: &Identity) -> Result<(), Failure> {
        let (cluster, node) = (&self.config.cluster.name, self.config.node.id);
        if identity.cluster_name != *cluster {
            return Err(self.refused(
                &format!("it belongs to cluster \"{}\"", identity.cluster_name),
                &format!("a directory of cluster \"{cluster}\" (cluster.name), or an empty one"),
                "correct node.data_dir or cluster.name",
            ));
        }
        if identity.node_id != node {
            return Err(self.refused(
                &format!("it belongs to node {}", identity.node_id),
                &format!("a directory of node {node} (node.id), or an empty one"),
                "correct node.data_dir or node.id",
            ));
        }
        Ok(())
    }

    fn node_key(&self) -> Result<NodeKey, Failure> {
        let seed = read_small_file(&*self.disk, KEY_FILE)
            .map_err(|error| self.io(KEY_FILE, &error))?
            .map(Zeroizing::new)
            .ok_or_else(|| self.incomplete(KEY_FILE))?;
        NodeKey::from_seed(&seed).map_err(|error| {
            let problem = format!("{KEY_FILE} is damaged: {error}");
            self.refused(&problem, "the file as the node wrote it", "restore it")
        })
    }

    fn incomplete(&self, file: &str) -> Failure {
        self.refused(
            &format!("{file} is missing beside the other files"),
            "a complete directory, or an empty one",
            "restore the file, or start the node with an empty data_dir as a new member",
        )
    }

    fn refused(&self, problem: &str, allowed: &str, next: &str) -> Failure {
        let path = self.config.node.data_dir.display();
        Failure::refused(format!("node.data_dir = {path}: {problem}; allowed: {allowed}"), next)
    }

    fn io(&self, file: &str, error: &std::io::Error) -> Failure {
        let path = self.config.node.data_dir.display();
        Failure::refused(
            format!("node.data_dir = {path}: {file} cannot be used: {error}"),
            "check the disk and that the directory belongs to the user that runs the node",
        )
    }
}

fn write(disk: &dyn Disk, identity: &Identity) -> std::io::Result<()> {
    let mut bytes = serde_json::to_vec_pretty(identity).map_err(std::io::Error::other)?;
    bytes.push(b'\n');
    write_small_file_atomically(disk, IDENTITY_FILE, &bytes)
}

fn random_member_id(entropy: &dyn Entropy) -> u64 {
    let mut bytes = [0u8; 8];
    while bytes == [0; 8] {
        entropy.fill(&mut bytes);
    }
    u64::from_be_bytes(bytes)
}

/// A JSON number of 64 bits would lose digits in many readers.
mod hex_digits {
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    pub fn serialize<S: Serializer>(id: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{id:016x}"))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        match u64::from_str_radix(&text, 16) {
            Ok(id) if id != 0 && text.len() == 16 => Ok(id),
            _ => Err(D::Error::custom("member_id is not 16 hex digits")),
        }
    }
}

#[cfg(test)]
mod tests;
