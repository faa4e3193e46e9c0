//! What becomes of one message: chance, given the state of its link.
//!
//! Each message has dice of its own, thrown from those of its link, so that what one message draws
//! does not change what the next one draws.

use std::time::Duration;

use super::Storm;
use crate::Dice;

/// Bounds of the time that a message takes without a storm, in microseconds. The timers of the
/// runtime round up to whole milliseconds.
const LATENCY_US: (u64, u64) = (200, 3_000);

/// How long TCP waits before it sends again what got lost, in milliseconds.
const RETRANSMISSION_MS: (u64, u64) = (200, 600);

/// Share of the frames lost in a storm that cost the connection; the others are sent again.
const BREAKS_PERCENT: u64 = 25;

/// Under a cut: share of messages that wait in the buffer of a connection that exists, ...
const HELD_PERCENT: u64 = 40;
/// ... and of those that get lost with it. For the others a connection is attempted, in vain.
const GONE_PERCENT: u64 = 30;

/// How long an attempt to connect takes to fail, in milliseconds: from a router that says so to the
/// two seconds after which the real transport gives up.
const REFUSAL_MS: (u64, u64) = (1, 2_000);

/// The state of a link at the moment of sending.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weather {
    /// Nothing gets through.
    pub(super) blocked: bool,
    /// How bad it is otherwise.
    pub(super) storm: Storm,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It arrives. One that is `buffered` is still with its sender and lost when that one dies.
    Arrives { after: Duration, buffered: bool },
    /// It waits with its sender until the link is open, and then takes this long.
    Held { then: Duration },
    /// There is no connection to send it on, and its sender learns that after this time.
    Refused { after: Duration },
    /// It never arrives and nobody is told. In a stream: the connection breaks.
    Lost,
}

/// Of a message that stands alone; and the delay until it arrives again, if it does.
pub(super) fn of_message(dice: &mut Dice, weather: &Weather) -> (Fate, Option<Duration>) {
    let storm = &weather.storm;
    let after = travel(dice, storm);
    let (is_lost, is_repeated) =
        (dice.chance(storm.loss_percent), dice.chance(storm.duplicate_percent));
    let fate = match (weather.blocked, is_lost) {
        (true, _) => under_a_cut(dice, after),
        (false, true) => Fate::Lost,
        (false, false) => Fate::Arrives { after, buffered: false },
    };
    let again = is_repeated.then(|| travel(dice, storm));
    (fate, again)
}

fn under_a_cut(dice: &mut Dice, then: Duration) -> Fate {
    let share = dice.below(100);
    if share < HELD_PERCENT {
        Fate::Held { then }
    } else if share < HELD_PERCENT + GONE_PERCENT {
        Fate::Lost
    } else {
        Fate::Refused { after: between(dice, REFUSAL_MS, 1_000) }
    }
}

/// Of a part of a stream.
pub(super) fn of_frame(dice: &mut Dice, weather: &Weather) -> Fate {
    let storm = &weather.storm;
    let after = travel(dice, storm);
    if weather.blocked {
        return Fate::Held { then: after };
    }
    if !dice.chance(storm.loss_percent) {
        return Fate::Arrives { after, buffered: false };
    }
    if dice.chance(BREAKS_PERCENT) {
        return Fate::Lost;
    }
    Fate::Arrives { after: after + between(dice, RETRANSMISSION_MS, 1_000), buffered: true }
}

/// Whether a stream cannot be opened, and how long it takes to see that. Only a connection that was there
/// before the cut has a buffer in which something waits.
pub(super) fn refuses_stream(dice: &mut Dice, weather: &Weather) -> Option<Duration> {
    weather.blocked.then(|| between(dice, REFUSAL_MS, 1_000))
}

/// Of a message between a client and a node. A storm takes it as well but does not hold it up: whoever
/// acts at once on what one node answered finds out what another does not know yet.
pub(super) fn of_client(dice: &mut Dice, storm: &Storm) -> Option<Duration> {
    let after = between(dice, LATENCY_US, 1);
    (!dice.chance(storm.loss_percent)).then_some(after)
}

/// How long one way takes.
pub(super) fn travel(dice: &mut Dice, storm: &Storm) -> Duration {
    let extra = dice.below(storm.delay_ms * 1_000 + 1);
    between(dice, LATENCY_US, 1) + Duration::from_micros(extra)
}

/// A time between two bounds, given in units of `unit_us` microseconds.
fn between(dice: &mut Dice, (low, high): (u64, u64), unit_us: u64) -> Duration {
    Duration::from_micros((low * unit_us) + dice.below((high - low) * unit_us + 1))
}
