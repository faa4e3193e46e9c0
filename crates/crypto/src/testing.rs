//! Deterministic entropy for this crate's tests.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use conclave_core::seams::Entropy;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Entropy from a seed.
pub(crate) struct SeededEntropy(Mutex<StdRng>);

impl SeededEntropy {
    pub(crate) fn new(seed: u64) -> SeededEntropy {
        SeededEntropy(Mutex::new(StdRng::seed_from_u64(seed)))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        self.0.lock().unwrap().fill_bytes(buffer);
    }
}

/// Entropy that hands out the given bytes, over and over: for golden vectors and for tests that choose
/// each random byte.
pub(crate) struct FixedEntropy {
    bytes: Vec<u8>,
    next: AtomicUsize,
}

impl FixedEntropy {
    pub(crate) fn new(bytes: &[u8]) -> FixedEntropy {
        FixedEntropy { bytes: bytes.to_vec(), next: AtomicUsize::new(0) }
    }

    /// Bytes that count up from 0.
    pub(crate) fn counting() -> FixedEntropy {
        FixedEntropy::new(&(0..=255).collect::<Vec<u8>>())
    }
}

impl Entropy for FixedEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        let first = self.next.fetch_add(buffer.len(), Ordering::Relaxed);
        for (at, byte) in buffer.iter_mut().enumerate() {
            *byte = self.bytes[(first + at) % self.bytes.len()];
        }
    }
}
