//! Somebody who calls nodes: with a token, an operator certificate, or nothing.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use conclave_api::{CertificateIdentity, PeerIdentity};
use conclave_formats::names::CertName;
use conclave_proto::v1;
use conclave_proto::v1::access_client::AccessClient;
use conclave_proto::v1::crypto_client::CryptoClient;
use conclave_proto::v1::instances_client::InstancesClient;
use conclave_proto::v1::keys_client::KeysClient;
use conclave_proto::v1::operator_client::OperatorClient;
use tonic::Request;

use super::cluster::{CLUSTER, Reply, SimCluster};

/// A caller; clones are the same one.
#[derive(Clone)]
pub struct Caller {
    cluster: SimCluster,
    peer: PeerIdentity,
    token: Option<String>,
    instance: Option<&'static str>,
    patience: Duration,
}

/// One method an API call: node, request in, reply out.
macro_rules! calls {
    ($($client:ident: $($method:ident($request:ident) -> $answer:ident),*;)*) => {
        impl Caller {
            $($(
                /// See the protos.
                pub async fn $method(
                    &self,
                    node: u32,
                    message: v1::$request,
                ) -> Reply<v1::$answer> {
                    let request = self.request(message);
                    let ask = |routes| async move { $client::new(routes).$method(request).await };
                    let is_use = stringify!($client) == "CryptoClient";
                    self.cluster.call(node, self.patience, is_use, ask).await
                }
            )*)*
        }
    };
}

calls! {
    KeysClient: create_key(CreateKeyRequest) -> KeyAnswer, get_key(GetKeyRequest) -> KeyAnswer,
        rotate_key(KeyRequest) -> KeyAnswer, enable_key(KeyRequest) -> KeyAnswer,
        disable_key(KeyRequest) -> KeyAnswer, update_key(UpdateKeyRequest) -> KeyAnswer,
        set_version_enabled(SetVersionEnabledRequest) -> KeyAnswer,
        delete_key(DeleteKeyRequest) -> KeyAnswer, cancel_deletion(KeyRequest) -> KeyAnswer,
        delete_now(KeyRequest) -> KeyAnswer, restore_key(KeyRequest) -> KeyAnswer,
        purge_key(KeyRequest) -> KeyAnswer,
        register_resource(RegisterResourceRequest) -> KeyAnswer,
        unregister_resource(UnregisterResourceRequest) -> KeyAnswer;
    InstancesClient: create_instance(CreateInstanceRequest) -> InstanceAnswer;
    CryptoClient: encrypt(EncryptRequest) -> EncryptAnswer, decrypt(DecryptRequest) -> DecryptAnswer,
        random(RandomRequest) -> RandomAnswer;
    OperatorClient: init(InitRequest) -> InitAnswer,
        submit_share(SubmitShareRequest) -> SubmitShareAnswer, seal(SealRequest) -> SealAnswer;
    AccessClient: create_principal(CreatePrincipalRequest) -> PrincipalAnswer,
        create_token(CreateTokenRequest) -> CreateTokenAnswer,
        revoke_token(RevokeTokenRequest) -> TokenAnswer, bind_role(BindRoleRequest) -> BindingAnswer;
}

impl Caller {
    /// Shows nothing. Each number has an address of its own.
    pub fn nobody(cluster: &SimCluster, number: u32, patience: Duration) -> Caller {
        let address = Ipv4Addr::from_bits(0x0A00_0000 + number);
        let peer =
            PeerIdentity { certificate: None, source: Some(SocketAddr::from((address, 40_000))) };
        Caller { cluster: cluster.clone(), peer, token: None, instance: None, patience }
    }

    /// The same caller with an operator's certificate.
    pub fn as_operator(mut self) -> Caller {
        let name = CertName::parse(&format!("conclave://{CLUSTER}/operator/olga"));
        let name = Some(name.expect("a name of ours"));
        self.peer.certificate = Some(CertificateIdentity { name, sha256: [7; 32] });
        self
    }

    /// The same caller with a token.
    pub fn showing(mut self, token: &str) -> Caller {
        self.token = Some(token.to_owned());
        self
    }

    /// The same caller in another instance than the default one.
    pub fn within(mut self, instance: &'static str) -> Caller {
        self.instance = Some(instance);
        self
    }

    /// The cluster it calls.
    pub fn cluster(&self) -> &SimCluster {
        &self.cluster
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.extensions_mut().insert(self.peer.clone());
        request.set_timeout(self.patience);
        if let Some(token) = &self.token {
            let value = format!("Bearer {token}").parse().expect("a token is ASCII");
            request.metadata_mut().insert("authorization", value);
        }
        if let Some(instance) = self.instance {
            let value = instance.parse().expect("a name is ASCII");
            request.metadata_mut().insert("x-conclave-instance", value);
        }
        request
    }
}
