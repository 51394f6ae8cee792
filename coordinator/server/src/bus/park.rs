//! Parking: what can't be used goes to a queue of its own, with the reason, for a person to look at.
//!
//! The body is the original one. The properties are too, except those that would make the broker refuse, expire or
//! spread the parked message; these are kept as headers.

use jiff::Timestamp;
use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use std::sync::Arc;
use tokio::sync::Semaphore;

use super::convert::{HEADERS_BYTES_MAX, table_bytes};
use super::counts::Counts;
use super::lines::{Lines, Message, Sent};
use super::session::Pauses;

/// Parks messages; shared by all consumers.
pub(super) struct Park {
    lines: Lines,
    queue: String,
    counts: Arc<Counts>,
    window: Semaphore,
    large: Semaphore,
}

/// What became of a message that should be parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parked {
    /// It is there, confirmed.
    Yes,
    /// It can't be, now: it stays where it was.
    No,
}

impl Park {
    pub(super) fn new(lines: Lines, queue: String, counts: Arc<Counts>) -> Park {
        Park {
            lines,
            queue,
            counts,
            window: Semaphore::new(WINDOW),
            large: Semaphore::new(1),
        }
    }

    /// Parks a delivery that came from the queue `from`; returns once that is confirmed.
    pub(super) async fn park(&self, delivery: &Delivery, from: &str, reason: &str) -> Parked {
        // Publishing copies the body once, into frames: of large ones there is one such copy at a time.
        let large = delivery.data.len() > LARGE_BYTES;
        let places = if large { &self.large } else { &self.window };
        let Ok(_place) = places.acquire().await else {
            return Parked::No;
        };
        let message = Message {
            exchange: "",
            routing_key: &self.queue,
            mandatory: true,
            properties: parked_properties(&delivery.properties, from, reason, Timestamp::now()),
            body: &delivery.data,
        };
        let mut pauses = Pauses::of_message();
        loop {
            match self.lines.publish(message.clone()).await {
                Sent::Confirmed => break,
                Sent::Returned | Sent::NoExchange => self.lines.restore_topology().await,
                Sent::Nacked | Sent::Lost { .. } => {}
                Sent::Refused(problem) => {
                    tracing::error!(
                        queue = from,
                        reason,
                        problem,
                        "the broker refuses to park a message; it is held"
                    );
                    return Parked::No;
                }
                Sent::Stopped => return Parked::No,
            }
            pauses.sleep().await;
        }
        self.counts.parked.one_more();
        tracing::warn!(queue = from, reason, "parked a message");
        Parked::Yes
    }
}

fn parked_properties(
    original: &BasicProperties,
    from: &str,
    reason: &str,
    now: Timestamp,
) -> BasicProperties {
    let mut headers = FieldTable::default();
    let mut note = |name: &str, value: &str| {
        let name = ShortString::try_new(name).expect("our own names are short");
        headers.insert(name, AMQPValue::LongString(clipped(value).into()));
    };
    note("sagamore-reason", reason);
    note("sagamore-parked-from", from);
    note("sagamore-parked-at", &now.to_string());
    // With its expiration it would vanish from the queue; with another's user id the broker would refuse it.
    if let Some(expiration) = original.expiration() {
        note("sagamore-parked-expiration", expiration.as_str());
    }
    if let Some(user_id) = original.user_id() {
        note("sagamore-parked-user-id", user_id.as_str());
    }
    let theirs = original.headers().as_ref();
    match theirs.filter(|theirs| table_bytes(theirs) <= HEADERS_BYTES_MAX) {
        Some(theirs) => {
            for (name, value) in theirs {
                // The broker would send copies to whatever queues these name.
                let name = match name.as_str() {
                    "CC" => "sagamore-parked-cc".into(),
                    "BCC" => "sagamore-parked-bcc".into(),
                    _ => name.clone(),
                };
                // What an earlier stay in this queue noted is out of date.
                if !headers.contains_key(name.as_str()) {
                    headers.insert(name, value.clone());
                }
            }
        }
        None if theirs.is_some() => note("sagamore-parked-without", "headers: too large"),
        None => {}
    }
    let copied = BasicProperties::default();
    let text = ShortString::clone;
    let copied = with(
        copied,
        original.kind().as_ref().map(text),
        BasicProperties::with_type,
    );
    let copied = with(
        copied,
        original.message_id().as_ref().map(text),
        BasicProperties::with_message_id,
    );
    let copied = with(
        copied,
        original.correlation_id().as_ref().map(text),
        BasicProperties::with_correlation_id,
    );
    let copied = with(
        copied,
        original.reply_to().as_ref().map(text),
        BasicProperties::with_reply_to,
    );
    let copied = with(
        copied,
        original.content_type().as_ref().map(text),
        BasicProperties::with_content_type,
    );
    let copied = with(
        copied,
        original.content_encoding().as_ref().map(text),
        BasicProperties::with_content_encoding,
    );
    let copied = with(
        copied,
        original.app_id().as_ref().map(text),
        BasicProperties::with_app_id,
    );
    let copied = with(
        copied,
        *original.timestamp(),
        BasicProperties::with_timestamp,
    );
    copied.with_delivery_mode(2).with_headers(headers)
}

fn with<T>(
    properties: BasicProperties,
    value: Option<T>,
    set: impl FnOnce(BasicProperties, T) -> BasicProperties,
) -> BasicProperties {
    match value {
        Some(value) => set(properties, value),
        None => properties,
    }
}

/// The beginning of a text that may quote what a stranger sent.
fn clipped(text: &str) -> &str {
    &text[..text.floor_char_boundary(NOTE_BYTES_MAX)]
}

/// Messages that are parked at the same time.
const WINDOW: usize = 32;
/// A larger body waits for its turn.
const LARGE_BYTES: usize = 1024 * 1_024;
/// The most a reason may take in the headers.
const NOTE_BYTES_MAX: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_harm_a_parked_message_is_kept_as_a_header() {
        let mut headers = FieldTable::default();
        headers.insert("CC".into(), AMQPValue::LongString("elsewhere".into()));
        headers.insert("mine".into(), AMQPValue::Boolean(true));
        let original = BasicProperties::default()
            .with_expiration("5".into())
            .with_user_id("somebody".into())
            .with_correlation_id("c".into())
            .with_headers(headers);
        let parked = parked_properties(&original, "q", "why", Timestamp::UNIX_EPOCH);
        assert_eq!((parked.expiration(), parked.user_id()), (&None, &None));
        assert_eq!(parked.correlation_id(), original.correlation_id());
        let headers = parked.headers().as_ref().unwrap().inner();
        let names: Vec<&str> = headers.keys().map(ShortString::as_str).collect();
        let expected = [
            "mine",
            "sagamore-parked-at",
            "sagamore-parked-cc",
            "sagamore-parked-expiration",
            "sagamore-parked-from",
            "sagamore-parked-user-id",
            "sagamore-reason",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn headers_that_leave_no_room_are_left_behind() {
        let mut headers = FieldTable::default();
        let large = "h".repeat(HEADERS_BYTES_MAX);
        headers.insert("large".into(), AMQPValue::LongString(large.into()));
        let original = BasicProperties::default().with_headers(headers);
        let parked = parked_properties(&original, "q", "why", Timestamp::UNIX_EPOCH);
        let headers = parked.headers().as_ref().unwrap();
        assert!(headers.contains_key("sagamore-parked-without"));
        assert!(!headers.contains_key("large"));
    }
}
