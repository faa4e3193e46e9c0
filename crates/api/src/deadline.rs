//! Until when a call may run.

use crate::error::ApiError;
use crate::limits::{DEADLINE_MARGIN, DEFAULT_DEADLINE, MAX_DEADLINE};
use conclave_core::seams::Clock;
use http::HeaderMap;
use std::sync::Arc;
use std::time::Duration;

const HEADER: &str = "grpc-timeout";

/// The end of a call, measured by the node's elapsed clock.
#[derive(Clone)]
pub(crate) struct Deadline {
    clock: Arc<dyn Clock>,
    end_ms: u64,
}

impl Deadline {
    /// The deadline that the caller asked for, within our bounds.
    pub(crate) fn of(headers: &HeaderMap, clock: &Arc<dyn Clock>) -> Result<Deadline, ApiError> {
        let asked = match headers.get(HEADER) {
            None => DEFAULT_DEADLINE,
            Some(value) => value.to_str().ok().and_then(parse).ok_or_else(|| {
                ApiError::field(
                    HEADER,
                    "allowed is a number of at most 8 digits and one of H M S m u n",
                )
            })?,
        };
        let time = asked.min(MAX_DEADLINE);
        Ok(Deadline::after(clock, time - DEADLINE_MARGIN.min(time / 10)))
    }

    /// A deadline of our own.
    pub(crate) fn after(clock: &Arc<dyn Clock>, time: Duration) -> Deadline {
        let time_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Deadline { clock: clock.clone(), end_ms: clock.elapsed_ms().saturating_add(time_ms) }
    }

    /// What is left; zero when it is over.
    pub(crate) fn remaining(&self) -> Duration {
        Duration::from_millis(self.end_ms.saturating_sub(self.clock.elapsed_ms()))
    }

    /// What is left, at most `most`.
    pub(crate) fn at_most(&self, most: Duration) -> Duration {
        self.remaining().min(most)
    }

    /// Whether it is over.
    pub(crate) fn is_over(&self) -> bool {
        self.remaining().is_zero()
    }
}

/// The value of `grpc-timeout`.
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3_600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_read_in_every_unit() {
        let cases = [
            ("1H", Some(Duration::from_secs(3_600))),
            ("2M", Some(Duration::from_secs(120))),
            ("10S", Some(Duration::from_secs(10))),
            ("250m", Some(Duration::from_millis(250))),
            ("99999999u", Some(Duration::from_micros(99_999_999))),
            ("7n", Some(Duration::from_nanos(7))),
            ("", None),
            ("S", None),
            ("10", None),
            ("-1S", None),
            ("123456789S", None),
            ("1é", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_deadline_lies_within_the_bounds_and_keeps_a_margin() {
        let clock: Arc<dyn Clock> = Arc::new(crate::testing::ManualClock::new());
        let of = |value: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(HEADER, value.parse().unwrap());
            }
            Deadline::of(&headers, &clock).map(|deadline| deadline.remaining().as_millis())
        };
        assert_eq!(of(None), Ok(9_900));
        assert_eq!(of(Some("100m")), Ok(90));
        assert_eq!(of(Some("5H")), Ok(59_900));
        assert_eq!(of(Some("0S")), Ok(0));
        assert!(of(Some("soon")).is_err());
    }
}
