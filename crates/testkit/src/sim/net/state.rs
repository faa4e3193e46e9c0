//! What the network knows at a moment: nodes, faults, links; and how one message travels.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::fate::{self, Fate, Weather};
use super::transport::Endpoint;
use super::{FaultId, NetStats, SimNet, Storm};
use crate::Dice;
use crate::sim::trace::Kind;

/// How long a message waits for a cut to heal. Both ends of a real connection notice a silence and
/// close it about then.
pub(super) const HELD_FOR: Duration = Duration::from_secs(10);

/// What the network knows.
pub(super) struct State {
    seed: u64,
    links: BTreeMap<(u32, u32), Link>,
    clients: Dice,
    pub(super) endpoints: BTreeMap<u32, Arc<Endpoint>>,
    pub(super) faults: BTreeMap<FaultId, Fault>,
    begun: u64,
    pub(super) stats: NetStats,
    pub(super) leaders: BTreeMap<u64, BTreeSet<u64>>,
}

/// From one node to another.
struct Link {
    dice: Dice,
    /// Messages sent so far that stand alone.
    sent: u64,
    /// The newest of them that has arrived.
    newest: u64,
}

pub(super) enum Fault {
    Split(BTreeSet<u32>),
    OneWay(u32, u32),
    Cut(u32, u32),
    Storm(Storm),
    /// The links of this node have this delay on top.
    Slow(u32, u64),
}

impl Fault {
    fn blocks(&self, from: u32, to: u32) -> bool {
        match self {
            Fault::Split(side) => side.contains(&from) != side.contains(&to),
            Fault::OneWay(deaf_from, deaf_to) => (*deaf_from, *deaf_to) == (from, to),
            Fault::Cut(a, b) => (*a, *b) == (from, to) || (*b, *a) == (from, to),
            Fault::Storm(_) | Fault::Slow(..) => false,
        }
    }
}

/// A message that stands alone, on its way.
pub(super) struct Posted {
    pub(super) fate: Fate,
    /// When it arrives again, after it has arrived.
    pub(super) again: Option<Duration>,
    number: u64,
}

/// A part of a stream, on its way.
pub(super) struct Flight {
    sent: Instant,
    fate: Fate,
}

impl State {
    pub(super) fn new(seed: u64) -> State {
        State {
            seed,
            links: BTreeMap::new(),
            // Nodes count from one, so no link has these dice.
            clients: dice_of(seed, 0, 0),
            endpoints: BTreeMap::new(),
            faults: BTreeMap::new(),
            begun: 0,
            stats: NetStats::default(),
            leaders: BTreeMap::new(),
        }
    }

    pub(super) fn begin(&mut self, fault: Fault) -> FaultId {
        self.begun += 1;
        let id = FaultId(self.begun);
        self.faults.insert(id, fault);
        id
    }

    pub(super) fn client_hop(&mut self) -> Option<Duration> {
        let storm = self.worst_storm();
        let mut dice = Dice::new(self.clients.roll());
        let hop = fate::of_client(&mut dice, &storm);
        self.stats.messages += 1;
        self.stats.lost += u64::from(hop.is_none());
        hop
    }

    fn is_blocked(&self, from: u32, to: u32) -> bool {
        self.faults.values().any(|fault| fault.blocks(from, to))
    }

    fn worst_storm(&self) -> Storm {
        let storms = self.faults.values().filter_map(|fault| match fault {
            Fault::Storm(storm) => Some(storm),
            _ => None,
        });
        storms.fold(Storm::default(), |worst, storm| Storm {
            loss_percent: worst.loss_percent.max(storm.loss_percent),
            duplicate_percent: worst.duplicate_percent.max(storm.duplicate_percent),
            delay_ms: worst.delay_ms.max(storm.delay_ms),
        })
    }

    /// How bad a link is.
    fn storm_on(&self, from: u32, to: u32) -> Storm {
        let slow = self.faults.values().filter_map(|fault| match fault {
            Fault::Slow(node, delay_ms) if *node == from || *node == to => Some(*delay_ms),
            _ => None,
        });
        let storm = self.worst_storm();
        Storm { delay_ms: slow.fold(storm.delay_ms, u64::max), ..storm }
    }

    fn link(&mut self, from: u32, to: u32) -> &mut Link {
        let seed = self.seed;
        let new = || Link { dice: dice_of(seed, from, to), sent: 0, newest: 0 };
        self.links.entry((from, to)).or_insert_with(new)
    }

    /// What a message on this link draws from, and what it meets.
    fn throw(&mut self, from: u32, to: u32) -> (Dice, Weather) {
        let weather =
            Weather { blocked: self.is_blocked(from, to), storm: self.storm_on(from, to) };
        (Dice::new(self.link(from, to).dice.roll()), weather)
    }

    fn post(&mut self, from: u32, to: u32) -> Posted {
        let (mut dice, weather) = self.throw(from, to);
        let (fate, again) = fate::of_message(&mut dice, &weather);
        self.stats.messages += 1;
        let link = self.link(from, to);
        link.sent += 1;
        Posted { fate, again, number: link.sent }
    }

