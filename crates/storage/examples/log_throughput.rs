//! Times the log file on a real directory beside a bare append and `fdatasync` on the same disk.
//!
//! `cargo run --release -p conclave-storage --example log_throughput [DIRECTORY]`
//!
//! Prints entries per second and the median and 99th percentile of the time from append to
//! acknowledgement, with 1, 16 and 64 appends in flight. Keep the machine idle: on busy cores every
//! sync waits for the scheduler.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods)]

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use conclave_storage::{FatalHook, FsDisk, LogFile, ThreadSpawner};

const ENTRY_BYTES: usize = 300;
const PERIOD: Duration = Duration::from_secs(3);

fn main() {
    let parent = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let directory = Path::new(&parent).join(format!("log-throughput-{}", std::process::id()));
    let disk = Arc::new(FsDisk::open(&directory).unwrap());
    println!("entries of {ENTRY_BYTES} bytes, {} s each", PERIOD.as_secs());
    probe(&directory);
    for in_flight in [1, 16, 64] {
        let log = LogFile::open(disk.clone(), &ThreadSpawner, FatalHook::new(|_| {})).unwrap();
        measure(&log, in_flight);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(log.purge_to(log.last_index().unwrap(), Vec::new())).unwrap();
        runtime.block_on(log.close()).unwrap();
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

fn probe(directory: &Path) {
    let path = directory.join("probe");
    let mut file = OpenOptions::new().create_new(true).append(true).open(path).unwrap();
    let mut times = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < PERIOD {
        let one = Instant::now();
        file.write_all(&[7; ENTRY_BYTES]).unwrap();
        file.sync_data().unwrap();
        times.push(one.elapsed());
    }
    report("bare append + fdatasync", times);
}

fn measure(log: &LogFile, in_flight: usize) {
    let (sender, receiver) = mpsc::channel();
    let mut next = log.purged_index().map_or(0, |purged| purged + 1);
    let mut append = || {
        let (sender, one) = (sender.clone(), Instant::now());
        let done = move |result: Result<(), _>| {
            result.unwrap();
            sender.send(one.elapsed()).unwrap();
        };
        log.append(vec![(next, [7; ENTRY_BYTES].into())], Box::new(done)).unwrap();
        next += 1;
    };
    let mut times = Vec::new();
    let begun = Instant::now();
    (0..in_flight).for_each(|_| append());
    while begun.elapsed() < PERIOD {
        times.push(receiver.recv().unwrap());
        append();
    }
    times.extend(receiver.iter().take(in_flight));
    report(&format!("log file, {in_flight} in flight"), times);
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let rate = times.len() as u64 / PERIOD.as_secs();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_micros();
    println!("{what:28} {rate:>8} /s   p50 {:>6} us   p99 {:>6} us", at(50), at(99));
}
