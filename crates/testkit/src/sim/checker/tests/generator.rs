//! Histories of a cluster that does everything right: each operation has its effect at a point of its
//! own, somewhere between its invocation and its return, or later if nobody was told.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::Dice;
use crate::sim::checker::Orders;
use crate::sim::checker::key_model::{KeyModel, KeyState, ask};
use crate::sim::checker::version_oracle::Effect;
use crate::sim::checker::wgl::Model;
use crate::sim::history::{Action, Answer, History, KeyNo, Operation, Outcome, TokenNo};
use crate::sim::trace::Micros;

/// When the first operation is asked for; before it, there is room for what must not be.
pub const START: Micros = 1_000;

/// What a history is made of.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub clients: u32,
    /// Of each client.
    pub operations: u32,
    pub keys: u32,
    pub tokens: u32,
    /// Of outcomes.
    pub unknown_percent: u64,
    /// How long an operation takes at most; half of that from the invocation to the effect.
    pub longest: Micros,
    /// All times are multiples of this, so that some are equal.
    pub grain: Micros,
}

/// A history, and what really happened.
#[derive(Clone, Debug)]
pub struct Run {
    pub history: History,
    pub orders: Orders,
    /// Index of the last entry of the log.
    pub index: u64,
    requests: u128,
    clients: u32,
}

/// An operation before it has an answer.
struct Sketch {
    client: u32,
    action: Action,
    request: Option<Uuid>,
    invoked: Micros,
    returned: Micros,
    fate: Fate,
}

enum Fate {
    /// Has its effect here, and an answer.
    Answered(Micros),
    /// Has its effect here, if at all, and no answer.
    Unknown(Option<Micros>),
    /// Is refused for a reason that says nothing about keys.
    Unrelated,
}

impl Run {
    pub fn draw(dice: &mut Dice, shape: &Shape) -> Run {
        let mut run = Run {
            history: History::default(),
            orders: (0..shape.keys).map(|key| (key, Vec::new())).collect(),
            index: 1 + dice.below(100),
            requests: 0,
            clients: shape.clients,
        };
        let mut sketches = Vec::new();
        for client in 0..shape.clients {
            run.sketch_client(dice, shape, client, &mut sketches);
        }
        run.carry_out(dice, sketches);
        run
    }

    fn sketch_client(
        &mut self,
        dice: &mut Dice,
        shape: &Shape,
        client: u32,
        sketches: &mut Vec<Sketch>,
    ) {
        let half = shape.longest / 2;
        let grained = |at: Micros| at - at % shape.grain;
        let mut now = START + dice.below(half);
        for number in 0..shape.operations {
            let creates = number == 0 && client < shape.keys;
            let action =
                if creates { Action::Create(client) } else { any_action(dice, shape.keys) };
            let action = match action {
                _ if creates || shape.tokens == 0 || !dice.chance(15) => action,
                _ if dice.chance(10) => Action::Revoke(dice.below(shape.tokens.into()) as TokenNo),
                _ => Action::Show(dice.below(shape.tokens.into()) as TokenNo),
            };
            let point = now + dice.below(half);
            let returned = point + dice.below(half);
            let fate = match () {
                () if !creates && dice.chance(shape.unknown_percent) => {
                    let late = point + dice.below(10 * shape.longest);
                    Fate::Unknown(dice.chance(60).then_some(grained(late)))
                }
                () if !creates && dice.chance(3) => Fate::Unrelated,
                () => Fate::Answered(grained(point)),
            };
            let request = action.is_mutation().then(|| self.new_request());
            let (invoked, until) = (grained(now), grained(returned));
            sketches.push(Sketch { client, action, request, invoked, returned: until, fate });
            now = returned + 1 + dice.below(half);
        }
    }

    /// Lets everything happen in the order of the points.
    fn carry_out(&mut self, dice: &mut Dice, sketches: Vec<Sketch>) {
        let mut in_order: Vec<_> = sketches
            .into_iter()
            .map(|sketch| {
                let point = match sketch.fate {
                    Fate::Answered(point) | Fate::Unknown(Some(point)) => point,
                    Fate::Unknown(None) | Fate::Unrelated => sketch.returned,
                };
                (point, dice.roll(), sketch)
            })
            .collect();
        in_order.sort_by_key(|(point, tie, _)| (*point, *tie));
        let mut world = World::default();
        for (_, _, sketch) in in_order {
            self.index += dice.below(3);
            let Sketch { client, action, request, invoked, returned, fate } = sketch;
            let action = world.with_version(dice, action);
            let outcome = match fate {
                Fate::Unrelated => Outcome::Refused("NO_QUORUM".to_owned()),
                Fate::Unknown(None) => Outcome::Unknown,
                Fate::Unknown(Some(_)) => {
                    self.happen(&mut world, action, request);
                    Outcome::Unknown
                }
                Fate::Answered(_) => self.happen(&mut world, action, request),
            };
            let (node, attempts) = (1 + client % 3, 1);
            self.history.operations.push(Operation {
                client,
                node,
                invoked,
                returned,
                request,
                attempts,
                action,
                outcome,
            });
        }
        self.sort();
    }

