//! Scripted nodes behind real TLS: what each answers to its next calls, and what it was sent.

#![allow(dead_code, clippy::unwrap_used, clippy::panic)]

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use conclave_client::{Client, ClientBuilder, v1};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::metadata::MetadataMap;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};
use v1::keys_server::{Keys, KeysServer};
use v1::operator_server::{Operator, OperatorServer};

/// What a node does with one call.
#[derive(Debug, Clone)]
pub enum Step {
    /// Answers, with this log index.
    Answer(u64),
    /// Refuses.
    Refuse(Code, &'static str),
    /// Takes the call and never answers.
    Hang,
}

/// What a node was sent.
#[derive(Debug, Clone)]
pub struct Seen {
    pub request_id: String,
    pub metadata: MetadataMap,
}

#[derive(Clone, Default)]
pub struct Script {
    steps: Arc<Mutex<VecDeque<Step>>>,
    seen: watch::Sender<Vec<Seen>>,
}

impl Script {
    async fn play(&self, request_id: String, metadata: MetadataMap) -> Result<u64, Status> {
        self.seen.send_modify(|seen| seen.push(Seen { request_id, metadata }));
        let step = self.steps.lock().unwrap().pop_front();
        match step.expect("a call that the script does not expect") {
            Step::Answer(index) => Ok(index),
            Step::Refuse(code, reason) => Err(Status::with_error_details(
                code,
                "scripted",
                ErrorDetails::with_error_info(reason, "conclave", HashMap::new()),
            )),
            Step::Hang => std::future::pending().await,
        }
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.borrow().clone()
    }

