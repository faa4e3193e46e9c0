//! Clients of keys that live for seconds: they create, use and delete them, take that back or hurry it
//! on, and try what is gone again.

use conclave_core::ids::KeyId;
use conclave_proto::v1;
use futures::future::join_all;
use uuid::Uuid;

use super::send::{Told, told, without_answer};
use super::{Ciphertext, Client};
use crate::Dice;
use crate::sim::cluster::Reply;
use crate::sim::history::{Action, Answer, KeyNo, Outcome, Short, State};
use crate::sim::net::Alive;
use crate::sim::short::windows;

/// Keys that a client has at once.
const AT_ONCE: usize = 4;
/// Keys that are gone and are still tried.
const REMEMBERED: usize = 8;
/// Such a client thinks at most this long between two operations.
const THINKS_MS: u64 = 180;
/// How often a key that is gone is tried, in percent.
const TRIES_GONE: u64 = 10;
/// How often it is looked at all other nodes whether a deleted key can be used, in percent.
const LOOKS_AFTER_DELETE: u64 = 40;
/// How often a key is purged as soon as it was destroyed: too early.
const PURGES_AT_ONCE: u64 = 40;
/// Numbers of keys that one client makes.
const KEYS_OF_EACH: KeyNo = 100_000;
/// What prevents the deletion of a key.
const RESOURCE: &str = "sim://protected";

/// What is done with a key, and how often beside each other.
const STEPS: [(u64, Short); 12] = [
    (12, Short::Encrypt),
    (14, Short::Decrypt),
    (12, Short::Get),
    (6, Short::Enable),
    (3, Short::Register),
    (4, Short::Unregister),
    (8, Short::Delete(false)),
    (8, Short::Delete(true)),
    (4, Short::Cancel),
    (8, Short::DeleteNow),
    (6, Short::Restore),
    (10, Short::Purge),
];

/// A key, as far as clients have learned it.
#[derive(Clone)]
pub(super) struct ShortKey {
    id: String,
    ciphertext: Option<Ciphertext>,
}

impl Client {
    /// Makes short-lived keys and lets them go until it is told to stop.
    pub async fn use_short_keys(mut self, going: Alive) {
        let mut next = self.number * KEYS_OF_EACH;
        let (mut mine, mut gone): (Vec<KeyNo>, Vec<KeyNo>) = Default::default();
        while going.is() {
            self.think(THINKS_MS).await;
            if mine.len() < AT_ONCE {
                let created = self.change(Action::Short(next, Short::Create)).await;
                mine.extend(matches!(created, Some(Outcome::Done(_))).then_some(next));
                next += 1;
                continue;
            }
            if !gone.is_empty() && self.dice.chance(TRIES_GONE) {
                let key = gone[self.dice.below(gone.len() as u64) as usize];
                let what = self.step();
                self.short(key, what).await;
                continue;
            }
            let place = self.dice.below(mine.len() as u64) as usize;
            if self.go_on(mine[place]).await {
                let key = mine.swap_remove(place);
                self.look_everywhere(key).await;
                gone.push(key);
                if gone.len() > REMEMBERED {
                    gone.remove(0);
                }
            }
        }
    }

    /// One step of a key, and what belongs to it. Whether the key is gone.
    async fn go_on(&mut self, key: KeyNo) -> bool {
        let what = self.step();
        let Some(outcome) = self.short(key, what).await else { return false };
        let is_done = matches!(outcome, Outcome::Done(_));
        match what {
            Short::Delete(_) if is_done && self.dice.chance(LOOKS_AFTER_DELETE) => {
                self.look_everywhere(key).await;
            }
            Short::DeleteNow if is_done && self.dice.chance(PURGES_AT_ONCE) => {
                self.change(Action::Short(key, Short::Purge)).await;
            }
            _ => {}
        }
        match outcome {
            Outcome::Done(answer) => what == Short::Purge || answer.state == State::Purged,
            Outcome::Refused(reason) => reason == "NOT_FOUND" && what != Short::Unregister,
            Outcome::Unknown => false,
        }
    }

    fn step(&mut self) -> Short {
        let mut roll = self.dice.below(STEPS.iter().map(|(weight, _)| weight).sum());
        for (weight, step) in STEPS {
            if roll < weight {
                return step;
            }
            roll -= weight;
        }
        Short::Get
    }

    /// What came of it; `None`: it was never heard.
    async fn short(&mut self, key: KeyNo, what: Short) -> Option<Outcome> {
        let action = Action::Short(key, what);
        if action.is_mutation() {
            return self.change(action).await;
        }
        let node = self.node();
        self.short_at(node, key, what).await
    }

    async fn short_at(&mut self, node: u32, key: KeyNo, what: Short) -> Option<Outcome> {
        let invoked = self.now();
        let known = self.workload.short.lock().unwrap().get(&key).cloned()?;
        let (what, reply) = match (what, known.ciphertext) {
            (Short::Get, _) => (what, self.send_get_short(node, known.id).await),
            (Short::Decrypt, Some(ciphertext)) => {
                (what, self.send_decrypt_short(node, key, ciphertext).await)
            }
            _ => (Short::Encrypt, self.send_encrypt_short(node, key, known.id).await),
        };
        self.one_attempt(node, invoked, Action::Short(key, what), reply)
    }

