//! The AMQP properties of a message, neutral of any client library.
//!
//! Whoever holds a connection converts these to and from its library's own type; this crate only says what stands in them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The properties of one AMQP 0-9-1 message. `None` is a property that is not set.
///
/// Printing it hides the `correlation_id`, which may be a task token.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Properties {
    /// AMQP's `type`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What the message is known by: the same on every redelivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The task token, of a task message and of its reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// The queue that an answer goes to, through the default exchange.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// The body's media type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// 2 for a persistent message, 1 for one that a broker's restart may lose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery_mode: Option<u8>,
    /// When it was sent, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<u64>,
    /// In how many milliseconds the broker may drop it: a number, written as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration: Option<String>,
    /// Who sent it, as verified by the broker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Which application sent it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
    /// The headers, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, Header>,
}

impl fmt::Debug for Properties {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Properties")
            .field("type", &self.kind)
            .field("message_id", &self.message_id)
            .field("correlation_id", &self.correlation_id.as_ref().map(|_| "…"))
            .field("reply_to", &self.reply_to)
            .field("content_type", &self.content_type)
            .field("delivery_mode", &self.delivery_mode)
            .field("timestamp", &self.timestamp)
            .field("expiration", &self.expiration)
            .field("user_id", &self.user_id)
            .field("app_id", &self.app_id)
            .field("headers", &self.headers)
            .finish()
    }
}

/// The value of one header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Header {
    /// A text, short or long.
    Text(String),
    /// A whole number of any width and sign.
    Integer(i64),
    /// A truth value.
    Boolean(bool),
    /// A list, such as `x-death`.
    List(Vec<Header>),
    /// A table, such as an entry of `x-death`.
    Table(BTreeMap<String, Header>),
    /// A value of a kind that no header of ours has: a float, a decimal, bytes that are no text.
    Other,
}

impl Header {
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Integer(_) | Self::Boolean(_) | Self::List(_) | Self::Table(_) | Self::Other => {
                None
            }
        }
    }

    /// The number, if it is one.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Text(_) | Self::Boolean(_) | Self::List(_) | Self::Table(_) | Self::Other => None,
        }
    }
}
