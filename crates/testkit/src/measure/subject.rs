//! A node in use: unsealed, with a principal that may use and switch keys, and one key.

use std::sync::Arc;
use std::time::Duration;

use conclave_api::{ApiConfig, CertificateIdentity, PeerIdentity, Services, Shared};
use conclave_core::command::{Caller, Command, CredentialRef, Entry, Proposal, Stamp};
use conclave_core::ids::{KeyId, RequestId, TokenId};
use conclave_core::instances::DEFAULT;
use conclave_core::journal::UseJournal;
use conclave_core::model::KeyRecord;
use conclave_core::state::State;
use conclave_crypto::node_key::NodeKey;
use conclave_formats::names::CertName;
use conclave_formats::token::Token;
use conclave_proto::v1;
use conclave_proto::v1::access_client::AccessClient;
use conclave_proto::v1::bind_role_request::Subject as Whom;
use conclave_proto::v1::keys_client::KeysClient;
use conclave_proto::v1::operator_client::OperatorClient;
use conclave_storage::{JournalConfig, Journals};
use tokio::runtime::{Builder, RngSeed, Runtime};
use tonic::Request;
use tonic::service::Routes;
use uuid::Uuid;

use super::node::{Machine, Node};
use crate::sim::entropy::SeededEntropy;
use crate::{FatalLog, ManualClock, SimDisk};

/// Name of the key.
pub(super) const KEY: &str = "orders";

const CLUSTER: &str = "measured";
const WORKER: &str = "worker";

/// When everything happens: some day in 2026, in milliseconds since the Unix epoch.
const NOW_MS: u64 = 1_780_000_000_000;

/// What a client waits for, as the SDK asks for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The node, and what its caller needs.
pub(super) struct Subject {
    pub(super) runtime: Runtime,
    pub(super) routes: Routes,
    node: Arc<Node>,
    /// The token of the worker.
    pub(super) token: String,
    requests: u128,
}

impl Subject {
    pub(super) fn new() -> Subject {
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .rng_seed(RngSeed::from_bytes(b"measured"))
            .build()
            .expect("a runtime without drivers of the system");
        let clock = Arc::new(ManualClock::default());
        clock.set_wall_ms(NOW_MS);
        let entropy = Arc::new(SeededEntropy::new(1));
        let node_key = NodeKey::generate(&*entropy);
        let shared = Shared::new(config(), clock.clone(), entropy, node_key);
        let node = Arc::new(Node::new(clock.clone()));
        node.tell(&shared.observer());
        let services = Services::new(shared, node.clone());
        let routes = services.routes(journal(clock));
        let mut subject = Subject { runtime, routes, node, token: String::new(), requests: 0 };
        subject.set_up();
        assert!(!services.is_sealed(), "the share has opened it");
        subject
    }

    /// A request of the worker.
    pub(super) fn request<T>(&self, message: T) -> Request<T> {
        request(message, &self.token)
    }

    /// A new request id.
    pub(super) fn request_id(&mut self) -> Uuid {
        self.requests += 1;
        Uuid::from_u128(self.requests)
    }

    /// The newest state.
    pub(super) fn machine(&self) -> Machine {
        (*self.node.machine()).clone()
    }

    /// The key.
    pub(super) fn key(&self) -> KeyId {
        self.key_record().id
    }

    /// The record of the key.
    pub(super) fn key_record(&self) -> KeyRecord {
        let machine = self.machine();
        let state = State(&machine.records);
        let instance = state.instance_named(DEFAULT).expect("made by init");
        let key = state.alias(instance, KEY).expect("it was created");
        state.key(key).expect("an alias leads to a key")
    }

    /// The worker, as the log knows it.
    pub(super) fn caller(&self) -> Caller {
        let token = TokenId(Token::parse(&self.token).expect("it was issued").token_id());
        let machine = self.machine();
        let record = State(&machine.records).token(token).expect("it was issued");
        let credential = CredentialRef::Token(token);
        Caller::Principal { principal: record.principal, credential }
    }

