//! The command: what a client asks of the coordinator over AMQP.
//!
//! Its body is the JSON of the HTTP call of the same name; what that JSON must hold is for the coordinator to say.

use serde_json::Value;

/// What a client asks, with the members of the call of the same name. The value is always an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Start an execution.
    StartExecution(Value),
    /// Stop one.
    StopExecution(Value),
    /// Stop one, and undo what it did whatever its machine says of a stop.
    RollbackExecution(Value),
}

/// Why a command is unusable. It is parked, and answered with a failure if it says where to.
#[derive(Debug, thiserror::Error)]
pub enum CommandFault {
    /// Without a `message_id` a redelivery could not be told from a second command.
    #[error("the command has no message_id")]
    MissingMessageId,
    /// The `type` says what is asked.
    #[error("the command has no type; known are {KNOWN}")]
    MissingType,
    /// The `type` is none of ours.
    #[error("the command's type is {0:?}; known are {KNOWN}")]
    UnknownType(String),
    /// The body should be the call's JSON.
    #[error("the command's body is not JSON")]
    NotJson(#[source] serde_json::Error),
    /// The body is JSON of another kind.
    #[error("the command's body is not an object")]
    NotAnObject,
}

impl Command {
    /// Reads a command and the message id that it is known by, from the `type`, the `message_id` and the body of a delivery.
    ///
    /// # Errors
    /// The command is unusable: see [`CommandFault`].
    pub fn parse(
        kind: Option<&str>,
        message_id: Option<&str>,
        body: &[u8],
    ) -> Result<(String, Self), CommandFault> {
        let present = |text: &&str| !text.is_empty();
        let message_id = message_id
            .filter(present)
            .ok_or(CommandFault::MissingMessageId)?;
        let command = match kind.filter(present).ok_or(CommandFault::MissingType)? {
            START_EXECUTION => Self::StartExecution(object(body)?),
            STOP_EXECUTION => Self::StopExecution(object(body)?),
            ROLLBACK_EXECUTION => Self::RollbackExecution(object(body)?),
            other => return Err(CommandFault::UnknownType(other.to_owned())),
        };
        Ok((message_id.to_owned(), command))
    }

    /// How it is written in the message's `type`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::StartExecution(_) => START_EXECUTION,
            Self::StopExecution(_) => STOP_EXECUTION,
            Self::RollbackExecution(_) => ROLLBACK_EXECUTION,
        }
    }
}

fn object(body: &[u8]) -> Result<Value, CommandFault> {
    let value: Value = serde_json::from_slice(body).map_err(CommandFault::NotJson)?;
    if !value.is_object() {
        return Err(CommandFault::NotAnObject);
    }
    Ok(value)
}

const START_EXECUTION: &str = "StartExecution";
const STOP_EXECUTION: &str = "StopExecution";
const ROLLBACK_EXECUTION: &str = "RollbackExecution";
const KNOWN: &str = "StartExecution, StopExecution, RollbackExecution";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(kind: Option<&str>, message_id: Option<&str>, body: &[u8], expected: &str) {
        let read = match Command::parse(kind, message_id, body) {
            Ok((message_id, command)) => format!("{message_id} {command:?}"),
            Err(fault) => fault.to_string(),
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn a_command_has_a_name_and_an_object() {
        check(
            Some("StopExecution"),
            Some("m"),
            b"{}",
            "m StopExecution(Object {})",
        );
        check(
            Some("StopExecution"),
            Some("m"),
            b"[]",
            "the command's body is not an object",
        );
        check(
            Some("StartExecution"),
            Some("m"),
            b"{",
            "the command's body is not JSON",
        );
    }

    #[test]
    fn a_command_without_a_message_id_is_a_fault() {
        check(
            Some("StartExecution"),
            None,
            b"{}",
            "the command has no message_id",
        );
        check(
            Some("StartExecution"),
            Some(""),
            b"{}",
            "the command has no message_id",
        );
    }

    #[test]
    fn an_unknown_command_is_told_the_known_ones() {
        let expected = r#"the command's type is "Start"; known are StartExecution, StopExecution, RollbackExecution"#;
        check(Some("Start"), Some("m"), b"{}", expected);
        let expected =
            "the command has no type; known are StartExecution, StopExecution, RollbackExecution";
        check(None, Some("m"), b"{}", expected);
    }

    proptest! {
        #[test]
        fn parsing_never_panics(kind: Option<String>, message_id: Option<String>, body: Vec<u8>) {
            let _ = Command::parse(kind.as_deref(), message_id.as_deref(), &body);
            let _ = Command::parse(Some("StartExecution"), Some("m"), &body);
        }
    }
}
