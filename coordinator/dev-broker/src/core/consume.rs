//! Consumers, polling, and what becomes of deliveries.

use amq_protocol::protocol::basic;
use amq_protocol::types::ShortString;

use super::channel::Unacked;
use super::death::Reason;
use super::queue::{ConsumerKey, QueueId};
use super::{Core, Outgoing, Place, Result, method};
use crate::limits::CONSUMERS_MAX;
use crate::refusal::Code;

/// Somebody who gets the messages of a queue.
#[derive(Debug)]
pub(super) struct Consumer {
    pub(super) queue: QueueId,
    pub(super) no_ack: bool,
    pub(super) exclusive: bool,
    /// How many deliveries it may have without acknowledgement; 0 is no limit.
    pub(super) prefetch: u16,
    pub(super) unacked: usize,
}

impl Core {
    pub(super) fn qos(&mut self, place: Place, qos: &basic::Qos) -> Result<()> {
        if let Some(channel) = self.channel(place) {
            if qos.global {
                channel.prefetch_all = qos.prefetch_count;
            } else {
                channel.prefetch = qos.prefetch_count;
            }
            let queues: Vec<QueueId> = channel.queues().collect();
            self.touched.extend(queues);
        }
        self.answer(place, false, method!(Basic, basic, QosOk {}))
    }

    pub(super) fn consume(&mut self, place: Place, consume: basic::Consume) -> Result<()> {
        let id = self.accessible_queue(place, &consume.queue)?;
        let mut tag = consume.consumer_tag;
        if tag.as_str().is_empty() {
            tag = self.unique("amq.ctag");
        }
        let now = self.now;
        let channel = self
            .channel(place)
            .ok_or_else(|| Code::ChannelError.because("no channel"))?;
        if channel.consumers.contains_key(&tag) {
            return Err(Code::NotAllowed.because(format!("attempt to reuse consumer tag '{tag}'")));
        }
        if channel.consumers.len() >= CONSUMERS_MAX {
            return Err(Code::ResourceError
                .because(format!("more than {CONSUMERS_MAX} consumers on a channel")));
        }
        let consumer = Consumer {
            queue: id,
            no_ack: consume.no_ack,
            exclusive: consume.exclusive,
            prefetch: channel.prefetch,
            unacked: 0,
        };
        if self.is_consumed_exclusively(id)
            || (consume.exclusive && !self.queues[&id].consumers.is_empty())
        {
            let name = &self.queues[&id].name;
            return Err(Code::AccessRefused
                .because(format!("queue '{name}' in vhost '/' in exclusive use")));
        }
        if let Some(channel) = self.channel(place) {
            channel.consumers.insert(tag.clone(), consumer);
        }
        if let Some(queue) = self.queues.get_mut(&id) {
            let key = ConsumerKey {
                place,
                tag: tag.clone(),
            };
            queue.consumers.push_back(key);
            (queue.had_consumer, queue.used) = (true, now);
        }
        self.touched.insert(id);
        self.answer(
            place,
            consume.nowait,
            method!(Basic, basic, ConsumeOk { consumer_tag: tag }),
        )
    }

    fn is_consumed_exclusively(&self, id: QueueId) -> bool {
        let only = self
            .queues
            .get(&id)
            .and_then(|queue| queue.consumers.front());
        let consumer = only.and_then(|key| {
            let client = self.connections.get(&key.place.connection)?;
            client
                .channels
                .get(&key.place.channel)?
                .consumers
                .get(&key.tag)
        });
        consumer.is_some_and(|consumer| consumer.exclusive)
    }

    pub(super) fn cancel(&mut self, place: Place, cancel: basic::Cancel) -> Result<()> {
        let tag = cancel.consumer_tag;
        let consumer = self
            .channel(place)
            .and_then(|channel| channel.consumers.remove(&tag));
        if let Some(consumer) = consumer {
            self.leave(place, &tag, &consumer);
        }
        self.answer(
            place,
            cancel.nowait,
            method!(Basic, basic, CancelOk { consumer_tag: tag }),
        )
    }

    /// A consumer, already gone from its channel, leaves its queue too.
    pub(super) fn leave(&mut self, place: Place, tag: &ShortString, consumer: &Consumer) {
        let now = self.now;
        if let Some(queue) = self.queues.get_mut(&consumer.queue) {
            queue
                .consumers
                .retain(|key| key.place != place || key.tag != *tag);
            queue.used = now;
            self.touched.insert(consumer.queue);
        }
    }

