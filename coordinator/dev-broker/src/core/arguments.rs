//! The arguments of declarations: what they mean, and whether two declarations ask for the same.

use std::time::Duration;

use amq_protocol::types::{AMQPValue, FieldTable, ShortString};

use super::Result;
use super::matching::{integer, same};
use crate::refusal::Code;

/// What the arguments of a queue ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Policy {
    /// How long a message may wait.
    pub(super) ttl: Option<Duration>,
    /// How long the queue may go unused.
    pub(super) expires: Option<Duration>,
    /// Messages that are ready.
    pub(super) length_max: Option<usize>,
    /// Bytes of bodies that are ready.
    pub(super) bytes_max: Option<usize>,
    pub(super) overflow: Overflow,
    /// How often a message may come back.
    pub(super) returns_max: Option<u64>,
    pub(super) dead_letter_exchange: Option<ShortString>,
    pub(super) dead_letter_key: Option<ShortString>,
}

/// What is done with what is too much.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Overflow {
    /// The first message goes.
    #[default]
    DropHead,
    /// The new one is refused.
    Reject,
    /// The new one is refused and dead-lettered.
    RejectDeadLetter,
}

impl Policy {
    /// Reads the arguments of `queue`. Those that would change what a client gets, and that this broker does not have,
    /// are refused; all others are hints.
    pub(super) fn parse(queue: &str, arguments: &FieldTable) -> Result<Self> {
        let mut policy = Self::default();
        for (name, value) in arguments {
            let read = policy.read(name.as_str(), value);
            read.map_err(|why| {
                Code::PreconditionFailed.because(format!(
                    "invalid arg '{name}' for queue '{queue}' in vhost '/': {why}"
                ))
            })?;
        }
        if policy.dead_letter_key.is_some() && policy.dead_letter_exchange.is_none() {
            let text = format!(
                "invalid arg 'x-dead-letter-routing-key' for queue '{queue}' in vhost '/': \
                 routing_key_but_no_dlx_defined"
            );
            return Err(Code::PreconditionFailed.because(text));
        }
        Ok(policy)
    }

    fn read(&mut self, name: &str, value: &AMQPValue) -> std::result::Result<(), String> {
        match name {
            "x-message-ttl" => self.ttl = Some(Duration::from_millis(number(value)?)),
            "x-expires" => match number(value)? {
                0 => return Err("{value_zero,0}".to_owned()),
                milliseconds => self.expires = Some(Duration::from_millis(milliseconds)),
            },
            "x-max-length" => self.length_max = Some(size(value)?),
            "x-max-length-bytes" => self.bytes_max = Some(size(value)?),
            "x-delivery-limit" => self.returns_max = Some(number(value)?),
            "x-dead-letter-exchange" => self.dead_letter_exchange = Some(text(value)?),
            "x-dead-letter-routing-key" => self.dead_letter_key = Some(text(value)?),
            "x-overflow" => {
                self.overflow = match text(value)?.as_str() {
                    "drop-head" => Overflow::DropHead,
                    "reject-publish" => Overflow::Reject,
                    "reject-publish-dlx" => Overflow::RejectDeadLetter,
                    other => return Err(format!("unknown overflow '{other}'")),
                }
            }
            "x-queue-type" => match text(value)?.as_str() {
                "classic" | "quorum" => {}
                other => return Err(format!("there are no queues of type '{other}' here")),
            },
            "x-max-priority" | "x-single-active-consumer" => {
                return Err("not implemented".to_owned());
            }
            _ => {}
        }
        Ok(())
    }
}

fn number(value: &AMQPValue) -> std::result::Result<u64, String> {
    let number = integer(value).ok_or("unacceptable_type")?;
    u64::try_from(number).map_err(|_| format!("{{value_negative,{number}}}"))
}

fn size(value: &AMQPValue) -> std::result::Result<usize, String> {
    Ok(usize::try_from(number(value)?).unwrap_or(usize::MAX))
}

fn text(value: &AMQPValue) -> std::result::Result<ShortString, String> {
    let AMQPValue::LongString(text) = value else {
        return Err("unacceptable_type".to_owned());
    };
    ShortString::try_new(text.to_string()).map_err(|error| error.to_string())
}

/// Whether a second declaration of `what` asks for what is there: its flags and types, then its arguments.
pub(super) fn assert_equivalent(
    what: &str,
    fields: &[(&str, String, String)],
    asked: &FieldTable,
    current: &FieldTable,
) -> Result<()> {
    for (field, asked, current) in fields {
        if asked != current {
            return Err(inequivalent(
                what,
                field,
                &format!("'{asked}'"),
                &format!("'{current}'"),
            ));
        }
    }
    let names = asked.inner().keys().chain(current.inner().keys());
    for name in names
        .map(ShortString::as_str)
        .filter(|name| COMPARED.contains(name))
    {
        let [asked, current] = [asked, current].map(|table| table.inner().get(name));
        if !asked
            .zip(current)
            .is_some_and(|(asked, current)| same(asked, current))
        {
            return Err(inequivalent(what, name, &shown(asked), &shown(current)));
        }
    }
    Ok(())
}

fn inequivalent(what: &str, name: &str, asked: &str, current: &str) -> crate::refusal::Refusal {
    let text = format!(
        "inequivalent arg '{name}' for {what} in vhost '/': received {asked} but current is {current}"
    );
    Code::PreconditionFailed.because(text)
}

fn shown(value: Option<&AMQPValue>) -> String {
    match value {
        None => "none".to_owned(),
        Some(AMQPValue::LongString(text)) => format!("the value '{text}' of type 'longstr'"),
        Some(AMQPValue::LongInt(number)) => format!("the value '{number}' of type 'signedint'"),
        Some(AMQPValue::LongLongInt(number)) => format!("the value '{number}' of type 'long'"),
        Some(value) => match integer(value) {
            Some(number) => format!("the value '{number}' of type '{}'", value.get_type()),
            None => format!("a value of type '{}'", value.get_type()),
        },
    }
}

/// The arguments that two declarations must agree on, as far as this broker heeds them.
const COMPARED: &[&str] = &[
    "alternate-exchange",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-delivery-limit",
    "x-expires",
    "x-max-length",
    "x-max-length-bytes",
    "x-message-ttl",
    "x-overflow",
    "x-queue-type",
];
