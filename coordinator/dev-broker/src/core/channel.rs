//! Channels and connections: which method goes where, and how both are closed.

use std::collections::BTreeMap;
use std::time::Duration;

use amq_protocol::protocol::{
    AMQPClass, access, basic, channel, confirm, connection, exchange, queue,
};
use amq_protocol::types::ShortString;

use super::consume::Consumer;
use super::queue::{Entry, QueueId};
use super::{ConnectionId, Core, Outgoing, Place, Result, method};
use crate::content::Request;
use crate::refusal::{Code, Refusal};

/// An open channel.
#[derive(Debug)]
pub(super) struct Channel {
    /// Told to close; only its confirmation counts.
    closing: bool,
    /// How many messages were published since the client asked for confirms, if it did.
    pub(super) confirms: Option<u64>,
    /// For each consumer that comes; 0 is no limit.
    pub(super) prefetch: u16,
    /// For all consumers together; 0 is no limit.
    pub(super) prefetch_all: u16,
    /// Whether the client takes deliveries.
    pub(super) flowing: bool,
    /// What an empty name stands for.
    pub(super) last_queue: Option<ShortString>,
    pub(super) last_tag: u64,
    pub(super) unacked: BTreeMap<u64, Unacked>,
    /// How many of them came to consumers.
    pub(super) consumed: usize,
    pub(super) consumers: BTreeMap<ShortString, Consumer>,
}

/// A delivery that waits for its acknowledgement.
#[derive(Debug)]
pub(super) struct Unacked {
    pub(super) queue: QueueId,
    pub(super) entry: Entry,
    /// Who got it; `None` for who polled.
    pub(super) consumer: Option<ShortString>,
}

impl Core {
    /// A client asks for something.
    pub(crate) fn request(&mut self, id: ConnectionId, request: Request, now: Duration) {
        self.now = now;
        let Some(client) = self.connections.get(&id) else {
            return;
        };
        if client.closing {
            if let Request::Method(0, AMQPClass::Connection(connection::AMQPMethod::CloseOk(_))) =
                request
            {
                self.push(id, Outgoing::End);
            }
            return;
        }
        let (channel, origin) = match &request {
            Request::Method(channel, method) => {
                let origin = (method.get_amqp_class_id(), method.get_amqp_method_id());
                (*channel, origin)
            }
            Request::Publish(channel, ..) => (*channel, PUBLISH),
        };
        let place = Place {
            connection: id,
            channel,
        };
        let done = match request {
            Request::Method(0, method) => self.connection_method(id, method),
            Request::Method(_, method) => self.channel_method(place, method),
            Request::Publish(_, publish, content) => match self.is_open(place) {
                Ok(true) => self.publish(place, publish, content),
                Ok(false) => Ok(()),
                Err(refusal) => Err(refusal),
            },
        };
        if let Err(refusal) = done {
            self.refuse(place, &refusal, origin);
        }
        self.settle();
    }

    /// A client sent what is no request: its connection is closed.
    pub(crate) fn fault(&mut self, id: ConnectionId, refusal: &Refusal, now: Duration) {
        self.now = now;
        if self
            .connections
            .get(&id)
            .is_some_and(|client| !client.closing)
        {
            let place = Place {
                connection: id,
                channel: 0,
            };
            self.refuse(place, refusal, (0, 0));
        }
        self.settle();
    }

    fn refuse(&mut self, place: Place, refusal: &Refusal, (class_id, method_id): (u16, u16)) {
        tracing::debug!(connection = place.connection.0, channel = place.channel, %refusal, "refused");
        let (reply_code, reply_text) = (refusal.code as u16, refusal.reply_text());
        if refusal.code.is_soft() && place.channel != 0 {
            self.release_channel(place);
            if let Some(channel) = self.channel(place) {
                channel.closing = true;
            }
            self.send(
                place,
                method!(
                    Channel,
                    channel,
                    Close {
                        reply_code,
                        reply_text,
                        class_id,
                        method_id
                    }
                ),
            );
            return;
        }
        self.release(place.connection);
        if let Some(client) = self.connections.get_mut(&place.connection) {
            client.closing = true;
        }
        let place = Place {
            channel: 0,
            ..place
        };
        self.send(
            place,
            method!(
                Connection,
                connection,
                Close {
                    reply_code,
                    reply_text,
                    class_id,
                    method_id
                }
            ),
        );
    }

