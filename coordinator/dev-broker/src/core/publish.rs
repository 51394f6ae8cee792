//! Publishing: a message is checked, routed, returned if it must be and can't, and confirmed.

use amq_protocol::protocol::basic;

use super::*;
use crate::content::{Content, Unfit};
use crate::limits::BODY_BYTES_MAX;

impl Core {
    pub fn publish(
        &mut self,
        place: Place,
        publish: basic::Publish,
        content: std::result::Result<Content, Unfit>,
    ) -> Answer {
        let confirms = self.channel(place)?.confirms.as_mut();
        let delivery_tag = confirms.map_or(0, |number| {
            *number += 1;
            *number
        });
        let taken = match content {
            Ok(Content {
                properties,
                body,
                hold,
            }) => {
                self.check(&publish, &properties)?;
                let (exchange, routing_key) = (publish.exchange, publish.routing_key);
                let (body, hold) = (Arc::new(body), Arc::new(hold));
                let message = Message {
                    exchange,
                    routing_key,
                    properties,
                    body,
                    hold,
                };
                self.distribute(place, Arc::new(message), publish.mandatory)
            }
            Err(Unfit::TooLarge(bytes)) => refuse!(PRECONDITION_FAILED =>
                "message size {bytes} is larger than configured max size {BODY_BYTES_MAX}"),
            Err(Unfit::MemoryFull) if delivery_tag > 0 => false,
            Err(Unfit::MemoryFull) => refuse!(RESOURCE_ERROR => "the broker's memory is full"),
        };
        Ok(match taken {
            _ if delivery_tag == 0 => None,
            true => Some(method!(Basic basic Ack { delivery_tag, multiple: false })),
            false => {
                Some(method!(Basic basic Nack { delivery_tag, multiple: false, requeue: false }))
            }
        })
    }

    /// Whether anything of a message closes the channel, or more.
    fn check(&self, publish: &basic::Publish, properties: &BasicProperties) -> Result<()> {
        if publish.immediate {
            refuse!(NOT_IMPLEMENTED => "immediate=true");
        }
        let name = &publish.exchange;
        if !name.as_str().is_empty() && self.existing_exchange(name)?.flags[2] {
            refuse!(ACCESS_REFUSED => "cannot publish to internal exchange '{name}' in vhost '/'");
        }
        match properties.user_id() {
            Some(claimed) if claimed.as_str() != self.user => refuse!(PRECONDITION_FAILED =>
                "user_id property set to '{claimed}' but authenticated user was '{}'", self.user),
            _ => {}
        }
        match properties.expiration() {
            Some(text) if text.as_str().parse::<u64>().is_err() => {
                refuse!(PRECONDITION_FAILED => "invalid expiration '{text}'")
            }
            _ => Ok(()),
        }
    }

    /// Adds a message to its queues, or returns it; false when a queue refuses it.
    fn distribute(&mut self, place: Place, message: Arc<Message>, mandatory: bool) -> bool {
        let targets = self.route(&message);
        if mandatory && targets.is_empty() {
            let method = method!(Basic basic Return {
                reply_code: 312,
                reply_text: "NO_ROUTE".into(),
                exchange: message.exchange.clone(),
                routing_key: message.routing_key.clone(),
            });
            self.push(place.0, Outgoing::Method(place.1, method, Some(message)));
            return true;
        }
        let mut taken = true;
        for target in targets {
            taken &= self.enqueue(target, Arc::clone(&message));
        }
        taken
    }

    /// Adds a message to a queue; false when the queue refuses it.
    pub fn enqueue(&mut self, id: QueueId, message: Arc<Message>) -> bool {
        let Some(queue) = self.queues.get_mut(&id) else {
            return true;
        };
        if queue.policy.rejects_excess && !queue.has_room(1) {
            return false;
        }
        let expiration = message.properties.expiration().as_ref();
        let milliseconds = expiration.and_then(|text| text.as_str().parse().ok());
        let ttl = milliseconds.map(Duration::from_millis).into_iter();
        let ttl = ttl.chain(queue.policy.ttl).min();
        let expires = ttl.map(|ttl| self.now.saturating_add(ttl));
        queue.push(message, expires, self.memory.charge(ENTRY_BYTES));
        self.touched.insert(id);
        true
    }
}
