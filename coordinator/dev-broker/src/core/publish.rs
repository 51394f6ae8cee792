//! Publishing: a message is checked, routed, returned if it must be and can't, and confirmed.

use super::*;
use crate::content::{Published, Unfit};

impl Core {
    pub fn publish(&mut self, place: Place, publish: basic::Publish, content: Published) -> Answer {
        let confirms = self.channel(place)?.confirms.as_mut();
        let delivery_tag = confirms.map_or(0, |number| {
            *number += 1;
            *number
        });
        let taken = match content {
            Ok(content) => {
                self.check(&publish, &content.properties)?;
                let (address, content) = ((publish.exchange, publish.routing_key), *content);
                let message = Arc::new(Message { address, content });
                self.distribute(place, message, publish.mandatory)
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
        let headers = properties.headers().as_ref().map(FieldTable::inner);
        if headers.is_some_and(|headers| headers.contains_key("CC") || headers.contains_key("BCC"))
        {
            refuse!(NOT_IMPLEMENTED => "no copies by CC or BCC");
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
            let (exchange, routing_key) = message.address.clone();
            let (reply_code, reply_text) = (312, "NO_ROUTE".into());
            let back =
                method!(Basic basic Return { reply_code, reply_text, exchange, routing_key });
            self.push(place.0, Outgoing::Method(place.1, back, Some(message)));
            return true;
        }
        let mut enqueue = |target| self.enqueue(target, Arc::clone(&message));
        let refused = targets.into_iter().filter(|target| !enqueue(*target));
        refused.count() == 0
    }

    /// Adds a message to a queue; false when the queue refuses it.
    pub fn enqueue(&mut self, id: QueueId, message: Arc<Message>) -> bool {
        let Some(queue) = self.queues.get_mut(&id) else {
            return true;
        };
        if queue.policy.rejects_excess && !queue.has_room(1) {
            return false;
        }
        let expiration = message.content.properties.expiration().as_ref();
        let milliseconds = expiration.and_then(|text| text.as_str().parse().ok());
        let ttl = milliseconds.map(Duration::from_millis).into_iter();
        let ttl = ttl.chain(queue.policy.ttl).min();
        let expires = ttl.map(|ttl| self.now.saturating_add(ttl));
        queue.push(message, expires, self.memory.charge(ENTRY_BYTES));
        self.touched.insert(id);
        true
    }
}
