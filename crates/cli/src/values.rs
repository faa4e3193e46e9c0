//! Values on the command line and in JSON: durations, times, labels.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

/// Reads a duration such as `30s`, `15m`, `72h` or `30d`.
///
/// # Errors
/// A sentence that says what is allowed.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    match parse_seconds(text)? {
        0 => Err(out_of_range(text)),
        seconds => Ok(Duration::from_secs(seconds)),
    }
}

/// Reads a duration that may be none, such as `0s`: whole seconds.
pub(crate) fn parse_seconds(text: &str) -> Result<u64, String> {
    let wrong =
        || format!("`{text}` is not a duration: write a number and s, m, h or d, as in 30s");
    let (number, seconds) = match text.char_indices().next_back() {
        Some((at, 's')) => (&text[..at], 1),
        Some((at, 'm')) => (&text[..at], 60),
        Some((at, 'h')) => (&text[..at], 60 * 60),
        Some((at, 'd')) => (&text[..at], 24 * 60 * 60),
        _ => return Err(wrong()),
    };
    if number.is_empty() || !number.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(wrong());
    }
    let count: u64 = number.parse().map_err(|_| wrong())?;
    count.checked_mul(seconds).ok_or_else(|| out_of_range(text))
}

fn out_of_range(text: &str) -> String {
    format!("`{text}` is out of range: more than 0s is needed, and a number of 64 bits")
}

/// A duration in the largest unit that writes it exactly: `90s`, `72h` as `3d`.
pub(crate) fn seconds_text(seconds: u64) -> String {
    let exact = |unit: &u64| seconds != 0 && seconds.is_multiple_of(*unit);
    let units = [(86_400, 'd'), (3_600, 'h'), (60, 'm')];
    match units.iter().find(|(unit, _)| exact(unit)) {
        Some((unit, letter)) => format!("{}{letter}", seconds / unit),
        None => format!("{seconds}s"),
    }
}

/// `yes` or `no`.
pub(crate) fn yes_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

/// Reads a time such as `2026-12-31T00:00:00Z`.
pub(crate) fn parse_time(text: &str) -> Result<prost_types::Timestamp, String> {
    let time: Timestamp = text
        .parse()
        .map_err(|_| format!("`{text}` is not a time: write it as in 2026-12-31T00:00:00Z"))?;
    Ok(prost_types::Timestamp { seconds: time.as_second(), nanos: time.subsec_nanosecond() })
}

/// Reads a label, `name=value`.
pub(crate) fn parse_label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not a label: write name=value")),
    }
}

/// A time as RFC 3339 in UTC; `None` for one that is absent or no time.
pub(crate) fn time_text(time: Option<&prost_types::Timestamp>) -> Option<String> {
    let time = time?;
    Timestamp::new(time.seconds, time.nanos).ok().map(|time| time.to_string())
}

/// A time in JSON.
pub(crate) fn time_json(time: Option<&prost_types::Timestamp>) -> Value {
    time_text(time).map_or(Value::Null, Value::String)
}

/// A text in JSON where empty stands for absent.
pub(crate) fn text_json(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { Value::String(text.to_owned()) }
}

/// `1 failure`, `2 failures`.
pub(crate) fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, seconds) in [("30s", 30), ("15m", 900), ("72h", 259_200), ("30d", 2_592_000)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "s", "0s", "10", "10 s", "-1s", "+1s", "1.5h", "1w", "10ms", "5µ", "9é"]
        {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        assert!(parse_duration("99999999999999999999d").is_err());
        assert!(parse_duration("999999999999999999d").is_err());
    }

    #[test]
    fn durations_that_may_be_none() {
        assert_eq!(parse_seconds("0s"), Ok(0));
        assert_eq!(parse_seconds("72h"), Ok(259_200));
        assert!(parse_seconds("0").is_err());
        for (seconds, text) in
            [(0, "0s"), (90, "90s"), (120, "2m"), (5_400, "90m"), (7_200, "2h"), (259_200, "3d")]
        {
            assert_eq!(seconds_text(seconds), text);
            assert_eq!(parse_seconds(text), Ok(seconds));
        }
    }

    #[test]
    fn times_go_both_ways() {
        let time = parse_time("2026-12-31T00:00:00Z").unwrap();
        assert_eq!(time_text(Some(&time)).unwrap(), "2026-12-31T00:00:00Z");
        let offset = parse_time("2026-12-31T02:00:00.25+02:00").unwrap();
        assert_eq!(time_text(Some(&offset)).unwrap(), "2026-12-31T00:00:00.25Z");
        assert_eq!(time_json(None), Value::Null);
        assert!(parse_time("tomorrow").is_err());
    }

    #[test]
    fn labels() {
        assert_eq!(parse_label("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(parse_label("a="), Ok(("a".to_owned(), String::new())));
        assert!(parse_label("=b").is_err());
        assert!(parse_label("a").is_err());
    }
}
