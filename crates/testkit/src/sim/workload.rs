//! What clients do: a few keys that many of them use and change at once, tokens that are shown while
//! they are revoked, and now and then something that must never be allowed.

mod send;
mod setup;
mod short;
mod tokens;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use conclave_proto::v1;
use futures::future::join_all;
use tokio::time::sleep;
use uuid::Uuid;

use self::send::{Told, alias, told, without_answer};
use self::setup::{Setup, expect};
use self::short::ShortKey;
use super::caller::Caller;
use super::cluster::{Reply, SimCluster};
use super::history::{Action, Answer, KeyNo, Operation, Outcome, TokenNo};
use super::net::Alive;
use super::recorder::Recorder;
use super::short::INSTANCES;
use super::trace::Micros;
use crate::Dice;

/// How long a client waits for one answer.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// How often a mutation whose outcome is not known is repeated with the same request id.
const ATTEMPTS: u32 = 6;
/// Share of repeats that a client does not make, in percent: some outcomes stay unknown.
const GIVES_UP: u64 = 15;
/// A client thinks at most this long between two operations.
const THINKS_MS: u64 = 25;
/// How often a client stays with the node that has served it last, in percent.
const STAYS: u64 = 50;
/// How long a client keeps away from a node that did not serve it, unless all did so.
const AVOIDS: Micros = 700_000;
/// A client that looks at several nodes at once does so under other numbers: its own and this many for
/// each node, or key.
const LOOKS: u32 = 10_000;
/// How often a node that was away is visited.
const VISITS: u32 = 4;
/// How often a switch of a version is one that lets it be used, in percent.
const SWITCHES_ON: u64 = 60;
/// Ciphertexts of a key that are kept for decryption.
const KEPT: usize = 64;

/// The principal of the ordinary clients.
const WORKER: &str = "worker";
/// The principal that purges short-lived keys, and can do nothing else.
const PURGER: &str = "purger";
/// A key that only the holders of revocable tokens touch.
const GUEST_KEY: &str = "guest-key";
/// Tokens that are revoked during a run.
const GUESTS: u32 = 6;

/// What ordinary clients do, and how often beside each other.
const HABITS: [(u64, Habit); 11] = [
    (60, Habit::Encrypt),
    (40, Habit::Decrypt),
    (24, Habit::Get),
    (16, Habit::Disable),
    (28, Habit::Enable),
    (12, Habit::Rotate),
    (32, Habit::Update),
    (4, Habit::Create),
    (3, Habit::Delete),
    (12, Habit::Cancel),
    (8, Habit::Switch),
];

#[derive(Clone, Copy)]
enum Habit {
    Encrypt,
    Decrypt,
    Get,
    Disable,
    Enable,
    Rotate,
    Update,
    Create,
    Delete,
    Cancel,
    Switch,
}

/// What clients share.
#[derive(Clone)]
pub struct Workload {
    cluster: SimCluster,
    recorder: Recorder,
    admin: Caller,
    worker: Caller,
    purger: Caller,
    guests: Vec<Guest>,
    ciphertexts: Arc<Mutex<Vec<Vec<Ciphertext>>>>,
    short: Arc<Mutex<BTreeMap<KeyNo, ShortKey>>>,
}

/// A token that will be revoked.
#[derive(Clone)]
struct Guest {
    id: String,
    caller: Caller,
}

#[derive(Clone)]
struct Ciphertext {
    bytes: Vec<u8>,
    version: u32,
    plaintext: Vec<u8>,
}

/// A client of its own number, with its own dice.
#[derive(Clone)]
pub struct Client {
    workload: Workload,
    number: u32,
    dice: Dice,
    /// The node that has served last.
    home: Option<u32>,
    /// Nodes that did not serve, and until when they are not asked again.
    avoided: BTreeMap<u32, Micros>,
}

