//! One queue: its messages in order, and who consumes them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use amq_protocol::types::ShortString;

use super::arguments::Policy;
use super::{ConnectionId, Message, Place};
use crate::memory::Hold;

/// One queue; another of the same name, declared later, has another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueueId(pub u64);

/// A queue of the broker.
#[derive(Debug, Default)]
pub struct Queue {
    pub name: ShortString,
    pub durable: bool,
    pub auto_delete: bool,
    /// The connection it is exclusive to.
    pub owner: Option<ConnectionId>,
    pub policy: Policy,
    /// By position, which a message keeps when it comes back.
    pub ready: BTreeMap<u64, Entry>,
    pub ready_bytes: usize,
    pub next_position: u64,
    /// By channel and tag; the next one to get a message comes first.
    pub consumers: VecDeque<(Place, ShortString)>,
    /// Whether its one consumer wants no other.
    pub consumed_exclusively: bool,
    pub had_consumer: bool,
    /// When it was last declared, consumed or polled.
    pub used: Duration,
    /// Where it stands in the core's list of what is due.
    pub scheduled: Option<Duration>,
}

/// A message in a queue, or on its way to a consumer and perhaps back.
#[derive(Debug)]
pub struct Entry {
    position: u64,
    pub message: Arc<Message>,
    expires: Option<Duration>,
    /// How often it came back.
    pub returned: u64,
    _hold: Hold,
}

impl Queue {
    /// Adds a message at the end.
    pub fn push(
        &mut self,
        message: Arc<Message>,
        expiration: Option<Duration>,
        hold: Hold,
        now: Duration,
    ) {
        let ttl = expiration.into_iter().chain(self.policy.ttl).min();
        self.insert(Entry {
            position: self.next_position,
            message,
            expires: ttl.map(|ttl| now.saturating_add(ttl)),
            returned: 0,
            _hold: hold,
        });
        self.next_position += 1;
    }

    /// Puts a message back to where it was.
    pub fn put_back(&mut self, mut entry: Entry) {
        entry.returned += 1;
        self.insert(entry);
    }

    fn insert(&mut self, entry: Entry) {
        self.ready_bytes += entry.message.body.len();
        self.ready.insert(entry.position, entry);
    }

    /// Takes the first message.
    pub fn pop(&mut self) -> Option<Entry> {
        let (_, entry) = self.ready.pop_first()?;
        self.ready_bytes -= entry.message.body.len();
        Some(entry)
    }

    /// Takes the first message if its time was over before this moment, or `inclusive`ly is over now.
    ///
    /// As in RabbitMQ's classic queues, what expires behind the first waits until it is the first.
    pub fn pop_expired(&mut self, now: Duration, inclusive: bool) -> Option<Entry> {
        let expires = self.ready.first_key_value()?.1.expires?;
        let expired = expires < now || (inclusive && expires == now);
        expired.then(|| self.pop()).flatten()
    }

    /// Takes the first message if there are too many.
    pub fn pop_excess(&mut self) -> Option<Entry> {
        let excess = self.is_past(self.ready.len(), self.ready_bytes);
        excess.then(|| self.pop()).flatten()
    }

    /// Whether one more message would be too many.
    pub fn is_full_for(&self, body_bytes: usize) -> bool {
        self.is_past(self.ready.len() + 1, self.ready_bytes + body_bytes)
    }

    fn is_past(&self, length: usize, bytes: usize) -> bool {
        let is_past = |limit: Option<u64>, is: usize| limit.is_some_and(|limit| is as u64 > limit);
        is_past(self.policy.length_max, length) || is_past(self.policy.bytes_max, bytes)
    }

    /// The messages that are ready, as the protocol counts.
    pub fn count(&self) -> u32 {
        u32::try_from(self.ready.len()).unwrap_or(u32::MAX)
    }

    /// When it goes away for lack of use.
    pub fn lapses(&self) -> Option<Duration> {
        let expires = self.policy.expires.filter(|_| self.consumers.is_empty())?;
        Some(self.used.saturating_add(expires))
    }

    /// When it has to be looked at next though nobody asks.
    pub fn due(&self) -> Option<Duration> {
        let first = self.ready.first_key_value();
        let expires = first.and_then(|(_, entry)| entry.expires);
        expires.into_iter().chain(self.lapses()).min()
    }
}