    fn happen(&mut self, world: &mut World, action: Action, request: Option<Uuid>) -> Outcome {
        self.index += u64::from(action.is_mutation());
        let (outcome, changed) = world.carry_out(action, self.index);
        if let (true, Some(key), Some(request)) = (changed, action.key(), request) {
            self.orders.entry(key).or_default().push(Effect { index: self.index, request, action });
        }
        outcome
    }

    fn sort(&mut self) {
        self.history.operations.sort_by_key(|operation| operation.returned);
    }

    pub fn new_request(&mut self) -> Uuid {
        self.requests += 1;
        Uuid::from_u128(self.requests)
    }

    /// Adds an operation of a client of its own.
    pub fn add(&mut self, action: Action, (invoked, returned): (Micros, Micros), outcome: Outcome) {
        let request = action.is_mutation().then(|| self.new_request());
        let client = self.clients;
        self.clients += 1;
        self.history.operations.push(Operation {
            client,
            node: 1,
            invoked,
            returned,
            request,
            attempts: 1,
            action,
            outcome,
        });
        self.sort();
    }

    pub fn on_key(&self, key: KeyNo) -> impl Iterator<Item = &Operation> {
        self.history.operations.iter().filter(move |operation| operation.action.key() == Some(key))
    }

    /// What can have changed the key.
    pub fn changes(&self, key: KeyNo) -> impl Iterator<Item = &Operation> {
        let may_change = |operation: &&Operation| {
            operation.action.is_mutation() && !matches!(operation.outcome, Outcome::Refused(_))
        };
        self.on_key(key).filter(may_change)
    }

    /// The states of a key, one after each effect; first the one before.
    pub fn states(&self, key: KeyNo) -> Vec<KeyState> {
        let mut states = vec![KeyModel::initial()];
        for effect in &self.orders[&key] {
            states.push(ask(states[states.len() - 1], effect.action).unwrap());
        }
        states
    }

    /// A time when everything is over.
    pub fn end(&self) -> Micros {
        self.history.operations.iter().map(|operation| operation.returned).max().unwrap_or(0) + 1
    }
}

/// The true state of everything.
#[derive(Default)]
struct World {
    keys: BTreeMap<KeyNo, KeyState>,
    revoked: BTreeMap<TokenNo, bool>,
}

impl World {
    fn key(&self, key: KeyNo) -> KeyState {
        self.keys.get(&key).copied().flatten()
    }

    /// Mostly versions that there are, and sometimes the one after.
    fn with_version(&self, dice: &mut Dice, action: Action) -> Action {
        let (Action::Decrypt(key, _) | Action::Switch(key, ..)) = action else { return action };
        let versions = self.key(key).map_or(1, |key| key.primary);
        let after = u64::from(dice.chance(10));
        let version = 1 + dice.below(u64::from(versions) + after) as u32;
        match action {
            Action::Switch(_, _, on) => Action::Switch(key, version, on),
            _ => Action::Decrypt(key, version),
        }
    }

    /// What comes of it, and whether a key has changed.
    fn carry_out(&mut self, action: Action, index: u64) -> (Outcome, bool) {
        match action {
            Action::Revoke(token) => {
                self.revoked.insert(token, true);
                (Outcome::Done(Answer { index, ..Answer::default() }), false)
            }
            Action::Show(token) if self.revoked.contains_key(&token) => {
                (Outcome::Refused("UNAUTHENTICATED".to_owned()), false)
            }
            _ => self.ask_key(action, index),
        }
    }

    fn ask_key(&mut self, action: Action, index: u64) -> (Outcome, bool) {
        let Some(number) = action.key() else {
            return (Outcome::Done(Answer::default()), false);
        };
        match ask(self.key(number), action) {
            Err(reason) => (Outcome::Refused(reason.to_owned()), false),
            Ok(after) => {
                self.keys.insert(number, after);
                let mut answer = answer_of(action, after);
                answer.index = if action.is_use() { 0 } else { index };
                (Outcome::Done(answer), action.is_mutation())
            }
        }
    }
}

/// What an operation tells of the state in which it was done.
pub fn answer_of(action: Action, state: KeyState) -> Answer {
    let Some(key) = state else { return Answer::default() };
    match action {
        Action::Encrypt(_) => Answer { version: key.primary, ..Answer::default() },
        Action::Decrypt(_, version) => Answer { version, ..Answer::default() },
        Action::Get(_) => Answer {
            version: key.primary,
            state: key.state,
            off: key.off,
            revision: key.revision,
            ..Answer::default()
        },
        _ => Answer::default(),
    }
}

pub fn any_action(dice: &mut Dice, keys: u32) -> Action {
    let key = dice.below(keys.into()) as KeyNo;
    match dice.below(100) {
        0..2 => Action::Create(key),
        2..16 => Action::Enable(key),
        16..28 => Action::Disable(key),
        28..36 => Action::Rotate(key),
        36..45 => Action::Update(key),
        45..47 => Action::Delete(key),
        47..52 => Action::Cancel(key),
        52..56 => Action::Switch(key, 1, dice.chance(40)),
        56..68 => Action::Get(key),
        68..86 => Action::Encrypt(key),
        _ => Action::Decrypt(key, 1),
    }
}