    pub(super) fn get(&mut self, place: Place, get: &basic::Get) -> Result<()> {
        let id = self.accessible_queue(place, &get.queue)?;
        self.expire(id, true);
        let now = self.now;
        let popped = self.queues.get_mut(&id).and_then(|queue| {
            queue.used = now;
            Some((queue.pop()?, queue.count()))
        });
        self.touched.insert(id);
        let Some((entry, message_count)) = popped else {
            return self.answer(place, false, method!(Basic, basic, GetEmpty {}));
        };
        let message = entry.message.clone();
        let Some(channel) = self.channel(place) else {
            return Ok(());
        };
        channel.last_tag += 1;
        let method = method!(
            Basic,
            basic,
            GetOk {
                delivery_tag: channel.last_tag,
                redelivered: entry.returned > 0,
                exchange: message.exchange.clone(),
                routing_key: message.routing_key.clone(),
                message_count,
            }
        );
        if !get.no_ack {
            let unacked = Unacked {
                queue: id,
                entry,
                consumer: None,
            };
            channel.unacked.insert(channel.last_tag, unacked);
        }
        self.push(
            place.connection,
            Outgoing::Content(place.channel, method, message),
        );
        Ok(())
    }

    pub(super) fn acknowledge(&mut self, place: Place, tag: u64, multiple: bool) -> Result<()> {
        self.take_unacked(place, tag, multiple).map(drop)
    }

    pub(super) fn reject(
        &mut self,
        place: Place,
        tag: u64,
        multiple: bool,
        requeue: bool,
    ) -> Result<()> {
        for unacked in self.take_unacked(place, tag, multiple)? {
            if requeue {
                self.put_back(unacked);
            } else {
                self.dead_letter(unacked.queue, &unacked.entry.message, Reason::Rejected);
            }
        }
        Ok(())
    }

    pub(super) fn recover(&mut self, place: Place, requeue: bool) -> Result<()> {
        if !requeue {
            return Err(Code::NotImplemented.because("requeue=false"));
        }
        self.reject(place, 0, true, true)
    }

    /// Takes the deliveries that a tag names: it, or with `multiple` all up to it, where 0 is all there are.
    fn take_unacked(&mut self, place: Place, tag: u64, multiple: bool) -> Result<Vec<Unacked>> {
        let Some(channel) = self.channel(place) else {
            return Ok(Vec::new());
        };
        let taken: Vec<Unacked> = if multiple && tag == 0 {
            std::mem::take(&mut channel.unacked).into_values().collect()
        } else if !channel.unacked.contains_key(&tag) {
            return Err(Code::PreconditionFailed.because(format!("unknown delivery tag {tag}")));
        } else if multiple {
            let rest = channel.unacked.split_off(&(tag + 1));
            std::mem::replace(&mut channel.unacked, rest)
                .into_values()
                .collect()
        } else {
            channel.unacked.remove(&tag).into_iter().collect()
        };
        let mut queues = Vec::new();
        for unacked in &taken {
            let Some(tag) = &unacked.consumer else {
                continue;
            };
            channel.consumed = channel.consumed.saturating_sub(1);
            if let Some(consumer) = channel.consumers.get_mut(tag) {
                consumer.unacked = consumer.unacked.saturating_sub(1);
                queues.push(consumer.queue);
            }
        }
        // With a limit for the whole channel there is room now for all of its consumers.
        if channel.prefetch_all > 0 {
            queues.extend(channel.queues());
        }
        self.touched.extend(queues);
        Ok(taken)
    }

    /// Puts a delivery back to where it was, or gives it up when it came back too often.
    pub(super) fn put_back(&mut self, unacked: Unacked) {
        let Unacked {
            queue: id, entry, ..
        } = unacked;
        let Some(queue) = self.queues.get_mut(&id) else {
            return;
        };
        if queue
            .policy
            .returns_max
            .is_some_and(|max| entry.returned >= max)
        {
            return self.dead_letter(id, &entry.message, Reason::DeliveryLimit);
        }
        queue.put_back(entry);
        self.touched.insert(id);
    }
}
