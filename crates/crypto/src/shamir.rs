//! Shamir's secret sharing over GF(2^8) in constant time, byte-compatible with `sharks`.

use conclave_core::seams::Entropy;
use zeroize::Zeroizing;

use crate::gf256;
use crate::secret::SecretBytes;
use crate::share::Share;

/// How many shares are dealt and how many are needed. Only a checked plan exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharePlan {
    shares: u8,
    threshold: u8,
}

/// Why a plan is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// No shares at all.
    #[error("there must be 1 to 255 shares")]
    NoShares,
    /// More shares needed than dealt, or none.
    #[error(
        "{threshold} of {shares} shares cannot be needed; the threshold lies between 2 and the number of shares"
    )]
    Threshold {
        /// The threshold that was asked for.
        threshold: u8,
        /// The number of shares that was asked for.
        shares: u8,
    },
    /// One share would be the whole key.
    #[error(
        "with a threshold of 1 each share alone opens the cluster; ask for at least 2, or allow a single share explicitly"
    )]
    SingleShare,
}

/// Why shares do not combine. When several apply, the first in this order is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CombineError {
    /// Fewer shares than the threshold.
    #[error("{have} shares were given, {needed} are needed")]
    TooFew {
        /// How many there are.
        have: usize,
        /// How many are needed.
        needed: u8,
    },
    /// Shares of secrets of different lengths.
    #[error("the shares have different lengths; they do not belong together")]
    Lengths,
    /// The same index twice.
    #[error("share {index} was given twice; give another one")]
    Repeated {
        /// The index that repeats.
        index: u8,
    },
}

impl SharePlan {
    /// A plan with 2 <= threshold <= shares.
    pub fn new(shares: u8, threshold: u8) -> Result<SharePlan, PlanError> {
        match SharePlan::allowing_single_share(shares, threshold)? {
            SharePlan { threshold: 1, .. } => Err(PlanError::SingleShare),
            plan => Ok(plan),
        }
    }

    /// A plan that may have threshold 1: each share alone is then the whole key.
    pub fn allowing_single_share(shares: u8, threshold: u8) -> Result<SharePlan, PlanError> {
        if shares == 0 {
            return Err(PlanError::NoShares);
        }
        if !(1..=shares).contains(&threshold) {
            return Err(PlanError::Threshold { threshold, shares });
        }
        Ok(SharePlan { shares, threshold })
    }

    /// How many shares are dealt.
    pub fn shares(&self) -> u8 {
        self.shares
    }

    /// How many shares are needed.
    pub fn threshold(&self) -> u8 {
        self.threshold
    }
}

/// Deals shares of a secret of at least one byte, with indexes from 1. Each byte has a polynomial of
/// its own; its coefficients are uniform, zero included.
pub fn split(entropy: &dyn Entropy, plan: SharePlan, secret: &SecretBytes) -> Vec<Share> {
    let degree = usize::from(plan.threshold() - 1);
    let coefficients = SecretBytes::generate(entropy, degree * secret.len());
    (1..=plan.shares())
        .map(|x| {
            let mut bytes = Zeroizing::new(Vec::with_capacity(1 + secret.len()));
            bytes.push(x);
            for (at, byte) in secret.expose().iter().enumerate() {
                let polynomial = &coefficients.expose()[at * degree..(at + 1) * degree];
                bytes.push(gf256::evaluate(polynomial, *byte, x));
            }
            Share::from_bytes(&bytes).expect("x is not zero, the secret is not empty")
        })
        .collect()
}

/// Combines shares. All that are given are used; a wrong one among them gives a wrong secret
/// without a word, so callers check each share against its commitment and the result against
/// the key check value.
pub fn combine(threshold: u8, shares: &[Share]) -> Result<SecretBytes, CombineError> {
    let len = check(threshold, shares)?;
    let xs: Vec<u8> = shares.iter().map(Share::index).collect();
    let mut secret = SecretBytes::zeroed(len);
    for (at, share) in shares.iter().enumerate() {
        let weight = gf256::weight(&xs, at);
        for (byte, value) in secret.expose_mut().iter_mut().zip(share.values()) {
            *byte ^= gf256::mul(value, weight);
        }
    }
    Ok(secret)
}

/// The length of the secret, if the shares can be combined.
fn check(threshold: u8, shares: &[Share]) -> Result<usize, CombineError> {
    let (have, needed) = (shares.len(), threshold.max(1));
    if have < usize::from(needed) {
        return Err(CombineError::TooFew { have, needed });
    }
    let len = shares.first().map_or(0, Share::secret_len);
    if shares.iter().any(|share| share.secret_len() != len) {
        return Err(CombineError::Lengths);
    }
    let mut seen = [false; 256];
    for share in shares {
        if std::mem::replace(&mut seen[usize::from(share.index())], true) {
            return Err(CombineError::Repeated { index: share.index() });
        }
    }
    Ok(len)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod timing_tests;
