//! A node that keeps keys in memory, behind real TLS: enough of a cluster for the verbs.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use conclave_client::v1;
use conclave_formats::Algorithm;
use conclave_formats::ciphertext::Envelope;
use conclave_formats::share_text::{ShareHeader, ShareText};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};
use uuid::Uuid;
use v1::access_server::{Access, AccessServer};
use v1::crypto_server::{Crypto, CryptoServer};
use v1::keys_server::{Keys, KeysServer};
use v1::operator_server::{Operator, OperatorServer};

use crate::pki::{self, Subject};

type Answer<T> = Result<Response<T>, Status>;

/// The node's state.
#[derive(Default)]
pub(super) struct State {
    pub(super) keys: Vec<v1::Key>,
    pub(super) submitted: Vec<String>,
    pub(super) calls: usize,
    pub(super) principals: u32,
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
        let server = Server::builder()
            .tls_config(ServerTlsConfig::new().identity(identity))
            .unwrap()
            .add_service(KeysServer::new(fake.clone()))
            .add_service(CryptoServer::new(fake.clone()))
            .add_service(OperatorServer::new(fake.clone()))
            .add_service(AccessServer::new(fake.clone()));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        (fake, addr)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn called(&self) -> MutexGuard<'_, State> {
        self.count();
        self.state()
    }

    fn count(&self) {
        self.state().calls += 1;
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut v1::Key)) -> Answer<v1::KeyAnswer> {
        let mut state = self.called();
        let key = find(&mut state.keys, name)?;
        change(key);
        key.revision += 1;
        Ok(Response::new(v1::KeyAnswer { key: Some(key.clone()), log_index: 9, replayed: false }))
    }

    fn encrypted(
        &self,
        key: &str,
        aad: &[u8],
        plain: Vec<u8>,
    ) -> Result<v1::EncryptAnswer, Status> {
        let mut state = self.called();
        let key = usable(find(&mut state.keys, key)?, "Encrypt")?;
        let mut nonce = [0; 12];
        aws_lc_rs::rand::fill(&mut nonce).unwrap();
        let mut envelope = Envelope {
            key_id: key.id.parse().unwrap(),
            version: 1,
            algorithm: Algorithm::Aes256GcmSiv,
            nonce,
            body_and_tag: plain,
        };
        let bound = [&envelope.header_bytes()[..], aad].concat();
        let nonce = Nonce::assume_unique_for_key(nonce);
        cipher()
            .seal_in_place_append_tag(nonce, Aad::from(bound), &mut envelope.body_and_tag)
            .unwrap();
        let (ciphertext, key_id) = (envelope.encode(), key.id.clone());
        Ok(v1::EncryptAnswer { ciphertext, key_id, version: 1 })
    }
}

fn cipher() -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, &[3; 32]).unwrap())
}

fn find<'a>(keys: &'a mut [v1::Key], name: &str) -> Result<&'a mut v1::Key, Status> {
    keys.iter_mut()
        .find(|key| key.id == name || key.aliases.iter().any(|alias| alias == name))
        .ok_or_else(|| refuse(Code::NotFound, "NOT_FOUND", &[]))
}

fn usable<'a>(key: &'a mut v1::Key, action: &str) -> Result<&'a mut v1::Key, Status> {
    if key.state() == v1::KeyState::Enabled {
        return Ok(key);
    }
    let facts = [("state", "Disabled"), ("action", action), ("next", "enable the key")];
    Err(refuse(Code::FailedPrecondition, "KEY_STATE", &facts))
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

#[tonic::async_trait]
impl Keys for Fake {
    async fn create_key(&self, r: Request<v1::CreateKeyRequest>) -> Answer<v1::KeyAnswer> {
        let r = r.into_inner();
        let mut state = self.called();
        if state.keys.iter().any(|key| key.aliases.contains(&r.alias)) {
            return Err(refuse(Code::AlreadyExists, "ALREADY_EXISTS", &[]));
        }
        let key = v1::Key {
            id: Uuid::new_v4().to_string(),
            aliases: vec![r.alias],
            algorithm: r.algorithm,
            state: v1::KeyState::Enabled.into(),
            origin: v1::KeyOrigin::Generated.into(),
            primary_version: 1,
            description: r.description,
            labels: r.labels,
            revision: 1,
            ..Default::default()
        };
        state.keys.push(key.clone());
        Ok(Response::new(v1::KeyAnswer { key: Some(key), log_index: 8, replayed: false }))
    }
    async fn get_key(&self, r: Request<v1::GetKeyRequest>) -> Answer<v1::KeyAnswer> {
        self.change(&r.into_inner().key, |_| ())
    }
    async fn list_keys(&self, r: Request<v1::ListKeysRequest>) -> Answer<v1::ListKeysAnswer> {
        let r = r.into_inner();
        let wanted = |key: &&v1::Key| r.states.is_empty() || r.states.contains(&key.state);
        let keys = self.called().keys.iter().filter(wanted).cloned().collect();
        Ok(Response::new(v1::ListKeysAnswer { keys, next_cursor: String::new(), log_index: 9 }))
    }
    async fn rotate_key(&self, r: Request<v1::KeyRequest>) -> Answer<v1::KeyAnswer> {
        self.change(&r.into_inner().key, |key| key.primary_version += 1)
    }
    async fn enable_key(&self, r: Request<v1::KeyRequest>) -> Answer<v1::KeyAnswer> {
        self.change(&r.into_inner().key, |key| key.state = v1::KeyState::Enabled.into())
    }
    async fn disable_key(&self, r: Request<v1::KeyRequest>) -> Answer<v1::KeyAnswer> {
        self.change(&r.into_inner().key, |key| key.state = v1::KeyState::Disabled.into())
    }
    async fn update_key(&self, r: Request<v1::UpdateKeyRequest>) -> Answer<v1::KeyAnswer> {
        let r = r.into_inner();
        self.change(&r.key, |key| {
            key.description = r.description.unwrap_or(std::mem::take(&mut key.description));
            key.labels.extend(r.set_labels);
            r.remove_labels.iter().for_each(|name| drop(key.labels.remove(name)));
        })
    }
}