    /// Waits for the first call.
    pub async fn called(&self) {
        self.seen.subscribe().wait_for(|seen| !seen.is_empty()).await.unwrap();
    }
}

/// A running node, in a thread of its own. Dropped, its connections break.
pub struct Node {
    pub addr: SocketAddr,
    pub script: Script,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Node {
    pub fn start(pki: &Pki, steps: &[Step]) -> Node {
        Node::start_at(pki, steps, "127.0.0.1:0".parse().unwrap())
    }

    pub fn start_at(pki: &Pki, steps: &[Step], addr: SocketAddr) -> Node {
        let script = Script::default();
        script.steps.lock().unwrap().extend(steps.iter().cloned());
        let listener = std::net::TcpListener::bind(addr).unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        let tls = ServerTlsConfig::new()
            .identity(Identity::from_pem(&pki.node_cert, &pki.node_key))
            .client_ca_root(Certificate::from_pem(&pki.ca_cert))
            .client_auth_optional(true);
        let server = Server::builder()
            .tls_config(tls)
            .unwrap()
            .add_service(KeysServer::new(script.clone()))
            .add_service(OperatorServer::new(script.clone()));
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
                stopped.await.ok();
            });
        });
        Node { addr, script, running: Some((stop, thread)) }
    }

    /// Breaks all connections, as the end of a process does.
    pub fn kill(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            stop.send(()).ok();
            thread.join().ok();
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An authority, a node's certificate for 127.0.0.1, and a client's.
pub struct Pki {
    pub dir: tempfile::TempDir,
    ca_cert: String,
    node_cert: String,
    node_key: String,
}

impl Pki {
    pub fn new() -> Pki {
        let dir = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "test authority");
        let key = KeyPair::generate().unwrap();
        let ca_cert = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let leaf = |name: &str| {
            let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
            let key = KeyPair::generate().unwrap();
            (params.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
        };
        let (node_cert, node_key) = leaf("127.0.0.1");
        let (client_cert, client_key) = leaf("client");
        let pki = Pki { dir, ca_cert, node_cert, node_key };
        std::fs::write(pki.path("ca.pem"), &pki.ca_cert).unwrap();
        std::fs::write(pki.path("client.pem"), client_cert).unwrap();
        std::fs::write(pki.path("client.key"), client_key).unwrap();
        pki
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        let path: &Path = &self.path(name);
        std::fs::write(path, content).unwrap();
        path.to_owned()
    }

    pub fn node_identity(&self) -> (&str, &str) {
        (&self.node_cert, &self.node_key)
    }

    pub fn client(&self, addrs: &[SocketAddr], timeout: Duration) -> ClientBuilder {
        Client::builder()
            .addrs(addrs.iter().map(SocketAddr::to_string))
            .ca_cert(self.path("ca.pem"))
            .timeout(timeout)
    }
}

/// An address at which nothing listens.
pub fn closed_addr() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn with_index<T>(answer: T, index: u64) -> Response<T> {
    let mut response = Response::new(answer);
    response.metadata_mut().insert("x-conclave-index", index.into());
    response
}

fn not_scripted<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("not scripted"))
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Keys for Script {
    async fn create_key(&self, r: Request<v1::CreateKeyRequest>) -> Answer<v1::KeyAnswer> {
        let metadata = r.metadata().clone();
        let log_index = self.play(r.into_inner().request_id, metadata).await?;
        Ok(with_index(v1::KeyAnswer { log_index, ..Default::default() }, log_index))
    }
    async fn get_key(&self, r: Request<v1::GetKeyRequest>) -> Answer<v1::KeyAnswer> {
        let log_index = self.play(String::new(), r.metadata().clone()).await?;
        Ok(with_index(v1::KeyAnswer { log_index, ..Default::default() }, log_index))
    }
    async fn list_keys(&self, _: Request<v1::ListKeysRequest>) -> Answer<v1::ListKeysAnswer> {
        not_scripted()
    }
    async fn rotate_key(&self, _: Request<v1::KeyRequest>) -> Answer<v1::KeyAnswer> {
        not_scripted()
    }
    async fn enable_key(&self, _: Request<v1::KeyRequest>) -> Answer<v1::KeyAnswer> {
        not_scripted()
    }
    async fn disable_key(&self, _: Request<v1::KeyRequest>) -> Answer<v1::KeyAnswer> {
        not_scripted()
    }
    async fn cancel_deletion(&self, _: Request<v1::KeyRequest>) -> Answer<v1::KeyAnswer> {
        not_scripted()
    }
    async fn delete_now(&self, _: Request<v1::KeyRequest>) -> Answer<v1::KeyAnswer> {
        not_scripted()
    }
    async fn restore_key(&self, _: Request<v1::KeyRequest>) -> Answer<v1::KeyAnswer> {
        not_scripted()
    }
    async fn purge_key(&self, _: Request<v1::KeyRequest>) -> Answer<v1::KeyAnswer> {
        not_scripted()
    }
    async fn update_key(&self, _: Request<v1::UpdateKeyRequest>) -> Answer<v1::KeyAnswer> {
        not_scripted()
    }
    async fn set_version_enabled(
        &self,
        _: Request<v1::SetVersionEnabledRequest>,
    ) -> Answer<v1::KeyAnswer> {
        not_scripted()
    }
    async fn delete_key(&self, _: Request<v1::DeleteKeyRequest>) -> Answer<v1::KeyAnswer> {
        not_scripted()
    }
    async fn add_alias(&self, _: Request<v1::AliasRequest>) -> Answer<v1::KeyAnswer> {
        not_scripted()
    }
    async fn remove_alias(&self, _: Request<v1::AliasRequest>) -> Answer<v1::KeyAnswer> {
        not_scripted()
    }
    async fn set_key_policy(&self, _: Request<v1::SetKeyPolicyRequest>) -> Answer<v1::KeyAnswer> {
        not_scripted()
    }
    async fn register_resource(
        &self,
        _: Request<v1::RegisterResourceRequest>,
    ) -> Answer<v1::KeyAnswer> {
        not_scripted()
    }
    async fn unregister_resource(
        &self,
        _: Request<v1::UnregisterResourceRequest>,
    ) -> Answer<v1::KeyAnswer> {
        not_scripted()
    }
    async fn get_history(&self, _: Request<v1::GetKeyRequest>) -> Answer<v1::HistoryAnswer> {
        not_scripted()
    }
    async fn get_impact(&self, _: Request<v1::GetKeyRequest>) -> Answer<v1::ImpactAnswer> {
        not_scripted()
    }
}

#[tonic::async_trait]
impl Operator for Script {
    async fn init(&self, r: Request<v1::InitRequest>) -> Answer<v1::InitAnswer> {
        let log_index = self.play(String::new(), r.metadata().clone()).await?;
        Ok(with_index(v1::InitAnswer { log_index, ..Default::default() }, log_index))
    }
    async fn submit_share(
        &self,
        _: Request<v1::SubmitShareRequest>,
    ) -> Answer<v1::SubmitShareAnswer> {
        not_scripted()
    }
    async fn seal(&self, _: Request<v1::SealRequest>) -> Answer<v1::SealAnswer> {
        not_scripted()
    }
    async fn status(&self, _: Request<v1::StatusRequest>) -> Answer<v1::StatusAnswer> {
        not_scripted()
    }
}
