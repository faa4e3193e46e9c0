//! The set of wrapping keys as a sealed member receives it: version byte, count, then for each key
//! its generation (u32, big endian) and its 32 bytes, in ascending order of the generations.
//! Plain, so it only ever travels inside a hand-over.

use zeroize::Zeroizing;

use crate::handover::HandoverError;
use crate::hierarchy::{WRAPPING_KEY_LEN, WrappingKey};
use crate::secret::SecretBytes;

/// Most generations in one hand-over: two are normal, during a rotation of the wrapping key.
pub const MAX_GENERATIONS: usize = 255;

const FORMAT_VERSION: u8 = 1;
const ENTRY_LEN: usize = 4 + WRAPPING_KEY_LEN;

/// Encodes wrapping keys, which are in ascending order of their generations. `None` if they are
/// not, or if there are none or more than [`MAX_GENERATIONS`].
pub fn encode(keys: &[&WrappingKey]) -> Option<Zeroizing<Vec<u8>>> {
    let count = u8::try_from(keys.len()).ok().filter(|count| *count > 0)?;
    if !keys.is_sorted_by(|a, b| a.generation() < b.generation()) {
        return None;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 + keys.len() * ENTRY_LEN));
    bytes.extend_from_slice(&[FORMAT_VERSION, count]);
    for key in keys {
        bytes.extend_from_slice(&key.generation().to_be_bytes());
        bytes.extend_from_slice(key.expose());
    }
    Some(bytes)
}

/// Reads wrapping keys.
pub fn decode(bytes: &[u8]) -> Result<Vec<WrappingKey>, HandoverError> {
    let [FORMAT_VERSION, count, entries @ ..] = bytes else {
        return Err(HandoverError::Content);
    };
    if *count == 0 || entries.len() != usize::from(*count) * ENTRY_LEN {
        return Err(HandoverError::Content);
    }
    let mut keys: Vec<WrappingKey> = Vec::with_capacity(usize::from(*count));
    for entry in entries.chunks_exact(ENTRY_LEN) {
        let (generation, secret) = entry.split_first_chunk().ok_or(HandoverError::Content)?;
        let generation = u32::from_be_bytes(*generation);
        if keys.last().is_some_and(|last| last.generation() >= generation) {
            return Err(HandoverError::Content);
        }
        let key = WrappingKey::from_secret(generation, SecretBytes::copy_from(secret))
            .map_err(|_| HandoverError::Content)?;
        keys.push(key);
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::SeededEntropy;
    use proptest::prelude::*;

    fn key(generation: u32) -> WrappingKey {
        WrappingKey::generate(&SeededEntropy::new(u64::from(generation)), generation)
    }

    #[test]
    fn keys_come_back_with_their_generations() {
        let keys = [key(3), key(4), key(9)];
        let back = decode(&encode(&[&keys[0], &keys[1], &keys[2]]).unwrap()).unwrap();
        assert_eq!(back.len(), 3);
        for (key, back) in keys.iter().zip(&back) {
            assert_eq!(key.generation(), back.generation());
            assert_eq!(key.expose(), back.expose());
        }
    }

    #[test]
    fn only_ascending_generations_are_encoded_or_read() {
        let (one, two) = (key(1), key(2));
        assert!(encode(&[]).is_none());
        assert!(encode(&[&two, &one]).is_none());
        assert!(encode(&[&one, &one]).is_none());
        let mut bytes = encode(&[&one, &two]).unwrap();
        bytes[5] = 7;
        assert_eq!(decode(&bytes).unwrap_err(), HandoverError::Content);
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..200), count in 0u8..5) {
            let _ = decode(&bytes);
            let mut framed = vec![FORMAT_VERSION, count];
            framed.extend_from_slice(&bytes);
            if let Ok(keys) = decode(&framed) {
                prop_assert_eq!(keys.len(), usize::from(count));
            }
        }
    }
}
