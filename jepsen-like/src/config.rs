//! The configuration file of a node.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::network::{API_PORT, LOCAL_PORT, Network, PEER_PORT};

/// What differs between the nodes of a cluster, and between tests.
#[derive(Clone)]
pub struct NodeConfig {
    /// `cluster.name`.
    pub cluster: String,
    /// Node id, from 1.
    pub id: u32,
    /// How many members the cluster starts with.
    pub members: u32,
    /// Data directory.
    pub data_dir: PathBuf,
    /// Directory with `ca.pem`, `node-N.pem` and `node-N.key`.
    pub pki: PathBuf,
    /// Name of the certificate, without its ending: `node-N`.
    pub certificate: String,
    /// Extra lines at the end of the file.
    pub extra: String,
}

impl NodeConfig {
    /// The file's text.
    pub fn to_toml(&self, network: &Network) -> String {
        let ip = network.ip(self.id);
        let pki = |name: &str| quoted(&self.pki.join(name));
        let mut text = String::new();
        let members: Vec<String> = (1..=self.members)
            .map(|id| {
                let ip = network.ip(id);
                format!("{{ id = {id}, peer = \"{ip}:{PEER_PORT}\", api = \"{ip}:{API_PORT}\" }}")
            })
            .collect();
        // Writing into a String cannot fail.
        let _ = write!(
            text,
            "[cluster]\nname = {:?}\ninitial_members = [{}]\n\n\
             [node]\nid = {}\ndata_dir = {}\n\n\
             [api]\nlisten = \"{ip}:{API_PORT}\"\nadvertise = \"{ip}:{API_PORT}\"\n\n\
             [peer]\nlisten = \"{ip}:{PEER_PORT}\"\nadvertise = \"{ip}:{PEER_PORT}\"\n\n\
             [local]\nlisten = \"{}:{LOCAL_PORT}\"\n\n\
             [tls]\ncert = {}\nkey = {}\nca = {}\n\n\
             [log]\nformat = \"json\"\nlevel = \"info\"\n{}",
            self.cluster,
            members.join(", "),
            self.id,
            quoted(&self.data_dir),
            network.local_ip(self.id),
            pki(&format!("{}.pem", self.certificate)),
            pki(&format!("{}.key", self.certificate)),
            pki("ca.pem"),
            self.extra,
        );
        text
    }
}

fn quoted(path: &Path) -> String {
    format!("{:?}", path.to_string_lossy())
}
