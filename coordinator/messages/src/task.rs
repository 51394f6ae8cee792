//! The task message: what the coordinator asks of a service.
//!
//! All deliveries of one attempt are byte-identical, so [`TaskMessage::properties`] depends on nothing but the message. Only
//! `expiration` is what is left of the timeout at the moment of publishing.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use serde::de::IgnoredAny;

use crate::names::{
    HEADER_ATTEMPT, HEADER_COMPENSATES, HEADER_DEADLINE, HEADER_EXECUTION, HEADER_IDEMPOTENCY_KEY,
    HEADER_MACHINE, HEADER_STATE, HEADER_TRACEPARENT, HEADER_TRACESTATE,
};
use crate::{Header, Properties, Token};

/// One attempt of one task, on its way to a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskMessage {
    /// One per attempt; the same on every redelivery and republication.
    pub message_id: String,
    /// What the answer must carry.
    pub token: Token,
    /// The queue that the answer goes to.
    pub reply_to: String,
    /// Whether a step is to be done or undone.
    pub kind: Kind,
    /// When the attempt was dispatched, in seconds since 1970; 0 when it is not told.
    pub timestamp_seconds: u64,
    /// The execution's id; empty when it is not told.
    pub execution: String,
    /// The state machine's name; empty when it is not told.
    pub machine: String,
    /// The state's name; empty when it is not told.
    pub state: String,
    /// Which attempt of the visit this is, counting from 1.
    pub attempt: u32,
    /// One for all attempts of one visit: K of a step, `K/undo/n` of its undo.
    pub idempotency_key: String,
    /// The key K of the step that is undone; `None` for a step.
    pub compensates: Option<String>,
    /// When it is no longer worth starting, RFC 3339 with milliseconds; `None` without a timeout.
    pub deadline: Option<String>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// W3C trace context, vendor part.
    pub tracestate: Option<String>,
    /// The Task's effective input, as JSON text.
    pub body: String,
    /// Whether the body is a text instead, that is no JSON: what SQS and SNS take for a message.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_text: bool,
}

/// Whether a task message asks to do a step or to undo one. There will never be a third.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A step of the saga.
    Task,
    /// The undo of a step.
    Compensation,
}

impl Kind {
    /// How it is written in the message's `type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Task => "task",
            Self::Compensation => "compensation",
        }
    }
}

/// Why a delivery is no task message. A worker rejects it: whoever sent it was not a coordinator.
#[derive(Debug, thiserror::Error)]
pub enum TaskMessageFault {
    /// The `type` is absent or neither `task` nor `compensation`.
    #[error("the message's type is {0:?}, neither \"task\" nor \"compensation\"")]
    Type(Option<String>),
    /// A property or header is absent without which it can't be answered.
    #[error("the message has no {0}")]
    Missing(&'static str),
    /// A header is there, with a value of the wrong kind or out of range.
    #[error("the message's header {0} has a value of the wrong kind")]
    Header(&'static str),
    /// The body is no JSON.
    #[error("the message's body is not JSON")]
    NotJson(#[source] serde_json::Error),
}

impl TaskMessage {
    /// The AMQP properties to publish it with; its `body` is the message's body.
    ///
    /// `expires_in_milliseconds` is the less of what is left of its timeout and of its heartbeat, `None` when neither is set.
    pub fn properties(&self, expires_in_milliseconds: Option<u64>) -> Properties {
        let text = |text: &str| Some(Header::Text(text.to_owned()));
        let optional = |text: &Option<String>| text.clone().map(Header::Text);
        let content_type = match self.is_text {
            true => "text/plain",
            false => "application/json",
        };
        let headers = [
            (HEADER_EXECUTION, text(&self.execution)),
            (HEADER_MACHINE, text(&self.machine)),
            (HEADER_STATE, text(&self.state)),
            (HEADER_ATTEMPT, Some(Header::Integer(self.attempt.into()))),
            (HEADER_IDEMPOTENCY_KEY, text(&self.idempotency_key)),
            (HEADER_COMPENSATES, optional(&self.compensates)),
            (HEADER_DEADLINE, optional(&self.deadline)),
            (HEADER_TRACEPARENT, optional(&self.traceparent)),
            (HEADER_TRACESTATE, optional(&self.tracestate)),
        ];
        Properties {
            kind: Some(self.kind.as_str().to_owned()),
            message_id: Some(self.message_id.clone()),
            correlation_id: Some(self.token.as_str().to_owned()),
            reply_to: Some(self.reply_to.clone()),
            content_type: Some(content_type.to_owned()),
            delivery_mode: Some(2),
            timestamp: Some(self.timestamp_seconds),
            expiration: expires_in_milliseconds.map(|milliseconds| milliseconds.to_string()),
            headers: headers
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?)))
                .collect(),
            ..Properties::default()
        }
    }

