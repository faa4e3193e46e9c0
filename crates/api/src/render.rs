//! How state looks on the wire.

pub(crate) mod access;
pub(crate) mod instances;
pub(crate) mod keys;

use jiff::Timestamp as Instant;
use prost_types::Timestamp;

/// A time from milliseconds since the Unix epoch.
pub(crate) fn timestamp(ms: u64) -> Timestamp {
    // 2^63 ms are 292 million years.
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    let nanos = i32::try_from(ms % 1_000).unwrap_or(0) * 1_000_000;
    Timestamp { seconds: ms / 1_000, nanos }
}

/// The same as text, in facts of errors; `None` beyond the year 9999.
pub(crate) fn rfc3339(ms: u64) -> Option<String> {
    Instant::from_millisecond(i64::try_from(ms).ok()?).ok().map(|time| time.to_string())
}
