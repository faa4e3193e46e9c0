//! Somebody who calls a node: with a token, a certificate, or nothing.

use super::cluster::{CLUSTER, FakeCluster};
use super::node::FakeNode;
use crate::access::AccessService;
use crate::bench::BenchService;
use crate::crypto::CryptoService;
use crate::identity::{CertificateIdentity, PeerIdentity};
use crate::instances::InstancesService;
use crate::keys::KeysService;
use crate::operator::OperatorService;
use conclave_formats::names::CertName;
use conclave_proto::v1;
use conclave_proto::v1::access_server::Access;
use conclave_proto::v1::bench_server::Bench;
use conclave_proto::v1::crypto_server::Crypto;
use conclave_proto::v1::instances_server::Instances;
use conclave_proto::v1::keys_server::Keys;
use conclave_proto::v1::operator_server::Operator;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tonic::{Request, Status};
use uuid::Uuid;

/// Tokens that outlive what the tests let keys go through.
const YEAR_S: u64 = 31_536_000;

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

impl At for InstancesService {
    fn at(node: &FakeNode) -> Self {
        InstancesService(node.context())
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
        update_key(UpdateKeyRequest) -> KeyAnswer,
        set_version_enabled(SetVersionEnabledRequest) -> KeyAnswer,
        delete_key(DeleteKeyRequest) -> KeyAnswer, cancel_deletion(KeyRequest) -> KeyAnswer,
        delete_now(KeyRequest) -> KeyAnswer, restore_key(KeyRequest) -> KeyAnswer,
        purge_key(KeyRequest) -> KeyAnswer, add_alias(AliasRequest) -> KeyAnswer,
        remove_alias(AliasRequest) -> KeyAnswer, set_key_policy(SetKeyPolicyRequest) -> KeyAnswer,
        register_resource(RegisterResourceRequest) -> KeyAnswer,
        unregister_resource(UnregisterResourceRequest) -> KeyAnswer,
        get_history(GetKeyRequest) -> HistoryAnswer, get_impact(GetKeyRequest) -> ImpactAnswer;
    InstancesService: create_instance(CreateInstanceRequest) -> InstanceAnswer,
        get_instance(GetInstanceRequest) -> InstanceAnswer,
        list_instances(ListInstancesRequest) -> ListInstancesAnswer,
        set_instance_policy(SetInstancePolicyRequest) -> InstanceAnswer,
        delete_instance(InstanceRequest) -> DeletedAnswer,
        create_key_ring(KeyRingRequest) -> KeyRingAnswer,
        list_key_rings(ListKeyRingsRequest) -> ListKeyRingsAnswer,
        delete_key_ring(DeleteKeyRingRequest) -> DeletedAnswer,
        set_deletion_floor(SetDeletionFloorRequest) -> DeletionFloorAnswer,
        get_deletion_floor(GetDeletionFloorRequest) -> DeletionFloorAnswer;
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
        FakeCluster::initialized_by(count, v1::InitRequest::default()).await
    }

    async fn initialized_by(
        count: u32,
        request: v1::InitRequest,
    ) -> (Arc<FakeCluster>, v1::InitAnswer) {
        let cluster = FakeCluster::new(count);
        let init = Actor::operator(&cluster.nodes[0]).init(request).await;
        (cluster, init.unwrap())
    }

    /// Unsealed, with the administrator at node 1.
    pub(crate) async fn unsealed(count: u32) -> (Arc<FakeCluster>, Actor, Vec<String>) {
        let request = v1::InitRequest { admin_ttl_s: YEAR_S, ..Default::default() };
        let (cluster, init) = FakeCluster::initialized_by(count, request).await;
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
        let token = self.token(name, YEAR_S).await.unwrap();
        self.showing(&token.secret)
    }

    /// Binds a role in the cluster.
    pub(crate) async fn bind(&self, role: &str, name: &str) -> Result<v1::BindingAnswer, Status> {
        self.bind_in("cluster", role, name).await
    }

    /// Binds a role in a scope.
    pub(crate) async fn bind_in(
        &self,
        scope: &str,
        role: &str,
        name: &str,
    ) -> Result<v1::BindingAnswer, Status> {
        self.bind_role(v1::BindRoleRequest {
            request_id: request_id(),
            role: role.to_owned(),
            subject: Some(v1::bind_role_request::Subject::Principal(name.to_owned())),
            scope: scope.to_owned(),
            until: None,
        })
        .await
    }

    /// A principal with a role in a scope, and a token.
    pub(crate) async fn colleague_in(&self, scope: &str, name: &str, role: &str) -> Actor {
        let colleague = self.colleague(name, "").await;
        self.bind_in(scope, role, name).await.unwrap();
        colleague
    }

    /// The same caller in another instance than the default one.
    pub(crate) fn in_instance(&self, instance: &str) -> Actor {
        self.clone().with_metadata("x-conclave-instance", instance)
    }

    /// Creates an instance whose policy differs from the default one by `policy`; gives its id.
    pub(crate) async fn instance(&self, name: &str, policy: v1::PolicyChange) -> String {
        let (request_id, name) = (request_id(), name.to_owned());
        let request = v1::CreateInstanceRequest { request_id, name, policy: Some(policy) };
        self.create_instance(request).await.unwrap().instance.unwrap().id
    }

    /// Creates a key ring; gives its id.
    pub(crate) async fn ring(&self, name: &str) -> String {
        let request = v1::KeyRingRequest { request_id: request_id(), name: name.to_owned() };
        self.create_key_ring(request).await.unwrap().ring.unwrap().id
    }

    /// Creates a key in a ring; gives its id.
    pub(crate) async fn key_in(&self, ring: &str, alias: &str) -> String {
        let request = v1::CreateKeyRequest {
            request_id: request_id(),
            alias: alias.to_owned(),
            ring: ring.to_owned(),
            ..Default::default()
        };
        self.create_key(request).await.unwrap().key.unwrap().id
    }

    /// A key as it is now.
    pub(crate) async fn look(&self, key: &str) -> Result<v1::Key, Status> {
        let request = v1::GetKeyRequest { key: key.to_owned() };
        Ok(self.get_key(request).await?.key.unwrap())
    }

    /// Requests deletion.
    pub(crate) async fn delete(&self, key: &str, force: bool) -> Result<v1::KeyAnswer, Status> {
        let (request_id, key) = (request_id(), key.to_owned());
        self.delete_key(v1::DeleteKeyRequest { request_id, key, force }).await
    }

    /// Registers a resource.
    pub(crate) async fn register(
        &self,
        key: &str,
        resource: &str,
        prevent_deletion: bool,
    ) -> Result<v1::KeyAnswer, Status> {
        self.register_resource(v1::RegisterResourceRequest {
            request_id: request_id(),
            key: key.to_owned(),
            resource: resource.to_owned(),
            description: String::new(),
            prevent_deletion,
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
