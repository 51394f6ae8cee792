//! Replies: from delivery bytes to an input of the execution that the token names.

use std::error::Error as _;
use std::sync::Arc;

use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::ShortString;
use sagamore_interpreter::{ClaimedEffect, ExecutionId, Input, Reply as InputReply, Sequence};
use sagamore_messages::{Effect, Reply, ReplyFault, TokenKey};

use super::intake::{Intake, Verdict};
use crate::advance::Error as AdvanceError;

impl Intake {
    /// Takes a reply. Up to the submission nothing is awaited, so replies are submitted in the order they came in. One that came
    /// over this coordinator's `own` queue may be late for an execution of which nothing is left.
    pub(super) async fn reply(&self, delivery: &Delivery, own: bool) -> Verdict {
        let properties = &delivery.properties;
        let (execution, task) = match addressee(&self.calls.key, properties) {
            Ok(addressee) => addressee,
            Err(reason) => return Verdict::Park(reason.to_owned()),
        };
        let kind = properties.kind().as_ref().map(ShortString::as_str);
        let content_type = properties.content_type().as_ref().map(ShortString::as_str);
        let bytes_max = self.settings.payload_bytes_max;
        let (reply, fault) = match Reply::parse(kind, content_type, &delivery.data, bytes_max) {
            Ok(reply) => (usable(reply), None),
            Err(fault) => {
                let cause = described(&fault);
                (unusable(&fault, cause.clone()), Some(cause))
            }
        };
        let input = Input::Reply {
            task,
            reply,
            bytes: u32::try_from(delivery.data.len()).ok(),
        };
        let verdict = match (self.calls.submit)(execution, input).await {
            Err(AdvanceError::UnknownExecution) if own => self.late(),
            taken => self.verdict(taken),
        };
        match (verdict, fault) {
            (Verdict::Hold, _) => Verdict::Hold,
            (_, Some(fault)) => Verdict::Park(fault),
            (verdict, None) => verdict,
        }
    }
}

/// The task whose token a message carries, or why there is none.
pub(super) fn addressee(
    key: &TokenKey,
    properties: &BasicProperties,
) -> Result<(ExecutionId, Sequence), &'static str> {
    let token = properties.correlation_id().as_ref();
    let token = token
        .map(ShortString::as_str)
        .filter(|text| !text.is_empty());
    let token = token.ok_or("it has no correlation_id, which would be the task's token")?;
    let (execution, task) = key
        .open(token)
        .ok_or("its correlation_id is no token of this coordinator")?;
    Ok((ExecutionId(execution), Sequence(task)))
}

fn usable(reply: Reply) -> InputReply {
    match reply {
        Reply::Success(result) => InputReply::Success(Arc::new(result)),
        Reply::Failure {
            error,
            cause,
            effect,
        } => InputReply::Failure {
            error,
            cause: Some(cause).filter(|cause| !cause.is_empty()),
            effect: match effect {
                None | Some(Effect::None) => ClaimedEffect::None,
                Some(Effect::Committed) => ClaimedEffect::Committed,
                Some(Effect::Unknown) => ClaimedEffect::Unknown,
            },
        },
        Reply::Heartbeat => InputReply::Heartbeat,
    }
}

fn unusable(fault: &ReplyFault, cause: String) -> InputReply {
    let error = match fault {
        ReplyFault::TooLarge { .. } => "States.DataLimitExceeded",
        ReplyFault::NotJson(_)
        | ReplyFault::NotText(_)
        | ReplyFault::UnknownType(_)
        | ReplyFault::NotAnObject
        | ReplyFault::Member(_) => "Sagamore.InvalidReply",
    };
    InputReply::Unusable {
        error: error.to_owned(),
        cause,
    }
}

/// The fault with what lies under it: for the task's cause and the parked message's reason, which no log renders.
fn described(fault: &ReplyFault) -> String {
    match fault.source() {
        Some(source) => format!("{fault}: {source}"),
        None => fault.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn check(correlation_id: Option<&str>, expected: Result<(ExecutionId, Sequence), &str>) {
        let mut properties = BasicProperties::default();
        if let Some(text) = correlation_id {
            properties = properties.with_correlation_id(text.into());
        }
        let opened = addressee(&TokenKey::new(b"secret"), &properties);
        assert_eq!(opened, expected);
    }

    #[test]
    fn a_token_names_its_task() {
        let token = TokenKey::new(b"secret").seal(Uuid::from_u128(1), 2);
        let task = (ExecutionId(Uuid::from_u128(1)), Sequence(2));
        check(Some(token.as_str()), Ok(task));
    }

    #[test]
    fn a_forged_or_absent_token_names_nothing() {
        let absent = Err("it has no correlation_id, which would be the task's token");
        check(None, absent);
        check(Some(""), absent);
        let forged = TokenKey::new(b"another").seal(Uuid::from_u128(1), 2);
        let reason = "its correlation_id is no token of this coordinator";
        check(Some(forged.as_str()), Err(reason));
    }

    #[test]
    fn a_fault_becomes_the_error_that_a_catcher_sees() {
        let fault = Reply::parse(None, None, b"[1]", 2).unwrap_err();
        let error = "States.DataLimitExceeded".to_owned();
        let cause = "the reply has 3 bytes, more than 2".to_owned();
        let expected = InputReply::Unusable { error, cause };
        assert_eq!(unusable(&fault, described(&fault)), expected);
    }
}
