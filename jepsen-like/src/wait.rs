//! Waiting for a condition: the only place of the harness that sleeps.

use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Failure, Result};

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(150);

/// Asks `probe` until it answers `Ok`, at most for `limit`; `Err` holds what was seen instead.
/// A condition that does not come is a violation that says what was waited for and what was seen last.
pub fn wait_until<T>(
    limit: Duration,
    what: &str,
    mut probe: impl FnMut() -> std::result::Result<T, String>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    let mut pause = FIRST_PAUSE;
    loop {
        match probe() {
            Ok(value) => return Ok(value),
            Err(seen) if Instant::now() >= deadline => {
                return Err(Failure::violation(missed(limit, what, &seen)));
            }
            Err(_) => thread::sleep(pause),
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// [`wait_until`] for a probe that is a future.
pub async fn wait_until_async<T, F>(
    limit: Duration,
    what: &str,
    mut probe: impl FnMut() -> F,
) -> Result<T>
where
    F: Future<Output = std::result::Result<T, String>>,
{
    let deadline = Instant::now() + limit;
    let mut pause = FIRST_PAUSE;
    loop {
        match probe().await {
            Ok(value) => return Ok(value),
            Err(seen) if Instant::now() >= deadline => {
                return Err(Failure::violation(missed(limit, what, &seen)));
            }
            Err(_) => tokio::time::sleep(pause).await,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Lets `span` pass: the random moment of a fault, never a way to wait for something.
pub fn let_pass(span: Duration) {
    thread::sleep(span);
}

fn missed(limit: Duration, what: &str, seen: &str) -> String {
    format!("waited {:.1} s for {what}; last seen: {seen}", limit.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_comes_is_returned() {
        let mut asked = 0;
        let got = wait_until(Duration::from_secs(5), "the third question", || {
            asked += 1;
            if asked == 3 { Ok(asked) } else { Err(format!("question {asked}")) }
        });
        assert_eq!(got.unwrap(), 3);
    }

    #[test]
    fn a_condition_that_does_not_come_tells_what_was_seen() {
        let failure =
            wait_until::<()>(Duration::from_millis(30), "snow in July", || Err("sun".into()))
                .unwrap_err();
        assert!(failure.is_violation());
        let text = failure.to_string();
        assert!(text.contains("snow in July") && text.contains("last seen: sun"), "{text}");
    }
}
