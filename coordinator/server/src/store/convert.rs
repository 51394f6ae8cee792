//! Between what Rust holds and what a column holds, whichever database it is in.

use jiff::Timestamp;
use sagamore_interpreter::{ExecutionId, Sequence};
use serde::Serialize;
use serde::de::{DeserializeOwned, Error as _};
use sqlx::error::ErrorKind;

use super::Error;

/// A moment, in microseconds; what is finer is cut off.
pub(super) fn micros(at: Timestamp) -> i64 {
    at.as_nanosecond()
        .div_euclid(1_000)
        .try_into()
        .unwrap_or(i64::MAX)
}

/// A deadline, in microseconds; rounded up, so that nothing fires before its time.
pub(super) fn due_micros(due: Timestamp) -> i64 {
    let micros = (due.as_nanosecond() + 999)
        .div_euclid(1_000)
        .min(Timestamp::MAX.as_nanosecond() / 1_000);
    micros.try_into().unwrap_or(i64::MAX)
}

/// A length of time, in microseconds.
pub(super) fn span_micros(span: std::time::Duration) -> i64 {
    span.as_micros()
        .try_into()
        .unwrap_or(SPAN_MAX)
        .min(SPAN_MAX)
}

/// A thousand years: it can be added to any clock's time.
const SPAN_MAX: i64 = 31_557_600_000_000_000;

/// The moment that a column holds.
pub(super) fn moment(micros: i64) -> Result<Timestamp, Error> {
    // By nanoseconds: what takes microseconds refuses those of the last second there is.
    Timestamp::from_nanosecond(i128::from(micros) * 1_000).map_err(|source| Error::Corrupt {
        what: format!("the time {micros}"),
        source: serde_json::Error::custom(source),
    })
}

/// A sequence, event id or outbox number in its column.
pub(super) fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A sequence out of its column.
pub(super) fn sequence(column: i64) -> Sequence {
    Sequence(column.cast_unsigned())
}

/// What `value` is as JSON text.
pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|source| Error::Refused(source.into()))
}

/// The value of a JSON text; `what` names its row.
pub(super) fn parsed<T: DeserializeOwned>(
    text: &str,
    what: impl FnOnce() -> String,
) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|source| Error::Corrupt {
        what: what(),
        source,
    })
}

/// The name of an execution's row in an error.
pub(super) fn row(kind: &str, execution: ExecutionId) -> String {
    format!("{kind} of execution {execution}")
}

/// A row that must have a text has none.
pub(super) fn absent(what: String) -> Error {
    Error::Corrupt {
        what,
        source: serde_json::Error::custom("it has no body"),
    }
}

/// Whether the same again will do; `is_passing_code` knows the codes of the database at hand.
pub(super) fn is_passing(error: &sqlx::Error, is_passing_code: impl Fn(&str) -> bool) -> bool {
    match error {
        sqlx::Error::Database(error) => error.code().is_some_and(|code| is_passing_code(&code)),
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::BeginFailed => true,
        _ => false,
    }
}

/// The fault of a statement that makes executions: one that is there was made by a start that raced this one, and
/// the batch finds it when it is tried again.
pub(super) fn start_fault(error: sqlx::Error, fault: impl FnOnce(sqlx::Error) -> Error) -> Error {
    let raced = error
        .as_database_error()
        .is_some_and(|error| error.kind() == ErrorKind::UniqueViolation);
    if raced {
        Error::Unavailable(error.into())
    } else {
        fault(error)
    }
}

/// The error of a batch that decided on versions which are no longer those of the store.
pub(super) fn overtaken() -> Error {
    Error::Unavailable("an execution was written by another coordinator in between".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_never_early_and_never_past_the_last_moment() {
        let check = |due: &str, expected: &str| {
            let stored = moment(due_micros(due.parse().unwrap())).unwrap();
            assert_eq!(stored, expected.parse().unwrap());
        };
        check("2026-01-01T00:00:00.000001Z", "2026-01-01T00:00:00.000001Z");
        check(
            "2026-01-01T00:00:00.000001001Z",
            "2026-01-01T00:00:00.000002Z",
        );
        check("1969-12-31T23:59:59.999999999Z", "1970-01-01T00:00:00Z");
        assert!(moment(due_micros(Timestamp::MAX)).is_ok());
    }
}
