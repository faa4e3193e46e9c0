use super::*;
use crate::testing::{FixedEntropy, SeededEntropy};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

fn plan(shares: u8, threshold: u8) -> SharePlan {
    SharePlan::allowing_single_share(shares, threshold).unwrap()
}

fn secret(bytes: &[u8]) -> SecretBytes {
    SecretBytes::copy_from(bytes)
}

fn shares(bytes: &[&[u8]]) -> Vec<Share> {
    bytes.iter().map(|bytes| Share::from_bytes(bytes).unwrap()).collect()
}

fn copy(share: &Share) -> Share {
    Share::from_bytes(&share.to_bytes()).unwrap()
}

#[test]
fn plans_keep_their_bounds() {
    assert_eq!(SharePlan::new(0, 0), Err(PlanError::NoShares));
    assert_eq!(SharePlan::new(5, 0), Err(PlanError::Threshold { threshold: 0, shares: 5 }));
    assert_eq!(SharePlan::new(5, 6), Err(PlanError::Threshold { threshold: 6, shares: 5 }));
    assert_eq!(SharePlan::new(5, 1), Err(PlanError::SingleShare));
    assert_eq!(SharePlan::new(1, 1), Err(PlanError::SingleShare));
    assert!(SharePlan::allowing_single_share(1, 1).is_ok());
    assert!(SharePlan::new(2, 2).is_ok());
    assert!(SharePlan::new(255, 255).is_ok());
}

#[test]
fn refusals_come_in_their_documented_order() {
    let combine = |threshold, bytes: &[&[u8]]| combine(threshold, &shares(bytes)).unwrap_err();
    let few = CombineError::TooFew { have: 2, needed: 3 };
    assert_eq!(combine(3, &[&[1, 1], &[1, 1, 1]]), few);
    assert_eq!(combine(0, &[]), CombineError::TooFew { have: 0, needed: 1 });
    assert_eq!(combine(2, &[&[1, 1], &[1, 1, 1]]), CombineError::Lengths);
    assert_eq!(combine(2, &[&[7, 1], &[7, 2]]), CombineError::Repeated { index: 7 });
    assert_eq!(combine(2, &[&[1, 1], &[7, 1], &[7, 1]]), CombineError::Repeated { index: 7 });
}

#[test]
fn every_choice_of_enough_shares_gives_the_secret_and_fewer_do_not() {
    let secret = secret(b"thirty-two bytes are a root key!");
    let dealt = split(&SeededEntropy::new(7), plan(5, 3), &secret);
    for chosen in 0u8..32 {
        let picked: Vec<Share> =
            dealt.iter().filter(|share| chosen >> (share.index() - 1) & 1 == 1).map(copy).collect();
        let combined = combine(1, &picked);
        match picked.len() {
            0 => assert!(combined.is_err()),
            1 | 2 => assert_ne!(combined.unwrap().expose(), secret.expose()),
            _ => assert_eq!(combined.unwrap().expose(), secret.expose()),
        }
    }
}

/// For each secret byte and each pair of indexes, the 65 536 polynomials of degree 2 give each of the
/// 65 536 pairs of values exactly once: two of three shares say nothing at all.
#[test]
fn fewer_shares_than_needed_say_nothing() {
    for secret_byte in [0, 1, 0x53, 0xff] {
        let secret = secret(&[secret_byte]);
        let mut seen = vec![[0u32; 3]; 65_536];
        for coefficients in 0..=u16::MAX {
            let entropy = FixedEntropy::new(&coefficients.to_be_bytes());
            let dealt = split(&entropy, plan(3, 3), &secret);
            let value = |at: usize| usize::from(dealt[at].to_bytes()[1]);
            for (pair, (a, b)) in [(0, 1), (0, 2), (1, 2)].into_iter().enumerate() {
                seen[value(a) << 8 | value(b)][pair] += 1;
            }
        }
        assert!(seen.iter().all(|counts| *counts == [1, 1, 1]), "secret {secret_byte}");
    }
}

