//! What is measured of the hot path: each case is written once, and measured by time (criterion, in
//! `benches/`) and by instructions (the program `instructions`).
//!
//! Everything is as repeatable as the simulator: one thread, seeds, clocks that stand still.

mod ciphers;
mod machine;
mod node;
mod requests;
mod storage;
mod subject;

use std::sync::Arc;

use conclave_storage::{Disk, Spawner};

use crate::{SimDisk, TaskSpawner};
use subject::Subject;

/// Something that measures.
pub trait Meter {
    /// Measures `run`, as often as it likes, each time on something new from `prepare`; preparing
    /// does not count.
    fn meter<I, O>(&mut self, prepare: impl FnMut() -> I, run: impl FnMut(I) -> O);
}

/// What a case stands on.
#[derive(Clone)]
pub struct World {
    /// Where files are; empty, and for one case only.
    pub disk: Arc<dyn Disk>,
    /// What runs the log writer.
    pub spawner: Arc<dyn Spawner>,
}

impl World {
    /// Files in memory, and everything on one thread.
    pub fn simulated() -> World {
        World { disk: Arc::new(SimDisk::default()), spawner: Arc::new(TaskSpawner) }
    }
}

/// The cases, `subject/what`.
pub const CASES: [&str; 19] = [
    // A call of a client through the services of a node, in process: everything but connection,
    // TLS, HTTP/2 and the round of a read barrier.
    "request/encrypt_64",
    "request/decrypt_64",
    "request/disable_enable",
    // Reading a token, finding whose it is, and asking whether a role permits an Encrypt.
    "authorization/judge",
    // The state machine, on records in memory.
    "apply/switch",
    "apply/create",
    // The same in a transaction of the state file, committed and not synced.
    "state/switch",
    "audit/hash",
    // An entry as the log keeps it, and the way to the disk and back: one commit, one sync.
    "log/encode",
    "log/append",
    // Key material under a wrapping key.
    "wrap/wrap",
    "wrap/unwrap",
    "data/encrypt_64",
    "data/encrypt_1024",
    "data/encrypt_65536",
    "data/decrypt_64",
    "data/decrypt_65536",
    "envelope/encode",
    "envelope/decode",
];

/// Prepares a case and lets it be measured.
///
/// # Panics
/// If there is no such case.
pub fn measure<M: Meter>(case: &str, world: World, meter: &mut M) {
    match case {
        "request/encrypt_64" => requests::encrypt(&Subject::new(), 64, meter),
        "request/decrypt_64" => requests::decrypt(&Subject::new(), 64, meter),
        "request/disable_enable" => requests::switch(Subject::new(), meter),
        "authorization/judge" => machine::judge(&Subject::new(), meter),
        "apply/switch" => machine::switch(&Subject::new(), meter),
        "apply/create" => machine::create(&Subject::new(), meter),
        "state/switch" => storage::switch(&Subject::new(), world, meter),
        "audit/hash" => machine::audit(meter),
        "log/encode" => storage::encode(&Subject::new(), meter),
        "log/append" => storage::append(&Subject::new(), &world, meter),
        "wrap/wrap" => ciphers::wrap(meter),
        "wrap/unwrap" => ciphers::unwrap(meter),
        "data/encrypt_64" => ciphers::encrypt(64, meter),
        "data/encrypt_1024" => ciphers::encrypt(1_024, meter),
        "data/encrypt_65536" => ciphers::encrypt(65_536, meter),
        "data/decrypt_64" => ciphers::decrypt(64, meter),
        "data/decrypt_65536" => ciphers::decrypt(65_536, meter),
        "envelope/encode" => ciphers::encode(meter),
        "envelope/decode" => ciphers::decode(meter),
        other => panic!("there is no case {other}"),
    }
}
