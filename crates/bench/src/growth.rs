//! What grows with the number of keys, and what must not: the same commands and ticks with a thousand
//! keys that have a deadline and with as many as one asks for, and ten thousand keys that are due at
//! the same moment.
//!
//! A cluster cannot have few keys again once it has many, so the two sides of a ratio are not measured
//! in turn, as elsewhere, but one after the other; costs are CPU time, which says the same on a busier
//! machine, and latencies stand beside the disk's of the same minute.

use std::time::{Duration, Instant};

use conclave_client::{Error, Reason};
use conclave_proto::v1;
use conclave_proto::v1::keys_client::KeysClient;
use futures::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;
use uuid::Uuid;

use crate::conclave::{self, Lifecycle, Wires};
use crate::cpu::Meter;
use crate::load::{self, Pace, Sample};
use crate::machine::{self, Machine};
use crate::plan::{Aim, Where};
use crate::report::median;
use crate::target::Target;
use crate::{Options, ROUNDS, fsync};

/// How many keys "few" are.
const FEW: u64 = 1_000;
/// Commands until the records that are bounded (audit, events) have reached their bounds: from then on
/// each command drops old ones. So it is in a cluster that is in use, with few keys and with many.
const WORN_AFTER: u64 = 100_000;
/// Keys that commands are given to where they hardly ever come to the same one again: spread over all
/// that were loaded. The other rows give commands to a thousand of these, as many as there are "few".
const SPREAD: u64 = 20_000;
/// Commands that are under way while keys are loaded.
const LOADING: usize = 128;
/// Commands that are under way while their cost is measured.
const IN_FLIGHT: usize = 64;
/// Keys that are due at the same moment: while nothing else happens, to see what a tick costs (so many
/// that their records are synced meanwhile, too), and while others work.
const DUE_AT_ONCE: u64 = 10_000;
/// A deadline that does not come while this runs: ten years.
const FAR: Duration = Duration::from_secs(10 * 365 * 24 * 3_600);
/// How often it is asked whether the last key that is due was ticked.
const ASK_EVERY: Duration = Duration::from_millis(20);
/// However many keys there are, ticks work them off sooner.
const TICKS_WITHIN: Duration = Duration::from_secs(120);
/// What others may wait for ticks, beside thrice their time without: two turns of a 4 ms scheduler and
/// the application of one tick.
const PATIENCE_US: f64 = 12_000.0;

/// A report on growth, as `--json` writes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Growth {
    /// Where it was measured.
    pub machine: Machine,
    /// Commit of the program, or "unknown".
    pub commit: String,
    /// How many keys were loaded.
    pub keys: u64,
    /// Keys a second while they were loaded, by real commands.
    pub loaded_per_s: f64,
    /// The figures.
    pub rows: Vec<Grown>,
}

/// A figure with few keys and with many.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Grown {
    /// Its name.
    pub name: String,
    /// "us" or "keys/s".
    pub unit: String,
    /// With a thousand keys, or without what disturbs.
    pub few: f64,
    /// With all of them, or with what disturbs.
    pub many: f64,
    /// The second by the first.
    pub ratio: f64,
    /// What the ratio should be at most; for the disturbed p99, or the difference at most 12 ms.
    pub at_most: Option<f64>,
    /// Whether it is.
    pub met: Option<bool>,
}

/// What one side of the ratios came to.
struct Side {
    fsync: Option<Sample>,
    one: Sample,
    all: Sample,
    /// CPU of all nodes for a key whose timer ran, in microseconds.
    tick_us: Option<f64>,
}

/// Measures growth up to `keys` keys. `progress` is told what is under way.
///
/// # Errors
/// As [`crate::run`].
pub async fn run(options: &Options, keys: u64, progress: impl Fn(&str)) -> Result<Growth, Error> {
    let target = Target::find(options).await?;
    progress("getting ready");
    let wires = Wires::open(&target).await?;
    let bench = Bench { target: &target, wires: &wires, span: options.span };
    progress("loading a thousand keys");
    let begun = Instant::now();
    let first = bench.load(FEW, after(FAR)).await?;
    let first_per_s = per_s(FEW, begun);
    let lifecycle = bench.lifecycle(&first);
    progress("filling what is bounded");
    bench.wear(&lifecycle).await?;
    progress("measuring with a thousand keys");
    let few = bench.side(&lifecycle, first_per_s).await?;
    let begun = Instant::now();
    let rest = keys.saturating_sub(FEW);
    let each = usize::try_from(rest.div_ceil(SPREAD)).unwrap_or(usize::MAX);
    let (mut loaded, mut spread) = (0, Vec::new());
    while loaded < rest {
        let part = (rest - loaded).min(10_000);
        spread.extend(bench.load(part, after(FAR)).await?.into_iter().step_by(each));
        loaded += part;
        progress(&format!("loading: {} of {keys} keys", loaded + FEW));
    }
    let loaded_per_s = per_s(rest, begun);
    let as_many = spread.len().div_ceil(FEW as usize).max(1);
    let some: Vec<String> = spread.iter().step_by(as_many).cloned().collect();
    let lifecycle = bench.lifecycle(&some);
    progress("measuring with all keys");
    let many = bench.side(&lifecycle, loaded_per_s).await?;
    progress("commands to keys all over");
    let others: Vec<String> = spread.into_iter().filter(|id| !some.contains(id)).collect();
    let all_over = match others.len() > load::MOST_IN_FLIGHT {
        true => Some(bench.busy(&bench.lifecycle(&others), options.span * 3).await?),
        false => None,
    };
    let (mut calm, mut disturbed) = (Vec::new(), Vec::new());
    for number in 1..=ROUNDS {
        progress(&format!("round {number} of {ROUNDS}: ten thousand keys due at once"));
        let p99_us = bench.disturbed(&lifecycle, &many.all, loaded_per_s).await?;
        calm.push(p99_us.0);
        disturbed.push(p99_us.1);
    }
    let mut rows = compare(&few, &many, all_over.as_ref());
    let sides = median(calm).zip(median(disturbed));
    rows.extend(sides.map(|(calm, due)| beside("lifecycle_half_p99_due", calm, due)));
    let commit = machine::commit().to_owned();
    Ok(Growth { machine: machine::this(), commit, keys, loaded_per_s, rows })
}

