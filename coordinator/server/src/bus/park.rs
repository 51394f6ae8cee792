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
    note(&mut headers, "sagamore-reason", reason);
    note(&mut headers, "sagamore-parked-from", from);
    note(&mut headers, "sagamore-parked-at", &now.to_string());
    // With its expiration it would vanish from the queue; with another's user id the broker would refuse it.
    if let Some(expiration) = original.expiration() {
        note(
            &mut headers,
            "sagamore-parked-expiration",
            expiration.as_str(),
        );
    }
    if let Some(user_id) = original.user_id() {
        note(&mut headers, "sagamore-parked-user-id", user_id.as_str());
    }
    if let Some(theirs) = original.headers() {
        keep(&mut headers, theirs);
    }
    harmless(original)
        .with_delivery_mode(2)
        .with_headers(headers)
}

fn note(headers: &mut FieldTable, name: &str, value: &str) {
    let name = ShortString::try_new(name).expect("our own names are short");
    headers.insert(name, AMQPValue::LongString(clipped(value).into()));
}

/// Adds the original's headers to our notes.
fn keep(headers: &mut FieldTable, theirs: &FieldTable) {
    if table_bytes(theirs) > HEADERS_BYTES_MAX {
        note(headers, "sagamore-parked-without", "headers: too large");
        return;
    }
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

/// A copy of the properties that can be published as they are.
fn harmless(original: &BasicProperties) -> BasicProperties {
    type To = BasicProperties;
    let texts: [(&Option<ShortString>, fn(To, ShortString) -> To); 7] = [
        (original.kind(), To::with_type),
        (original.message_id(), To::with_message_id),
        (original.correlation_id(), To::with_correlation_id),
        (original.reply_to(), To::with_reply_to),
        (original.content_type(), To::with_content_type),
        (original.content_encoding(), To::with_content_encoding),
        (original.app_id(), To::with_app_id),
    ];
    let mut copy = To::default();
    for (text, set) in texts {
        if let Some(text) = text {
            copy = set(copy, text.clone());
        }
    }
    match original.timestamp() {
        Some(seconds) => copy.with_timestamp(*seconds),
        None => copy,
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
