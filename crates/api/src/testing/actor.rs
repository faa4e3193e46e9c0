//! Somebody who calls a node: with a token, a certificate, or nothing.

use super::cluster::{CLUSTER, FakeCluster};
use super::node::FakeNode;
use crate::access::AccessService;
use crate::bench::BenchService;
use crate::crypto::CryptoService;
use crate::identity::{CertificateIdentity, PeerIdentity};
use crate::keys::KeysService;
use crate::operator::OperatorService;
use conclave_formats::names::CertName;
use conclave_proto::v1;
use conclave_proto::v1::access_server::Access;
use conclave_proto::v1::bench_server::Bench;
use conclave_proto::v1::crypto_server::Crypto;
use conclave_proto::v1::keys_server::Keys;
use conclave_proto::v1::operator_server::Operator;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tonic::{Request, Status};
use uuid::Uuid;

/// A new request id.
pub(crate) fn request_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    Uuid::from_u128(u128::from(NEXT.fetch_add(1, Ordering::SeqCst)) | 1 << 100).to_string()
}

/// A caller at one node.
#[derive(Clone)]
pub(crate) struct Actor {
    /// Nodes know their cluster weakly; whoever calls one keeps it.
    _cluster: Arc<FakeCluster>,
    node: Arc<FakeNode>,
    token: Option<String>,
    peer: PeerIdentity,
    /// Metadata of every request.
    pub(crate) metadata: Vec<(&'static str, String)>,
}

/// A service of a node.
trait At {
    fn at(node: &FakeNode) -> Self;
}

impl At for KeysService {
    fn at(node: &FakeNode) -> Self {
        KeysService(node.context())
    }
}

impl At for AccessService {
    fn at(node: &FakeNode) -> Self {
        AccessService(node.context())
    }
}

impl At for OperatorService {
    fn at(node: &FakeNode) -> Self {
        OperatorService(node.context())
    }
}

impl At for CryptoService {
    fn at(node: &FakeNode) -> Self {
        CryptoService { context: node.context(), journal: node.journaled() }
    }
}

impl At for BenchService {
    fn at(node: &FakeNode) -> Self {
        BenchService { context: node.context(), journal: node.journaled() }
    }
}

/// One method an API call: request in, answer or status out.
macro_rules! calls {
    ($($service:ident: $($method:ident($request:ident) -> $answer:ident),*;)*) => {
        impl Actor {
            $($(
                pub(crate) async fn $method(
                    &self,
                    message: v1::$request,
                ) -> Result<v1::$answer, Status> {
                    let service = $service::at(&self.node);
                    service.$method(self.request(message)).await.map(tonic::Response::into_inner)
                }
            )*)*
        }
    };
}

calls! {
    KeysService: create_key(CreateKeyRequest) -> KeyAnswer, get_key(GetKeyRequest) -> KeyAnswer,
        list_keys(ListKeysRequest) -> ListKeysAnswer, rotate_key(KeyRequest) -> KeyAnswer,
        enable_key(KeyRequest) -> KeyAnswer, disable_key(KeyRequest) -> KeyAnswer,
        update_key(UpdateKeyRequest) -> KeyAnswer;
    CryptoService: encrypt(EncryptRequest) -> EncryptAnswer, decrypt(DecryptRequest) -> DecryptAnswer,
        generate_data_key(GenerateDataKeyRequest) -> GenerateDataKeyAnswer,
        random(RandomRequest) -> RandomAnswer;
    OperatorService: init(InitRequest) -> InitAnswer,
        submit_share(SubmitShareRequest) -> SubmitShareAnswer, seal(SealRequest) -> SealAnswer,
        status(StatusRequest) -> StatusAnswer;
    AccessService: create_principal(CreatePrincipalRequest) -> PrincipalAnswer,
        get_principal(GetPrincipalRequest) -> PrincipalAnswer,
        list_principals(ListPrincipalsRequest) -> ListPrincipalsAnswer,
        disable_principal(PrincipalRequest) -> PrincipalAnswer,
        add_to_group(GroupRequest) -> PrincipalAnswer,
        remove_from_group(GroupRequest) -> PrincipalAnswer,
        create_token(CreateTokenRequest) -> CreateTokenAnswer,
        list_tokens(ListTokensRequest) -> ListTokensAnswer,
        revoke_token(RevokeTokenRequest) -> TokenAnswer,
        bind_role(BindRoleRequest) -> BindingAnswer, unbind_role(UnbindRoleRequest) -> BindingAnswer,
        list_bindings(ListBindingsRequest) -> ListBindingsAnswer,
        check_role(CheckRoleRequest) -> CheckRoleAnswer;
    BenchService: echo(EchoRequest) -> EchoAnswer;
}

impl Actor {
    /// Shows nothing.
    pub(crate) fn nobody(node: &Arc<FakeNode>) -> Actor {
        let (token, peer, metadata) = (None, PeerIdentity::default(), Vec::new());
        Actor { _cluster: node.cluster(), node: node.clone(), token, peer, metadata }
    }

    /// Shows a client certificate with this SAN URI.
    pub(crate) fn with_certificate(node: &Arc<FakeNode>, uri: &str) -> Actor {
        let name = Some(CertName::parse(uri).unwrap());
        let certificate = Some(CertificateIdentity { name, sha256: [9; 32] });
        let peer = PeerIdentity { certificate, ..PeerIdentity::default() };
        Actor { peer, ..Actor::nobody(node) }
    }

