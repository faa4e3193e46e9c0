//! Making calls, and how long they take.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::time::{Duration, Instant};

use conclave_client::{Error, Reason};
use futures::stream::{FuturesUnordered, StreamExt};
use hdrhistogram::Histogram;
use tokio::time::sleep;

use crate::cpu::{Cost, Meter};

/// Before each measurement calls are made that do not count: connections are opened, caches filled.
const WARM_UP: Duration = Duration::from_millis(250);

/// Calls under way at most while calls start at fixed times. If there are as many, the next ones wait,
/// and their waiting counts.
pub(crate) const MOST_IN_FLIGHT: usize = 256;

/// Precision of the latencies: three digits, up to a minute.
const DIGITS: u8 = 3;
const LONGEST_NS: u64 = 60_000_000_000;

/// What a measurement came to in one round.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sample {
    pub(crate) calls: u64,
    pub(crate) seconds: f64,
    pub(crate) median_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) cost: Cost,
}

/// When calls are made.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// So many at a time.
    InFlight(usize),
    /// So many a second, whatever becomes of them.
    Rate(f64),
}

/// Something that can be called again and again. A slot has one call under way at a time.
pub(crate) trait Subject {
    /// Makes one call.
    ///
    /// # Errors
    /// It was refused, or there was no answer.
    fn call(&self, slot: usize) -> impl Future<Output = Result<(), Error>>;
}

/// Calls for `span`, after a short warm-up. The first failure ends it.
pub(crate) async fn measure(
    subject: &impl Subject,
    pace: Pace,
    span: Duration,
    pids: &[i32],
) -> Result<Sample, Error> {
    drive(subject, pace, WARM_UP).await?;
    let meter = Meter::begin(pids);
    let timed = drive(subject, pace, span).await?;
    Ok(timed.sample(meter.end()))
}

/// Does nothing for `span`.
pub(crate) async fn rest(span: Duration, pids: &[i32]) -> Sample {
    let meter = Meter::begin(pids);
    let begun = Instant::now();
    sleep(span).await;
    Timed::new(begun).sample(meter.end())
}

/// Calls `work` for `span` on a thread that may block.
pub(crate) async fn measure_blocking(
    mut work: impl FnMut() -> Result<(), Error> + Send + 'static,
    span: Duration,
) -> Result<Sample, Error> {
    let meter = Meter::begin(&[]);
    let timed = tokio::task::spawn_blocking(move || {
        let timed = Timed::new(Instant::now());
        while timed.begun.elapsed() < span {
            let begun = Instant::now();
            work()?;
            timed.note(begun);
        }
        Ok::<_, Error>(timed)
    });
    let timed = timed.await.map_err(|error| {
        Error::new(Reason::Interrupted, format!("the measuring thread: {error}"), "try again")
    })??;
    Ok(timed.sample(meter.end()))
}

async fn drive(subject: &impl Subject, pace: Pace, span: Duration) -> Result<Timed, Error> {
    let timed = Timed::new(Instant::now());
    let started = Cell::new(0_u64);
    let slots = match pace {
        Pace::InFlight(slots) => slots,
        Pace::Rate(_) => MOST_IN_FLIGHT,
    };
    let mut running: FuturesUnordered<_> = (0..slots)
        .map(|slot| {
            let (timed, started) = (&timed, &started);
            async move {
                loop {
                    let number = started.replace(started.get() + 1);
                    let due = match pace {
                        Pace::InFlight(_) => Instant::now(),
                        Pace::Rate(rate) => {
                            timed.begun + Duration::from_secs_f64(number as f64 / rate)
                        }
                    };
                    if due >= timed.begun + span {
                        return Ok(());
                    }
                    let begun = wait_for(due).await;
                    subject.call(slot).await?;
                    timed.note(begun);
                }
            }
        })
        .collect();
    while let Some(ended) = running.next().await {
        ended?;
    }
    drop(running);
    Ok(timed)
}

/// When a call counts as begun: when it was due, if nobody had time for it then. The timer is
/// exact to a millisecond only; what it adds is not the call's.
async fn wait_for(due: Instant) -> Instant {
    match due.checked_duration_since(Instant::now()) {
        None => due,
        Some(early) if early.is_zero() => due,
        Some(early) => {
            sleep(early).await;
            Instant::now()
        }
    }
}