/// The flaw of `sharks` 0.5 (RUSTSEC-2024-0398) was that coefficients were never zero, so that each
/// share excluded a value. Chi-square over what the real dealing yields from random bytes.
#[test]
fn the_values_of_one_share_are_uniform() {
    const ROUNDS: u32 = 256 * 200;
    let entropy = SeededEntropy::new(3);
    for secret_byte in [0, 0x80] {
        let secret = secret(&[secret_byte]);
        let mut counts = [0f64; 256];
        for _ in 0..ROUNDS {
            let dealt = split(&entropy, plan(2, 2), &secret);
            counts[usize::from(dealt[0].to_bytes()[1])] += 1.0;
        }
        let expected = f64::from(ROUNDS) / 256.0;
        let chi_square: f64 =
            counts.iter().map(|count| (count - expected).powi(2) / expected).sum();
        // 255 degrees of freedom: 345 is exceeded once in 6 000 times. Coefficients without zero give
        // at least 200 for the missing value alone, on top of the ordinary 255.
        assert!(chi_square < 345.0, "chi-square {chi_square} for secret {secret_byte}");
    }
}

#[test]
fn coefficients_are_fresh_for_each_byte_and_dealing() {
    let entropy = SeededEntropy::new(9);
    let secret = secret(&[0; 64]);
    let one = split(&entropy, plan(2, 2), &secret);
    let two = split(&entropy, plan(2, 2), &secret);
    assert_ne!(*one[0].to_bytes(), *two[0].to_bytes());
    assert!(one[0].to_bytes()[1..].iter().any(|value| *value != one[0].to_bytes()[1]));
}

proptest! {
    #[test]
    fn sharks_recovers_what_we_deal(
        bytes in proptest::collection::vec(any::<u8>(), 1..40), shares in 1u8..40,
        threshold in 1u8..40, seed: u64,
    ) {
        let threshold = threshold.min(shares);
        let dealt = split(&SeededEntropy::new(seed), plan(shares, threshold), &secret(&bytes));
        prop_assert_eq!(dealt.len(), usize::from(shares));
        let last: Vec<sharks::Share> = dealt[usize::from(shares - threshold)..]
            .iter()
            .map(|share| sharks::Share::try_from(&share.to_bytes()[..]).unwrap())
            .collect();
        let sharks = sharks::Sharks(threshold);
        prop_assert_eq!(sharks.recover(&last).unwrap(), bytes);
    }

    #[test]
    fn we_recover_what_sharks_deals(
        bytes in proptest::collection::vec(any::<u8>(), 1..40), shares in 1u8..40,
        threshold in 1u8..40, seed: u64,
    ) {
        let threshold = threshold.min(shares);
        let mut rng = StdRng::seed_from_u64(seed);
        let dealt: Vec<Share> = sharks::Sharks(threshold)
            .dealer_rng(&bytes, &mut rng)
            .skip(usize::from(shares - threshold))
            .take(usize::from(threshold))
            .map(|share| Share::from_bytes(&Vec::from(&share)).unwrap())
            .collect();
        let combined = combine(threshold, &dealt).unwrap();
        prop_assert_eq!(combined.expose(), bytes);
    }

    /// The same shares, also inconsistent ones, give the same bytes on both sides.
    #[test]
    fn recovery_agrees_with_sharks_on_any_shares(
        values in proptest::collection::btree_map(1u8..=255, proptest::collection::vec(any::<u8>(), 5), 1..12),
    ) {
        let bytes: Vec<Vec<u8>> =
            values.iter().map(|(x, y)| std::iter::once(*x).chain(y.iter().copied()).collect()).collect();
        let ours: Vec<Share> = bytes.iter().map(|bytes| Share::from_bytes(bytes).unwrap()).collect();
        let theirs: Vec<sharks::Share> =
            bytes.iter().map(|bytes| sharks::Share::try_from(&bytes[..]).unwrap()).collect();
        let sharks = sharks::Sharks(1);
        let theirs = sharks.recover(&theirs).unwrap();
        let combined = combine(1, &ours).unwrap();
        prop_assert_eq!(combined.expose(), theirs);
    }
}
