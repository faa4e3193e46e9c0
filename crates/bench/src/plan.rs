//! What is measured, under which name, and against what: the one place where that is decided.

use std::collections::BTreeSet;

use conclave_client::{Error, Reason};
use conclave_proto::v1::EchoDepth;

/// Something that is done again and again for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measurement {
    /// Its name in the report.
    pub name: &'static str,
    pub(crate) work: Work,
    pub(crate) load: Load,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Work {
    /// Echo of 64 bytes, with as much of an Encrypt as the depth says.
    Echo(EchoDepth),
    /// Encrypt of 64 bytes.
    Encrypt(Where),
    /// A key is disabled, then enabled, and so on.
    Lifecycle,
    /// A put of 256 bytes into etcd.
    EtcdPut,
    /// A record of 300 bytes appended to a file and made durable.
    Fsync,
    /// 64 bytes encrypted in this process.
    Cipher,
    /// Nothing: what the nodes need when nobody calls.
    Idle,
}

/// Which node is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Where {
    Leader,
    Follower,
    All,
}

/// How hard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Load {
    /// So many calls at a time, each followed by the next.
    InFlight(usize),
    /// Calls at fixed times, half as many as the named measurement reached in the same round.
    HalfOf(&'static str),
}

/// A figure of the report.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// Name of its measurement.
    pub of: &'static str,
    pub(crate) figure: Figure,
    /// Name of the measurement that the same figure is compared with.
    pub baseline: Option<&'static str>,
    /// What it should be, as `docs/performance.md` states it; a ratio if there is a baseline.
    pub aim: Option<Aim>,
}

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Figure {
    /// Calls a second.
    Rate,
    /// Half of the calls took at most that long, in microseconds.
    Median,
    /// 99 of 100 calls took at most that long, in microseconds.
    P99,
    /// CPU time of all nodes for each call, in microseconds.
    Cpu,
    /// Calls for each second of CPU time of all nodes.
    PerCpuSecond,
    /// CPU of the node that needs most, in percent of a core.
    CpuPercent,
    /// Memory of the node that has most, in MiB.
    Memory,
}

/// The side on which a figure is good.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aim {
    /// At most this.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
}

impl Aim {
    /// Whether a figure is good enough.
    pub fn is_met(self, figure: f64) -> bool {
        match self {
            Aim::AtMost(most) => figure <= most,
            Aim::AtLeast(least) => figure >= least,
        }
    }
}

const ECHO: &str = "echo";
const ENCRYPT: &str = "encrypt_leader_64";
const ETCD_ONE: &str = "etcd_put_1";
const ETCD: &str = "etcd_put_64";
const FSYNC: &str = "fsync";

/// Everything that is measured, in the order of a round: what is compared stands close together.
pub const MEASUREMENTS: [Measurement; 18] = [
    measure("idle", Work::Idle, 0),
    measure("cipher", Work::Cipher, 1),
    measure(ECHO, Work::Echo(EchoDepth::Bare), 64),
    measure("echo_authenticated", Work::Echo(EchoDepth::Authenticated), 64),
    measure("echo_barrier", Work::Echo(EchoDepth::Barrier), 64),
    measure("echo_permitted", Work::Echo(EchoDepth::Permitted), 64),
    measure("echo_encrypted", Work::Echo(EchoDepth::Encrypted), 64),
    measure("echo_audited", Work::Echo(EchoDepth::Audited), 64),
    measure(ENCRYPT, Work::Encrypt(Where::Leader), 64),
    measure("encrypt_follower_64", Work::Encrypt(Where::Follower), 64),
    measure("encrypt_all_64", Work::Encrypt(Where::All), 64),
    half("echo_half", Work::Echo(EchoDepth::Bare), ENCRYPT),
    half("encrypt_half", Work::Encrypt(Where::Leader), ENCRYPT),
    measure(FSYNC, Work::Fsync, 1),
    measure("lifecycle_1", Work::Lifecycle, 1),
    measure(ETCD_ONE, Work::EtcdPut, 1),
    measure("lifecycle_64", Work::Lifecycle, 64),
    measure(ETCD, Work::EtcdPut, 64),
];