struct Timed {
    begun: Instant,
    latencies: RefCell<Histogram<u64>>,
}

impl Timed {
    fn new(begun: Instant) -> Timed {
        let latencies = Histogram::new_with_bounds(1, LONGEST_NS, DIGITS);
        let latencies = RefCell::new(latencies.expect("the bounds are constants that fit"));
        Timed { begun, latencies }
    }

    fn note(&self, begun: Instant) {
        let took = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(LONGEST_NS);
        self.latencies.borrow_mut().saturating_record(took.max(1));
    }

    fn sample(&self, cost: Cost) -> Sample {
        let latencies = self.latencies.borrow();
        let micros = |quantile| latencies.value_at_quantile(quantile) as f64 / 1_000.0;
        Sample {
            calls: latencies.len(),
            seconds: self.begun.elapsed().as_secs_f64(),
            median_us: micros(0.5),
            p99_us: micros(0.99),
            cost,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    fn no() -> Error {
        Error::new(Reason::KeyState, "no", "")
    }

    /// Takes a millisecond; counts what runs at the same time.
    #[derive(Default)]
    struct Slow {
        now: Cell<usize>,
        most: Cell<usize>,
        fails_at: Option<u64>,
        calls: Rc<Cell<u64>>,
    }

    impl Subject for Slow {
        async fn call(&self, _: usize) -> Result<(), Error> {
            self.now.set(self.now.get() + 1);
            self.most.set(self.most.get().max(self.now.get()));
            sleep(Duration::from_millis(1)).await;
            self.now.set(self.now.get() - 1);
            self.calls.set(self.calls.get() + 1);
            if self.fails_at == Some(self.calls.get()) { Err(no()) } else { Ok(()) }
        }
    }

    #[tokio::test]
    async fn so_many_calls_are_under_way_and_all_are_counted() {
        let slow = Slow::default();
        let timed = drive(&slow, Pace::InFlight(5), Duration::from_millis(50)).await.unwrap();
        assert_eq!(slow.most.get(), 5);
        let sample = timed.sample(Cost::default());
        assert_eq!(sample.calls, slow.calls.get());
        assert!(sample.median_us >= 1_000.0 && sample.p99_us >= sample.median_us, "{sample:?}");
        assert!(sample.seconds >= 0.05, "{sample:?}");
    }

    #[tokio::test]
    async fn at_a_rate_the_number_of_calls_is_known() {
        let slow = Slow::default();
        let timed = drive(&slow, Pace::Rate(1_000.0), Duration::from_millis(100)).await.unwrap();
        assert_eq!(timed.sample(Cost::default()).calls, 100);
    }

    /// Who cannot keep up shows it in the latency, not in a lower rate.
    #[tokio::test]
    async fn waiting_for_a_free_slot_counts() {
        struct One(tokio::sync::Mutex<()>);
        impl Subject for One {
            async fn call(&self, _: usize) -> Result<(), Error> {
                let _alone = self.0.lock().await;
                sleep(Duration::from_millis(2)).await;
                Ok(())
            }
        }
        let one = One(tokio::sync::Mutex::default());
        let timed = drive(&one, Pace::Rate(5_000.0), Duration::from_millis(100)).await.unwrap();
        let sample = timed.sample(Cost::default());
        assert_eq!(sample.calls, 500);
        assert!(sample.p99_us > 500_000.0, "500 calls of 2 ms one by one: {sample:?}");
    }

    #[tokio::test]
    async fn a_failure_ends_it() {
        let slow = Slow { fails_at: Some(3), ..Slow::default() };
        let failed = drive(&slow, Pace::InFlight(1), Duration::from_secs(60)).await;
        assert_eq!(failed.err(), Some(no()));
    }

    #[tokio::test]
    async fn work_on_a_thread_is_measured() {
        let sample = measure_blocking(|| Ok(()), Duration::from_millis(10)).await.unwrap();
        assert!(sample.calls > 10 && sample.seconds >= 0.01, "{sample:?}");
        let failed = measure_blocking(|| Err(no()), Duration::from_secs(60)).await;
        assert_eq!(failed, Err(no()));
    }
}