    /// Reads a delivery. Headers that only inform may be absent, and unknown ones are ignored.
    ///
    /// # Errors
    /// The delivery can't be answered, or nobody could tell what it asks.
    pub fn parse(properties: &Properties, body: &[u8]) -> Result<Self, TaskMessageFault> {
        let kind = match properties.kind.as_deref() {
            Some("task") => Kind::Task,
            Some("compensation") => Kind::Compensation,
            other => return Err(TaskMessageFault::Type(other.map(str::to_owned))),
        };
        let headers = Headers(&properties.headers);
        let compensates = headers.text(HEADER_COMPENSATES)?;
        if kind == Kind::Compensation && compensates.is_none() {
            return Err(TaskMessageFault::Missing(HEADER_COMPENSATES));
        }
        let required = |name, value: &Option<String>| {
            let value = value.clone().filter(|text| !text.is_empty());
            value.ok_or(TaskMessageFault::Missing(name))
        };
        let body = json_text(body)?;
        Ok(Self {
            message_id: required("message_id", &properties.message_id)?,
            token: Token::new(required("correlation_id", &properties.correlation_id)?),
            reply_to: required("reply_to", &properties.reply_to)?,
            kind,
            timestamp_seconds: properties.timestamp.unwrap_or(0),
            execution: headers.text(HEADER_EXECUTION)?.unwrap_or_default(),
            machine: headers.text(HEADER_MACHINE)?.unwrap_or_default(),
            state: headers.text(HEADER_STATE)?.unwrap_or_default(),
            attempt: headers.attempt()?,
            idempotency_key: required(
                HEADER_IDEMPOTENCY_KEY,
                &headers.text(HEADER_IDEMPOTENCY_KEY)?,
            )?,
            compensates,
            deadline: headers.text(HEADER_DEADLINE)?,
            traceparent: headers.text(HEADER_TRACEPARENT)?,
            tracestate: headers.text(HEADER_TRACESTATE)?,
            body,
            is_text: false,
        })
    }
}

fn json_text(body: &[u8]) -> Result<String, TaskMessageFault> {
    serde_json::from_slice::<IgnoredAny>(body).map_err(TaskMessageFault::NotJson)?;
    // What is JSON by bytes may still hold a string that is no UTF-8: `IgnoredAny` skips strings unread.
    String::from_utf8(body.to_vec())
        .map_err(|source| TaskMessageFault::NotJson(serde::de::Error::custom(source)))
}

struct Headers<'a>(&'a BTreeMap<String, Header>);

