//! What a run came to.

use serde::{Deserialize, Serialize};

use crate::load::Sample;
use crate::machine::Machine;
use crate::plan::{Figure, MEASUREMENTS, ROWS, Row};
use crate::rounds::Round;

/// A report, as `--json` writes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Where it was measured.
    pub machine: Machine,
    /// Commit of the program, or "unknown".
    pub commit: String,
    /// All that was measured.
    pub rounds: Vec<Vec<Measured>>,
    /// The figures: medians of the rounds.
    pub rows: Vec<Reported>,
}

/// One measurement in one round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Its name.
    pub name: String,
    /// Calls that were made.
    pub calls: u64,
    /// In how many seconds.
    pub seconds: f64,
    /// Latency that half of them stayed within, in microseconds.
    pub median_us: f64,
    /// Latency that 99 of 100 stayed within, in microseconds.
    pub p99_us: f64,
    /// CPU time of all nodes, in seconds; null if they do not run here.
    pub cpu_s: Option<f64>,
    /// CPU time of the node that needed most.
    pub most_cpu_s: Option<f64>,
    /// Resident memory of the node that had most, in bytes.
    pub most_memory: Option<u64>,
    /// Share of the machine's CPU time that nobody needed, in percent.
    pub idle_percent: Option<f64>,
}

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reported {
    /// Its name.
    pub name: String,
    /// The median of the rounds.
    pub value: f64,
    /// "1/s", "us", "1/cpu-s", "%" or "MiB".
    pub unit: String,
    /// The measurement that it is compared with.
    pub baseline: Option<String>,
    /// The median of the ratios of the rounds: this figure by that of the baseline.
    pub ratio: Option<f64>,
    /// CPU time of all nodes for each call, in microseconds.
    pub cpu_us_per_call: Option<f64>,
    /// How idle the machine was meanwhile, in percent.
    pub idle_percent: Option<f64>,
}

impl Report {
    pub(crate) fn new(machine: Machine, commit: &str, rounds: &[Round]) -> Report {
        Report {
            machine,
            commit: commit.to_owned(),
            rounds: rounds.iter().map(all_of).collect(),
            rows: ROWS.iter().filter_map(|row| reported(row, rounds)).collect(),
        }
    }

    /// The figure of this name.
    pub fn row(&self, name: &str) -> Option<&Reported> {
        self.rows.iter().find(|row| row.name == name)
    }
}

fn all_of(round: &Round) -> Vec<Measured> {
    let in_order = MEASUREMENTS.iter().filter_map(|measurement| {
        round.get(measurement.name).map(|sample| measured(measurement.name, sample))
    });
    in_order.collect()
}

fn measured(name: &str, sample: &Sample) -> Measured {
    Measured {
        name: name.to_owned(),
        calls: sample.calls,
        seconds: sample.seconds,
        median_us: sample.median_us,
        p99_us: sample.p99_us,
        cpu_s: sample.cost.cpu_s,
        most_cpu_s: sample.cost.most_cpu_s,
        most_memory: sample.cost.most_memory,
        idle_percent: sample.cost.idle_percent,
    }
}

/// None for what was not measured.
fn reported(row: &Row, rounds: &[Round]) -> Option<Reported> {
    let figure = |round: &Round, name: &str| row.figure.of(round.get(name)?);
    let median_of = |of: &dyn Fn(&Round) -> Option<f64>| median(rounds.iter().filter_map(of));
    let sample = |round: &Round| round.get(row.of).copied();
    Some(Reported {
        name: row.name.to_owned(),
        value: median_of(&|round| figure(round, row.of))?,
        unit: row.figure.unit().to_owned(),
        baseline: row.baseline.map(str::to_owned),
        ratio: median_of(&|round| {
            let baseline = figure(round, row.baseline?).filter(|baseline| *baseline > 0.0)?;
            Some(figure(round, row.of)? / baseline)
        }),
        cpu_us_per_call: median_of(&|round| Figure::Cpu.of(&sample(round)?)),
        idle_percent: median_of(&|round| sample(round)?.cost.idle_percent),
    })
}

pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        1 => Some(values[middle]),
        _ => Some((values.get(middle.checked_sub(1)?)? + values.get(middle)?) / 2.0),
    }
}

impl Sample {
    /// Calls a second.
    pub(crate) fn rate(&self) -> f64 {
        self.calls as f64 / self.seconds
    }
}

