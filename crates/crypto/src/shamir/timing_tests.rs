//! Does the time of dealing and recovery depend on the secret? In the manner of dudect (Reparaz,
//! Balasch, Verbauwhede 2017): two classes of inputs, all zeros and random, measured in random order, and
//! Welch's t between their times. The same harness measures the same work done with the tables of
//! `sharks` and must find them out: a test that could not see the flaw would prove nothing.
//!
//! Before each measurement the caches are filled with other data, as another tenant of the machine
//! would do it; then a table costs a cache miss for each of its lines that the secret touches.

use std::hint::black_box;
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

use super::*;
use crate::testing::FixedEntropy;

/// Bytes of secret input for one measurement.
const INPUT: usize = 96;
/// Measurements of both classes together in one round.
const SAMPLES: usize = 6_000;
/// The fewest rounds, and the most: how many it takes depends on the machine's caches and neighbours.
const ROUNDS: RangeInclusive<usize> = 5..=150;
/// More than both private caches of a core.
const EVICTION: usize = 2 << 20;

/// dudect calls |t| above 10 a certain leak.
const CLEAN: f64 = 10.0;
/// What a table version must reach at least.
const LEAKS: f64 = 20.0;

#[test]
fn recovery_takes_the_same_time_for_all_shares_and_a_table_version_does_not() {
    let tables = Tables::new();
    judge(
        |seed| one_round(seed, &shares_of, &|shares| combine(3, shares).unwrap().expose()[0]),
        |seed| one_round(seed, &shares_of, &|shares| tables.combine(shares)[0]),
    );
}

#[test]
fn dealing_takes_the_same_time_for_all_polynomials_and_a_table_version_does_not() {
    let tables = Tables::new();
    let plan = SharePlan::new(5, 3).unwrap();
    let deal = |entropy: &FixedEntropy| {
        split(entropy, plan, &SecretBytes::zeroed(INPUT / 2))[4].to_bytes()[1]
    };
    judge(
        |seed| one_round(seed, &FixedEntropy::new, &deal),
        |seed| one_round(seed, &<[u8]>::to_vec, &|input| tables.deal(input, 5)),
    );
}

/// Rounds of both go on in turn until the tables are found out; ours must be clean by then, on as many
/// samples of the same minute. So a machine on which a leak shows weakly measures longer, and the
/// verdict on ours is never one that could not have found a leak.
fn judge(ours: impl Fn(u64) -> f64, with_tables: impl Fn(u64) -> f64) {
    // One measurement at a time: two would disturb each other more than anything else does.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut of_ours, mut of_tables) = (Vec::new(), Vec::new());
    for round in 1..=*ROUNDS.end() {
        of_ours.push(ours(round as u64));
        of_tables.push(with_tables(round as u64));
        if round >= *ROUNDS.start() && pooled(&of_tables) > LEAKS {
            let seen = pooled(&of_ours);
            assert!(seen < CLEAN, "t = {seen:.1} after {round} rounds: {of_ours:.1?}");
            return;
        }
    }
    panic!("the tables were not found out: the measurement sees nothing: {of_tables:.1?}");
}

/// |t| of all rounds together. Noise averages out over k rounds and a leak does not, so what a round shows
/// counts √k times; the median, so that a disturbed round does not decide.
fn pooled(rounds: &[f64]) -> f64 {
    let mut sorted = rounds.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2].abs() * (rounds.len() as f64).sqrt()
}

fn one_round<P>(seed: u64, prepare: &impl Fn(&[u8]) -> P, run: &impl Fn(&P) -> u8) -> f64 {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut eviction = vec![1u8; EVICTION];
    let mut samples: Vec<(bool, f64)> = Vec::with_capacity(SAMPLES);
    let mut input = [0u8; INPUT];
    for _ in 0..SAMPLES {
        let fixed = rng.random::<bool>();
        // Both classes are drawn, so that drawing itself does the same for both.
        rng.fill_bytes(&mut input);
        if fixed {
            input.fill(0);
        }
        let prepared = prepare(&input);
        for line in eviction.chunks_mut(64) {
            line[0] = black_box(line[0].wrapping_add(1));
        }
        let start = Instant::now();
        black_box(run(black_box(&prepared)));
        samples.push((fixed, start.elapsed().as_nanos() as f64));
    }
    welch_t(crop(samples))
}

/// Without the slowest third: interrupts and neighbours, which tell nothing of the input.
fn crop(mut samples: Vec<(bool, f64)>) -> Vec<(bool, f64)> {
    samples.sort_by(|a, b| a.1.total_cmp(&b.1));
    samples.truncate(SAMPLES * 2 / 3);
    samples
}

fn welch_t(samples: Vec<(bool, f64)>) -> f64 {
    let class = |fixed: bool| {
        let times: Vec<f64> = samples.iter().filter(|s| s.0 == fixed).map(|s| s.1).collect();
        let count = times.len().max(2) as f64;
        let mean = times.iter().sum::<f64>() / count;
        let variance = times.iter().map(|t| (t - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (mean, variance / count)
    };
    let (fixed, random) = (class(true), class(false));
    (fixed.0 - random.0) / (fixed.1 + random.1).sqrt().max(f64::MIN_POSITIVE)
}

/// Three shares whose values are the input.
fn shares_of(input: &[u8]) -> Vec<Share> {
    (1u8..)
        .zip(input.chunks(INPUT / 3))
        .map(|(x, values)| Share::from_bytes(&[&[x], values].concat()).unwrap())
        .collect()
}

/// Logarithms and powers, as `sharks` has them: the control.
struct Tables {
    log: [u8; 256],
    exp: [u8; 512],
}

impl Tables {
    fn new() -> Tables {
        let mut tables = Tables { log: [0; 256], exp: [0; 512] };
        let mut power = 1;
        for exponent in 0..512usize {
            tables.exp[exponent] = power;
            if exponent < 255 {
                tables.log[usize::from(power)] = exponent as u8;
            }
            power = gf256::mul(power, 2);
        }
        tables
    }

    fn mul(&self, a: u8, b: u8) -> u8 {
        if a == 0 || b == 0 {
            return 0;
        }
        let exponent = self.log[usize::from(a)] as usize + self.log[usize::from(b)] as usize;
        self.exp[exponent]
    }

    /// The work of `combine`.
    fn combine(&self, shares: &[Share]) -> Vec<u8> {
        let xs: Vec<u8> = shares.iter().map(Share::index).collect();
        let mut secret = vec![0; INPUT / 3];
        for (at, share) in shares.iter().enumerate() {
            let weight = gf256::weight(&xs, at);
            for (byte, value) in secret.iter_mut().zip(share.values()) {
                *byte ^= self.mul(value, weight);
            }
        }
        secret
    }

    /// The work of `split` with two coefficients for each byte of a secret of zeros.
    fn deal(&self, coefficients: &[u8], shares: u8) -> u8 {
        (1..=shares).fold(0, |last, x| {
            coefficients.chunks(2).fold(last, |last, polynomial| {
                let sum = polynomial.iter().fold(0, |sum, c| self.mul(sum, x) ^ c);
                last ^ self.mul(sum, x)
            })
        })
    }
}

#[test]
fn the_tables_of_the_control_are_right() {
    let tables = Tables::new();
    for a in 0..=255 {
        for b in 0..=255 {
            assert_eq!(tables.mul(a, b), gf256::mul(a, b));
        }
    }
}
