//! Answers: how they are written, and how the answer to a command is kept for its redelivery.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::ApiError;

/// A time as the JSON protocol writes it: seconds since 1970 with a fraction of milliseconds.
pub fn epoch_seconds(at: Timestamp) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds stay exact for 285,000 years")]
    let milliseconds = at.as_millisecond() as f64;
    json!(milliseconds / 1_000.0)
}

/// The answer to a command as it is stored with the turn. Stored answers only grow: a member may be added.
pub(super) fn to_stored(answer: &Result<Value, ApiError>) -> Value {
    match answer {
        Ok(response) => json!({ "response": response }),
        Err(error) => json!({ "error": { "name": error.name, "message": error.message } }),
    }
}

/// The answer that a command got when it came first.
pub(super) fn from_stored(stored: &Value) -> Result<Value, ApiError> {
    if let Some(response) = stored.get("response") {
        return Ok(response.clone());
    }
    let message = stored.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
    let name = match stored.pointer("/error/name").and_then(Value::as_str) {
        Some(EXECUTION_ALREADY_EXISTS) => EXECUTION_ALREADY_EXISTS,
        Some(EXECUTION_DOES_NOT_EXIST) => EXECUTION_DOES_NOT_EXIST,
        // What a turn can't have answered: whoever stored it was of another version.
        _ => return Err(ApiError::internal("The stored answer of this command is unreadable")),
    };
    Err(ApiError::new(name, message))
}

/// The error of a start whose name is taken.
pub(super) const EXECUTION_ALREADY_EXISTS: &str = "ExecutionAlreadyExists";
const EXECUTION_DOES_NOT_EXIST: &str = "ExecutionDoesNotExist";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(answer: Result<Value, ApiError>) {
        assert_eq!(from_stored(&to_stored(&answer)), answer);
    }

    #[test]
    fn a_redelivered_command_gets_the_first_answer() {
        check(Ok(json!({"executionArn": "arn", "startDate": 1.5})));
        check(Err(ApiError::new(EXECUTION_ALREADY_EXISTS, "Execution Already Exists: 'arn'")));
        check(Err(ApiError::no_execution("arn")));
    }

    #[test]
    fn a_time_has_a_fraction_of_milliseconds() {
        let at = Timestamp::from_nanosecond(1_700_000_000_123_456_789).unwrap();
        assert_eq!(epoch_seconds(at).to_string(), "1700000000.123");
        assert_eq!(epoch_seconds(Timestamp::UNIX_EPOCH).to_string(), "0.0");
    }
}
