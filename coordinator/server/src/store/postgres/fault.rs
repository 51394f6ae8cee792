//! The clock of Postgres, and from its errors to the store's.

use crate::store::Error;
use crate::store::convert::is_passing;

/// The store's clock in microseconds since 1970, as SQL. Of the moment, not of the transaction's begin.
macro_rules! clock {
    () => {
        "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
    };
}
pub(super) use clock;

/// Whether the same again will do.
pub(super) fn fault(error: sqlx::Error) -> Error {
    if is_passing(&error, is_passing_code) {
        Error::Unavailable(error.into())
    } else {
        Error::Refused(error.into())
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
