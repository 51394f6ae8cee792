//! What queues do by themselves, once a request is done: they let messages expire, deliver them, drop what is too much,
//! and go away when nobody uses them.

use super::channel::{Channel, Unacked};
use super::consume::Consumer;
use super::death::Reason;
use super::queue::{ConsumerKey, QueueId};
use super::{Client, Core, Outgoing, Place, method};

impl Core {
    /// Lets each queue that was touched do what it must, until none is left.
    pub(super) fn settle(&mut self) {
        while let Some(id) = self.touched.pop_first() {
            // What expires at this very moment may still be delivered: with a time to live of 0, only now.
            self.expire(id, false);
            self.deliver(id);
            self.expire(id, true);
            while let Some(entry) = self
                .queues
                .get_mut(&id)
                .and_then(|queue| queue.pop_excess())
            {
                self.dead_letter(id, &entry.message, Reason::MaxLength);
            }
            if self.queues.get(&id).is_some_and(|queue| {
                let unused = queue.auto_delete && queue.had_consumer && queue.consumers.is_empty();
                unused || queue.lapses().is_some_and(|lapses| lapses <= self.now)
            }) {
                self.remove_queue(id);
            }
            self.schedule(id);
        }
    }

    /// Gives up the messages at the head of a queue that have come to their end.
    pub(super) fn expire(&mut self, id: QueueId, inclusive: bool) {
        let now = self.now;
        while let Some(entry) = self
            .queues
            .get_mut(&id)
            .and_then(|queue| queue.pop_expired(now, inclusive))
        {
            self.dead_letter(id, &entry.message, Reason::Expired);
        }
    }

    fn schedule(&mut self, id: QueueId) {
        let Some(queue) = self.queues.get_mut(&id) else {
            return;
        };
        let due = queue.due();
        if queue.scheduled == due {
            return;
        }
        if let Some(before) = std::mem::replace(&mut queue.scheduled, due) {
            self.due.remove(&(before, id));
        }
        self.due.extend(due.map(|due| (due, id)));
    }

    /// Hands out messages for as long as somebody takes them, to each consumer in turn.
    fn deliver(&mut self, id: QueueId) {
        loop {
            let Some(queue) = self.queues.get_mut(&id).filter(|queue| queue.len() > 0) else {
                return;
            };
            let connections = &self.connections;
            let takes = |key: &ConsumerKey| {
                let client = connections.get(&key.place.connection);
                client.is_some_and(|client| client.takes(key))
            };
            let Some(next) = queue.consumers.iter().position(takes) else {
                return;
            };
            queue.consumers.rotate_left(next + 1);
            let Some((key, entry)) = queue.consumers.back().cloned().zip(queue.pop()) else {
                return;
            };
            let message = entry.message.clone();
            let Some(channel) = self.channel(key.place) else {
                return;
            };
            channel.last_tag += 1;
            let method = method!(
                Basic,
                basic,
                Deliver {
                    consumer_tag: key.tag.clone(),
                    delivery_tag: channel.last_tag,
                    redelivered: entry.returned > 0,
                    exchange: message.exchange.clone(),
                    routing_key: message.routing_key.clone(),
                }
            );
            channel.note(
                key.tag,
                Unacked {
                    queue: id,
                    entry,
                    consumer: None,
                },
            );
            let Place {
                connection,
                channel,
            } = key.place;
            self.push(connection, Outgoing::Content(channel, method, message));
        }
    }

    /// Removes a queue with its messages and bindings, and tells its consumers.
    pub(super) fn remove_queue(&mut self, id: QueueId) {
        let Some(queue) = self.queues.remove(&id) else {
            return;
        };
        self.queue_names.remove(&queue.name);
        if let Some(scheduled) = queue.scheduled {
            self.due.remove(&(scheduled, id));
        }
        let destination = super::exchange::Destination::Queue(id);
        self.unbind_where(|_, binding| binding.destination == destination);
        for ConsumerKey { place, tag } in queue.consumers {
            if let Some(channel) = self.channel(place) {
                channel.consumers.remove(&tag);
            }
            if self
                .connections
                .get(&place.connection)
                .is_some_and(|client| client.cancel_notify)
            {
                self.send(
                    place,
                    method!(
                        Basic,
                        basic,
                        Cancel {
                            consumer_tag: tag,
                            nowait: true
                        }
                    ),
                );
            }
        }
    }
}

impl Client {
    /// Whether a consumer of this client can get one more message.
    fn takes(&self, key: &ConsumerKey) -> bool {
        let Some(channel) = self.channels.get(&key.place.channel) else {
            return false;
        };
        let takes = |consumer: &Consumer| consumer.no_ack || channel.has_room(consumer);
        !self.is_full() && channel.flowing && channel.consumers.get(&key.tag).is_some_and(takes)
    }
}

impl Channel {
    fn has_room(&self, consumer: &Consumer) -> bool {
        let fits = |limit: u16, has: usize| limit == 0 || has < usize::from(limit);
        fits(consumer.prefetch, consumer.unacked) && fits(self.prefetch_all, self.consumed)
    }

    /// Notes the delivery that was just numbered, unless its consumer does not acknowledge.
    fn note(&mut self, tag: amq_protocol::types::ShortString, unacked: Unacked) {
        if let Some(consumer) = self
            .consumers
            .get_mut(&tag)
            .filter(|consumer| !consumer.no_ack)
        {
            consumer.unacked += 1;
            self.consumed += 1;
            let consumer = Some(tag);
            self.unacked.insert(
                self.last_tag,
                Unacked {
                    consumer,
                    ..unacked
                },
            );
        }
    }
}
