//! Publishing: a message is checked, routed, returned if it must be and can't, and confirmed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use amq_protocol::protocol::{BasicProperties, basic};
use amq_protocol::types::{AMQPValue, FieldTable};

use super::arguments::Overflow;
use super::death::Reason;
use super::queue::QueueId;
use super::{Core, Message, Outgoing, Place, Result, method};
use crate::content::{Content, Unfit};
use crate::limits::{BODY_BYTES_MAX, ENTRY_BYTES};
use crate::refusal::Code;

impl Core {
    pub(super) fn publish(
        &mut self,
        place: Place,
        publish: basic::Publish,
        content: std::result::Result<Content, Unfit>,
    ) -> Result<()> {
        let number = self
            .channel(place)
            .and_then(|channel| channel.confirms.as_mut())
            .map(|number| {
                *number += 1;
                *number
            });
        let content = match content {
            Ok(content) => content,
            Err(Unfit::TooLarge(bytes)) => {
                let text = format!(
                    "message size {bytes} is larger than configured max size {BODY_BYTES_MAX}"
                );
                return Err(Code::PreconditionFailed.because(text));
            }
            Err(Unfit::MemoryFull) if number.is_some() => {
                self.confirm(place, number, false);
                return Ok(());
            }
            Err(Unfit::MemoryFull) => {
                return Err(Code::ResourceError.because("the broker's memory is full"));
            }
        };
        if publish.immediate {
            return Err(Code::NotImplemented.because("immediate=true"));
        }
        self.check(place, &publish, &content.properties)?;
        let (message, targets) = self.address(&publish, content);
        let message = Arc::new(message);
        if publish.mandatory && targets.is_empty() {
            let method = method!(
                Basic,
                basic,
                Return {
                    reply_code: 312,
                    reply_text: "NO_ROUTE".into(),
                    exchange: publish.exchange,
                    routing_key: publish.routing_key,
                }
            );
            let returned = Outgoing::Content(place.channel, method, Arc::clone(&message));
            self.push(place.connection, returned);
        }
        let mut taken = true;
        for target in targets {
            taken &= self.enqueue(target, Arc::clone(&message));
        }
        self.confirm(place, number, taken);
        Ok(())
    }

    /// What of a message would close the channel, whoever publishes it.
    fn check(
        &self,
        place: Place,
        publish: &basic::Publish,
        properties: &BasicProperties,
    ) -> Result<()> {
        let name = &publish.exchange;
        if !name.as_str().is_empty() {
            let missing = || Code::NotFound.because(format!("no exchange '{name}' in vhost '/'"));
            let exchange = self.exchanges.get(name).ok_or_else(missing)?;
            if exchange.internal {
                let text = format!("cannot publish to internal exchange '{name}' in vhost '/'");
                return Err(Code::AccessRefused.because(text));
            }
        }
        let user = self
            .connections
            .get(&place.connection)
            .map(|client| &client.user);
        if let Some((claimed, user)) = properties.user_id().as_ref().zip(user)
            && claimed != user
        {
            let text =
                format!("user_id property set to '{claimed}' but authenticated user was '{user}'");
            return Err(Code::PreconditionFailed.because(text));
        }
        if let Some(expiration) = properties.expiration()
            && expiration.as_str().parse::<u64>().is_err()
        {
            return Err(
                Code::PreconditionFailed.because(format!("invalid expiration '{expiration}'"))
            );
        }
        for copies in properties
            .headers()
            .iter()
            .flat_map(|headers| ["CC", "BCC"].map(|name| (name, headers)))
        {
            if let (name, Some(value)) = (copies.0, copies.1.inner().get(copies.0))
                && !matches!(value, AMQPValue::FieldArray(_))
            {
                return Err(Code::PreconditionFailed
                    .because(format!("unsupported type of the {name} header")));
            }
        }
        Ok(())
    }

    /// Makes the message and finds the queues it goes to: by its key and those of its copies.
    fn address(&self, publish: &basic::Publish, content: Content) -> (Message, BTreeSet<QueueId>) {
        let mut properties = content.properties;
        let mut keys = vec![publish.routing_key.as_str().to_owned()];
        let mut stripped = None;
        if let Some(headers) = properties.headers() {
            for name in ["CC", "BCC"] {
                keys.extend(copy_keys(headers, name).map(str::to_owned));
            }
            // Nobody else is to know of blind copies.
            stripped = headers.contains_key("BCC").then(|| without(headers, "BCC"));
        }
        if let Some(headers) = stripped {
            properties = properties.with_headers(headers);
        }
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        let targets = self.route(
            publish.exchange.as_str(),
            &keys,
            properties.headers().as_ref(),
        );
        let message = Message {
            exchange: publish.exchange.clone(),
            routing_key: publish.routing_key.clone(),
            properties,
            body: Arc::new(content.body),
            _hold: Arc::new(content.hold),
        };
        (message, targets)
    }

    /// Adds a message to a queue; false when the queue refuses it.
    pub(super) fn enqueue(&mut self, id: QueueId, message: Arc<Message>) -> bool {
        let Some(queue) = self.queues.get_mut(&id) else {
            return true;
        };
        if queue.policy.overflow != Overflow::DropHead && queue.is_full_for(message.body.len()) {
            if queue.policy.overflow == Overflow::RejectDeadLetter {
                self.dead_letter(id, &message, Reason::MaxLength);
            }
            return false;
        }
        let expiration = message.properties.expiration().as_ref();
        let expiration = expiration.and_then(|text| text.as_str().parse().ok());
        let hold = self.memory.charge(ENTRY_BYTES);
        queue.push(
            message,
            expiration.map(Duration::from_millis),
            hold,
            self.now,
        );
        self.touched.insert(id);
        true
    }

    fn confirm(&mut self, place: Place, number: Option<u64>, taken: bool) {
        let Some(delivery_tag) = number else {
            return;
        };
        let method = if taken {
            method!(
                Basic,
                basic,
                Ack {
                    delivery_tag,
                    multiple: false
                }
            )
        } else {
            method!(
                Basic,
                basic,
                Nack {
                    delivery_tag,
                    multiple: false,
                    requeue: false
                }
            )
        };
        self.send(place, method);
    }
}

/// The routing keys in a header of copies.
pub(super) fn copy_keys<'a>(headers: &'a FieldTable, name: &str) -> impl Iterator<Item = &'a str> {
    let keys = match headers.inner().get(name) {
        Some(AMQPValue::FieldArray(keys)) => keys.as_slice(),
        _ => &[],
    };
    keys.iter().filter_map(|key| match key {
        AMQPValue::LongString(key) => std::str::from_utf8(key.as_bytes()).ok(),
        _ => None,
    })
}

/// The headers without one.
pub(super) fn without(headers: &FieldTable, name: &str) -> FieldTable {
    let mut rest = headers.inner().clone();
    rest.remove(name);
    rest.into()
}
