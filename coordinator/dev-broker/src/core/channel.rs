//! Channels: which method goes where, and what becomes of a channel's things when it ends.

use amq_protocol::protocol::{channel, exchange, queue};

use super::*;

#[derive(Default)]
pub struct Channel {
    /// Told to close; only its confirmation counts.
    pub closing: bool,
    /// How many messages were published since the client asked for confirms, if it did.
    pub confirms: Option<u64>,
    /// For each consumer that comes; 0 is no limit.
    pub prefetch: u16,
    /// For all consumers together; 0 is no limit.
    pub prefetch_all: u16,
    /// What an empty name stands for.
    pub last_queue: ShortString,
    pub last_tag: u64,
    pub unacked: BTreeMap<u64, Unacked>,
    /// How many of them came to consumers.
    pub consumed: usize,
    pub consumers: BTreeMap<ShortString, Consumer>,
}

/// A delivery that waits for its acknowledgement: from which queue, what, and to whom.
pub struct Unacked(pub QueueId, pub Entry, pub Tag);

/// A consumer's tag; `None` stands for who polls.
pub type Tag = Option<ShortString>;

impl Channel {
    /// The queues it consumes.
    pub fn queues(&self) -> impl Iterator<Item = QueueId> {
        self.consumers.values().map(|consumer| consumer.queue)
    }
}

impl Core {
    pub fn serve(&mut self, place: Place, request: Request) -> Answer {
        use basic::AMQPMethod as Basic;
        use exchange::AMQPMethod as Exchange;
        use queue::AMQPMethod as Queue;
        let (Place(id, channel), Request(_, method, content)) = (place, request);
        if channel == 0 {
            return self.connection_method(id, method);
        }
        match self.connections.get(&id).map(|client| client.stage) {
            Some(Stage::Open) => {}
            Some(Stage::Closing) | None => return Ok(None),
            Some(_) => refuse!(COMMAND_INVALID => "the connection is not open"),
        }
        if let AMQPClass::Channel(method) = method {
            return self.channel_method(place, &method);
        }
        if self.channel(place)?.closing {
            return Ok(None);
        }
        match (method, content) {
            (AMQPClass::Basic(Basic::Publish(m)), Some(content)) => self.publish(place, m, content),
            (AMQPClass::Basic(Basic::Qos(m)), _) => self.qos(place, &m),
            (AMQPClass::Basic(Basic::Consume(m)), _) => self.consume(place, m),
            (AMQPClass::Basic(Basic::Cancel(m)), _) => self.cancel(place, m),
            (AMQPClass::Basic(Basic::Get(m)), _) => self.get(place, &m),
            (AMQPClass::Basic(Basic::Ack(m)), _) => {
                self.take_unacked(place, m.delivery_tag, m.multiple)?;
                Ok(None)
            }
            (AMQPClass::Basic(Basic::Reject(m)), _) => {
                self.reject(place, m.delivery_tag, false, m.requeue)
            }
            (AMQPClass::Basic(Basic::Nack(m)), _) => {
                self.reject(place, m.delivery_tag, m.multiple, m.requeue)
            }
            (AMQPClass::Queue(Queue::Declare(m)), _) => self.declare_queue(place, m),
            (AMQPClass::Queue(Queue::Bind(m)), _) => self.bind(place, m),
            (AMQPClass::Queue(Queue::Unbind(m)), _) => self.unbind(place, m),
            (AMQPClass::Queue(Queue::Purge(m)), _) => self.purge(place, &m),
            (AMQPClass::Queue(Queue::Delete(m)), _) => self.delete_queue(place, &m),
            (AMQPClass::Exchange(Exchange::Declare(m)), _) => self.declare_exchange(m),
            (AMQPClass::Exchange(Exchange::Delete(m)), _) => self.delete_exchange(&m),
            (AMQPClass::Confirm(confirm::AMQPMethod::Select(m)), _) => {
                self.channel(place)?.confirms.get_or_insert(0);
                answer!(m.nowait => (Confirm confirm SelectOk {}))
            }
            (AMQPClass::Access(_), _) => answer!((Access access RequestOk {})),
            (method, _) => refuse!(NOT_IMPLEMENTED => "class {} method {}",
                method.get_amqp_class_id(), method.get_amqp_method_id()),
        }
    }

    fn channel_method(&mut self, place: Place, method: &channel::AMQPMethod) -> Answer {
        use channel::AMQPMethod::{Close, CloseOk, Flow, Open};
        match method {
            Open(_) if self.channel(place).is_ok() => {
                refuse!(CHANNEL_ERROR => "second channel.open")
            }
            Open(_) => {
                let client = self.connections.get_mut(&place.0);
                client.map(|client| client.channels.insert(place.1, Channel::default()));
                answer!((Channel channel OpenOk {}))
            }
            Close(_) | CloseOk(_) => {
                self.release_channel(place);
                let client = self.connections.get_mut(&place.0);
                client.map(|client| client.channels.remove(&place.1));
                let is_confirmation = matches!(method, CloseOk(_));
                answer!(is_confirmation => (Channel channel CloseOk {}))
            }
            Flow(flow) if flow.active => answer!((Channel channel FlowOk { active: true })),
            _ => refuse!(NOT_IMPLEMENTED => "active=false"),
        }
    }

    pub fn channel(&mut self, place: Place) -> Result<&mut Channel> {
        channel_of(&mut self.connections, place)
    }

    /// Ends the consumers of a channel and puts back what it has not acknowledged. The channel takes no more requests.
    pub fn release_channel(&mut self, place: Place) {
        let Ok(channel) = self.channel(place) else {
            return;
        };
        let released = std::mem::take(channel);
        channel.closing = true;
        for (tag, consumer) in released.consumers {
            self.leave(place, &tag, consumer.queue);
        }
        for unacked in released.unacked.into_values() {
            self.put_back(unacked);
        }
    }

    /// Gives back everything a connection has.
    pub fn release(&mut self, id: ConnectionId) {
        let Some(client) = self.connections.get(&id) else {
            return;
        };
        for channel in Vec::from_iter(client.channels.keys().copied()) {
            self.release_channel(Place(id, channel));
        }
        for queue in Vec::from_iter(self.queues.keys().copied()) {
            if self.queues[&queue].owner == Some(id) {
                self.remove_queue(queue);
            }
        }
    }
}

/// A channel, borrowed so that the rest of the core can be had beside it.
pub fn channel_of(
    connections: &mut Connections,
    Place(id, channel): Place,
) -> Result<&mut Channel> {
    let client = connections.get_mut(&id);
    match client.and_then(|client| client.channels.get_mut(&channel)) {
        Some(channel) => Ok(channel),
        None => refuse!(CHANNEL_ERROR => "expected 'channel.open'"),
    }
}
