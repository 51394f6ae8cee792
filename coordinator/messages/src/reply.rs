//! The reply: what a service answers, and what a command is answered with.
//!
//! A plain request/reply worker that knows nothing of Sagamore answers with JSON and no `type`; that is a success.

use serde_json::{Map, Value, json};

use crate::Properties;

/// The error of a failure that names none.
pub const UNNAMED_FAILURE: &str = "Sagamore.UnnamedFailure";

/// What a service says of a task.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// The task succeeds with this result.
    Success(Value),
    /// The task fails by this name.
    Failure {
        /// The error's name, which Retry and Catch match on.
        error: String,
        /// What a person should read; may be empty.
        cause: String,
        /// What became of the task's effect, or `None` when the service does not say; then there is none.
        effect: Option<Effect>,
    },
    /// The task lives.
    Heartbeat,
}

/// What a failed task did before it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Nothing happened, or it was rolled back.
    None,
    /// It happened, and must be undone.
    Committed,
    /// The service cannot tell, so it must be undone.
    Unknown,
}

impl Effect {
    /// How it is written in a failure's `effect`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Committed => "committed",
            Self::Unknown => "unknown",
        }
    }

    /// Reads what [`Effect::as_str`] writes.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "none" => Some(Self::None),
            "committed" => Some(Self::Committed),
            "unknown" => Some(Self::Unknown),
            _ => None,
        }
    }
}

/// Why a reply is unusable. It is parked; if its token opens, the task fails at once with its outcome unknown.
#[derive(Debug, thiserror::Error)]
pub enum ReplyFault {
    /// The body is over the limit.
    #[error("the reply has {bytes} bytes, more than {max}")]
    TooLarge {
        /// The body's size.
        bytes: usize,
        /// The most it may be.
        max: usize,
    },
    /// The body should be JSON.
    #[error("the reply's body is not JSON")]
    NotJson(#[source] serde_json::Error),
    /// The body says it is text.
    #[error("the reply's body is text/plain but not UTF-8")]
    NotText(#[source] std::str::Utf8Error),
    /// The `type` is none of ours.
    #[error("the reply's type is {0:?}, none of \"success\", \"failure\", \"heartbeat\"")]
    UnknownType(String),
    /// A failure's body should be `{"error", "cause", "effect"}`.
    #[error("the failure's body is not an object")]
    NotAnObject,
    /// A failure's member has a value that means nothing.
    #[error("the failure's {0} is unusable")]
    Member(&'static str),
}

impl Reply {
    /// Reads a reply of at most `bytes_max` bytes from its `type`, its `content_type` and its body.
    ///
    /// # Errors
    /// The reply is unusable: see [`ReplyFault`].
    pub fn parse(
        kind: Option<&str>,
        content_type: Option<&str>,
        body: &[u8],
        bytes_max: usize,
    ) -> Result<Self, ReplyFault> {
        if kind == Some(HEARTBEAT) {
            return Ok(Self::Heartbeat);
        }
        if body.len() > bytes_max {
            let bytes = body.len();
            return Err(ReplyFault::TooLarge {
                bytes,
                max: bytes_max,
            });
        }
        match kind {
            // Some clients send every property, the unset ones empty.
            None | Some("" | SUCCESS) => success(content_type, body).map(Self::Success),
            Some(FAILURE) => failure(body),
            Some(other) => Err(ReplyFault::UnknownType(other.to_owned())),
        }
    }

    /// The properties to send it with: to a task, `correlation_id` is the task's token.
    pub fn properties(&self, correlation_id: &str, message_id: &str) -> Properties {
        Properties {
            kind: Some(self.kind().to_owned()),
            message_id: Some(message_id.to_owned()),
            correlation_id: Some(correlation_id.to_owned()),
            content_type: Some("application/json".to_owned()),
            delivery_mode: Some(2),
            ..Properties::default()
        }
    }

    /// The body to send it with, as JSON text; empty for a heartbeat.
    pub fn body(&self) -> String {
        match self {
            Self::Success(result) => result.to_string(),
            Self::Failure {
                error,
                cause,
                effect: None,
            } => json!({ "error": error, "cause": cause }).to_string(),
            Self::Failure {
                error,
                cause,
                effect: Some(effect),
            } => json!({ "error": error, "cause": cause, "effect": effect.as_str() }).to_string(),
            Self::Heartbeat => String::new(),
        }
    }

    /// How it is written in the message's `type`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Success(_) => SUCCESS,
            Self::Failure { .. } => FAILURE,
            Self::Heartbeat => HEARTBEAT,
        }
    }
}

fn success(content_type: Option<&str>, body: &[u8]) -> Result<Value, ReplyFault> {
    let media_type = content_type.and_then(|text| text.split(';').next());
    if media_type.is_some_and(|text| text.trim().eq_ignore_ascii_case("text/plain")) {
        let text = std::str::from_utf8(body).map_err(ReplyFault::NotText)?;
        return Ok(Value::String(text.to_owned()));
    }
    serde_json::from_slice(body).map_err(ReplyFault::NotJson)
}

fn failure(body: &[u8]) -> Result<Reply, ReplyFault> {
    let value = serde_json::from_slice(body).map_err(ReplyFault::NotJson)?;
    let Value::Object(members) = value else {
        return Err(ReplyFault::NotAnObject);
    };
    let error = match member(&members, "error") {
        None => UNNAMED_FAILURE.to_owned(),
        Some(Value::String(error)) if error.is_empty() => UNNAMED_FAILURE.to_owned(),
        Some(Value::String(error)) => error.clone(),
        Some(_) => return Err(ReplyFault::Member("error")),
    };
    // A structured cause is common and does no harm: it is shown as it was written.
    let cause = match member(&members, "cause") {
        None => String::new(),
        Some(Value::String(cause)) => cause.clone(),
        Some(other) => other.to_string(),
    };
    let effect = match member(&members, "effect") {
        None => None,
        Some(Value::String(text)) => Some(Effect::parse(text).ok_or(ReplyFault::Member("effect"))?),
        Some(_) => return Err(ReplyFault::Member("effect")),
    };
    Ok(Reply::Failure {
        error,
        cause,
        effect,
    })
}

/// A member that is there and not null.
fn member<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    members.get(name).filter(|value| !value.is_null())
}