impl Workload {
    /// Makes principals, tokens and keys by the token of the administrator, on an unsealed cluster.
    /// The last key is left for the clients to create.
    pub async fn prepare(
        cluster: &SimCluster,
        recorder: &Recorder,
        admin: &str,
        mut dice: Dice,
    ) -> Workload {
        let admin = Caller::nobody(cluster, 1, PATIENCE).showing(admin);
        let mut setup = Setup { admin: &admin, dice: &mut dice };
        let token = setup.principal(WORKER, "Manager").await.secret;
        let worker = Caller::nobody(cluster, 2, PATIENCE).showing(&token);
        let token = setup.principal(PURGER, "KeyPurge").await.secret;
        let purger = Caller::nobody(cluster, 3, PATIENCE).showing(&token);
        for windows in &INSTANCES {
            setup.instance(windows).await;
        }
        let mut guests = Vec::new();
        for number in 0..GUESTS {
            let token = setup.principal(&format!("guest-{number}"), "Manager").await;
            let caller = Caller::nobody(cluster, 100 + number, PATIENCE).showing(&token.secret);
            guests
                .push(Guest { id: token.token.map(|token| token.id).unwrap_or_default(), caller });
        }
        let request_id = setup.request_id();
        let guest_key = v1::CreateKeyRequest {
            request_id,
            alias: GUEST_KEY.to_owned(),
            ..v1::CreateKeyRequest::default()
        };
        expect(worker.create_key(1, guest_key).await);
        let keys = cluster.plan().keys as usize;
        let workload = Workload {
            cluster: cluster.clone(),
            recorder: recorder.clone(),
            admin,
            worker,
            purger,
            guests,
            ciphertexts: Arc::new(Mutex::new(vec![Vec::new(); keys])),
            short: Arc::default(),
        };
        let mut first = workload.client(0, dice);
        for key in 0..cluster.plan().keys - 1 {
            first.mutate(Action::Create(key)).await;
        }
        workload
    }

    /// A client.
    pub fn client(&self, number: u32, dice: Dice) -> Client {
        let (workload, avoided) = (self.clone(), BTreeMap::new());
        Client { workload, number, dice, home: None, avoided }
    }

    /// How many tokens there are to revoke.
    pub fn tokens(&self) -> TokenNo {
        GUESTS
    }
}

fn uuid(dice: &mut Dice) -> Uuid {
    let (high, low) = (dice.roll(), dice.roll());
    uuid::Builder::from_random_bytes(Uuid::from_u64_pair(high, low).into_bytes()).into_uuid()
}

impl Client {
    /// Uses and changes keys until it is told to stop.
    pub async fn use_keys(mut self, going: Alive) {
        while going.is() {
            self.think(THINKS_MS).await;
            let key = self.key();
            match self.habit() {
                Habit::Encrypt => self.encrypt(key).await,
                Habit::Decrypt => self.decrypt(key).await,
                Habit::Get => self.get(key).await,
                Habit::Disable => self.stop_use(Action::Disable(key), key).await,
                Habit::Delete => self.stop_use(Action::Delete(key), key).await,
                Habit::Cancel => self.mutate(Action::Cancel(key)).await,
                Habit::Switch => self.switch(key).await,
                Habit::Enable => self.mutate(Action::Enable(key)).await,
                Habit::Rotate => self.mutate(Action::Rotate(key)).await,
                Habit::Update => self.mutate(Action::Update(key)).await,
                Habit::Create => self.mutate(Action::Create(key)).await,
            }
        }
    }

    /// Seals the cluster.
    pub async fn seal(&mut self) {
        self.mutate(Action::Seal).await;
    }

    /// Tries until a change and a use have worked at this node: what must be possible once faults are
    /// over. Says what went wrong last, if time runs out.
    pub async fn prove_life(&mut self, node: u32, within: Duration) -> Option<String> {
        let mut last = "nothing was tried".to_owned();
        let proof = async {
            loop {
                match self.change_and_use(node).await {
                    Ok(()) => return,
                    Err(why) => last = why,
                }
                sleep(Duration::from_millis(50)).await;
            }
        };
        match tokio::time::timeout(within, proof).await {
            Ok(()) => None,
            Err(_) => Some(last),
        }
    }

    async fn change_and_use(&mut self, node: u32) -> Result<(), String> {
        for action in [Action::Cancel(0), Action::Enable(0)] {
            let request = uuid(&mut self.dice);
            match self.at_node(node, action, Some(request)).await {
                Outcome::Done(_) => {}
                Outcome::Refused(reason) if reason == "KEY_STATE" => {}
                other => return Err(format!("{action:?}: {other:?}")),
            }
        }
        match self.at_node(node, Action::Encrypt(0), None).await {
            Outcome::Done(_) => Ok(()),
            other => Err(format!("encrypt: {other:?}")),
        }
    }