struct Bench<'a> {
    target: &'a Target,
    wires: &'a Wires,
    span: Duration,
}

impl<'a> Bench<'a> {
    /// Creates keys that expire at `expires_at`.
    async fn load(&self, count: u64, expires_at: Timestamp) -> Result<Vec<String>, Error> {
        let creating = stream::iter(0..count).map(|number| self.create(number, expires_at));
        creating.buffer_unordered(LOADING).try_collect().await
    }

    /// Commands to these keys, in an order in which neighbours are far from each other.
    fn lifecycle(&self, ids: &[String]) -> Lifecycle<'a> {
        let mut ids = ids.to_vec();
        // Ids begin with the time and end at random.
        ids.sort_by_cached_key(|id| id.chars().rev().collect::<String>());
        Lifecycle::on(self.wires, ids)
    }

    async fn create(&self, number: u64, expires_at: Timestamp) -> Result<String, Error> {
        let request = v1::CreateKeyRequest {
            request_id: Uuid::now_v7().to_string(),
            description: "made by `conclave bench`".to_owned(),
            expires_at: Some(conclave::timestamp(expires_at)),
            ..v1::CreateKeyRequest::default()
        };
        let slot = usize::try_from(number % 1_024).unwrap_or(0);
        let mut client = KeysClient::new(self.wires.channel(Where::Leader, slot));
        let answer = client.create_key(self.wires.request(request)).await;
        let answer = answer.map_err(|status| conclave::refused(&status))?;
        Ok(answer.into_inner().key_id)
    }

    async fn wear(&self, lifecycle: &Lifecycle<'_>) -> Result<(), Error> {
        let mut given = 0;
        while given < WORN_AFTER {
            given += self.busy(lifecycle, self.span).await?.calls;
        }
        Ok(())
    }

    /// Commands at as high a rate as 64 at a time reach.
    async fn busy(&self, lifecycle: &Lifecycle<'_>, span: Duration) -> Result<Sample, Error> {
        load::measure(lifecycle, Pace::InFlight(IN_FLIGHT), span, &self.target.pids).await
    }

    async fn side(&self, lifecycle: &Lifecycle<'_>, loaded_per_s: f64) -> Result<Side, Error> {
        let (span, pids) = (self.span, &self.target.pids[..]);
        let mut sides = Vec::new();
        let fsync = match &self.target.disk {
            Some(disk) => Some(load::measure_blocking(fsync::probe(disk)?, span).await?),
            None => None,
        };
        for in_flight in [1, IN_FLIGHT] {
            let pace = Pace::InFlight(in_flight);
            sides.push(load::measure(lifecycle, pace, span * 3, pids).await?);
        }
        let tick_us = self.tick(loaded_per_s).await?;
        Ok(Side { fsync, one: sides[0], all: sides[1], tick_us })
    }

    /// Lets keys become due at the same moment, while nothing else happens.
    async fn tick(&self, loaded_per_s: f64) -> Result<Option<f64>, Error> {
        let due = due_after_loading(loaded_per_s);
        let last = last_of(self.load(DUE_AT_ONCE, due).await?);
        wait_for(due).await;
        let meter = Meter::begin(&self.target.pids);
        self.wait_ticked(&last).await?;
        Ok(meter.end().cpu_s.map(|cpu_s| 1e6 * cpu_s / DUE_AT_ONCE as f64))
    }

    /// The p99 of commands at half of what the cluster can do: in quiet, and while ticks work off what is
    /// due.
    async fn disturbed(
        &self,
        lifecycle: &Lifecycle<'_>,
        full: &Sample,
        loaded_per_s: f64,
    ) -> Result<(f64, f64), Error> {
        let pace = Pace::Rate(full.rate() / 2.0);
        let pids = &self.target.pids[..];
        let calm = load::measure(lifecycle, pace, self.span, pids).await?;
        let due = due_after_loading(loaded_per_s);
        let last = last_of(self.load(DUE_AT_ONCE, due).await?);
        wait_for(due).await;
        let (disturbed, ticked) =
            tokio::join!(load::measure(lifecycle, pace, self.span, pids), self.wait_ticked(&last));
        ticked?;
        Ok((calm.p99_us, disturbed?.p99_us))
    }

    /// Waits until the history of a key shows that a tick has come to it.
    async fn wait_ticked(&self, key: &str) -> Result<(), Error> {
        let ticked = async {
            loop {
                let entries = self.target.client.get_history(key).await?.entries;
                if entries.iter().any(|entry| entry.action == "ExpiryReached") {
                    return Ok(());
                }
                sleep(ASK_EVERY).await;
            }
        };
        tokio::time::timeout(TICKS_WITHIN, ticked).await.map_err(|_| {
            let text = format!("no tick came to key {key} within {} s", TICKS_WITHIN.as_secs());
            Error::new(Reason::DeadlineExceeded, text, "see `conclave status` for the leader")
        })?
    }
}

