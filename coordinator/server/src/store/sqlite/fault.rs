//! From SQLite's errors to the store's.

use serde::de::Error as _;

use crate::store::Error;
use crate::store::convert::is_passing;

/// Whether the same again will do.
pub(super) fn fault(error: sqlx::Error) -> Error {
    if is_damage(&error) {
        return Error::Corrupt {
            what: "a page".to_owned(),
            source: serde_json::Error::custom(error),
        };
    }
    if is_passing(&error, is_passing_code) {
        Error::Unavailable(error.into())
    } else {
        Error::Refused(error.into())
    }
}

/// Whether opening the file again may do: what keeps it from being opened or written at all stays.
pub(super) fn is_passing_at_open(error: &sqlx::Error) -> bool {
    is_passing(error, |code| {
        is_passing_code(code) && !matches!(primary(code), READONLY | CANTOPEN)
    })
}

fn is_damage(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| matches!(primary(&code), CORRUPT | NOTADB))
}

/// Source: SQLite, "Result and Error Codes". Besides a lock that is held: memory, the disk and its rights, which an
/// operator gives back while the coordinator runs.
fn is_passing_code(code: &str) -> bool {
    matches!(
        primary(code),
        BUSY | LOCKED | NOMEM | READONLY | INTERRUPT | IOERR | FULL | CANTOPEN | PROTOCOL
    )
}

/// An extended code has its primary one in its lowest byte.
fn primary(code: &str) -> u32 {
    code.parse::<u32>().map_or(0, |code| code & 0xff)
}

const BUSY: u32 = 5;
const LOCKED: u32 = 6;
const NOMEM: u32 = 7;
const READONLY: u32 = 8;
const INTERRUPT: u32 = 9;
const IOERR: u32 = 10;
const CORRUPT: u32 = 11;
const FULL: u32 = 13;
const CANTOPEN: u32 = 14;
const PROTOCOL: u32 = 15;
const NOTADB: u32 = 26;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_told_from_what_stays() {
        for code in [
            "5", "517", "261", "6", "7", "1032", "10", "4106", "13", "14",
        ] {
            assert!(is_passing_code(code), "{code}");
        }
        for code in ["1", "19", "1555", "2067", "11", "26", "18", "", "unknown"] {
            assert!(!is_passing_code(code), "{code}");
        }
    }
}