const SUCCESS: &str = "success";
const FAILURE: &str = "failure";
const HEARTBEAT: &str = "heartbeat";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BYTES_MAX: usize = 64;

    fn check(kind: Option<&str>, content_type: Option<&str>, body: &[u8], expected: &str) {
        let read = match Reply::parse(kind, content_type, body, BYTES_MAX) {
            Ok(Reply::Success(result)) => format!("success {result}"),
            Ok(Reply::Failure {
                error,
                cause,
                effect,
            }) => {
                let effect = effect.map_or("unsaid", Effect::as_str);
                format!("failure {error} {cause:?} {effect}")
            }
            Ok(Reply::Heartbeat) => "heartbeat".to_owned(),
            Err(fault) => fault.to_string(),
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn json_without_a_type_is_a_success() {
        check(None, None, b"{\"score\": 700}", r#"success {"score":700}"#);
        check(Some(""), None, b"5", "success 5");
        check(
            Some("success"),
            Some("application/json"),
            b"null",
            "success null",
        );
    }

    #[test]
    fn plain_text_is_a_string() {
        check(None, Some("text/plain"), b"42", r#"success "42""#);
        check(
            None,
            Some("Text/Plain; charset=utf-8"),
            b"",
            r#"success """#,
        );
        check(
            None,
            Some("text/plain"),
            b"\xff",
            "the reply's body is text/plain but not UTF-8",
        );
    }

    #[test]
    fn a_null_character_is_kept() {
        check(None, None, br#""a\u0000b""#, r#"success "a\u0000b""#);
    }

    #[test]
    fn a_failure_says_its_name_and_effect() {
        let body = br#"{"error":"A.B","cause":"c","effect":"committed"}"#;
        check(Some("failure"), None, body, r#"failure A.B "c" committed"#);
        check(
            Some("failure"),
            None,
            br#"{"more":1}"#,
            r#"failure Sagamore.UnnamedFailure "" unsaid"#,
        );
        check(
            Some("failure"),
            None,
            br#"{"cause":{"a":1}}"#,
            r#"failure Sagamore.UnnamedFailure "{\"a\":1}" unsaid"#,
        );
    }

    #[test]
    fn a_failure_that_means_nothing_is_a_fault() {
        check(
            Some("failure"),
            None,
            b"[]",
            "the failure's body is not an object",
        );
        check(
            Some("failure"),
            Some("text/plain"),
            b"no",
            "the reply's body is not JSON",
        );
        check(
            Some("failure"),
            None,
            br#"{"effect":"maybe"}"#,
            "the failure's effect is unusable",
        );
        check(
            Some("failure"),
            None,
            br#"{"error":5}"#,
            "the failure's error is unusable",
        );
    }

    #[test]
    fn an_unknown_type_is_a_fault() {
        let expected = r#"the reply's type is "succes", none of "success", "failure", "heartbeat""#;
        check(Some("succes"), None, b"1", expected);
    }

    #[test]
    fn a_heartbeat_has_no_body_to_read() {
        check(Some("heartbeat"), None, &[0xff; 100], "heartbeat");
    }

    #[test]
    fn a_large_or_deep_or_empty_body_is_a_fault() {
        check(
            None,
            None,
            &[b' '; 65],
            "the reply has 65 bytes, more than 64",
        );
        check(None, None, b"", "the reply's body is not JSON");
        let deep = "[".repeat(200) + &"]".repeat(200);
        let read = Reply::parse(None, None, deep.as_bytes(), 1_000);
        assert!(matches!(read, Err(ReplyFault::NotJson(_))));
    }

    #[test]
    fn what_is_sent_is_what_is_read() {
        let failure = |effect| Reply::Failure {
            error: "A".to_owned(),
            cause: "b".to_owned(),
            effect,
        };
        let all = [
            Reply::Success(json!({"a": [1, null]})),
            failure(None),
            failure(Some(Effect::Unknown)),
            Reply::Heartbeat,
        ];
        for reply in all {
            let properties = reply.properties("token", "m");
            let (kind, content_type) = (
                properties.kind.as_deref(),
                properties.content_type.as_deref(),
            );
            let read = Reply::parse(kind, content_type, reply.body().as_bytes(), BYTES_MAX);
            assert_eq!(read.unwrap(), reply);
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(kind: Option<String>, content_type: Option<String>, body: Vec<u8>) {
            let _ = Reply::parse(kind.as_deref(), content_type.as_deref(), &body, BYTES_MAX);
            let _ = Reply::parse(Some("failure"), None, &body, BYTES_MAX);
            let _ = Reply::parse(None, None, &body, BYTES_MAX);
        }
    }
}
