//! One queue: its messages in order, and who consumes them.

use std::collections::VecDeque;

use super::*;

/// One queue; another of the same name, declared later, has another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueueId(pub u64);

/// A queue of the broker.
#[derive(Default)]
pub struct Queue {
    pub name: ShortString,
    /// Whether it is durable, and goes with its last consumer.
    pub flags: [bool; 2],
    /// The connection it is exclusive to.
    pub owner: Option<ConnectionId>,
    pub policy: Policy,
    /// By position, which a message keeps when it comes back.
    pub ready: BTreeMap<u64, Entry>,
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
pub struct Entry {
    position: u64,
    pub message: Arc<Message>,
    expires: Option<Duration>,
    pub redelivered: bool,
    _hold: Hold,
}

impl Queue {
    /// Adds a message at the end.
    pub fn push(&mut self, message: Arc<Message>, expires: Option<Duration>, _hold: Hold) {
        let (position, redelivered) = (self.next_position, false);
        self.next_position += 1;
        let entry = Entry {
            position,
            message,
            expires,
            redelivered,
            _hold,
        };
        self.ready.insert(position, entry);
    }

    /// Puts a message back to where it was.
    pub fn put_back(&mut self, mut entry: Entry) {
        entry.redelivered = true;
        self.ready.insert(entry.position, entry);
    }

    pub fn pop(&mut self) -> Option<Entry> {
        self.ready.pop_first().map(|(_, entry)| entry)
    }

    /// Takes the first message if its time was over before this moment, or `inclusive`ly is over now. As in RabbitMQ,
    /// what expires behind the first waits until it is the first.
    pub fn pop_expired(&mut self, now: Duration, inclusive: bool) -> Option<Entry> {
        let expires = self.ready.first_key_value()?.1.expires?;
        let expired = expires < now || (inclusive && expires == now);
        expired.then(|| self.pop()).flatten()
    }

    /// Takes the first message if there are too many.
    pub fn pop_excess(&mut self) -> Option<Entry> {
        if self.has_room(0) { None } else { self.pop() }
    }

    /// Whether there is room for so many messages more.
    pub fn has_room(&self, more: usize) -> bool {
        let length = (self.ready.len() + more) as u64;
        self.policy.length_max.is_none_or(|max| length <= max)
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
