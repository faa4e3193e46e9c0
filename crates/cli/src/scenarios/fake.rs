//! A node that keeps keys in memory, behind real TLS: enough of a cluster for the verbs.

mod access;
mod crypto;
mod instances;
mod keys;
mod operator;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use conclave_client::v1;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};
use v1::access_server::AccessServer;
use v1::crypto_server::CryptoServer;
use v1::instances_server::InstancesServer;
use v1::keys_server::KeysServer;
use v1::operator_server::OperatorServer;

use crate::pki::{self, Subject};

pub(super) use operator::share;

type Answer<T> = Result<Response<T>, Status>;

/// The node's state.
#[derive(Default)]
pub(super) struct State {
    pub(super) keys: Vec<v1::Key>,
    pub(super) instances: Vec<v1::Instance>,
    pub(super) rings: Vec<v1::KeyRing>,
    pub(super) floor_s: u64,
    pub(super) submitted: Vec<String>,
    pub(super) calls: usize,
    pub(super) principals: u32,
    /// `x-conclave-instance` of each call, in their order.
    pub(super) named: Vec<Option<String>>,
}

#[derive(Clone, Default)]
pub(super) struct Fake(Arc<Mutex<State>>);

impl Fake {
    /// Serves on a free port, with a certificate from `pki` in `dir`.
    pub(super) async fn serve(dir: &std::path::Path) -> (Fake, SocketAddr) {
        pki::init(dir, "test").unwrap();
        let subject = Subject::Node { id: 1, hosts: vec!["127.0.0.1".into()] };
        let files = pki::issue(dir, &subject, 1).unwrap();
        let read = |path| std::fs::read(path).unwrap();
        let identity = Identity::from_pem(read(files.cert), read(files.key));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let fake = Fake::default();
        let noted = fake.clone();
        let server = Server::builder()
            .tls_config(ServerTlsConfig::new().identity(identity))
            .unwrap()
            .layer(tonic::service::InterceptorLayer::new(move |call| noted.note(call)))
            .add_service(KeysServer::new(fake.clone()))
            .add_service(InstancesServer::new(fake.clone()))
            .add_service(CryptoServer::new(fake.clone()))
            .add_service(OperatorServer::new(fake.clone()))
            .add_service(AccessServer::new(fake.clone()));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        (fake, addr)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Notes which instance the call names.
    fn note(&self, call: Request<()>) -> Result<Request<()>, Status> {
        let name = call.metadata().get("x-conclave-instance");
        self.state().named.push(name.map(|name| name.to_str().unwrap().to_owned()));
        Ok(call)
    }

    fn called(&self) -> MutexGuard<'_, State> {
        self.count();
        self.state()
    }

    fn count(&self) {
        self.state().calls += 1;
    }
}

fn find<'a>(keys: &'a mut [v1::Key], name: &str) -> Result<&'a mut v1::Key, Status> {
    keys.iter_mut()
        .find(|key| key.id == name || key.aliases.iter().any(|alias| alias == name))
        .ok_or_else(|| refuse(Code::NotFound, "NOT_FOUND", &[]))
}

fn refuse(code: Code, reason: &str, facts: &[(&str, &str)]) -> Status {
    let facts: HashMap<String, String> =
        facts.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let details = ErrorDetails::with_error_info(reason, "conclave", facts);
    Status::with_error_details(code, format!("refused: {reason}"), details)
}

fn not_faked<T>() -> Answer<T> {
    Err(Status::unimplemented("not part of this fake"))
}

/// The policy after a change; the preset is only a name here.
fn changed(present: v1::DeletionPolicy, change: v1::PolicyChange) -> v1::DeletionPolicy {
    let preset = if change.preset.is_empty() { present.preset } else { change.preset };
    v1::DeletionPolicy {
        preset,
        grace_s: change.grace_s.unwrap_or(present.grace_s),
        restore_window_s: change.restore_window_s.unwrap_or(present.restore_window_s),
        purge_floor_s: change.purge_floor_s.unwrap_or(present.purge_floor_s),
        auto_purge_s: change.auto_purge_s.unwrap_or(present.auto_purge_s),
        delete_now: change.delete_now.unwrap_or(present.delete_now),
        restore_to: change.restore_to.unwrap_or(present.restore_to),
        ..present
    }
}
