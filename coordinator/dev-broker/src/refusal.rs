//! How a client's request is refused: with RabbitMQ's codes and texts, since clients and their users know those.

use amq_protocol::types::ShortString;

/// A refusal, on its way to become a `close` of a channel or of a connection.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{} - {text}", code.1)]
pub struct Refusal {
    pub code: Code,
    pub text: String,
}

/// A reply code of AMQP, and its name.
type Code = (u16, &'static str);

pub const CONNECTION_FORCED: Code = (320, "CONNECTION_FORCED");
pub const ACCESS_REFUSED: Code = (403, "ACCESS_REFUSED");
pub const NOT_FOUND: Code = (404, "NOT_FOUND");
pub const RESOURCE_LOCKED: Code = (405, "RESOURCE_LOCKED");
pub const PRECONDITION_FAILED: Code = (406, "PRECONDITION_FAILED");
pub const FRAME_ERROR: Code = (501, "FRAME_ERROR");
pub const SYNTAX_ERROR: Code = (502, "SYNTAX_ERROR");
pub const COMMAND_INVALID: Code = (503, "COMMAND_INVALID");
pub const CHANNEL_ERROR: Code = (504, "CHANNEL_ERROR");
pub const UNEXPECTED_FRAME: Code = (505, "UNEXPECTED_FRAME");
pub const RESOURCE_ERROR: Code = (506, "RESOURCE_ERROR");
pub const NOT_ALLOWED: Code = (530, "NOT_ALLOWED");
pub const NOT_IMPLEMENTED: Code = (540, "NOT_IMPLEMENTED");

impl Refusal {
    /// The text of the `close`, cut to what fits.
    pub fn reply_text(&self) -> ShortString {
        let text = self.to_string();
        ShortString::from(&text[..text.floor_char_boundary(usize::from(u8::MAX))])
    }

    /// Whether it closes only the channel.
    pub fn is_soft(&self) -> bool {
        (403..=406).contains(&self.code.0)
    }
}

/// Leaves a function with a refusal: `refuse!(NOT_FOUND => "no queue '{name}'")`.
macro_rules! refuse {
    ($code:ident => $($text:tt)*) => {
        return Err($crate::refusal::Refusal {
            code: $crate::refusal::$code,
            text: format!($($text)*),
        })
    };
}
pub(crate) use refuse;
