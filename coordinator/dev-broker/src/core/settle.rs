//! What queues do by themselves, once an event is taken: they let messages expire, deliver them, drop what is too much,
//! and go away when nobody uses them.

use amq_protocol::types::ShortString;

use super::channel::{Unacked, channel_of};
use super::death::{EXPIRED, MAX_LENGTH};
use super::queue::{Entry, Queue, QueueId};
use super::{Core, Outgoing, Place, method};

impl Core {
    /// Lets each queue that was touched do what it must, until none is left.
    pub fn settle(&mut self) {
        while let Some(id) = self.touched.pop_first() {
            // What expires at this very moment may still be delivered: with a time to live of 0, only now.
            self.expire(id, false);
            while self.deliver(id).is_some() {}
            self.expire(id, true);
            self.give_up(id, MAX_LENGTH, Queue::pop_excess);
            let now = self.now;
            let Some(queue) = self.queues.get_mut(&id) else {
                continue;
            };
            let left = queue.auto_delete && queue.had_consumer && queue.consumers.is_empty();
            if left || queue.lapses().is_some_and(|lapses| lapses <= now) {
                self.remove_queue(id);
                continue;
            }
            let due = queue.due();
            if let Some(before) = std::mem::replace(&mut queue.scheduled, due) {
                self.due.remove(&(before, id));
            }
            self.due.extend(due.map(|due| (due, id)));
        }
    }

    /// Gives up the messages at the head of a queue that have come to their end.
    pub fn expire(&mut self, id: QueueId, inclusive: bool) {
        let now = self.now;
        self.give_up(id, EXPIRED, |queue| queue.pop_expired(now, inclusive));
    }

    fn give_up(&mut self, id: QueueId, why: &str, pop: impl Fn(&mut Queue) -> Option<Entry>) {
        while let Some(entry) = self.queues.get_mut(&id).and_then(&pop) {
            self.dead_letter(id, &entry.message, why);
        }
    }

    /// Hands out the first message to the next consumer that can take it; `None` when there is no such pair.
    fn deliver(&mut self, id: QueueId) -> Option<()> {
        let queue = self
            .queues
            .get(&id)
            .filter(|queue| !queue.ready.is_empty())?;
        let mut consumers = queue.consumers.iter();
        let next = consumers.position(|(place, tag)| self.can_take(*place, tag).is_some())?;
        let queue = self.queues.get_mut(&id)?;
        queue.consumers.rotate_left(next + 1);
        let (place, tag) = queue.consumers.back()?.clone();
        let entry = queue.pop()?;
        let message = entry.message.clone();
        let channel = channel_of(&mut self.connections, place).ok()?;
        channel.last_tag += 1;
        let method = method!(Basic basic Deliver {
            consumer_tag: tag.clone(),
            delivery_tag: channel.last_tag,
            redelivered: entry.returned > 0,
            exchange: message.exchange.clone(),
            routing_key: message.routing_key.clone(),
        });
        let consumer = channel.consumers.get_mut(&tag)?;
        if !consumer.no_ack {
            consumer.unacked += 1;
            channel.consumed += 1;
            let unacked = Unacked {
                queue: id,
                entry,
                consumer: Some(tag),
            };
            channel.unacked.insert(channel.last_tag, unacked);
        }
        self.push(place.0, Outgoing::Content(place.1, method, message));
        Some(())
    }

    fn can_take(&self, place: Place, tag: &ShortString) -> Option<()> {
        let client = self.connections.get(&place.0)?;
        let channel = client.channels.get(&place.1)?;
        let consumer = channel.consumers.get(tag)?;
        let fits = |limit: u16, has: usize| limit == 0 || has < usize::from(limit);
        let one = fits(consumer.prefetch, consumer.unacked);
        let all = fits(channel.prefetch_all, channel.consumed);
        (!client.is_full() && (consumer.no_ack || (one && all))).then_some(())
    }

    /// Removes a queue with its messages and bindings, and tells its consumers.
    pub fn remove_queue(&mut self, id: QueueId) {
        let Some(queue) = self.queues.remove(&id) else {
            return;
        };
        self.queue_names.remove(&queue.name);
        if let Some(scheduled) = queue.scheduled {
            self.due.remove(&(scheduled, id));
        }
        self.unbind_where(|_, binding| binding.queue == id);
        for (place, consumer_tag) in queue.consumers {
            if let Ok(channel) = self.channel(place) {
                channel.consumers.remove(&consumer_tag);
            }
            if self
                .connections
                .get(&place.0)
                .is_some_and(|client| client.cancel_notify)
            {
                self.send(
                    place,
                    method!(Basic basic Cancel { consumer_tag, nowait: true }),
                );
            }
        }
    }
}
