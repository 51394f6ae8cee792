//! The broker itself: queues, exchanges, channels. It does no I/O and reads no clock; requests and the time come in as
//! arguments, and what is to be sent comes out as a list.
//!
//! A request changes what it changes and marks the queues it touched; `settle` then lets each of them do what it must:
//! expire, deliver, drop what is too much. Nothing is delivered anywhere else, so the order of things is the same
//! whatever the request was.

mod arguments;
mod channel;
mod consume;
mod death;
mod declare;
mod exchange;
mod matching;
mod publish;
mod queue;
mod settle;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use amq_protocol::protocol::{AMQPClass, BasicProperties};
use amq_protocol::types::ShortString;

use crate::memory::{Hold, Memory};
use crate::refusal::Refusal;
use channel::Channel;
use exchange::Exchange;
use queue::{Queue, QueueId};

/// One connection, as the core knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ConnectionId(pub(crate) u64);

/// A channel of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    connection: ConnectionId,
    channel: u16,
}

/// What is to be sent to a connection.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Method(u16, AMQPClass),
    Content(u16, AMQPClass, Arc<Message>),
    /// Nothing more: what came before is written, then the connection ends.
    End,
}

/// A message, shared by all queues and connections it is in.
#[derive(Debug)]
pub(crate) struct Message {
    exchange: ShortString,
    routing_key: ShortString,
    pub(crate) properties: BasicProperties,
    pub(crate) body: Arc<Vec<u8>>,
    _hold: Arc<Hold>,
}

/// All there is between two requests.
#[derive(Debug)]
pub(crate) struct Core {
    exchanges: HashMap<ShortString, Exchange>,
    queues: BTreeMap<QueueId, Queue>,
    queue_names: HashMap<ShortString, QueueId>,
    connections: BTreeMap<ConnectionId, Client>,
    /// When a queue has to be looked at though nobody asks.
    due: BTreeSet<(Duration, QueueId)>,
    touched: BTreeSet<QueueId>,
    output: Vec<(ConnectionId, Outgoing)>,
    memory: Memory,
    /// The time of the request at hand, since 1970.
    now: Duration,
    /// What makes names of this broker differ from those of the one that ran before.
    epoch: u128,
    serial: u64,
}

#[derive(Debug)]
struct Client {
    user: ShortString,
    /// Whether it wants to hear that a consumer has ended.
    cancel_notify: bool,
    channels: BTreeMap<u16, Channel>,
    /// Bytes that are on their way to it and not yet written.
    unwritten: usize,
    /// Told to close; only its confirmation counts.
    closing: bool,
}

type Result<T> = std::result::Result<T, Refusal>;

/// A method, written as the protocol's modules have it.
macro_rules! method {
    ($class:ident, $module:ident, $method:ident { $($fields:tt)* }) => {
        amq_protocol::protocol::AMQPClass::$class(amq_protocol::protocol::$module::AMQPMethod::$method(
            amq_protocol::protocol::$module::$method { $($fields)* },
        ))
    };
}
pub(crate) use method;

impl Core {
    /// A broker with nothing but the exchanges that are always there.
    pub(crate) fn new(memory: Memory, now: Duration) -> Self {
        let exchanges = exchange::predeclared();
        Self {
            exchanges: exchanges
                .map(|exchange| (exchange.name.clone(), exchange))
                .collect(),
            queues: BTreeMap::new(),
            queue_names: HashMap::new(),
            connections: BTreeMap::new(),
            due: BTreeSet::new(),
            touched: BTreeSet::new(),
            output: Vec::new(),
            memory,
            now,
            epoch: now.as_micros(),
            serial: 0,
        }
    }

    /// A client has logged in.
    pub(crate) fn connect(&mut self, id: ConnectionId, user: ShortString, cancel_notify: bool) {
        let client = Client {
            user,
            cancel_notify,
            channels: BTreeMap::new(),
            unwritten: 0,
            closing: false,
        };
        self.connections.insert(id, client);
    }

    /// A connection has ended, in whatever way.
    pub(crate) fn disconnect(&mut self, id: ConnectionId, now: Duration) {
        self.now = now;
        self.release(id);
        self.connections.remove(&id);
        self.settle();
    }

    /// So many bytes of what was sent to a connection are written.
    pub(crate) fn written(&mut self, id: ConnectionId, bytes: usize, now: Duration) {
        self.now = now;
        if let Some(client) = self.connections.get_mut(&id) {
            let was_full = client.is_full();
            client.unwritten = client.unwritten.saturating_sub(bytes);
            if was_full && !client.is_full() {
                let consumers = client.channels.values().flat_map(Channel::queues);
                self.touched.extend(consumers);
            }
        }
        self.settle();
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, now: Duration) {
        self.now = now;
        let due = self.due.iter().take_while(|(due, _)| *due <= now);
        self.touched.extend(due.map(|&(_, queue)| queue));
        self.settle();
    }

    /// When `tick` has something to do next.
    pub(crate) fn due(&self) -> Option<Duration> {
        self.due.first().map(|&(due, _)| due)
    }

    /// Takes what is to be sent.
    pub(crate) fn output(&mut self) -> Vec<(ConnectionId, Outgoing)> {
        std::mem::take(&mut self.output)
    }

    /// The connections that are open.
    pub(crate) fn connections(&self) -> Vec<ConnectionId> {
        self.connections.keys().copied().collect()
    }

    fn send(&mut self, to: Place, method: AMQPClass) {
        self.push(to.connection, Outgoing::Method(to.channel, method));
    }

    fn push(&mut self, id: ConnectionId, outgoing: Outgoing) {
        if let Some(client) = self.connections.get_mut(&id) {
            client.unwritten += outgoing.bytes();
            self.output.push((id, outgoing));
        }
    }

    /// A name that nobody has.
    fn unique(&mut self, prefix: &str) -> ShortString {
        self.serial += 1;
        format!("{prefix}-{:x}-{}", self.epoch, self.serial).into()
    }
}

impl Client {
    /// Whether so much waits to be written that nothing is added which can wait.
    fn is_full(&self) -> bool {
        self.unwritten >= crate::limits::OUTGOING_BYTES_MAX
    }
}

impl Outgoing {
    /// What it takes, roughly, until it is written.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Method(..) | Self::End => crate::limits::ENTRY_BYTES,
            Self::Content(_, _, message) => crate::limits::MESSAGE_BYTES + message.body.len(),
        }
    }
}
