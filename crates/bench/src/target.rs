//! Where the cluster is, which node leads it, and how one gets in.

use std::path::{Path, PathBuf};

use conclave_client::{Client, Error, Reason};
use conclave_proto::v1::NodeState;
use serde::Deserialize;

use crate::Options;

/// A cluster that is measured.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) leader: String,
    pub(crate) followers: Vec<String>,
    pub(crate) ca_cert: PathBuf,
    pub(crate) token_file: PathBuf,
    /// Process ids of all nodes, if they run on this machine.
    pub(crate) pids: Vec<i32>,
    /// A folder on the disk of the nodes, if they run on this machine.
    pub(crate) disk: Option<PathBuf>,
    pub(crate) client: Client,
}

/// What `conclave dev` writes down, as far as it is needed here.
#[derive(Deserialize)]
struct Dev {
    nodes: Vec<DevNode>,
    token_file: PathBuf,
    ca_cert: PathBuf,
}

#[derive(Deserialize)]
struct DevNode {
    api: String,
    pid: i32,
}

impl Target {
    /// Asks the cluster who leads.
    pub(crate) async fn find(options: &Options) -> Result<Target, Error> {
        match &options.dev {
            Some(folder) => {
                let Dev { nodes, token_file, ca_cert } = dev(folder)?;
                let addrs: Vec<_> = nodes.iter().map(|node| node.api.clone()).collect();
                let pids = nodes.iter().map(|node| node.pid).collect();
                Target::at(&addrs, ca_cert, token_file, pids, Some(folder.clone())).await
            }
            None => {
                let (ca, token) = (&options.ca_cert, &options.token_file);
                let ca = needed(ca, "--ca-cert (or --dir of a development cluster)")?;
                let token = needed(token, "--token-file (or --dir of a development cluster)")?;
                Target::at(&options.addrs, ca, token, Vec::new(), None).await
            }
        }
    }

    async fn at(
        addrs: &[String],
        ca_cert: PathBuf,
        token_file: PathBuf,
        pids: Vec<i32>,
        disk: Option<PathBuf>,
    ) -> Result<Target, Error> {
        let builder = Client::builder().addrs(addrs.iter().map(|addr| addr.trim()));
        let client = builder.ca_cert(&ca_cert).token_file(&token_file).build()?;
        let nodes = client.status(None).await?.nodes;
        let in_state = |wanted: NodeState| {
            let nodes = nodes.iter().filter(move |node| node.state() == wanted);
            nodes.map(|node| node.api.clone()).collect::<Vec<_>>()
        };
        let (leaders, followers) = (in_state(NodeState::Leader), in_state(NodeState::Follower));
        let leader = leaders.into_iter().next().ok_or_else(|| {
            let text = "the cluster has no leader that can be reached";
            Error::new(Reason::NoQuorum, text, "see `conclave status`")
        })?;
        Ok(Target { leader, followers, ca_cert, token_file, pids, disk, client })
    }
}

fn dev(folder: &Path) -> Result<Dev, Error> {
    let path = folder.join("dev.json");
    let refused = |why: String| {
        let text = format!("{}: {why}", path.display());
        let next = "give the folder of a running `conclave dev` with --dir";
        Error::new(Reason::LocalFile, text, next)
    };
    let text = std::fs::read_to_string(&path).map_err(|error| refused(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| refused(error.to_string()))
}

fn needed(path: &Option<PathBuf>, how: &str) -> Result<PathBuf, Error> {
    path.clone().filter(|path| !path.as_os_str().is_empty()).ok_or_else(|| {
        let next = format!("give {how}");
        Error::new(Reason::InvalidArgument, "a file that is needed was not given", next)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_cluster_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let refused = dev(folder.path()).err().unwrap();
        assert!(refused.message.contains("dev.json: No such file"), "{}", refused.message);
        std::fs::write(folder.path().join("dev.json"), "{}").unwrap();
        let refused = dev(folder.path()).err().unwrap();
        assert!(refused.message.contains("missing field `nodes`"), "{}", refused.message);
    }
}
