//! Which retrier takes an error, and when the next attempt is due. Source: States Language, "Retrying after error".

use jiff::{SignedDuration, Timestamp};

use crate::catch::matches;
use crate::definition::{Jitter, Retrier};
use crate::limits::RETRY_DELAY_SECONDS_MAX;

/// The first retrier that names the error, unless its attempts are spent; `retries` says how often each was used.
pub(crate) fn matching(retriers: &[Retrier], retries: &[u32], error: &str) -> Option<usize> {
    let index = retriers
        .iter()
        .position(|retrier| matches(&retrier.error_equals, error))?;
    let used = retries.get(index).copied().unwrap_or(0);
    (used < retriers[index].max_attempts).then_some(index)
}

/// When to try again.
///
/// `attempt` counts from 1, the first retry. The delay is `interval × backoff_rate^(attempt − 1)`, at most
/// `max_delay_seconds`; with jitter it is that times `fraction`, which is drawn from 0 to 1.
pub(crate) fn next_attempt(
    retrier: &Retrier,
    attempt: u32,
    now: Timestamp,
    fraction: f64,
) -> Timestamp {
    let exponent = f64::from(attempt.saturating_sub(1));
    let delay = f64::from(retrier.interval_seconds) * retrier.backoff_rate.powf(exponent);
    let cap = f64::from(retrier.max_delay_seconds.unwrap_or(RETRY_DELAY_SECONDS_MAX));
    let delay = delay.min(cap);
    let delay = match retrier.jitter {
        Jitter::None => delay,
        Jitter::Full => delay * fraction,
    };
    // At most the cap, so it is in range.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the cap is far below i64::MAX milliseconds"
    )]
    let delay = SignedDuration::from_millis((delay * 1_000.0).round() as i64);
    now.checked_add(delay).unwrap_or(Timestamp::MAX)
}
