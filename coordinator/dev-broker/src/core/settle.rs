//! What queues do once an event is taken: let messages expire, deliver them, drop what is too much, go away unused.

use super::death::{EXPIRED, MAX_LENGTH};
use super::*;

impl Core {
    /// Lets each queue that was touched do what it must, until none is left.
    pub fn settle(&mut self) {
        while let Some(id) = self.touched.pop_first() {
            // What expires at this very moment may still be delivered: with a time to live of 0, only now.
            self.expire(id, false);
            while self.deliver(id).is_some() {}
            self.expire(id, true);
            self.give_up(id, MAX_LENGTH, Queue::pop_excess);
            let Some(queue) = self.queues.get_mut(&id) else {
                continue;
            };
            let left = queue.flags[1] && queue.had_consumer && queue.consumers.is_empty();
            if left || queue.lapses().is_some_and(|lapses| lapses <= self.now) {
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
        let mut consumers = self.queues.get(&id)?.consumers.iter();
        let next = consumers.position(|(place, tag)| self.can_take(*place, tag).is_some())?;
        let consumers = &mut self.queues.get_mut(&id)?.consumers;
        consumers.rotate_left(next);
        let (place, tag) = consumers.front()?.clone();
        let no_ack = self.channel(place).ok()?.consumers.get(&tag)?.no_ack;
        self.hand_out(place, id, Some(tag), no_ack)?;
        self.queues.get_mut(&id)?.consumers.rotate_left(1);
        Some(())
    }

    fn can_take(&self, place: Place, tag: &ShortString) -> Option<()> {
        let client = self.connections.get(&place.0)?;
        let channel = client.channels.get(&place.1)?;
        let consumer = channel.consumers.get(tag)?;
        let fits = |limit: u16, has: usize| limit == 0 || has < usize::from(limit);
        let one = fits(consumer.prefetch, consumer.unacked);
        let all = fits(channel.prefetch_all, channel.consumed);
        let is_full = client.unwritten > OUTGOING_BYTES_MAX;
        (!is_full && (consumer.no_ack || (one && all))).then_some(())
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
        self.unbind_where(|_, binding| binding.0 == id);
        for (place, consumer_tag) in queue.consumers {
            if let Ok(channel) = self.channel(place) {
                channel.consumers.remove(&consumer_tag);
            }
            let client = self.connections.get(&place.0);
            if client.is_some_and(|client| client.cancel_notify) {
                let cancel = method!(Basic basic Cancel { consumer_tag, nowait: true });
                self.send(place, cancel);
            }
        }
    }
}