    fn connection_method(&mut self, id: ConnectionId, method: AMQPClass) -> Result<()> {
        use connection::AMQPMethod::{Blocked, Close, Unblocked};
        match method {
            AMQPClass::Connection(Close(_)) => {
                self.release(id);
                let place = Place {
                    connection: id,
                    channel: 0,
                };
                self.send(place, method!(Connection, connection, CloseOk {}));
                self.push(id, Outgoing::End);
                Ok(())
            }
            AMQPClass::Connection(Blocked(_) | Unblocked(_)) => Ok(()),
            AMQPClass::Connection(_) => {
                Err(Code::CommandInvalid.because("unexpected connection method"))
            }
            _ => Err(Code::CommandInvalid.because("a method on channel 0 that belongs on another")),
        }
    }

    /// Whether a channel takes requests; false while it closes.
    fn is_open(&mut self, place: Place) -> Result<bool> {
        match self.channel(place) {
            Some(channel) => Ok(!channel.closing),
            None => Err(Code::ChannelError.because("expected 'channel.open'")),
        }
    }

    fn channel_method(&mut self, place: Place, method: AMQPClass) -> Result<()> {
        if let AMQPClass::Channel(method) = method {
            return self.channel_class(place, &method);
        }
        if !self.is_open(place)? {
            return Ok(());
        }
        match method {
            AMQPClass::Basic(method) => self.basic_method(place, method),
            AMQPClass::Queue(queue::AMQPMethod::Declare(declare)) => {
                self.declare_queue(place, declare)
            }
            AMQPClass::Queue(queue::AMQPMethod::Bind(bind)) => self.bind_queue(place, bind),
            AMQPClass::Queue(queue::AMQPMethod::Unbind(unbind)) => self.unbind_queue(place, unbind),
            AMQPClass::Queue(queue::AMQPMethod::Purge(purge)) => self.purge(place, purge),
            AMQPClass::Queue(queue::AMQPMethod::Delete(delete)) => self.delete_queue(place, delete),
            AMQPClass::Exchange(exchange::AMQPMethod::Declare(declare)) => {
                self.declare_exchange(place, declare)
            }
            AMQPClass::Exchange(exchange::AMQPMethod::Delete(delete)) => {
                self.delete_exchange(place, delete)
            }
            AMQPClass::Exchange(exchange::AMQPMethod::Bind(bind)) => {
                self.bind_exchange(place, bind)
            }
            AMQPClass::Exchange(exchange::AMQPMethod::Unbind(unbind)) => {
                self.unbind_exchange(place, unbind)
            }
            AMQPClass::Confirm(confirm::AMQPMethod::Select(select)) => {
                if let Some(channel) = self.channel(place) {
                    channel.confirms.get_or_insert(0);
                }
                self.answer(place, select.nowait, method!(Confirm, confirm, SelectOk {}))
            }
            AMQPClass::Access(access::AMQPMethod::Request(_)) => {
                self.answer(place, false, method!(Access, access, RequestOk {}))
            }
            AMQPClass::Tx(_) => {
                Err(Code::NotImplemented.because("no transactions; use publisher confirms"))
            }
            _ => Err(Code::CommandInvalid.because("a method that only a broker sends")),
        }
    }

    fn basic_method(&mut self, place: Place, method: basic::AMQPMethod) -> Result<()> {
        match method {
            basic::AMQPMethod::Qos(qos) => self.qos(place, &qos),
            basic::AMQPMethod::Consume(consume) => self.consume(place, consume),
            basic::AMQPMethod::Cancel(cancel) => self.cancel(place, cancel),
            basic::AMQPMethod::Get(get) => self.get(place, &get),
            basic::AMQPMethod::Ack(ack) => self.acknowledge(place, ack.delivery_tag, ack.multiple),
            basic::AMQPMethod::Reject(reject) => {
                self.reject(place, reject.delivery_tag, false, reject.requeue)
            }
            basic::AMQPMethod::Nack(nack) => {
                self.reject(place, nack.delivery_tag, nack.multiple, nack.requeue)
            }
            basic::AMQPMethod::Recover(recover) => {
                self.recover(place, recover.requeue)?;
                self.answer(place, false, method!(Basic, basic, RecoverOk {}))
            }
            basic::AMQPMethod::RecoverAsync(recover) => self.recover(place, recover.requeue),
            _ => Err(Code::CommandInvalid.because("a basic method that only a broker sends")),
        }
    }

