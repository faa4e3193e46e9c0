//! Entropy from a seed.

use conclave_core::canonical::Canonical;
use conclave_core::seams::Entropy;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) struct SeededEntropy {
    seed: u64,
    drawn: AtomicU64,
}

impl SeededEntropy {
    pub(crate) fn new(seed: u64) -> SeededEntropy {
        SeededEntropy { seed, drawn: AtomicU64::new(0) }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(32) {
            let block = self.drawn.fetch_add(1, Ordering::SeqCst);
            let bytes = Canonical::new("test entropy").number(self.seed).number(block).finish();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
    }
}