#[tonic::async_trait]
impl Crypto for Fake {
    async fn encrypt(&self, r: Request<v1::EncryptRequest>) -> Answer<v1::EncryptAnswer> {
        let r = r.into_inner();
        self.encrypted(&r.key, &r.associated_data, r.plaintext).map(Response::new)
    }
    async fn decrypt(&self, r: Request<v1::DecryptRequest>) -> Answer<v1::DecryptAnswer> {
        let r = r.into_inner();
        let mut state = self.called();
        let invalid = || refuse(Code::InvalidArgument, "CIPHERTEXT_INVALID", &[]);
        let envelope = Envelope::decode(&r.ciphertext).map_err(|_| invalid())?;
        let key_id = envelope.key_id.to_string();
        if !r.key.is_empty() && find(&mut state.keys, &r.key)?.id != key_id {
            return Err(refuse(Code::InvalidArgument, "CIPHERTEXT_WRONG_KEY", &[]));
        }
        usable(find(&mut state.keys, &key_id)?, "Decrypt")?;
        let bound = [&envelope.header_bytes()[..], &r.associated_data].concat();
        let nonce = Nonce::assume_unique_for_key(envelope.nonce);
        let mut body = envelope.body_and_tag;
        let plain = cipher().open_in_place(nonce, Aad::from(bound), &mut body);
        let plaintext = plain.map_err(|_| invalid())?.to_vec();
        Ok(Response::new(v1::DecryptAnswer { plaintext, key_id, version: 1 }))
    }
    async fn generate_data_key(
        &self,
        r: Request<v1::GenerateDataKeyRequest>,
    ) -> Answer<v1::GenerateDataKeyAnswer> {
        let r = r.into_inner();
        let plaintext = vec![5; r.bytes as usize];
        let wrapped = self.encrypted(&r.key, &r.associated_data, plaintext.clone())?;
        Ok(Response::new(v1::GenerateDataKeyAnswer {
            plaintext,
            wrapped: wrapped.ciphertext,
            key_id: wrapped.key_id,
            version: 1,
        }))
    }
    async fn random(&self, r: Request<v1::RandomRequest>) -> Answer<v1::RandomAnswer> {
        self.count();
        Ok(Response::new(v1::RandomAnswer { bytes: vec![6; r.into_inner().bytes as usize] }))
    }
}

/// The text of share `index` of 5.
pub(super) fn share(index: u8) -> String {
    let header = ShareHeader { keyspace8: [1; 4], epoch: 1, index, shares: 5, threshold: 3 };
    let bytes: Vec<u8> = std::iter::once(index).chain(1..=32).collect();
    ShareText::new(header, &bytes).unwrap().encode().to_string()
}

#[tonic::async_trait]
impl Operator for Fake {
    async fn init(&self, r: Request<v1::InitRequest>) -> Answer<v1::InitAnswer> {
        self.count();
        let r = r.into_inner();
        let dealt = |index| v1::DealtShare { index, text: share(index as u8), encrypted: false };
        Ok(Response::new(v1::InitAnswer {
            cluster_id: "c1".into(),
            epoch: 1,
            threshold: r.threshold,
            shares: (1..=r.shares).map(dealt).collect(),
            admin_token: "cnclv_secret".into(),
            ..Default::default()
        }))
    }
    async fn submit_share(
        &self,
        r: Request<v1::SubmitShareRequest>,
    ) -> Answer<v1::SubmitShareAnswer> {
        let mut state = self.called();
        let share = ShareText::parse(&r.into_inner().share).unwrap();
        state.submitted.push(share.encode().to_string());
        let have = state.submitted.len() as u32;
        let unsealed = have >= 3;
        let member = v1::MemberSeal { id: 1, sealed: Some(!unsealed) };
        Ok(Response::new(v1::SubmitShareAnswer {
            accepted: true,
            index: share.header().index.into(),
            have,
            needed: 3,
            node_unsealed: unsealed,
            members: vec![member, v1::MemberSeal { id: 2, sealed: None }],
            restarted: String::new(),
        }))
    }
    async fn seal(&self, _: Request<v1::SealRequest>) -> Answer<v1::SealAnswer> {
        self.count();
        let members = vec![v1::MemberSeal { id: 1, sealed: Some(true) }];
        Ok(Response::new(v1::SealAnswer { members, log_index: 10 }))
    }
    async fn status(&self, r: Request<v1::StatusRequest>) -> Answer<v1::StatusAnswer> {
        self.count();
        let cluster = v1::ClusterStatus { term: r.into_inner().at_index(), ..Default::default() };
        Ok(Response::new(v1::StatusAnswer { cluster: Some(cluster), ..Default::default() }))
    }
}

