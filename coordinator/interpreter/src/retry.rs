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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::ErrorName;

    fn retrier(names: &[ErrorName]) -> Retrier {
        Retrier {
            error_equals: names.to_vec(),
            interval_seconds: 2,
            max_attempts: 3,
            backoff_rate: 3.0,
            max_delay_seconds: Some(10),
            jitter: Jitter::None,
        }
    }

    #[track_caller]
    fn check(retrier: &Retrier, attempt: u32, fraction: f64, expected_milliseconds: i64) {
        let until = next_attempt(retrier, attempt, Timestamp::UNIX_EPOCH, fraction);
        assert_eq!(until.as_millisecond(), expected_milliseconds);
    }

    #[test]
    fn the_delay_grows_up_to_its_cap() {
        let retrier = retrier(&[ErrorName::All]);
        check(&retrier, 1, 0.5, 2_000);
        check(&retrier, 2, 0.5, 6_000);
        check(&retrier, 3, 0.5, 10_000);
        check(&retrier, u32::MAX, 0.5, 10_000);
    }

    #[test]
    fn a_delay_without_a_cap_stays_below_a_leap_year() {
        let retrier = Retrier {
            max_delay_seconds: None,
            ..retrier(&[ErrorName::All])
        };
        check(
            &retrier,
            1_000,
            0.5,
            i64::from(RETRY_DELAY_SECONDS_MAX) * 1_000,
        );
    }

    #[test]
    fn full_jitter_takes_a_fraction_of_the_delay() {
        let retrier = Retrier {
            jitter: Jitter::Full,
            ..retrier(&[ErrorName::All])
        };
        check(&retrier, 2, 0.0, 0);
        check(&retrier, 2, 0.25, 1_500);
    }

    #[test]
    fn only_the_first_retrier_that_names_the_error_counts() {
        let named = ErrorName::Named("E".to_owned());
        let retriers = [retrier(&[named]), retrier(&[ErrorName::All])];
        assert_eq!(matching(&retriers, &[], "E"), Some(0));
        assert_eq!(matching(&retriers, &[2], "E"), Some(0));
        assert_eq!(matching(&retriers, &[3], "E"), None);
        assert_eq!(matching(&retriers, &[3, 2], "F"), Some(1));
        assert_eq!(matching(&retriers, &[], "States.Runtime"), None);
    }
}
