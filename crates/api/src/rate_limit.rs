//! How many shares a source may submit: a token bucket a source.

use crate::error::ApiError;
use crate::limits::{BAD_SHARE_COST, RATE_LIMITED_SOURCES, SHARES_BURST, SHARES_PER_SECOND};
use crate::lock::lock;
use conclave_core::reason::Reason;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Mutex;
use std::time::Duration;

/// Thousandths of a share, so that a bucket fills by whole numbers each millisecond.
const UNIT: u64 = 1_000;
const FULL: u64 = SHARES_BURST * UNIT;

/// Buckets by source; `None`: not known.
#[derive(Default)]
pub(crate) struct RateLimiter {
    buckets: Mutex<BTreeMap<Option<IpAddr>, Bucket>>,
}

#[derive(Clone, Copy)]
struct Bucket {
    level: u64,
    at_ms: u64,
}

impl RateLimiter {
    /// Takes one share out of the source's bucket at `now_ms` of the elapsed clock.
    pub(crate) fn take(&self, source: Option<IpAddr>, now_ms: u64) -> Result<(), ApiError> {
        let mut buckets = lock(&self.buckets);
        if buckets.len() >= RATE_LIMITED_SOURCES {
            // A full bucket is the same as none.
            buckets.retain(|_, bucket| bucket.level_at(now_ms) < FULL);
        }
        if buckets.len() >= RATE_LIMITED_SOURCES {
            buckets.pop_first();
        }
        let bucket = buckets.entry(group(source)).or_insert(Bucket { level: FULL, at_ms: now_ms });
        let level = bucket.level_at(now_ms);
        *bucket = Bucket { level: level.saturating_sub(UNIT), at_ms: now_ms };
        if level >= UNIT {
            return Ok(());
        }
        bucket.level = level;
        let pause = Duration::from_millis((UNIT - level).div_ceil(SHARES_PER_SECOND));
        let message = format!(
            "too many shares from this source; {SHARES_PER_SECOND} a second are looked at, a bad one counts as {BAD_SHARE_COST}"
        );
        Err(ApiError::new(Reason::RateLimited, message, "wait, then submit the share again")
            .with_retry_after(pause))
    }

    /// A share that was taken turned out to be bad.
    pub(crate) fn punish(&self, source: Option<IpAddr>) {
        if let Some(bucket) = lock(&self.buckets).get_mut(&group(source)) {
            bucket.level = bucket.level.saturating_sub((BAD_SHARE_COST - 1) * UNIT);
        }
    }
}

impl Bucket {
    fn level_at(&self, now_ms: u64) -> u64 {
        let filled = now_ms.saturating_sub(self.at_ms).saturating_mul(SHARES_PER_SECOND);
        self.level.saturating_add(filled).min(FULL)
    }
}

/// One IPv6 host owns at least a /64.
fn group(source: Option<IpAddr>) -> Option<IpAddr> {
    match source {
        Some(IpAddr::V6(address)) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            Some(IpAddr::V6(Ipv6Addr::from(network)))
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    fn burst(limiter: &RateLimiter, source: Option<IpAddr>, now_ms: u64) -> u64 {
        (0..1_000).take_while(|_| limiter.take(source, now_ms).is_ok()).count() as u64
    }

    #[test]
    fn a_burst_is_allowed_and_then_a_rate() {
        let limiter = RateLimiter::default();
        let source = address("127.0.0.1");
        assert_eq!(burst(&limiter, source, 0), SHARES_BURST);
        let error = limiter.take(source, 50).unwrap_err();
        assert_eq!(error.reason(), Some(Reason::RateLimited));
        assert_eq!(burst(&limiter, source, 1_000), SHARES_PER_SECOND);
        assert_eq!(burst(&limiter, address("127.0.0.2"), 1_000), SHARES_BURST);
        assert_eq!(burst(&limiter, None, 1_000), SHARES_BURST);
    }

    #[test]
    fn bad_shares_weigh_more() {
        let limiter = RateLimiter::default();
        let source = address("127.0.0.1");
        let mut bad = 0;
        while limiter.take(source, 0).is_ok() {
            limiter.punish(source);
            bad += 1;
        }
        assert_eq!(bad, SHARES_BURST / BAD_SHARE_COST);
    }

    #[test]
    fn one_ipv6_network_is_one_source() {
        let limiter = RateLimiter::default();
        assert_eq!(burst(&limiter, address("2001:db8::1"), 0), SHARES_BURST);
        assert_eq!(burst(&limiter, address("2001:db8::2"), 0), 0);
        assert_eq!(burst(&limiter, address("2001:db8:0:1::2"), 0), SHARES_BURST);
    }

    #[test]
    fn the_number_of_sources_is_bounded() {
        let limiter = RateLimiter::default();
        for n in 0..u32::try_from(RATE_LIMITED_SOURCES).unwrap() + 10 {
            let source = Some(IpAddr::from(n.to_be_bytes()));
            limiter.take(source, 0).unwrap();
        }
        assert!(lock(&limiter.buckets).len() <= RATE_LIMITED_SOURCES);
        // All have filled up again and are forgotten.
        limiter.take(None, 10_000).unwrap();
        assert_eq!(lock(&limiter.buckets).len(), 1);
    }
}