    /// Reads and uses a key at all nodes at once.
    async fn look_everywhere(&mut self, key: KeyNo) {
        let nodes = self.workload.cluster.nodes();
        let looks = nodes.into_iter().map(|node| {
            let number = self.number + super::LOOKS * node;
            let mut look = self.workload.client(number, Dice::new(self.dice.roll()));
            let what = [Short::Get, Short::Decrypt, Short::Encrypt][self.dice.below(3) as usize];
            async move { look.short_at(node, key, what).await }
        });
        join_all(looks).await;
    }

    async fn send_get_short(&self, node: u32, key: String) -> Told {
        match self.workload.worker.get_key(node, v1::GetKeyRequest { key }).await {
            Reply::Answer(answer) => Reply::Answer(told(&answer)),
            other => without_answer(other),
        }
    }

    async fn send_encrypt_short(&mut self, node: u32, key: KeyNo, id: String) -> Told {
        let plaintext = self.dice.bytes(24);
        let request =
            v1::EncryptRequest { key: id, plaintext: plaintext.clone(), ..Default::default() };
        match self.workload.worker.encrypt(node, request).await {
            Reply::Answer(answer) => {
                let version = answer.version;
                if let Some(known) = self.workload.short.lock().unwrap().get_mut(&key) {
                    let bytes = answer.ciphertext;
                    known.ciphertext = Some(Ciphertext { bytes, version, plaintext });
                }
                Reply::Answer(used(version))
            }
            other => without_answer(other),
        }
    }

    async fn send_decrypt_short(&self, node: u32, key: KeyNo, ciphertext: Ciphertext) -> Told {
        let request =
            v1::DecryptRequest { ciphertext: ciphertext.bytes, ..v1::DecryptRequest::default() };
        match self.workload.worker.decrypt(node, request).await {
            Reply::Answer(answer) => {
                if answer.plaintext != ciphertext.plaintext {
                    let text =
                        format!("node {node} decrypted short-lived key {key} to something else");
                    self.absurd(text);
                }
                Reply::Answer(used(answer.version))
            }
            other => without_answer(other),
        }
    }

    /// One attempt of a change.
    pub(super) async fn send_short(
        &mut self,
        node: u32,
        number: KeyNo,
        what: Short,
        request: Uuid,
    ) -> Told {
        let request_id = request.to_string();
        let worker = &self.workload.worker;
        if what == Short::Create {
            let alias = format!("short-{number}");
            let create = v1::CreateKeyRequest { request_id, alias, ..Default::default() };
            let creator = worker.clone().within(windows(number).instance);
            let created = creator.create_key(node, create).await;
            return self.learn_short(number, created);
        }
        let key = self.workload.short.lock().unwrap().get(&number).map(|known| known.id.clone());
        let key = key.unwrap_or_default();
        let resource = RESOURCE.to_owned();
        let reply = match what {
            Short::Delete(force) => {
                worker.delete_key(node, v1::DeleteKeyRequest { request_id, key, force }).await
            }
            Short::Register => {
                let register = v1::RegisterResourceRequest {
                    request_id,
                    key,
                    resource,
                    prevent_deletion: true,
                    ..Default::default()
                };
                worker.register_resource(node, register).await
            }
            Short::Unregister => {
                let unregister = v1::UnregisterResourceRequest { request_id, key, resource };
                worker.unregister_resource(node, unregister).await
            }
            Short::Enable => worker.enable_key(node, v1::KeyRequest { request_id, key }).await,
            Short::Cancel => worker.cancel_deletion(node, v1::KeyRequest { request_id, key }).await,
            Short::DeleteNow => worker.delete_now(node, v1::KeyRequest { request_id, key }).await,
            Short::Restore => worker.restore_key(node, v1::KeyRequest { request_id, key }).await,
            Short::Purge => {
                let purger = &self.workload.purger;
                purger.purge_key(node, v1::KeyRequest { request_id, key }).await
            }
            other => panic!("{other:?} is no change"),
        };
        match reply {
            Reply::Answer(answer) => {
                Reply::Answer(Answer { off: Default::default(), ..told(&answer) })
            }
            other => without_answer(other),
        }
    }

    fn learn_short(&self, number: KeyNo, created: Reply<v1::KeyAnswer>) -> Told {
        let Reply::Answer(answer) = created else { return without_answer(created) };
        match Uuid::parse_str(&answer.key_id) {
            Ok(id) => {
                self.workload.recorder.learn_short(number, KeyId(id));
                let known = ShortKey { id: answer.key_id.clone(), ciphertext: None };
                self.workload.short.lock().unwrap().insert(number, known);
            }
            Err(_) => self.absurd(format!("{:?} is no key id", answer.key_id)),
        }
        Reply::Answer(told(&answer))
    }
}

/// What an answer to a use tells.
fn used(version: u32) -> Answer {
    Answer { version, ..Answer::default() }
}