    /// One attempt at one node, put down.
    async fn at_node(&mut self, node: u32, action: Action, request: Option<Uuid>) -> Outcome {
        let invoked = self.now();
        let reply = match (action, request) {
            (Action::Encrypt(key), _) => self.send_encrypt(node, key).await,
            (action, Some(request)) => self.send(node, action, request).await,
            (action, None) => panic!("{action:?} needs a request id"),
        };
        let outcome = match reply {
            Reply::NotReached => return Outcome::Refused("NOT_REACHED".to_owned()),
            Reply::Answer(answer) => Outcome::Done(answer),
            Reply::Refused(reason) => Outcome::Refused(reason),
            Reply::Unknown => Outcome::Unknown,
        };
        self.put_down(node, invoked, request, 1, action, outcome.clone());
        outcome
    }

    /// The first keys are the most popular ones; what is cached of the last ones may become old.
    fn key(&mut self) -> KeyNo {
        let keys = self.workload.cluster.plan().keys.into();
        self.dice.below(keys).min(self.dice.below(keys)) as KeyNo
    }

    fn habit(&mut self) -> Habit {
        let mut roll = self.dice.below(HABITS.iter().map(|(weight, _)| weight).sum());
        for (weight, habit) in HABITS {
            if roll < weight {
                return habit;
            }
            roll -= weight;
        }
        Habit::Get
    }

    async fn think(&mut self, most_ms: u64) {
        sleep(Duration::from_micros(self.dice.below(most_ms * 1_000 + 1))).await;
    }

    /// Often the node that has served last, else one of those that are not avoided: a client that waits
    /// for nodes that do not serve shows nothing.
    fn node(&mut self) -> u32 {
        if let Some(home) = self.home.filter(|_| self.dice.chance(STAYS)) {
            return home;
        }
        let (now, all) = (self.now(), self.workload.cluster.nodes());
        self.avoided.retain(|_, until| *until > now);
        let good = all.iter().copied().filter(|node| !self.avoided.contains_key(node));
        let good: Vec<u32> = good.collect();
        let nodes = if good.is_empty() { &all } else { &good };
        nodes[self.dice.below(nodes.len() as u64) as usize]
    }

    /// Remembers whether a node has served.
    fn tried(&mut self, node: u32, has_served: bool) {
        if has_served {
            self.home = Some(node);
            self.avoided.remove(&node);
        } else {
            self.home = None;
            self.avoided.insert(node, self.now() + AVOIDS);
        }
    }

    fn now(&self) -> Micros {
        self.workload.cluster.trace().stamp()
    }

    fn put_down(
        &mut self,
        node: u32,
        invoked: Micros,
        request: Option<Uuid>,
        attempts: u32,
        action: Action,
        outcome: Outcome,
    ) {
        let has_served = match &outcome {
            Outcome::Done(_) => true,
            Outcome::Refused(reason) => !["SEALED", "NO_QUORUM"].contains(&reason.as_str()),
            Outcome::Unknown => false,
        };
        self.tried(node, has_served);
        self.workload.recorder.add(Operation {
            client: self.number,
            node,
            invoked,
            returned: self.now(),
            request,
            attempts,
            action,
            outcome,
        });
    }

    /// A mutation: repeated with the same request id, at any node, while its outcome is not known.
    pub async fn mutate(&mut self, action: Action) {
        self.change(action).await;
    }

    /// The same, and what came of it; `None`: it was never heard.
    async fn change(&mut self, action: Action) -> Option<Outcome> {
        let request = uuid(&mut self.dice);
        let invoked = self.now();
        let mut may_have_happened = false;
        for attempt in 1..=ATTEMPTS {
            let node = self.node();
            let reply = self.send(node, action, request).await;
            let is_last = attempt == ATTEMPTS || self.dice.chance(GIVES_UP);
            let outcome = match reply {
                Reply::Answer(answer) => Outcome::Done(answer),
                // The attempt before may still be on its way.
                Reply::Refused(_) if may_have_happened => Outcome::Unknown,
                Reply::Refused(reason) => Outcome::Refused(reason),
                Reply::Unknown if is_last => Outcome::Unknown,
                Reply::NotReached if is_last && may_have_happened => Outcome::Unknown,
                // It was never heard.
                Reply::NotReached if is_last => return None,
                Reply::Unknown => {
                    self.tried(node, false);
                    may_have_happened = true;
                    continue;
                }
                Reply::NotReached => {
                    self.tried(node, false);
                    self.think(THINKS_MS).await;
                    continue;
                }
            };
            self.put_down(node, invoked, Some(request), attempt, action, outcome.clone());
            return Some(outcome);
        }
        None
    }

