//! Where the nodes of a development cluster listen. Once there is a configuration, it is the record:
//! the addresses are in the replicated membership too.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use conclave_core::seams::Entropy;

use super::folder::Folder;
use crate::config::InitialMember;
use crate::failure::Failure;
use crate::system::SystemEntropy;

/// Nodes and first port if nothing is said.
const DEFAULT_NODES: u32 = 3;
const DEFAULT_BASE_PORT: u16 = 7410;
/// Distance between the ports of two nodes.
const STEP: u16 = 10;
/// Free ports are picked here: above those of well-known services, below those that the system
/// gives to outgoing connections.
const PICK_FROM: u16 = 12_000;
const PICK_SPAN: u16 = 18_000;
/// How many first ports are tried.
const PICKS: usize = 200;

/// How long processes that were killed may hold their ports, and how often that is looked at.
const FREE_WITHIN: Duration = Duration::from_secs(2);
const ASK_EVERY: Duration = Duration::from_millis(50);

/// The nodes and their addresses.
#[derive(Debug, PartialEq, Eq)]
pub struct Layout {
    /// By id, from 1.
    pub nodes: Vec<Place>,
}

/// Where one node listens; all on 127.0.0.1.
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    /// The node's id.
    pub id: u32,
    /// Port of the API; peers connect to the next one, probes to the one after.
    pub port: u16,
}

impl Place {
    /// Where clients connect.
    pub fn api(&self) -> String {
        address(self.port)
    }

    /// Where other members connect.
    pub fn peer(&self) -> String {
        address(self.port + 1)
    }

    /// Where probes connect.
    pub fn local(&self) -> String {
        address(self.port + 2)
    }

    fn ports(&self) -> [(u16, &'static str); 3] {
        [(self.port, "API"), (self.port + 1, "peer"), (self.port + 2, "local")]
    }
}

impl Layout {
    /// The layout that the folder has, or a new one; all of its ports are free.
    ///
    /// # Errors
    /// The arguments contradict the folder, or a port is in use.
    pub async fn settle(
        folder: &Folder,
        nodes: Option<u32>,
        base_port: Option<u16>,
    ) -> Result<Layout, Failure> {
        match Layout::recorded(folder)? {
            Some(layout) => {
                layout.agrees(folder, nodes, base_port)?;
                layout.wait_until_free().await;
                layout.check_free(
                    "the cluster in this folder uses it: stop that process, or give another folder with --dir",
                )?;
                Ok(layout)
            }
            None => Layout::fresh(
                nodes.unwrap_or(DEFAULT_NODES),
                base_port.unwrap_or(DEFAULT_BASE_PORT),
            ),
        }
    }

    /// The members, as each configuration lists them.
    pub fn members(&self) -> Vec<InitialMember> {
        let member =
            |place: &Place| InitialMember { id: place.id, peer: place.peer(), api: place.api() };
        self.nodes.iter().map(member).collect()
    }

    fn fresh(nodes: u32, base_port: u16) -> Result<Layout, Failure> {
        if base_port == 0 {
            return Layout::pick(nodes);
        }
        let layout = Layout::at(nodes, base_port).ok_or_else(|| {
            Failure::usage(
                format!(
                    "--base-port {base_port}: {nodes} nodes need ports up to {}",
                    last_port(nodes, base_port)
                ),
                "give a first port that leaves room below 65536",
            )
        })?;
        layout.check_free(
            "stop that process, or give another first port with --base-port (0 picks free ones)",
        )?;
        Ok(layout)
    }

    fn pick(nodes: u32) -> Result<Layout, Failure> {
        for _ in 0..PICKS {
            let mut random = [0u8; 2];
            SystemEntropy.fill(&mut random);
            let base = PICK_FROM + u16::from_be_bytes(random) % (PICK_SPAN / STEP) * STEP;
            if let Some(layout) = Layout::at(nodes, base)
                && layout.first_taken().is_none()
            {
                return Ok(layout);
            }
        }
        Err(Failure::refused(
            format!("no {nodes} free ports in a row were found"),
            "give a first port with --base-port",
        ))
    }

    fn at(nodes: u32, base: u16) -> Option<Layout> {
        u16::try_from(last_port(nodes, base)).ok()?;
        let place = |id| Place { id, port: base + STEP * (id as u16 - 1) };
        Some(Layout { nodes: (1..=nodes).map(place).collect() })
    }

    /// What the configuration of node 1 says, if there is one.
    fn recorded(folder: &Folder) -> Result<Option<Layout>, Failure> {
        let path = folder.config(1);
        let Some(text) = folder.read(&path)? else { return Ok(None) };
        let unusable = || {
            Failure::refused(
                format!("{}: the members of the cluster cannot be read from it", path.display()),
                "restore it, or give another folder with --dir",
            )
        };
        let text = String::from_utf8(text).map_err(|_| unusable())?;
        let table: toml::Table = text.parse().map_err(|_| unusable())?;
        let members = table.get("cluster").and_then(|cluster| cluster.get("initial_members"));
        let members: Vec<InitialMember> =
            members.cloned().and_then(|list| list.try_into().ok()).ok_or_else(unusable)?;
        let place = |member: &InitialMember| {
            let port = member.api.rsplit_once(':')?.1.parse().ok()?;
            Some(Place { id: member.id, port })
        };
        let nodes: Option<Vec<Place>> = members.iter().map(place).collect();
        let layout = Layout { nodes: nodes.ok_or_else(unusable)? };
        if layout.nodes.is_empty() || layout.members() != members {
            Err(unusable())
        } else {
            Ok(Some(layout))
        }
    }

