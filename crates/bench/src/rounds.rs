//! The rounds: everything is measured once, then once again, and so on, so that a bad minute of the
//! machine strikes a subject and its baseline alike.

use std::collections::BTreeMap;
use std::time::Duration;

use conclave_client::Error;

use crate::cipher::cipher;
use crate::conclave::{self, Echo, Encrypt, Lifecycle, Wires};
use crate::etcd::{self, Etcd};
use crate::fsync;
use crate::load::{self, Pace, Sample};
use crate::plan::{Load, Measurement, Work};
use crate::report::Report;
use crate::target::Target;
use crate::{ROUNDS, machine};

/// What all measurements of one round came to, by name.
pub(crate) type Round = BTreeMap<&'static str, Sample>;

/// Only what `Bench::can` says yes to is measured.
const POSSIBLE: &str = "it was found to be possible";

/// What is measured, and everything that is needed for it.
struct Bench<'a> {
    target: &'a Target,
    wires: &'a Wires,
    lifecycle: Option<Lifecycle<'a>>,
    etcd: Option<Etcd>,
}

/// Measures all rounds. What cannot be measured here (no etcd, no follower, no development node) is
/// left out, and its figures with it.
pub(crate) async fn run(
    target: &Target,
    measured: &[Measurement],
    span: Duration,
    progress: impl Fn(&str),
) -> Result<Report, Error> {
    progress("getting ready");
    let wires = Wires::open(target).await?;
    let bench = Bench::prepare(target, &wires, measured).await?;
    let have_echo = wires.have_echo().await;
    let possible = |measurement: &&Measurement| bench.can(measurement.work, have_echo);
    let measured: Vec<_> = measured.iter().filter(possible).collect();
    let mut rounds = Vec::new();
    for number in 1..=ROUNDS {
        let mut round = Round::new();
        for measurement in &measured {
            progress(&format!("round {number} of {ROUNDS}: {}", measurement.name));
            let sample = bench.measure(measurement, &round, span).await;
            let sample = sample.map_err(|error| while_measured(measurement, error))?;
            round.insert(measurement.name, sample);
        }
        rounds.push(round);
    }
    Ok(Report::new(machine::this(), machine::commit(), &rounds))
}

impl<'a> Bench<'a> {
    async fn prepare(
        target: &'a Target,
        wires: &'a Wires,
        measured: &[Measurement],
    ) -> Result<Bench<'a>, Error> {
        conclave::prepare_key(&target.client).await?;
        let in_flight = |work: Work| {
            let loads = measured.iter().filter(move |measurement| measurement.work == work);
            loads.filter_map(|measurement| match measurement.load {
                Load::InFlight(count) => Some(count),
                Load::HalfOf(_) => None,
            })
        };
        let keys = in_flight(Work::Lifecycle).max();
        let lifecycle = match keys {
            Some(keys) => Some(Lifecycle::prepare(&target.client, wires, keys).await?),
            None => None,
        };
        let mut etcd = None;
        if in_flight(Work::EtcdPut).next().is_some()
            && let (Some(program), Some(disk)) = (etcd::program(), &target.disk)
        {
            etcd = Some(Etcd::start(&program, disk).await?);
        }
        Ok(Bench { target, wires, lifecycle, etcd })
    }

    fn can(&self, work: Work, have_echo: bool) -> bool {
        match work {
            Work::Echo(_) => have_echo,
            Work::Encrypt(place) => self.wires.has(place),
            Work::Lifecycle => self.lifecycle.is_some(),
            Work::EtcdPut => self.etcd.is_some(),
            Work::Fsync => self.target.disk.is_some(),
            Work::Idle => !self.target.pids.is_empty(),
            Work::Cipher => true,
        }
    }

    async fn measure(
        &self,
        measurement: &Measurement,
        round: &Round,
        span: Duration,
    ) -> Result<Sample, Error> {
        let pace = match measurement.load {
            Load::InFlight(count) => Pace::InFlight(count),
            Load::HalfOf(whole) => Pace::Rate(round[whole].rate() / 2.0),
        };
        let (wires, pids) = (self.wires, &self.target.pids[..]);
        match measurement.work {
            Work::Echo(depth) => load::measure(&Echo { wires, depth }, pace, span, pids).await,
            Work::Encrypt(place) => {
                load::measure(&Encrypt { wires, place }, pace, span, pids).await
            }
            Work::Lifecycle => {
                let keys = self.lifecycle.as_ref().expect(POSSIBLE);
                load::measure(keys, pace, span, pids).await
            }
            Work::EtcdPut => {
                let etcd = self.etcd.as_ref().expect(POSSIBLE);
                load::measure(etcd, pace, span, etcd.pids()).await
            }
            Work::Fsync => {
                let disk = self.target.disk.as_deref().expect(POSSIBLE);
                load::measure_blocking(fsync::probe(disk)?, span).await
            }
            Work::Cipher => load::measure_blocking(cipher(), span).await,
            Work::Idle => Ok(load::rest(span, pids).await),
        }
    }
}

fn while_measured(measurement: &Measurement, mut error: Error) -> Error {
    error.message = format!("{} cannot be measured: {}", measurement.name, error.message);
    error
}
