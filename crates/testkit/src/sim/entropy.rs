//! Random bytes from a seed.

use std::sync::Mutex;

use conclave_core::seams::Entropy;

use crate::Dice;

/// A source of bytes that look random and are not: whoever knows the seed knows them all.
///
/// Never for keys outside a simulation. Each node has a seed of its own, as each machine has a
/// source of its own: two sources with one seed give the same ids and keys.
#[derive(Debug)]
pub struct SeededEntropy {
    dice: Mutex<Dice>,
}

impl SeededEntropy {
    /// A source whose bytes depend on the seed and on how many were drawn before, on nothing else.
    pub fn new(seed: u64) -> SeededEntropy {
        SeededEntropy { dice: Mutex::new(Dice::new(seed)) }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, buffer: &mut [u8]) {
        let mut dice = self.dice.lock().unwrap();
        for bytes in buffer.chunks_mut(8) {
            bytes.copy_from_slice(&dice.roll().to_le_bytes()[..bytes.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use conclave_core::seams::random_uuid;

    use super::*;

    fn draws(seed: u64) -> Vec<Vec<u8>> {
        let entropy = SeededEntropy::new(seed);
        [32, 0, 1, 7, 8, 9, 32]
            .map(|length| {
                let mut bytes = vec![0; length];
                entropy.fill(&mut bytes);
                bytes
            })
            .to_vec()
    }

    #[test]
    fn a_seed_decides_every_byte() {
        assert_eq!(draws(1), draws(1));
        assert_ne!(draws(1), draws(2));
    }

    #[test]
    fn no_draw_repeats_and_no_byte_is_left_out() {
        let entropy = SeededEntropy::new(3);
        let ids: BTreeSet<_> = (0..1_000).map(|_| random_uuid(&entropy)).collect();
        assert_eq!(ids.len(), 1_000);
        let mut ever = [0u8; 13];
        for _ in 0..100 {
            let mut bytes = [0u8; 13];
            entropy.fill(&mut bytes);
            ever.iter_mut().zip(bytes).for_each(|(ever, byte)| *ever |= byte);
        }
        assert_eq!(ever, [0xFF; 13]);
    }
}