/// To which of keys that are due at the same instant a tick comes last.
fn last_of(ids: Vec<String>) -> String {
    ids.into_iter().max().unwrap_or_default()
}

fn after(span: Duration) -> Timestamp {
    Timestamp::now().saturating_add(span).unwrap_or(Timestamp::MAX)
}

fn per_s(count: u64, begun: Instant) -> f64 {
    count as f64 / begun.elapsed().as_secs_f64().max(1e-9)
}

/// Late enough that all that are due then are made before, even at half the speed seen so far.
fn due_after_loading(loaded_per_s: f64) -> Timestamp {
    after(Duration::from_secs_f64(3.0 + 2.0 * DUE_AT_ONCE as f64 / loaded_per_s.max(1.0)))
}

async fn wait_for(moment: Timestamp) {
    let left = moment.duration_since(Timestamp::now());
    sleep(Duration::try_from(left).unwrap_or_default()).await;
}

fn compare(few: &Side, many: &Side, all_over: Option<&Sample>) -> Vec<Grown> {
    let cpu = |sample: &Sample| {
        sample.cost.cpu_s.filter(|_| sample.calls > 0).map(|s| 1e6 * s / sample.calls as f64)
    };
    // A latency as a multiple of the disk's in the same minute.
    let in_syncs = |side: &Side| side.fsync.map(|fsync| side.one.median_us / fsync.median_us);
    let rows = [
        ("lifecycle_64_cpu", "us", cpu(&few.all).zip(cpu(&many.all)), Some(1.3)),
        ("lifecycle_64_cpu_all_over", "us", cpu(&few.all).zip(all_over.and_then(cpu)), None),
        ("lifecycle_1", "fsyncs", in_syncs(few).zip(in_syncs(many)), Some(1.3)),
        ("lifecycle_1_us", "us", Some((few.one.median_us, many.one.median_us)), None),
        ("tick_cpu", "us", few.tick_us.zip(many.tick_us), Some(1.3)),
    ];
    let row = |(name, unit, sides, at_most): (&str, &str, Option<(f64, f64)>, Option<f64>)| {
        sides.map(|(few, many)| grown(name, unit, few, many, at_most))
    };
    rows.into_iter().filter_map(row).collect()
}

fn grown(name: &str, unit: &str, few: f64, many: f64, at_most: Option<f64>) -> Grown {
    let ratio = many / few.max(f64::MIN_POSITIVE);
    let met = at_most.map(|most| Aim::AtMost(most).is_met(ratio));
    Grown { name: name.to_owned(), unit: unit.to_owned(), few, many, ratio, at_most, met }
}

/// At most thrice as long, or 12 ms longer, whichever is more.
fn beside(name: &str, calm_us: f64, disturbed_us: f64) -> Grown {
    let row = grown(name, "us", calm_us, disturbed_us, Some(3.0));
    let met = disturbed_us <= (3.0 * calm_us).max(calm_us + PATIENCE_US);
    Grown { met: Some(met), ..row }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_may_disturb_a_little() {
        for (calm, disturbed, met) in [
            (10_000.0, 30_000.0, true),
            (10_000.0, 30_001.0, false),
            (1_000.0, 13_000.0, true),
            (1_000.0, 13_001.0, false),
        ] {
            assert_eq!(beside("x", calm, disturbed).met, Some(met), "{calm} {disturbed}");
        }
    }

    #[test]
    fn a_ratio_is_of_many_by_few() {
        let row = grown("x", "us", 100.0, 130.0, Some(1.3));
        assert_eq!((row.ratio, row.met), (1.3, Some(true)));
        assert_eq!(grown("x", "us", 100.0, 131.0, Some(1.3)).met, Some(false));
        assert_eq!(grown("x", "us", 100.0, 500.0, None).met, None);
    }
}