impl Headers<'_> {
    fn text(&self, name: &'static str) -> Result<Option<String>, TaskMessageFault> {
        let Some(header) = self.0.get(name) else {
            return Ok(None);
        };
        let text = header.as_text().ok_or(TaskMessageFault::Header(name))?;
        Ok(Some(text.to_owned()))
    }

    fn attempt(&self) -> Result<u32, TaskMessageFault> {
        let Some(header) = self.0.get(HEADER_ATTEMPT) else {
            return Ok(1);
        };
        let number = header
            .as_integer()
            .and_then(|number| u32::try_from(number).ok());
        number.ok_or(TaskMessageFault::Header(HEADER_ATTEMPT))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message() -> TaskMessage {
        TaskMessage {
            message_id: "m-1".to_owned(),
            token: Token::new("secret"),
            reply_to: "sagamore.replies".to_owned(),
            kind: Kind::Compensation,
            timestamp_seconds: 1_767_225_600,
            execution: "e".to_owned(),
            machine: "loan".to_owned(),
            state: "Compensate(ReserveFunds)".to_owned(),
            attempt: 2,
            idempotency_key: "k/undo/1".to_owned(),
            compensates: Some("k".to_owned()),
            deadline: Some("2026-01-01T00:00:02.000Z".to_owned()),
            traceparent: None,
            tracestate: None,
            body: r#"{"amount":1}"#.to_owned(),
            is_text: false,
        }
    }

    fn check(change: impl FnOnce(&mut Properties), expected: &str) {
        let mut properties = message().properties(None);
        change(&mut properties);
        let parsed = TaskMessage::parse(&properties, b"{}");
        let fault = parsed.map_or_else(|fault| fault.to_string(), |_| "parsed".to_owned());
        assert_eq!(fault, expected);
    }

    #[test]
    fn what_is_sent_is_what_is_read() {
        let message = message();
        let properties = message.properties(Some(2_000));
        assert_eq!(properties.expiration.as_deref(), Some("2000"));
        let parsed = TaskMessage::parse(&properties, message.body.as_bytes()).unwrap();
        assert_eq!(parsed, message);
    }

    #[test]
    fn printing_a_message_or_its_properties_does_not_reveal_the_token() {
        let message = message();
        let printed = format!("{message:?} {:?}", message.properties(None));
        assert!(!printed.contains("secret"), "{printed}");
    }

    #[test]
    fn headers_that_only_inform_may_be_absent() {
        let keep = |name: &str| name == HEADER_IDEMPOTENCY_KEY || name == HEADER_COMPENSATES;
        check(
            |properties| properties.headers.retain(|name, _| keep(name)),
            "parsed",
        );
    }

    #[test]
    fn another_type_is_a_fault() {
        let expected =
            "the message's type is Some(\"event\"), neither \"task\" nor \"compensation\"";
        check(
            |properties| properties.kind = Some("event".to_owned()),
            expected,
        );
    }

    #[test]
    fn a_message_that_cannot_be_answered_is_a_fault() {
        check(
            |properties| properties.reply_to = None,
            "the message has no reply_to",
        );
        check(
            |properties| properties.correlation_id = None,
            "the message has no correlation_id",
        );
    }

    #[test]
    fn an_undo_of_nothing_is_a_fault() {
        let expected = "the message has no sagamore-compensates";
        check(
            |properties| drop(properties.headers.remove(HEADER_COMPENSATES)),
            expected,
        );
    }

    #[test]
    fn a_string_that_is_no_text_is_a_fault() {
        let parsed = TaskMessage::parse(&message().properties(None), b"\"\xff\"");
        assert!(matches!(parsed, Err(TaskMessageFault::NotJson(_))));
    }

    proptest! {
        #[test]
        fn parsing_never_panics(kind: Option<String>, key: Option<String>, attempt: i64, body: Vec<u8>) {
            let mut properties = message().properties(None);
            properties.kind = kind.or(properties.kind);
            properties.headers.insert(HEADER_ATTEMPT.to_owned(), Header::Integer(attempt));
            if let Some(key) = key {
                properties.headers.insert(HEADER_IDEMPOTENCY_KEY.to_owned(), Header::Text(key));
            }
            let _ = TaskMessage::parse(&properties, &body);
            let _ = TaskMessage::parse(&properties, b"[]");
        }
    }
}