    fn agrees(
        &self,
        folder: &Folder,
        nodes: Option<u32>,
        base_port: Option<u16>,
    ) -> Result<(), Failure> {
        let root = folder.root().display();
        let own = self.nodes.len();
        if let Some(asked) = nodes.filter(|asked| *asked as usize != own) {
            return Err(Failure::usage(
                format!("--nodes {asked}: the cluster in {root} has {own} nodes"),
                "leave --nodes away, or give another folder with --dir",
            ));
        }
        let port = self.nodes[0].port;
        if let Some(asked) = base_port.filter(|asked| *asked != 0 && *asked != port) {
            return Err(Failure::refused(
                format!("--base-port {asked}: the cluster in {root} has its ports from {port}"),
                "leave --base-port away, or give another folder with --dir",
            ));
        }
        Ok(())
    }

    /// Nodes of a `dev` that was killed a moment ago may hold the ports a little longer.
    async fn wait_until_free(&self) {
        let freed = async {
            while self.first_taken().is_some() {
                tokio::time::sleep(ASK_EVERY).await;
            }
        };
        // What is taken after that, is named by the check that follows.
        let _ = tokio::time::timeout(FREE_WITHIN, freed).await;
    }

    fn check_free(&self, next: &str) -> Result<(), Failure> {
        match self.first_taken() {
            None => Ok(()),
            Some((port, what, id, error)) if error.kind() == io::ErrorKind::AddrInUse => {
                Err(Failure::refused(
                    format!("port {port} ({what} of node {id}) is in use by another process"),
                    next,
                ))
            }
            Some((port, what, id, error)) => Err(Failure::refused(
                format!("port {port} ({what} of node {id}) cannot be used: {error}"),
                next,
            )),
        }
    }

    fn first_taken(&self) -> Option<(u16, &'static str, u32, io::Error)> {
        // All are held until the last was tried, so that no two are one.
        let mut held = Vec::new();
        for place in &self.nodes {
            for (port, what) in place.ports() {
                match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
                    Ok(listener) => held.push(listener),
                    Err(error) => return Some((port, what, place.id, error)),
                }
            }
        }
        None
    }
}

fn last_port(nodes: u32, base: u16) -> u32 {
    u32::from(base) + u32::from(STEP) * (nodes - 1) + 2
}

fn address(port: u16) -> String {
    format!("{}:{port}", Ipv4Addr::LOCALHOST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dev::prepare;
    use crate::exit;

    fn folder() -> (tempfile::TempDir, Folder) {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::open(&parent.path().join("dev")).unwrap();
        (parent, folder)
    }

    #[test]
    fn ports_follow_the_documented_rule() {
        let layout = Layout::at(3, 7410).unwrap();
        let ports: Vec<_> =
            layout.nodes.iter().map(|n| (n.id, n.api(), n.peer(), n.local())).collect();
        let at = |port: u16| format!("127.0.0.1:{port}");
        assert_eq!(
            ports,
            [
                (1, at(7410), at(7411), at(7412)),
                (2, at(7420), at(7421), at(7422)),
                (3, at(7430), at(7431), at(7432)),
            ]
        );
        assert_eq!(Layout::at(7, 65_480), None);
        assert!(Layout::at(7, 65_473).is_some());
    }

    #[tokio::test]
    async fn a_port_in_use_is_named() {
        let (_parent, folder) = folder();
        let picked = Layout::settle(&folder, Some(1), Some(0)).await.unwrap();
        let port = picked.nodes[0].port;
        let _taken = TcpListener::bind(picked.nodes[0].peer()).unwrap();
        let failure = Layout::settle(&folder, Some(1), Some(port)).await.unwrap_err();
        assert_eq!(failure.code, exit::FAILED);
        let expected = format!("error: port {} (peer of node 1) is in use", port + 1);
        assert!(failure.to_string().starts_with(&expected), "{failure}");
    }

    #[tokio::test]
    async fn the_layout_of_a_folder_stays() {
        let (_parent, folder) = folder();
        let first = Layout::settle(&folder, Some(3), Some(0)).await.unwrap();
        prepare::prepare(&folder, &first, None).unwrap();
        for (nodes, base) in [(None, None), (Some(3), Some(0)), (None, Some(first.nodes[0].port))] {
            assert_eq!(Layout::settle(&folder, nodes, base).await.unwrap(), first);
        }
        let other = Layout::settle(&folder, Some(5), None).await.unwrap_err();
        assert_eq!(other.code, exit::USAGE);
        assert!(other.to_string().contains("has 3 nodes"), "{other}");
        let other = Layout::settle(&folder, None, Some(7410)).await.unwrap_err();
        assert!(other.to_string().contains("has its ports from"), "{other}");
        let _taken = TcpListener::bind(first.nodes[2].local()).unwrap();
        let failure = Layout::settle(&folder, None, None).await.unwrap_err().to_string();
        assert!(failure.contains("(local of node 3) is in use"), "{failure}");
        std::fs::write(folder.config(1), "[cluster]").unwrap();
        let failure = Layout::settle(&folder, None, None).await.unwrap_err().to_string();
        assert!(failure.contains("the members of the cluster cannot be read"), "{failure}");
    }
}