#[tonic::async_trait]
impl Access for Fake {
    async fn create_principal(
        &self,
        r: Request<v1::CreatePrincipalRequest>,
    ) -> Answer<v1::PrincipalAnswer> {
        self.count();
        let principal = v1::Principal { name: r.into_inner().name, ..Default::default() };
        let principal = Some(principal);
        Ok(Response::new(v1::PrincipalAnswer { principal, log_index: 4, replayed: true }))
    }
    async fn get_principal(
        &self,
        _: Request<v1::GetPrincipalRequest>,
    ) -> Answer<v1::PrincipalAnswer> {
        not_faked()
    }
    /// One principal a page.
    async fn list_principals(
        &self,
        r: Request<v1::ListPrincipalsRequest>,
    ) -> Answer<v1::ListPrincipalsAnswer> {
        let at: u32 = r.into_inner().cursor.parse().unwrap_or(0);
        let more = at + 1 < self.called().principals;
        let principal = v1::Principal { name: format!("p{at}"), ..Default::default() };
        let next_cursor = if more { (at + 1).to_string() } else { String::new() };
        Ok(Response::new(v1::ListPrincipalsAnswer { principals: vec![principal], next_cursor }))
    }
    async fn disable_principal(
        &self,
        _: Request<v1::PrincipalRequest>,
    ) -> Answer<v1::PrincipalAnswer> {
        not_faked()
    }
    async fn add_to_group(&self, _: Request<v1::GroupRequest>) -> Answer<v1::PrincipalAnswer> {
        not_faked()
    }
    async fn remove_from_group(&self, _: Request<v1::GroupRequest>) -> Answer<v1::PrincipalAnswer> {
        not_faked()
    }
    /// A token, but for the principal `again`: then this is a repeat.
    async fn create_token(
        &self,
        r: Request<v1::CreateTokenRequest>,
    ) -> Answer<v1::CreateTokenAnswer> {
        self.count();
        let r = r.into_inner();
        let replayed = r.principal == "again";
        let secret = if replayed { "" } else { "cnclv_secret" }.to_owned();
        let bound_certificate = data_encoding::HEXLOWER.encode(&r.bind_certificate_sha256);
        let token = v1::Token {
            id: format!("ttl-{}", r.ttl_s),
            principal: r.principal,
            bound_certificate,
            ..Default::default()
        };
        let token = Some(token);
        Ok(Response::new(v1::CreateTokenAnswer { token, secret, log_index: 5, replayed }))
    }
    async fn list_tokens(&self, _: Request<v1::ListTokensRequest>) -> Answer<v1::ListTokensAnswer> {
        not_faked()
    }
    async fn revoke_token(&self, _: Request<v1::RevokeTokenRequest>) -> Answer<v1::TokenAnswer> {
        not_faked()
    }
    async fn bind_role(&self, r: Request<v1::BindRoleRequest>) -> Answer<v1::BindingAnswer> {
        use v1::bind_role_request::Subject;
        self.count();
        let r = r.into_inner();
        let subject = match r.subject {
            Some(Subject::Principal(name)) => format!("principal:{name}"),
            Some(Subject::Group(name)) => format!("group:{name}"),
            None => return not_faked(),
        };
        let (id, until) = ("b".to_owned(), r.until);
        let binding = Some(v1::Binding { id, role: r.role, subject, scope: r.scope, until });
        Ok(Response::new(v1::BindingAnswer { binding, log_index: 6, replayed: false }))
    }
    async fn unbind_role(&self, _: Request<v1::UnbindRoleRequest>) -> Answer<v1::BindingAnswer> {
        not_faked()
    }
    async fn list_bindings(
        &self,
        _: Request<v1::ListBindingsRequest>,
    ) -> Answer<v1::ListBindingsAnswer> {
        not_faked()
    }
    async fn check_role(&self, _: Request<v1::CheckRoleRequest>) -> Answer<v1::CheckRoleAnswer> {
        let because = "no role".to_owned();
        Ok(Response::new(v1::CheckRoleAnswer { allowed: false, because }))
    }
}
