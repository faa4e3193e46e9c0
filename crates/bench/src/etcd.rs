//! Three nodes of etcd on loopback, for the time of a run: what others take for a replicated write.
//!
//! Two calls of its API are needed, so their messages are written down here; the packaged clients want
//! a `protoc` to build.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use conclave_client::{Error, Reason};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

use crate::load::Subject;

/// The program, as Debian's package `etcd-server` installs it.
const PROGRAM: &str = "etcd";
const NODES: usize = 3;
/// As many as for the cluster that is measured.
const CONNECTIONS: usize = 4;
const VALUE: [u8; 256] = [0x61; 256];
/// From processes to a leader, on a busy machine.
const START: Duration = Duration::from_secs(30);
const ASK_EVERY: Duration = Duration::from_millis(100);

/// A cluster; its processes and files are gone with it.
pub(crate) struct Etcd {
    leader: Vec<Channel>,
    pids: Vec<i32>,
    /// Before the folder, so that nobody writes into it any more when it is removed.
    _nodes: Vec<Child>,
    _folder: TempDir,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PutRequest {
    #[prost(bytes = "vec", tag = "1")]
    key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PutResponse {}

#[derive(Clone, PartialEq, prost::Message)]
struct StatusRequest {}

#[derive(Clone, PartialEq, prost::Message)]
struct StatusResponse {
    #[prost(message, optional, tag = "1")]
    header: Option<ResponseHeader>,
    #[prost(uint64, tag = "4")]
    leader: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ResponseHeader {
    #[prost(uint64, tag = "2")]
    member_id: u64,
}

/// The program, if it is installed.
pub(crate) fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(PROGRAM)).find(|file| file.is_file())
}

impl Etcd {
    /// Starts three nodes with their data below `disk`, and waits for a leader.
    pub(crate) async fn start(program: &Path, disk: &Path) -> Result<Etcd, Error> {
        let failed = |error: std::io::Error| failed(format!("it cannot be started: {error}"));
        let folder = tempfile::Builder::new().prefix("bench-etcd-").tempdir_in(disk);
        let folder = folder.map_err(failed)?;
        let addresses = free_addresses(2 * NODES).map_err(failed)?;
        let (clients, peers) = addresses.split_at(NODES);
        let mut nodes = Vec::new();
        for number in 0..NODES {
            let mut command = command(program, folder.path(), number, clients, peers);
            nodes.push(command.spawn().map_err(failed)?);
        }
        let pids = nodes.iter().filter_map(Child::id).filter_map(|id| id.try_into().ok()).collect();
        let found = timeout(START, leader(clients)).await;
        let address = found
            .map_err(|_| self::failed(format!("it had no leader within {} s", START.as_secs())))?;
        let mut leader = Vec::new();
        for _ in 0..CONNECTIONS {
            leader.push(connect(address).await?);
        }
        Ok(Etcd { leader, pids, _nodes: nodes, _folder: folder })
    }

    /// Its processes.
    pub(crate) fn pids(&self) -> &[i32] {
        &self.pids
    }
}

impl Subject for Etcd {
    async fn call(&self, slot: usize) -> Result<(), Error> {
        let channel = self.leader[slot % self.leader.len()].clone();
        let key = format!("conclave-bench-{slot}").into_bytes();
        let request = PutRequest { key, value: VALUE.to_vec() };
        let put = unary::<_, PutResponse>(channel, "/etcdserverpb.KV/Put", request);
        put.await.map(|PutResponse {}| ())
    }
}

fn command(
    program: &Path,
    folder: &Path,
    number: usize,
    clients: &[SocketAddr],
    peers: &[SocketAddr],
) -> Command {
    let name = |number: usize| format!("bench-{number}");
    let url = |address: SocketAddr| format!("http://{address}");
    let members: Vec<_> = (0..NODES).map(|n| format!("{}={}", name(n), url(peers[n]))).collect();
    let options = [
        ("--name", name(number)),
        ("--data-dir", folder.join(name(number)).display().to_string()),
        ("--listen-client-urls", url(clients[number])),
        ("--advertise-client-urls", url(clients[number])),
        ("--listen-peer-urls", url(peers[number])),
        ("--initial-advertise-peer-urls", url(peers[number])),
        ("--initial-cluster", members.join(",")),
        ("--initial-cluster-state", "new".to_owned()),
        ("--log-level", "error".to_owned()),
    ];
    let mut command = Command::new(program);
    command.args(options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command
}

fn free_addresses(count: usize) -> std::io::Result<Vec<SocketAddr>> {
    // All are held until the last was found, so that no two are one.
    let held: Result<Vec<_>, _> =
        (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect();
    held?.iter().map(TcpListener::local_addr).collect()
}

/// The first address whose node leads.
async fn leader(clients: &[SocketAddr]) -> SocketAddr {
    loop {
        for address in clients {
            if leads(*address).await.unwrap_or(false) {
                return *address;
            }
        }
        sleep(ASK_EVERY).await;
    }
}

async fn leads(address: SocketAddr) -> Result<bool, Error> {
    let channel = connect(address).await?;
    let path = "/etcdserverpb.Maintenance/Status";
    let status: StatusResponse = unary(channel, path, StatusRequest {}).await?;
    Ok(status.leader != 0 && status.header.is_some_and(|header| header.member_id == status.leader))
}

async fn connect(address: SocketAddr) -> Result<Channel, Error> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"));
    let endpoint = endpoint.map_err(|error| failed(error.to_string()))?.tcp_nodelay(true);
    endpoint.connect().await.map_err(|error| failed(error.to_string()))
}

async fn unary<Req, Res>(channel: Channel, path: &'static str, request: Req) -> Result<Res, Error>
where
    Req: prost::Message + 'static,
    Res: prost::Message + Default + 'static,
{
    let mut grpc = Grpc::new(channel);
    grpc.ready().await.map_err(|error| failed(error.to_string()))?;
    let path = tonic::codegen::http::uri::PathAndQuery::from_static(path);
    let answer = grpc.unary(tonic::Request::new(request), path, ProstCodec::default()).await;
    answer.map(tonic::Response::into_inner).map_err(|status| failed(status.to_string()))
}

fn failed(why: String) -> Error {
    let next = "see that it runs by itself, or leave its rows away with --only";
    Error::new(Reason::LocalFile, format!("{PROGRAM}: {why}"), next)
}