    fn set_up(&mut self) {
        let share = self.initialize();
        let submit = request(v1::SubmitShareRequest { share: share.text }, "");
        let mut operator = OperatorClient::new(self.routes.clone());
        self.runtime.block_on(operator.submit_share(submit)).expect("the share is good");
        self.admit_worker();
        let create = v1::CreateKeyRequest {
            request_id: self.request_id().to_string(),
            alias: KEY.to_owned(),
            ..v1::CreateKeyRequest::default()
        };
        let create = self.request(create);
        let mut keys = KeysClient::new(self.routes.clone());
        self.runtime.block_on(keys.create_key(create)).expect("a manager creates keys");
    }

    /// Initializes the cluster with one share; `token` is the administrator's then.
    fn initialize(&mut self) -> v1::DealtShare {
        let init = v1::InitRequest {
            shares: 1,
            threshold: 1,
            allow_single_share: true,
            ..v1::InitRequest::default()
        };
        let mut init = request(init, "");
        let name = CertName::parse(&format!("conclave://{CLUSTER}/operator/olga"));
        let certificate = CertificateIdentity { name: name.ok(), sha256: [7; 32] };
        let certificate = Some(certificate);
        init.extensions_mut().insert(PeerIdentity { certificate, ..PeerIdentity::default() });
        let mut operator = OperatorClient::new(self.routes.clone());
        let answer = self.runtime.block_on(operator.init(init)).expect("an operator may");
        let mut answer = answer.into_inner();
        self.token = answer.admin_token;
        answer.shares.remove(0)
    }

    /// The administrator admits the worker; `token` is the worker's then.
    fn admit_worker(&mut self) {
        let mut access = AccessClient::new(self.routes.clone());
        let create = v1::CreatePrincipalRequest {
            request_id: self.request_id().to_string(),
            name: WORKER.to_owned(),
            cert_san: String::new(),
        };
        let create = self.request(create);
        let bind = v1::BindRoleRequest {
            request_id: self.request_id().to_string(),
            role: "Manager".to_owned(),
            subject: Some(Whom::Principal(WORKER.to_owned())),
            ..v1::BindRoleRequest::default()
        };
        let bind = self.request(bind);
        let issue = v1::CreateTokenRequest {
            request_id: self.request_id().to_string(),
            principal: WORKER.to_owned(),
            ..v1::CreateTokenRequest::default()
        };
        let issue = self.request(issue);
        let token = self.runtime.block_on(async {
            access.create_principal(create).await?;
            access.bind_role(bind).await?;
            access.create_token(issue).await
        });
        self.token = token.expect("an administrator may").into_inner().secret;
    }
}

/// An entry of the log, as the leader stamps it.
pub(super) fn entry(caller: &Caller, request: u64, command: Command) -> Entry {
    let proposal = Proposal {
        caller: caller.clone(),
        request: RequestId(Uuid::from_u64_pair(1, request)),
        request_digest: [7; 32],
        seen_index: None,
        command,
    };
    Entry { stamp: Stamp::at(NOW_MS), proposal }
}

fn request<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(PeerIdentity::default());
    request.set_timeout(PATIENCE);
    if !token.is_empty() {
        let value = format!("Bearer {token}").parse().expect("a token is ASCII");
        request.metadata_mut().insert("authorization", value);
    }
    request
}

/// The journal of a node with one worker, on a disk in memory.
fn journal(clock: Arc<ManualClock>) -> Arc<dyn UseJournal> {
    let settings = JournalConfig {
        cluster: CLUSTER.to_owned(),
        node: 1,
        member: 1,
        workers: 1,
        keep_bytes: 1 << 30,
    };
    let disk = Arc::new(SimDisk::default());
    let journals = Journals::open(disk, clock, settings, FatalLog::default().hook());
    journals.expect("an empty disk").all()[0].clone()
}

fn config() -> ApiConfig {
    ApiConfig {
        cluster_name: CLUSTER.to_owned(),
        node_id: 1,
        development: false,
        operators: Vec::new(),
        version: "measured".to_owned(),
    }
}
