//! Between what Rust holds and what a column holds, and from a database's error to the store's.

use jiff::Timestamp;
use sagamore_interpreter::{ExecutionId, Sequence};
use serde::Serialize;
use serde::de::{DeserializeOwned, Error as _};
use sqlx::error::ErrorKind;

use crate::store::Error;

/// The store's clock in microseconds since 1970, as SQL. Of the moment, not of the transaction's begin.
macro_rules! clock {
    () => {
        "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
    };
}
pub(super) use clock;

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

/// Whether the same again will do.
pub(super) fn fault(error: sqlx::Error) -> Error {
    if is_passing(&error) {
        Error::Unavailable(error.into())
    } else {
        Error::Refused(error.into())
    }
}

/// The fault of a statement that makes executions: one that is there was made by a start that raced this one, and
/// the batch finds it when it is tried again.
pub(super) fn start_fault(error: sqlx::Error) -> Error {
    let raced = error
        .as_database_error()
        .is_some_and(|error| error.kind() == ErrorKind::UniqueViolation);
    if raced {
        Error::Unavailable(error.into())
    } else {
        fault(error)
    }
}

fn is_passing(error: &sqlx::Error) -> bool {
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

/// Source: PostgreSQL, appendix A. By class: connection, rollback (serialization, deadlock), resources, an operator's
/// intervention, the system; by code: a lock that was not to be had, idle for too long, a standby after a failover.
fn is_passing_code(code: &str) -> bool {
    let class = code.get(..2).unwrap_or_default();
    matches!(class, "08" | "40" | "53" | "57" | "58") || matches!(code, "55P03" | "25P03" | "25006")
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

    #[test]
    fn what_passes_is_told_from_what_stays() {
        for code in [
            "08006", "40001", "40P01", "53300", "57P01", "57014", "25P03",
        ] {
            assert!(is_passing_code(code), "{code}");
        }
        for code in ["23505", "22021", "42P01", "54000"] {
            assert!(!is_passing_code(code), "{code}");
        }
    }
}
