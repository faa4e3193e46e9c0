//! Deterministic entropy for this crate's tests.

use std::sync::Mutex;

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

/// Entropy that counts up from a byte: for golden vectors, independent of any generator.
pub(crate) struct CountingEntropy(Mutex<u8>);

impl CountingEntropy {
    pub(crate) fn new(first: u8) -> CountingEntropy {
        CountingEntropy(Mutex::new(first))
    }
}

impl Entropy for CountingEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        let mut next = self.0.lock().unwrap();
        for byte in buffer {
            *byte = *next;
            *next = next.wrapping_add(1);
        }
    }
}