/// Every figure of the report.
pub const ROWS: [Row; 25] = [
    row("echo", ECHO, Figure::Rate),
    row("echo_authenticated", "echo_authenticated", Figure::Rate).beside(ECHO),
    row("echo_barrier", "echo_barrier", Figure::Rate).beside(ECHO),
    row("echo_permitted", "echo_permitted", Figure::Rate).beside(ECHO),
    row("echo_encrypted", "echo_encrypted", Figure::Rate).beside(ECHO),
    row("echo_audited", "echo_audited", Figure::Rate).beside(ECHO),
    row(ENCRYPT, ENCRYPT, Figure::Rate).beside(ECHO).least(0.7),
    row("encrypt_leader_64_cpu", ENCRYPT, Figure::Cpu).beside(ECHO).most(1.6),
    row("encrypt_follower_64", "encrypt_follower_64", Figure::Rate).beside(ECHO),
    row("encrypt_follower_64_cpu", "encrypt_follower_64", Figure::Cpu).beside(ECHO).most(2.0),
    row("encrypt_all_64", "encrypt_all_64", Figure::PerCpuSecond).beside(ENCRYPT).least(0.9),
    row("encrypt_half_p99", "encrypt_half", Figure::P99).beside("echo_half").most(2.0),
    row("cipher", "cipher", Figure::Rate),
    row(FSYNC, FSYNC, Figure::Median),
    row("lifecycle_1", "lifecycle_1", Figure::Median).beside(FSYNC).most(10.0),
    row("lifecycle_1_etcd", "lifecycle_1", Figure::Median).beside(ETCD_ONE).most(1.3),
    row("lifecycle_1_p99", "lifecycle_1", Figure::P99).beside(ETCD_ONE),
    row(ETCD_ONE, ETCD_ONE, Figure::Median),
    row("lifecycle_64", "lifecycle_64", Figure::Rate).beside(ETCD).least(0.8),
    row("lifecycle_64_median", "lifecycle_64", Figure::Median).beside(ETCD),
    row("lifecycle_64_p99", "lifecycle_64", Figure::P99).beside(ETCD),
    row("lifecycle_64_cpu", "lifecycle_64", Figure::Cpu).beside(ETCD),
    row(ETCD, ETCD, Figure::Rate),
    row("idle_cpu", "idle", Figure::CpuPercent).most(1.0),
    row("idle_memory", "idle", Figure::Memory).most(80.0),
];

const fn measure(name: &'static str, work: Work, in_flight: usize) -> Measurement {
    Measurement { name, work, load: Load::InFlight(in_flight) }
}

const fn half(name: &'static str, work: Work, of: &'static str) -> Measurement {
    Measurement { name, work, load: Load::HalfOf(of) }
}

const fn row(name: &'static str, of: &'static str, figure: Figure) -> Row {
    Row { name, of, figure, baseline: None, aim: None }
}

impl Row {
    const fn beside(self, baseline: &'static str) -> Row {
        Row { baseline: Some(baseline), ..self }
    }

    const fn most(self, most: f64) -> Row {
        Row { aim: Some(Aim::AtMost(most)), ..self }
    }

    const fn least(self, least: f64) -> Row {
        Row { aim: Some(Aim::AtLeast(least)), ..self }
    }

    /// The measurements that it needs, directly.
    fn needs(&self) -> impl Iterator<Item = &'static str> + use<> {
        [Some(self.of), self.baseline].into_iter().flatten()
    }
}

/// What has to be measured for the rows of these names; all rows, if there is no name.
///
/// # Errors
/// `INVALID_ARGUMENT` for a name that no row has.
pub(crate) fn chosen(only: &[String]) -> Result<Vec<Measurement>, Error> {
    let known = |name: &String| ROWS.iter().any(|row| row.name == name.as_str());
    if let Some(unknown) = only.iter().find(|name| !known(name)) {
        let names: Vec<_> = ROWS.iter().map(|row| row.name).collect();
        let message =
            format!("--only {unknown}: there is no such row; allowed: {}", names.join(" "));
        return Err(Error::new(Reason::InvalidArgument, message, "give one of these, or none"));
    }
    let wanted =
        ROWS.iter().filter(|row| only.is_empty() || only.iter().any(|name| name == row.name));
    let mut names: BTreeSet<_> = wanted.flat_map(Row::needs).collect();
    for measurement in &MEASUREMENTS {
        if let Load::HalfOf(whole) = measurement.load
            && names.contains(measurement.name)
        {
            names.insert(whole);
        }
    }
    Ok(MEASUREMENTS.into_iter().filter(|measurement| names.contains(measurement.name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(only: &[&str]) -> Vec<&'static str> {
        let only: Vec<_> = only.iter().map(|name| (*name).to_owned()).collect();
        chosen(&only).unwrap().iter().map(|measurement| measurement.name).collect()
    }

    #[test]
    fn every_name_leads_to_a_measurement() {
        let measured: BTreeSet<_> =
            MEASUREMENTS.iter().map(|measurement| measurement.name).collect();
        assert_eq!(measured.len(), MEASUREMENTS.len());
        let rows: BTreeSet<_> = ROWS.iter().map(|row| row.name).collect();
        assert_eq!(rows.len(), ROWS.len());
        assert!(ROWS.iter().flat_map(Row::needs).all(|name| measured.contains(name)));
        assert_eq!(names(&[]).len(), MEASUREMENTS.len(), "nothing is measured in vain");
    }

    /// What half of something is, is known only after it.
    #[test]
    fn a_half_comes_after_its_whole() {
        for (place, measurement) in MEASUREMENTS.iter().enumerate() {
            if let Load::HalfOf(whole) = measurement.load {
                assert!(MEASUREMENTS[..place].iter().any(|earlier| earlier.name == whole));
            }
        }
    }

    #[test]
    fn a_row_brings_what_it_is_compared_with() {
        assert_eq!(names(&["fsync"]), ["fsync"]);
        assert_eq!(names(&["lifecycle_1", "cipher"]), ["cipher", "fsync", "lifecycle_1"]);
        assert_eq!(names(&["encrypt_half_p99"]), [ENCRYPT, "echo_half", "encrypt_half"]);
        let refused = chosen(&["encypt".to_owned()]).unwrap_err();
        assert!(refused.message.contains("--only encypt") && refused.message.contains(ENCRYPT));
    }
}
