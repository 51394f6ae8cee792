//! The broker itself. It does no I/O and reads no clock: events and the time come in, what is to be sent comes out.
//!
//! An event changes what it changes and marks the queues it touched; `settle` then lets each of them do what it must:
//! expire, deliver, drop what is too much. Nothing is delivered anywhere else.

mod arguments;
mod channel;
mod consume;
mod death;
mod declare;
mod exchange;
mod handshake;
mod matching;
mod publish;
mod queue;
mod settle;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use amq_protocol::protocol::{AMQPClass, BasicProperties, basic, confirm, connection};
use amq_protocol::types::{AMQPValue, FieldTable, ShortString};

use self::arguments::Policy;
use self::channel::{Channel, Tag, Unacked, channel_of};
use self::consume::Consumer;
use self::exchange::Exchange;
use self::handshake::{Client, Stage};
use self::queue::{Entry, Queue, QueueId};
use crate::content::{Content, Request};
use crate::limits::*;
use crate::memory::{Hold, Memory};
use crate::refusal::{Refusal, refuse};

/// One connection, as the core knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// A channel of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(ConnectionId, u16);

/// What happens with a connection.
pub enum Event {
    Connected,
    Request(Request),
    /// The client sent what is no request.
    Fault(Refusal),
    /// So many bytes of what was to be sent are written.
    Written(usize),
    Gone,
}

/// What is to be sent to a connection.
pub enum Outgoing {
    /// A method on a channel; with its message if it has one.
    Method(u16, AMQPClass, Option<Arc<Message>>),
    /// Nothing to send: how many bytes a frame may have from now on, and the interval of heartbeats.
    Tuned(usize, Option<Duration>),
    /// Nothing to send: the client was told that its connection is closed.
    Closing,
    /// Nothing more: what came before is written, then the connection ends.
    End,
}

/// A message, shared by all queues and connections it is in.
pub struct Message {
    /// Exchange and routing key.
    address: (ShortString, ShortString),
    pub content: Content,
}

/// All there is between two events.
#[derive(Default)]
pub struct Core {
    user: String,
    password: String,
    memory: Memory,
    exchanges: HashMap<ShortString, Exchange>,
    queues: BTreeMap<QueueId, Queue>,
    queue_names: HashMap<ShortString, QueueId>,
    connections: Connections,
    /// When a queue has to be looked at though nobody asks.
    due: BTreeSet<(Duration, QueueId)>,
    touched: BTreeSet<QueueId>,
    output: Vec<(ConnectionId, Outgoing)>,
    /// The time of the event at hand, since 1970.
    now: Duration,
    serial: u64,
}

type Connections = BTreeMap<ConnectionId, Client>;
type Result<T> = std::result::Result<T, Refusal>;
/// What a request is answered with, if it is.
type Answer = Result<Option<AMQPClass>>;

/// A method, written so that it stays on a line: `method!(Queue queue PurgeOk { message_count })`.
macro_rules! method {
    ($class:ident $module:ident $method:ident $fields:tt) => {{
        use amq_protocol::protocol::$module as class;
        amq_protocol::protocol::AMQPClass::$class(class::AMQPMethod::$method(class::$method $fields))
    }};
}
/// An answer with a method, unless the client does not wait for it.
macro_rules! answer {
    ($method:tt) => { Ok(Some(method! $method)) };
    ($nowait:expr => $method:tt) => { Ok(if $nowait { None } else { Some(method! $method) }) };
}
use {answer, method};

impl Core {
    /// A broker that one user may log in to, with nothing but the exchanges that are always there.
    pub fn new(user: String, password: String, memory: Memory) -> Self {
        let exchanges = exchange::predeclared();
        Self {
            user,
            password,
            memory,
            exchanges,
            ..Self::default()
        }
    }

    /// Something happens with a connection.
    pub fn take(&mut self, id: ConnectionId, event: Event, now: Duration) {
        self.now = now;
        match event {
            Event::Connected => self.greet(id),
            Event::Request(request) => {
                let (place, method) = (Place(id, request.0), &request.1);
                let origin = (method.get_amqp_class_id(), method.get_amqp_method_id());
                match self.serve(place, request) {
                    Ok(Some(answer)) => self.send(place, answer),
                    Ok(None) => {}
                    Err(refusal) => self.refuse(place, &refusal, origin),
                }
            }
            Event::Fault(refusal) => self.refuse(Place(id, 0), &refusal, (0, 0)),
            Event::Written(bytes) => self.written(id, bytes),
            Event::Gone => {
                self.release(id);
                self.connections.remove(&id);
            }
        }
        self.settle();
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Duration) {
        self.now = now;
        let due = self.due.iter().take_while(|(due, _)| *due <= now);
        self.touched.extend(due.map(|&(_, queue)| queue));
        self.settle();
    }

    /// When `tick` has something to do next.
    pub fn due(&self) -> Option<Duration> {
        self.due.first().map(|&(due, _)| due)
    }

    /// Takes what is to be sent.
    pub fn output(&mut self) -> Vec<(ConnectionId, Outgoing)> {
        std::mem::take(&mut self.output)
    }

    fn send(&mut self, Place(id, channel): Place, method: AMQPClass) {
        self.push(id, Outgoing::Method(channel, method, None));
    }

    fn push(&mut self, id: ConnectionId, outgoing: Outgoing) {
        if let Some(client) = self.connections.get_mut(&id) {
            client.unwritten += outgoing.bytes();
            self.output.push((id, outgoing));
        }
    }

    /// A name that nobody has, not even from a broker that ran before.
    fn unique(&mut self, prefix: &str) -> ShortString {
        self.serial += 1;
        format!("{prefix}-{:x}-{}", self.now.as_micros(), self.serial).into()
    }
}

impl Outgoing {
    /// What it takes, roughly, until it is written.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Method(_, _, Some(message)) => MESSAGE_BYTES + message.content.body.len(),
            _ => ENTRY_BYTES,
        }
    }
}
