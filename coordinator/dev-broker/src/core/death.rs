//! Dead letters: what a queue gives up goes to its dead letter exchange, and tells in `x-death` how it got there.

use std::sync::Arc;
use std::time::Duration;

use amq_protocol::protocol::BasicProperties;
use amq_protocol::types::{AMQPValue, FieldArray, FieldTable, ShortString};

use super::queue::QueueId;
use super::{Core, Message, publish};
use crate::limits::DEATHS_MAX;

/// Why a queue gave up a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Rejected,
    Expired,
    MaxLength,
    DeliveryLimit,
}

impl Reason {
    fn name(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::MaxLength => "maxlen",
            Self::DeliveryLimit => "delivery_limit",
        }
    }
}

impl Core {
    /// Sends a message that a queue gave up to where the queue says, if it does.
    pub(super) fn dead_letter(&mut self, from: QueueId, message: &Message, reason: Reason) {
        let Some(queue) = self.queues.get(&from) else {
            return;
        };
        let Some(exchange) = queue.policy.dead_letter_exchange.clone() else {
            return;
        };
        let (name, key) = (queue.name.clone(), queue.policy.dead_letter_key.clone());
        let Some(dead) = message.dead(&name, exchange.clone(), key.clone(), reason, self.now)
        else {
            tracing::warn!(queue = %name, "dropped a message that was dead-lettered by too many queues");
            return;
        };
        let headers = dead.properties.headers().as_ref();
        // Copies go along unless the queue names the key.
        let copies = headers.filter(|_| key.is_none());
        let mut keys = vec![dead.routing_key.as_str()];
        keys.extend(
            copies
                .into_iter()
                .flat_map(|headers| publish::copy_keys(headers, "CC")),
        );
        let mut targets = self.route(exchange.as_str(), &keys, headers);
        targets.retain(|target| {
            let cycles = reason != Reason::Rejected && self.queues.get(target).is_some_and(|to| is_cycle(headers, &to.name));
            if cycles {
                tracing::warn!(queue = %name, "dropped a message that goes in a circle of dead letters");
            }
            !cycles
        });
        let dead = Arc::new(dead);
        for target in targets {
            self.enqueue(target, Arc::clone(&dead));
        }
    }
}

impl Message {
    /// The same message as its queue gives it up, or `None` where it died in too many queues.
    fn dead(
        &self,
        queue: &ShortString,
        exchange: ShortString,
        key: Option<ShortString>,
        reason: Reason,
        now: Duration,
    ) -> Option<Self> {
        let mut headers = self.properties.headers().clone().unwrap_or_default();
        let mut keys = vec![text(self.routing_key.as_str())];
        keys.extend(publish::copy_keys(&headers, "CC").map(text));
        let mut deaths = match headers.inner().get("x-death") {
            Some(AMQPValue::FieldArray(deaths)) => deaths.as_slice().to_vec(),
            _ => Vec::new(),
        };
        let is_same = |death: &AMQPValue| {
            field(death, "queue") == Some(queue.as_str().as_bytes())
                && field(death, "reason") == Some(reason.name().as_bytes())
        };
        // The same queue for the same reason is counted; what it noted the first time stays.
        let newest = match deaths.iter().position(is_same).map(|at| deaths.remove(at)) {
            Some(AMQPValue::FieldTable(mut death)) => {
                let count = match death.inner().get("count") {
                    Some(AMQPValue::LongLongInt(count)) => count.saturating_add(1),
                    _ => 1,
                };
                death.insert("count".into(), AMQPValue::LongLongInt(count));
                death
            }
            _ => {
                let mut death = FieldTable::default();
                death.insert("count".into(), AMQPValue::LongLongInt(1));
                death.insert("reason".into(), text(reason.name()));
                death.insert("queue".into(), text(queue.as_str()));
                death.insert("time".into(), AMQPValue::Timestamp(now.as_secs()));
                death.insert("exchange".into(), text(self.exchange.as_str()));
                death.insert("routing-keys".into(), AMQPValue::FieldArray(keys.into()));
                if let Some(expiration) = self.properties.expiration() {
                    death.insert("original-expiration".into(), text(expiration.as_str()));
                }
                death
            }
        };
        deaths.insert(0, AMQPValue::FieldTable(newest));
        if deaths.len() > DEATHS_MAX {
            return None;
        }
        headers.insert(
            "x-death".into(),
            AMQPValue::FieldArray(FieldArray::from(deaths)),
        );
        for prefix in ["x-first-death", "x-last-death"] {
            let parts = [
                ("reason", reason.name()),
                ("queue", queue.as_str()),
                ("exchange", self.exchange.as_str()),
            ];
            if prefix == "x-last-death" || !headers.contains_key("x-first-death-reason") {
                for (part, value) in parts {
                    headers.insert(format!("{prefix}-{part}").into(), text(value));
                }
            }
        }
        if key.is_some() {
            headers = publish::without(&headers, "CC");
        }
        Some(Self {
            exchange,
            routing_key: key.unwrap_or_else(|| self.routing_key.clone()),
            properties: lasting(&self.properties).with_headers(headers),
            body: Arc::clone(&self.body),
            _hold: Arc::clone(&self._hold),
        })
    }
}

/// Whether a message comes back to a queue without anybody having rejected it in between: it would do so for ever.
fn is_cycle(headers: Option<&FieldTable>, queue: &ShortString) -> bool {
    let Some(AMQPValue::FieldArray(deaths)) =
        headers.and_then(|headers| headers.inner().get("x-death"))
    else {
        return false;
    };
    let mut deaths = deaths.as_slice().iter();
    let mut since = deaths
        .by_ref()
        .take_while(|death| field(death, "reason") != Some(b"rejected"));
    since.any(|death| field(death, "queue") == Some(queue.as_str().as_bytes()))
}

fn field<'a>(death: &'a AMQPValue, name: &str) -> Option<&'a [u8]> {
    match death {
        AMQPValue::FieldTable(death) => match death.inner().get(name) {
            Some(AMQPValue::LongString(value)) => Some(value.as_bytes()),
            _ => None,
        },
        _ => None,
    }
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

/// A copy of the properties without the expiration: what expired once does not expire again.
fn lasting(original: &BasicProperties) -> BasicProperties {
    type To = BasicProperties;
    let texts: [(&Option<ShortString>, fn(To, ShortString) -> To); 9] = [
        (original.content_type(), To::with_content_type),
        (original.content_encoding(), To::with_content_encoding),
        (original.correlation_id(), To::with_correlation_id),
        (original.reply_to(), To::with_reply_to),
        (original.message_id(), To::with_message_id),
        (original.kind(), To::with_type),
        (original.user_id(), To::with_user_id),
        (original.app_id(), To::with_app_id),
        (original.cluster_id(), To::with_cluster_id),
    ];
    let set = texts
        .into_iter()
        .filter_map(|(value, with)| Some((value.clone()?, with)));
    let mut copy = set.fold(To::default(), |copy, (value, with)| with(copy, value));
    if let Some(mode) = original.delivery_mode() {
        copy = copy.with_delivery_mode(*mode);
    }
    if let Some(priority) = original.priority() {
        copy = copy.with_priority(*priority);
    }
    match original.timestamp() {
        Some(timestamp) => copy.with_timestamp(*timestamp),
        None => copy,
    }
}