impl Figure {
    fn of(self, sample: &Sample) -> Option<f64> {
        let calls = Some(sample.calls as f64).filter(|calls| *calls > 0.0);
        match self {
            Figure::Rate => Some(sample.rate()),
            Figure::Median => Some(sample.median_us),
            Figure::P99 => Some(sample.p99_us),
            Figure::Cpu => Some(1e6 * sample.cost.cpu_s? / calls?),
            Figure::PerCpuSecond => Some(calls? / sample.cost.cpu_s.filter(|cpu| *cpu > 0.0)?),
            Figure::CpuPercent => Some(100.0 * sample.cost.most_cpu_s? / sample.seconds),
            Figure::Memory => Some(sample.cost.most_memory? as f64 / f64::from(1 << 20)),
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Figure::Rate => "1/s",
            Figure::Median | Figure::P99 | Figure::Cpu => "us",
            Figure::PerCpuSecond => "1/cpu-s",
            Figure::CpuPercent => "%",
            Figure::Memory => "MiB",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Cost;

    fn sample(calls: u64, median_us: f64, cpu_s: f64) -> Sample {
        let cost = Cost { cpu_s: Some(cpu_s), idle_percent: Some(25.0), ..Cost::default() };
        Sample { calls, seconds: 2.0, median_us, p99_us: 3.0 * median_us, cost }
    }

    fn report(rounds: &[Round]) -> Report {
        Report::new(Machine::default(), "0123456789ab", rounds)
    }

    /// Three rounds, of which the second had a bad minute.
    fn rounds() -> Vec<Round> {
        let round = |slow: u64| {
            let slower = slow as f64;
            Round::from([
                ("echo", sample(40_000 / slow, 1_000.0 * slower, 0.4)),
                ("encrypt_leader_64", sample(32_000 / slow, 1_250.0 * slower, 0.48)),
                ("fsync", sample(10_000, 100.0, 0.0)),
                ("lifecycle_1", sample(2_000 / slow, 500.0 * slower, 0.1)),
            ])
        };
        vec![round(1), round(4), round(1)]
    }

    #[test]
    fn a_figure_is_the_median_and_its_ratio_is_taken_within_a_round() {
        let report = report(&rounds());
        let row = |name: &str| report.row(name).unwrap();
        assert_eq!(row("echo").value, 20_000.0);
        assert_eq!((row("echo").baseline.as_deref(), row("echo").ratio), (None, None));
        let encrypt = row("encrypt_leader_64");
        assert_eq!(
            (encrypt.value, encrypt.ratio, encrypt.unit.as_str()),
            (16_000.0, Some(0.8), "1/s")
        );
        assert_eq!((encrypt.cpu_us_per_call, encrypt.idle_percent), (Some(15.0), Some(25.0)));
        let cpu = row("encrypt_leader_64_cpu");
        assert_eq!((cpu.value, cpu.ratio), (15.0, Some(1.5)));
        let lifecycle = row("lifecycle_1");
        assert_eq!((lifecycle.value, lifecycle.ratio), (500.0, Some(5.0)));
    }

    #[test]
    fn what_was_not_measured_is_not_reported_and_what_lacks_its_baseline_has_no_ratio() {
        let report = report(&rounds());
        assert_eq!(report.row("etcd_put_1"), None);
        assert_eq!(report.row("lifecycle_1_etcd").unwrap().ratio, None);
        assert_eq!(report.rounds.len(), 3);
        assert_eq!(report.rounds[0].len(), 4);
    }

    #[test]
    fn the_json_form_is_fixed() {
        let json = serde_json::to_value(report(&rounds())).unwrap();
        let mut fields: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
        fields.sort();
        assert_eq!(fields, ["commit", "machine", "rounds", "rows"]);
        let echo = &json["rows"][1];
        assert_eq!(
            *echo,
            serde_json::json!({
                "name": "encrypt_leader_64", "value": 16_000.0, "unit": "1/s", "baseline": "echo",
                "ratio": 0.8, "cpu_us_per_call": 15.0, "idle_percent": 25.0,
            })
        );
        assert_eq!(serde_json::from_value::<Report>(json).unwrap(), report(&rounds()));
    }

    #[test]
    fn medians() {
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([1.0, 2.0]), Some(1.5));
        assert_eq!(median([]), None);
    }
}