    /// Disables or deletes a key and looks at once, at all other nodes, whether it can still be used.
    async fn stop_use(&mut self, action: Action, key: KeyNo) {
        self.home = None;
        self.mutate(action).await;
        let Some(home) = self.home else { return };
        let nodes = self.workload.cluster.nodes().into_iter().filter(|node| *node != home);
        let looks = nodes.map(|node| {
            let number = self.number + LOOKS * node;
            let look = self.workload.client(number, Dice::new(self.dice.roll()));
            look.look(node, key)
        });
        join_all(looks).await;
    }

    /// Uses all keys at once at a node that was away: what it still believes shows in the moment in which
    /// it serves again.
    pub async fn visit(&mut self, node: u32) {
        for _ in 0..VISITS {
            let looks = (0..self.workload.cluster.plan().keys).map(|key| {
                let number = self.number + LOOKS * (key + 1);
                let look = self.workload.client(number, Dice::new(self.dice.roll()));
                look.look(node, key)
            });
            join_all(looks).await;
            self.think(THINKS_MS).await;
        }
    }

    async fn look(mut self, node: u32, key: KeyNo) {
        self.encrypt_at(node, key).await;
    }

    async fn encrypt(&mut self, key: KeyNo) {
        let node = self.node();
        self.encrypt_at(node, key).await;
    }

    async fn encrypt_at(&mut self, node: u32, key: KeyNo) {
        let invoked = self.now();
        let reply = self.send_encrypt(node, key).await;
        self.one_attempt(node, invoked, Action::Encrypt(key), reply);
    }

    async fn decrypt(&mut self, key: KeyNo) {
        let kept = self.workload.ciphertexts.lock().unwrap()[key as usize].clone();
        if kept.is_empty() {
            return self.encrypt(key).await;
        }
        let ciphertext = kept[self.dice.below(kept.len() as u64) as usize].clone();
        let (node, invoked) = (self.node(), self.now());
        let request =
            v1::DecryptRequest { ciphertext: ciphertext.bytes, ..v1::DecryptRequest::default() };
        let reply = match self.workload.worker.decrypt(node, request).await {
            Reply::Answer(answer) => {
                if answer.plaintext != ciphertext.plaintext || answer.version != ciphertext.version
                {
                    self.absurd(format!("node {node} decrypted key {key} to something else"));
                }
                Reply::Answer(Answer { version: answer.version, ..Answer::default() })
            }
            other => without_answer(other),
        };
        self.one_attempt(node, invoked, Action::Decrypt(key, ciphertext.version), reply);
    }

    /// Switches a version on or off: one of those of which there are ciphertexts.
    async fn switch(&mut self, key: KeyNo) {
        let kept = self.workload.ciphertexts.lock().unwrap()[key as usize].clone();
        if let Some(last) = (kept.len() as u64).checked_sub(1) {
            let version = kept[self.dice.below(last + 1) as usize].version;
            let on = self.dice.chance(SWITCHES_ON);
            self.mutate(Action::Switch(key, version, on)).await;
        }
    }

    async fn get(&mut self, key: KeyNo) {
        let (node, invoked) = (self.node(), self.now());
        let request = v1::GetKeyRequest { key: alias(key) };
        let reply = match self.workload.worker.get_key(node, request).await {
            Reply::Answer(answer) => Reply::Answer(told(&answer)),
            other => without_answer(other),
        };
        self.one_attempt(node, invoked, Action::Get(key), reply);
    }

    fn one_attempt(
        &mut self,
        node: u32,
        invoked: Micros,
        action: Action,
        reply: Told,
    ) -> Option<Outcome> {
        let outcome = match reply {
            Reply::NotReached => {
                self.tried(node, false);
                return None;
            }
            Reply::Answer(answer) => Outcome::Done(answer),
            Reply::Refused(reason) => Outcome::Refused(reason),
            Reply::Unknown => Outcome::Unknown,
        };
        self.put_down(node, invoked, None, 1, action, outcome.clone());
        Some(outcome)
    }
}
