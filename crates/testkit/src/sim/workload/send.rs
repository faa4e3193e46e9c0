//! One attempt of an operation, and what a history tells of its reply.

use conclave_core::ids::KeyId;
use conclave_proto::v1;
use uuid::Uuid;

use super::setup::bind;
use super::{Ciphertext, Client, KEPT, Workload};
use crate::sim::cluster::Reply;
use crate::sim::history::{Action, Answer, KeyNo, State};

/// A reply as far as a history tells of it.
pub(super) type Told = Reply<Answer>;

impl Client {
    pub(super) async fn send_encrypt(&mut self, node: u32, key: KeyNo) -> Told {
        let plaintext = self.dice.bytes(24);
        let request = v1::EncryptRequest {
            key: alias(key),
            plaintext: plaintext.clone(),
            associated_data: Vec::new(),
        };
        match self.workload.worker.encrypt(node, request).await {
            Reply::Answer(answer) => {
                let version = answer.version;
                let mut ciphertexts = self.workload.ciphertexts.lock().unwrap();
                let kept = &mut ciphertexts[key as usize];
                if kept.len() == KEPT {
                    kept.remove(self.dice.below(KEPT as u64) as usize);
                }
                kept.push(Ciphertext { bytes: answer.ciphertext, version, plaintext });
                Reply::Answer(Answer { version, ..Answer::default() })
            }
            other => without_answer(other),
        }
    }

    /// One attempt of a mutation.
    pub(super) async fn send(&mut self, node: u32, action: Action, request: Uuid) -> Told {
        if let Action::Short(key, what) = action {
            return self.send_short(node, key, what, request).await;
        }
        let request_id = request.to_string();
        let of_key = |key| v1::KeyRequest { request_id: request_id.clone(), key: alias(key) };
        let Workload { worker, admin, guests, .. } = &self.workload;
        let key_answer = match action {
            Action::Create(key) => {
                let alias = alias(key);
                let create = v1::CreateKeyRequest { request_id, alias, ..Default::default() };
                worker.create_key(node, create).await
            }
            Action::Enable(key) => worker.enable_key(node, of_key(key)).await,
            Action::Disable(key) => worker.disable_key(node, of_key(key)).await,
            Action::Rotate(key) => worker.rotate_key(node, of_key(key)).await,
            Action::Update(key) => {
                let update = v1::UpdateKeyRequest {
                    key: alias(key),
                    description: Some(format!("changed by {request_id}")),
                    request_id,
                    ..Default::default()
                };
                worker.update_key(node, update).await
            }
            Action::Delete(key) => {
                let key = alias(key);
                let delete = v1::DeleteKeyRequest { request_id, key, force: false };
                worker.delete_key(node, delete).await
            }
            Action::Cancel(key) => worker.cancel_deletion(node, of_key(key)).await,
            Action::Switch(key, version, enabled) => {
                let key = alias(key);
                let switch = v1::SetVersionEnabledRequest { request_id, key, version, enabled };
                worker.set_version_enabled(node, switch).await
            }
            Action::Revoke(token) => {
                let token_id = guests[token as usize].id.clone();
                let revoke = v1::RevokeTokenRequest { request_id, token_id };
                return indexed(admin.revoke_token(node, revoke).await, |answer| {
                    (answer.log_index, answer.replayed)
                });
            }
            Action::BindSelf => {
                let bind = bind(request_id, "Manager", "admin");
                return indexed(admin.bind_role(node, bind).await, |answer| {
                    (answer.log_index, answer.replayed)
                });
            }
            Action::Seal => {
                let seal = admin.seal(node, v1::SealRequest { request_id }).await;
                return indexed(seal, |answer| (answer.log_index, false));
            }
            other => panic!("{other:?} is no mutation"),
        };
        match key_answer {
            Reply::Answer(answer) => {
                self.learn(action, &answer);
                let Answer { index, replayed, .. } = told(&answer);
                Reply::Answer(Answer { index, replayed, ..Answer::default() })
            }
            other => without_answer(other),
        }
    }

    fn learn(&self, action: Action, answer: &v1::KeyAnswer) {
        let (Some(number), Some(key)) = (action.key(), &answer.key) else { return };
        match Uuid::parse_str(&key.id) {
            Ok(id) => self.workload.recorder.learn_key(number, KeyId(id)),
            Err(_) => self.absurd(format!("{:?} is no key id", key.id)),
        }
    }

    pub(super) fn absurd(&self, what: String) {
        self.workload.recorder.absurd(what);
    }
}

pub(super) fn alias(key: KeyNo) -> String {
    format!("key-{key}")
}

pub(super) fn told(answer: &v1::KeyAnswer) -> Answer {
    let key = answer.key.as_ref();
    let versions = key.into_iter().flat_map(|key| &key.versions);
    Answer {
        index: answer.log_index,
        version: key.map_or(0, |key| key.primary_version),
        state: key.map_or(State::Purged, |key| state(key.state())),
        off: versions.filter(|version| !version.enabled).map(|version| version.version).collect(),
        revision: key.map_or(0, |key| key.revision),
        replayed: answer.replayed,
    }
}

/// A state that no key of a run can be in counts as one without use.
fn state(state: v1::KeyState) -> State {
    match state {
        v1::KeyState::Enabled => State::Enabled,
        v1::KeyState::PendingDeletion => State::PendingDeletion,
        v1::KeyState::Destroyed => State::Destroyed,
        v1::KeyState::Disabled | v1::KeyState::Deactivated | v1::KeyState::Unspecified => {
            State::Disabled
        }
    }
}

fn indexed<T>(reply: Reply<T>, read: impl FnOnce(&T) -> (u64, bool)) -> Told {
    match reply {
        Reply::Answer(answer) => {
            let (index, replayed) = read(&answer);
            Reply::Answer(Answer { index, replayed, ..Answer::default() })
        }
        other => without_answer(other),
    }
}

/// The reply without its answer, which has been dealt with.
pub(super) fn without_answer<T>(reply: Reply<T>) -> Told {
    match reply {
        Reply::Answer(_) => Reply::Answer(Answer::default()),
        Reply::Refused(reason) => Reply::Refused(reason),
        Reply::NotReached => Reply::NotReached,
        Reply::Unknown => Reply::Unknown,
    }
}
