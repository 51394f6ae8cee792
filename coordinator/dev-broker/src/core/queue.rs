//! One queue: its messages in order, and who consumes them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use amq_protocol::types::{FieldTable, ShortString};

use super::arguments::Policy;
use super::{ConnectionId, Message, Place};
use crate::memory::Hold;

/// One queue; another of the same name, declared later, has another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct QueueId(pub(super) u64);

/// A queue of the broker.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) name: ShortString,
    pub(super) durable: bool,
    pub(super) auto_delete: bool,
    /// The connection it is exclusive to.
    pub(super) owner: Option<ConnectionId>,
    pub(super) arguments: FieldTable,
    pub(super) policy: Policy,
    /// By position, which a message keeps when it comes back.
    pub(super) ready: BTreeMap<u64, Entry>,
    pub(super) ready_bytes: usize,
    pub(super) next_position: u64,
    /// The next one to get a message comes first.
    pub(super) consumers: VecDeque<ConsumerKey>,
    pub(super) had_consumer: bool,
    /// When it was last declared, consumed or polled.
    pub(super) used: Duration,
    /// Where it stands in the core's list of what is due.
    pub(super) scheduled: Option<Duration>,
}

/// A message in a queue, or on its way to a consumer and perhaps back.
#[derive(Debug)]
pub(super) struct Entry {
    position: u64,
    pub(super) message: Arc<Message>,
    expires: Option<Duration>,
    /// How often it came back.
    pub(super) returned: u64,
    _hold: Hold,
}

/// A consumer, by channel and tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ConsumerKey {
    pub(super) place: Place,
    pub(super) tag: ShortString,
}

impl Queue {
    pub(super) fn new(name: ShortString, policy: Policy, now: Duration) -> Self {
        Self {
            name,
            durable: false,
            auto_delete: false,
            owner: None,
            arguments: FieldTable::default(),
            policy,
            ready: BTreeMap::new(),
            ready_bytes: 0,
            next_position: 0,
            consumers: VecDeque::new(),
            had_consumer: false,
            used: now,
            scheduled: None,
        }
    }

    /// Adds a message at the end.
    pub(super) fn push(
        &mut self,
        message: Arc<Message>,
        expiration: Option<Duration>,
        hold: Hold,
        now: Duration,
    ) {
        let ttl = [expiration, self.policy.ttl].into_iter().flatten().min();
        let entry = Entry {
            position: self.next_position,
            message,
            expires: ttl.map(|ttl| now.saturating_add(ttl)),
            returned: 0,
            _hold: hold,
        };
        self.next_position += 1;
        self.insert(entry);
    }

    /// Puts a message back to where it was.
    pub(super) fn put_back(&mut self, mut entry: Entry) {
        entry.returned += 1;
        self.insert(entry);
    }

    fn insert(&mut self, entry: Entry) {
        self.ready_bytes += entry.message.body.len();
        self.ready.insert(entry.position, entry);
    }

    /// Takes the first message.
    pub(super) fn pop(&mut self) -> Option<Entry> {
        let (_, entry) = self.ready.pop_first()?;
        self.ready_bytes -= entry.message.body.len();
        Some(entry)
    }

    /// Takes the first message if it has come to its end: before this moment, or by its end.
    ///
    /// Like RabbitMQ's classic queues: what expires behind the first waits until it is the first.
    pub(super) fn pop_expired(&mut self, now: Duration, inclusive: bool) -> Option<Entry> {
        let expires = self.ready.first_key_value()?.1.expires?;
        let expired = expires < now || (inclusive && expires == now);
        expired.then(|| self.pop()).flatten()
    }

    /// Takes the first message if there are too many.
    pub(super) fn pop_excess(&mut self) -> Option<Entry> {
        self.is_past(self.len(), self.ready_bytes)
            .then(|| self.pop())
            .flatten()
    }

    /// Whether one more message would be too many.
    pub(super) fn is_full_for(&self, body_bytes: usize) -> bool {
        self.is_past(self.len() + 1, self.ready_bytes + body_bytes)
    }

    fn is_past(&self, length: usize, bytes: usize) -> bool {
        let is_past = |limit: Option<usize>, is: usize| limit.is_some_and(|limit| is > limit);
        is_past(self.policy.length_max, length) || is_past(self.policy.bytes_max, bytes)
    }

    /// Takes everything that is ready; returns how many messages that was.
    pub(super) fn purge(&mut self) -> u32 {
        let count = self.count();
        self.ready.clear();
        self.ready_bytes = 0;
        count
    }

    pub(super) fn len(&self) -> usize {
        self.ready.len()
    }

    /// The messages that are ready, as the protocol counts.
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.len()).unwrap_or(u32::MAX)
    }

    /// When it goes away for lack of use.
    pub(super) fn lapses(&self) -> Option<Duration> {
        let expires = self.policy.expires.filter(|_| self.consumers.is_empty())?;
        Some(self.used.saturating_add(expires))
    }

    /// When it has to be looked at next though nobody asks.
    pub(super) fn due(&self) -> Option<Duration> {
        let first = self.ready.first_key_value();
        let expires = first.and_then(|(_, entry)| entry.expires);
        [expires, self.lapses()].into_iter().flatten().min()
    }
}