    fn arrived(&mut self, from: u32, to: u32, number: u64) {
        let link = self.link(from, to);
        let is_overtaken = number < link.newest;
        link.newest = link.newest.max(number);
        self.stats.reordered += u64::from(is_overtaken);
    }
}

fn dice_of(seed: u64, from: u32, to: u32) -> Dice {
    let link = u64::from(from) << 32 | u64::from(to);
    // One throw apart, so that the dice of neighbouring links have nothing in common.
    Dice::new(Dice::new(seed ^ link).roll())
}

impl SimNet {
    /// Sends what stands alone. `noted` is what the trace takes of it.
    pub(super) fn post(&self, from: u32, to: u32, noted: &[u8]) -> Posted {
        self.0.trace.note(Kind::Message, (from, to), noted);
        self.state().post(from, to)
    }

    /// Sends a part of a stream. What opens or ends a stream shares its packet with other parts: it
    /// is neither counted nor lost alone.
    pub(super) fn post_frame(
        &self,
        from: u32,
        to: u32,
        body: &[u8],
        shares_packet: bool,
    ) -> Flight {
        self.0.trace.note(Kind::Message, (from, to), body);
        let mut state = self.state();
        let (mut dice, mut weather) = state.throw(from, to);
        if shares_packet {
            weather.storm.loss_percent = 0;
        } else {
            state.stats.messages += 1;
        }
        Flight { sent: Instant::now(), fate: fate::of_frame(&mut dice, &weather) }
    }

    /// Waits until a message has arrived; false if it never does.
    pub(super) async fn arrives(&self, from: &Endpoint, to: &Endpoint, posted: &Posted) -> bool {
        let flight = Flight { sent: Instant::now(), fate: posted.fate };
        let has_arrived = self.lands(from, to, &flight).await;
        if has_arrived {
            self.state().arrived(from.node, to.node, posted.number);
        }
        has_arrived
    }

    /// Waits until a part of a stream has arrived; false if it never does. Its sender may die while it
    /// is on its way, but not before: then it was never sent.
    pub(super) async fn lands(&self, from: &Endpoint, to: &Endpoint, flight: &Flight) -> bool {
        let has_landed = match flight.fate {
            Fate::Arrives { after, buffered } => {
                sleep_until(flight.sent + after).await;
                !buffered || from.alive.is()
            }
            Fate::Held { then } => self.is_released(from, to, flight.sent + HELD_FOR, then).await,
            Fate::Refused { .. } | Fate::Lost => false,
        };
        let has_landed = has_landed && to.alive.is();
        if !has_landed {
            self.state().stats.lost += 1;
            self.tell(from.node, to.node, "a message is lost");
        }
        has_landed
    }

    /// Waits in the buffer of the sender, and travels.
    async fn is_released(
        &self,
        from: &Endpoint,
        to: &Endpoint,
        until: Instant,
        then: Duration,
    ) -> bool {
        let opened = timeout_at(until, self.opens(from.node, to.node)).await;
        if opened.is_err() || !from.alive.is() {
            return false;
        }
        sleep(then).await;
        self.state().stats.held += 1;
        self.tell(from.node, to.node, "a message that was held arrives");
        true
    }

    /// Resolves when nothing blocks the link.
    async fn opens(&self, from: u32, to: u32) {
        loop {
            let healed = self.0.healed.notified();
            if !self.state().is_blocked(from, to) {
                return;
            }
            healed.await;
        }
    }

    /// Time of a way there and back, of which nothing gets lost.
    pub(super) fn round_trip(&self, from: u32, to: u32) -> Duration {
        let (mut dice, weather) = self.state().throw(from, to);
        fate::travel(&mut dice, &weather.storm) + fate::travel(&mut dice, &weather.storm)
    }

    /// Whether a stream cannot be opened, and how long it takes to see that.
    pub(super) fn refuses_stream(&self, from: u32, to: u32) -> Option<Duration> {
        let (mut dice, weather) = self.state().throw(from, to);
        let refused = fate::refuses_stream(&mut dice, &weather);
        if refused.is_some() {
            self.refused(from, to);
        }
        refused
    }

    pub(super) fn refused(&self, from: u32, to: u32) {
        self.state().stats.refused += 1;
        self.tell(from, to, "no connection");
    }

    pub(super) fn duplicated(&self, from: u32, to: u32) {
        self.state().stats.duplicated += 1;
        self.tell(from, to, "a message arrives again");
    }

    /// A member speaks as the leader of a term.
    pub(super) fn saw_leadership(&self, leadership: Option<(u64, u64)>) {
        let Some((term, member)) = leadership else { return };
        if self.state().leaders.entry(term).or_default().insert(member) {
            self.0.trace.tell(|| format!("net: member {member:016x} leads in term {term}"));
        }
    }

    /// A member has taken a whole snapshot.
    pub(super) fn snapshot_arrived(&self, from: u32, to: u32) {
        self.state().stats.snapshots += 1;
        self.tell(from, to, "a snapshot has arrived");
    }

    /// A line for people.
    pub(super) fn tell(&self, from: u32, to: u32, what: &str) {
        self.0.trace.tell(|| format!("net {from} -> {to}: {what}"));
    }
}
