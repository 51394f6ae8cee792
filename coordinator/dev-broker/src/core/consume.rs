//! Consumers, polling, and what becomes of deliveries.

use super::death::REJECTED;
use super::*;

/// Somebody who gets the messages of a queue.
pub struct Consumer {
    pub queue: QueueId,
    pub no_ack: bool,
    /// How many deliveries it may have without acknowledgement; 0 is no limit.
    pub prefetch: u16,
    pub unacked: usize,
}

impl Core {
    pub fn qos(&mut self, place: Place, qos: &basic::Qos) -> Answer {
        let channel = channel_of(&mut self.connections, place)?;
        match qos.global {
            true => channel.prefetch_all = qos.prefetch_count,
            false => channel.prefetch = qos.prefetch_count,
        }
        self.touched.extend(channel.queues());
        answer!((Basic basic QosOk {}))
    }

    pub fn consume(&mut self, place: Place, consume: basic::Consume) -> Answer {
        let id = self.accessible_queue(place, &consume.queue)?;
        let mut tag = consume.consumer_tag;
        if tag.as_str().is_empty() {
            tag = self.unique("amq.ctag");
        }
        let channel = channel_of(&mut self.connections, place)?;
        if channel.consumers.contains_key(&tag) {
            refuse!(NOT_ALLOWED => "attempt to reuse consumer tag '{tag}'");
        }
        if channel.consumers.len() >= CONSUMERS_MAX {
            refuse!(RESOURCE_ERROR => "more than {CONSUMERS_MAX} consumers on a channel");
        }
        if let Some(queue) = self.queues.get_mut(&id) {
            if queue.consumed_exclusively || (consume.exclusive && !queue.consumers.is_empty()) {
                refuse!(ACCESS_REFUSED => "queue '{}' in vhost '/' in exclusive use", queue.name);
            }
            queue.consumers.push_back((place, tag.clone()));
            (queue.consumed_exclusively, queue.had_consumer) = (consume.exclusive, true);
            let (no_ack, prefetch) = (consume.no_ack, channel.prefetch);
            let consumer = Consumer {
                queue: id,
                no_ack,
                prefetch,
                unacked: 0,
            };
            channel.consumers.insert(tag.clone(), consumer);
            self.touched.insert(id);
        }
        answer!(consume.nowait => (Basic basic ConsumeOk { consumer_tag: tag }))
    }

    pub fn cancel(&mut self, place: Place, cancel: basic::Cancel) -> Answer {
        let tag = cancel.consumer_tag;
        if let Some(consumer) = self.channel(place)?.consumers.remove(&tag) {
            self.leave(place, &tag, consumer.queue);
        }
        answer!(cancel.nowait => (Basic basic CancelOk { consumer_tag: tag }))
    }

    /// A consumer that is gone from its channel leaves its queue too.
    pub fn leave(&mut self, place: Place, tag: &ShortString, id: QueueId) {
        if let Some(queue) = self.queues.get_mut(&id) {
            let stays = |(at, other): &(Place, ShortString)| *at != place || other != tag;
            queue.consumers.retain(stays);
            queue.consumed_exclusively &= !queue.consumers.is_empty();
            queue.used = self.now;
            self.touched.insert(id);
        }
    }

    pub fn get(&mut self, place: Place, get: &basic::Get) -> Answer {
        let id = self.accessible_queue(place, &get.queue)?;
        self.expire(id, true);
        self.touched.insert(id);
        match self.hand_out(place, id, None, get.no_ack) {
            Some(()) => Ok(None),
            None => answer!((Basic basic GetEmpty {})),
        }
    }

    /// Sends the first message of a queue to a consumer, or to who polls; `None` when there is none.
    pub fn hand_out(&mut self, place: Place, id: QueueId, tag: Tag, no_ack: bool) -> Option<()> {
        let channel = channel_of(&mut self.connections, place).ok()?;
        let queue = self.queues.get_mut(&id)?;
        queue.used = self.now;
        let entry = queue.pop()?;
        channel.last_tag += 1;
        let (delivery_tag, redelivered) = (channel.last_tag, entry.redelivered);
        let (message, message_count) = (entry.message.clone(), queue.ready.len() as u32);
        let (exchange, routing_key) = message.address.clone();
        let method = match tag.clone() {
            Some(consumer_tag) => method!(Basic basic Deliver {
                consumer_tag, delivery_tag, redelivered, exchange, routing_key
            }),
            None => method!(Basic basic GetOk {
                delivery_tag, redelivered, exchange, routing_key, message_count
            }),
        };
        if !no_ack {
            if let Some(consumer) = tag.as_ref().and_then(|tag| channel.consumers.get_mut(tag)) {
                consumer.unacked += 1;
                channel.consumed += 1;
            }
            let unacked = Unacked(id, entry, tag);
            channel.unacked.insert(delivery_tag, unacked);
        }
        self.push(place.0, Outgoing::Method(place.1, method, Some(message)));
        Some(())
    }

    pub fn reject(&mut self, place: Place, tag: u64, multiple: bool, requeue: bool) -> Answer {
        for unacked in self.take_unacked(place, tag, multiple)? {
            match requeue {
                true => self.put_back(unacked),
                false => _ = self.dead_letter(unacked.0, &unacked.1.message, REJECTED),
            }
        }
        Ok(None)
    }

    /// Takes the deliveries that a tag names: it, or with `multiple` all up to it, where 0 is all there are.
    pub fn take_unacked(&mut self, place: Place, tag: u64, multiple: bool) -> Result<Vec<Unacked>> {
        let channel = channel_of(&mut self.connections, place)?;
        let tags = match (multiple, tag) {
            (true, 0) => 0..=u64::MAX,
            _ if !channel.unacked.contains_key(&tag) => {
                refuse!(PRECONDITION_FAILED => "unknown delivery tag {tag}")
            }
            (true, _) => 0..=tag,
            (false, _) => tag..=tag,
        };
        let taken = channel.unacked.extract_if(tags, |_, _| true);
        let taken: Vec<Unacked> = taken.map(|(_, unacked)| unacked).collect();
        for tag in taken.iter().filter_map(|unacked| unacked.2.as_ref()) {
            channel.consumed = channel.consumed.saturating_sub(1);
            if let Some(consumer) = channel.consumers.get_mut(tag) {
                consumer.unacked = consumer.unacked.saturating_sub(1);
                self.touched.insert(consumer.queue);
            }
        }
        // With a limit for the whole channel there is room now for all of its consumers.
        if channel.prefetch_all > 0 {
            self.touched.extend(channel.queues());
        }
        Ok(taken)
    }

    /// Puts a delivery back to where it was.
    pub fn put_back(&mut self, Unacked(id, entry, _): Unacked) {
        if let Some(queue) = self.queues.get_mut(&id) {
            queue.put_back(entry);
            self.touched.insert(id);
        }
    }
}