    fn channel_class(&mut self, place: Place, method: &channel::AMQPMethod) -> Result<()> {
        let is_known = self.channel(place).is_some();
        match method {
            channel::AMQPMethod::Open(_) if is_known => {
                Err(Code::ChannelError.because("second 'channel.open' seen"))
            }
            channel::AMQPMethod::Open(_) => {
                if let Some(client) = self.connections.get_mut(&place.connection) {
                    client.channels.insert(place.channel, Channel::new());
                }
                self.answer(place, false, method!(Channel, channel, OpenOk {}))
            }
            channel::AMQPMethod::Close(_) => {
                self.forget_channel(place);
                self.answer(place, false, method!(Channel, channel, CloseOk {}))
            }
            channel::AMQPMethod::CloseOk(_) => {
                self.forget_channel(place);
                Ok(())
            }
            channel::AMQPMethod::Flow(flow) if is_known => {
                if let Some(channel) = self.channel(place) {
                    channel.flowing = flow.active;
                    let queues: Vec<QueueId> = channel.queues().collect();
                    self.touched.extend(queues);
                }
                self.answer(
                    place,
                    false,
                    method!(
                        Channel,
                        channel,
                        FlowOk {
                            active: flow.active
                        }
                    ),
                )
            }
            _ => Err(Code::ChannelError.because("expected 'channel.open'")),
        }
    }

    /// Answers, unless the client does not wait for it.
    pub(super) fn answer(&mut self, place: Place, nowait: bool, method: AMQPClass) -> Result<()> {
        if !nowait {
            self.send(place, method);
        }
        Ok(())
    }

    pub(super) fn channel(&mut self, place: Place) -> Option<&mut Channel> {
        let client = self.connections.get_mut(&place.connection)?;
        client.channels.get_mut(&place.channel)
    }

    fn forget_channel(&mut self, place: Place) {
        self.release_channel(place);
        if let Some(client) = self.connections.get_mut(&place.connection) {
            client.channels.remove(&place.channel);
        }
    }

    /// Ends the consumers of a channel and puts back what it has not acknowledged.
    fn release_channel(&mut self, place: Place) {
        let Some(channel) = self.channel(place) else {
            return;
        };
        channel.consumed = 0;
        let unacked = std::mem::take(&mut channel.unacked);
        let consumers = std::mem::take(&mut channel.consumers);
        for (tag, consumer) in consumers {
            self.leave(place, &tag, &consumer);
        }
        for unacked in unacked.into_values() {
            self.put_back(unacked);
        }
    }

    /// Gives back everything a connection has.
    pub(super) fn release(&mut self, id: ConnectionId) {
        let Some(client) = self.connections.get(&id) else {
            return;
        };
        let channels: Vec<u16> = client.channels.keys().copied().collect();
        for channel in channels {
            self.forget_channel(Place {
                connection: id,
                channel,
            });
        }
        let exclusive = self
            .queues
            .iter()
            .filter(|(_, queue)| queue.owner == Some(id));
        let exclusive: Vec<QueueId> = exclusive.map(|(queue, _)| *queue).collect();
        for queue in exclusive {
            self.remove_queue(queue);
        }
    }
}

impl Channel {
    fn new() -> Self {
        Self {
            closing: false,
            confirms: None,
            prefetch: 0,
            prefetch_all: 0,
            flowing: true,
            last_queue: None,
            last_tag: 0,
            unacked: BTreeMap::new(),
            consumed: 0,
            consumers: BTreeMap::new(),
        }
    }

    /// The queues it consumes.
    pub(super) fn queues(&self) -> impl Iterator<Item = QueueId> {
        self.consumers.values().map(|consumer| consumer.queue)
    }
}

/// Class and number of `basic.publish`.
const PUBLISH: (u16, u16) = (60, 40);