    /// The operator that the configuration names.
    pub(crate) fn operator(node: &Arc<FakeNode>) -> Actor {
        Actor::with_certificate(node, &format!("conclave://{CLUSTER}/operator/olga"))
    }

    /// Shows a token.
    pub(crate) fn with_token(node: &Arc<FakeNode>, token: &str) -> Actor {
        Actor { token: Some(token.to_owned()), ..Actor::nobody(node) }
    }

    /// The same caller at another node.
    pub(crate) fn at(&self, node: &Arc<FakeNode>) -> Actor {
        Actor { node: node.clone(), ..self.clone() }
    }

    /// The same caller with another token.
    pub(crate) fn showing(&self, token: &str) -> Actor {
        Actor { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The same caller with one more entry of metadata.
    pub(crate) fn with_metadata(mut self, name: &'static str, value: &str) -> Actor {
        self.metadata.push((name, value.to_owned()));
        self
    }

    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.extensions_mut().insert(self.peer.clone());
        let token = self.token.as_ref().map(|token| ("authorization", format!("Bearer {token}")));
        for (name, value) in self.metadata.iter().cloned().chain(token) {
            request.metadata_mut().insert(name, value.parse().unwrap());
        }
        request
    }
}

/// Ways to a cluster in use.
impl FakeCluster {
    /// Initialized with 5 shares and threshold 3; gives the answer.
    pub(crate) async fn initialized(count: u32) -> (Arc<FakeCluster>, v1::InitAnswer) {
        let cluster = FakeCluster::new(count);
        let init = Actor::operator(&cluster.nodes[0]).init(v1::InitRequest::default()).await;
        (cluster, init.unwrap())
    }

    /// Unsealed, with the administrator at node 1.
    pub(crate) async fn unsealed(count: u32) -> (Arc<FakeCluster>, Actor, Vec<String>) {
        let (cluster, init) = FakeCluster::initialized(count).await;
        let shares: Vec<String> = init.shares.into_iter().map(|share| share.text).collect();
        for share in &shares[..3] {
            cluster.submit(1, share).await.unwrap();
        }
        let admin = Actor::with_token(&cluster.nodes[0], &init.admin_token);
        (cluster, admin, shares)
    }

    /// Submits a share at a node (from 1).
    pub(crate) async fn submit(
        &self,
        node: usize,
        share: &str,
    ) -> Result<v1::SubmitShareAnswer, Status> {
        let request = v1::SubmitShareRequest { share: share.to_owned() };
        Actor::nobody(&self.nodes[node - 1]).submit_share(request).await
    }
}

/// Short ways to what most tests need.
impl Actor {
    /// Creates a key; gives its id.
    pub(crate) async fn key(&self, alias: &str) -> String {
        let request = v1::CreateKeyRequest {
            request_id: request_id(),
            alias: alias.to_owned(),
            ..Default::default()
        };
        self.create_key(request).await.unwrap().key.unwrap().id
    }

    /// Encrypts `plaintext` under a key without associated data.
    pub(crate) async fn seal_up(&self, key: &str, plaintext: &[u8]) -> Result<Vec<u8>, Status> {
        let request = v1::EncryptRequest {
            key: key.to_owned(),
            plaintext: plaintext.to_vec(),
            associated_data: Vec::new(),
        };
        self.encrypt(request).await.map(|answer| answer.ciphertext)
    }

    /// Decrypts without associated data.
    pub(crate) async fn open_up(&self, ciphertext: &[u8]) -> Result<Vec<u8>, Status> {
        let request = v1::DecryptRequest { ciphertext: ciphertext.to_vec(), ..Default::default() };
        self.decrypt(request).await.map(|answer| answer.plaintext)
    }

    /// A request that names a key.
    pub(crate) fn of_key(key: &str) -> v1::KeyRequest {
        v1::KeyRequest { request_id: request_id(), key: key.to_owned() }
    }

    /// A principal with a role and a token.
    pub(crate) async fn colleague(&self, name: &str, role: &str) -> Actor {
        let request = v1::CreatePrincipalRequest {
            request_id: request_id(),
            name: name.to_owned(),
            cert_san: String::new(),
        };
        self.create_principal(request).await.unwrap();
        if !role.is_empty() {
            self.bind(role, name).await.unwrap();
        }
        let token = self.token(name, 0).await.unwrap();
        self.showing(&token.secret)
    }

    pub(crate) async fn bind(&self, role: &str, name: &str) -> Result<v1::BindingAnswer, Status> {
        self.bind_role(v1::BindRoleRequest {
            request_id: request_id(),
            role: role.to_owned(),
            subject: Some(v1::bind_role_request::Subject::Principal(name.to_owned())),
            ..Default::default()
        })
        .await
    }

    pub(crate) async fn token(
        &self,
        name: &str,
        ttl_s: u64,
    ) -> Result<v1::CreateTokenAnswer, Status> {
        self.create_token(v1::CreateTokenRequest {
            request_id: request_id(),
            principal: name.to_owned(),
            ttl_s,
            bind_certificate_sha256: Vec::new(),
        })
        .await
    }
}
