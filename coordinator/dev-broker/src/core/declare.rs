//! Queues and exchanges: declared, bound, emptied, deleted.

use amq_protocol::protocol::{exchange, queue};

use super::arguments::{assert_equivalent, assert_same};
use super::exchange::{Binding, KINDS};
use super::*;

impl Core {
    pub fn declare_queue(&mut self, place: Place, declare: queue::Declare) -> Answer {
        let nowait = declare.nowait;
        let id = match self.queue_names.get(&declare.queue) {
            _ if declare.passive => self.accessible_queue(place, &declare.queue)?,
            None => self.add_queue(place, declare)?,
            Some(id) => {
                let (queue, what) = (&self.queues[id], format!("queue '{}'", declare.queue));
                let flags = [declare.durable, declare.auto_delete];
                assert_equivalent(&what, &flags, &queue.flags)?;
                queue.policy.assert_equivalent(&what, &declare.arguments)?;
                if queue.owner != declare.exclusive.then_some(place.0) {
                    return Err(locked(&queue.name));
                }
                *id
            }
        };
        self.touched.insert(id);
        let queue = self.queues.entry(id);
        queue.and_modify(|queue| queue.used = self.now);
        let (queue, channel) = (&self.queues[&id], channel_of(&mut self.connections, place)?);
        let (message_count, consumer_count) =
            (queue.ready.len() as u32, queue.consumers.len() as u32);
        let name = queue.name.clone();
        channel.last_queue = name.clone();
        answer!(nowait => (Queue queue DeclareOk { queue: name, message_count, consumer_count }))
    }

    fn add_queue(&mut self, place: Place, declare: queue::Declare) -> Result<QueueId> {
        let (unique, mut name) = (self.unique("amq.gen"), declare.queue);
        if name.as_str().starts_with("amq.") {
            refuse!(ACCESS_REFUSED => "queue name '{name}' contains reserved prefix 'amq.*'");
        }
        if name.as_str().is_empty() {
            name = unique;
        }
        if self.queues.len() >= QUEUES_MAX {
            refuse!(RESOURCE_ERROR => "this broker has no more than {QUEUES_MAX} queues");
        }
        let id = QueueId(self.serial);
        let queue = Queue {
            policy: Policy::parse(name.as_str(), declare.arguments)?,
            name: name.clone(),
            flags: [declare.durable, declare.auto_delete],
            owner: declare.exclusive.then_some(place.0),
            ..Queue::default()
        };
        self.queues.insert(id, queue);
        self.queue_names.insert(name, id);
        Ok(id)
    }

    /// The name itself or, when it is empty, that of the queue that was declared last on the channel.
    fn queue_name(&mut self, place: Place, name: &ShortString) -> Result<ShortString> {
        if !name.as_str().is_empty() {
            return Ok(name.clone());
        }
        let last = self.channel(place)?.last_queue.clone();
        if last.as_str().is_empty() {
            refuse!(NOT_FOUND => "no previously declared queue");
        }
        Ok(last)
    }

    /// A queue that is there and not exclusive to somebody else.
    pub fn accessible_queue(&mut self, place: Place, name: &ShortString) -> Result<QueueId> {
        let name = self.queue_name(place, name)?;
        match self.queue_names.get(&name) {
            None => refuse!(NOT_FOUND => "no queue '{name}' in vhost '/'"),
            Some(id) => match self.queues[id].owner {
                Some(owner) if owner != place.0 => Err(locked(&name)),
                _ => Ok(*id),
            },
        }
    }

    pub fn purge(&mut self, place: Place, purge: &queue::Purge) -> Answer {
        let id = self.accessible_queue(place, &purge.queue)?;
        let message_count = self.queues[&id].ready.len() as u32;
        let queue = self.queues.entry(id);
        queue.and_modify(|queue| queue.ready.clear());
        self.touched.insert(id);
        answer!(purge.nowait => (Queue queue PurgeOk { message_count }))
    }

    pub fn delete_queue(&mut self, place: Place, delete: &queue::Delete) -> Answer {
        let name = self.queue_name(place, &delete.queue)?;
        let mut message_count = 0;
        if self.queue_names.contains_key(&name) {
            let id = self.accessible_queue(place, &name)?;
            let queue = &self.queues[&id];
            message_count = queue.ready.len() as u32;
            if delete.if_unused && !queue.consumers.is_empty() {
                refuse!(PRECONDITION_FAILED => "queue '{name}' in vhost '/' in use");
            }
            if delete.if_empty && message_count > 0 {
                refuse!(PRECONDITION_FAILED => "queue '{name}' in vhost '/' not empty");
            }
            self.remove_queue(id);
        }
        answer!(delete.nowait => (Queue queue DeleteOk { message_count }))
    }

    pub fn bind(&mut self, place: Place, bind: queue::Bind) -> Answer {
        not_default(&bind.exchange)?;
        let queue = self.accessible_queue(place, &bind.queue)?;
        let mut routing_key = bind.routing_key;
        if bind.queue.as_str().is_empty() && routing_key.as_str().is_empty() {
            routing_key = self.queues[&queue].name.clone();
        }
        self.existing_exchange(&bind.exchange)?;
        if let Some(exchange) = self.exchanges.get_mut(&bind.exchange) {
            let binding = Binding(queue, routing_key, bind.arguments);
            if exchange.bindings.len() >= BINDINGS_MAX {
                refuse!(RESOURCE_ERROR => "no exchange has more than {BINDINGS_MAX} bindings");
            }
            if !exchange.bindings.contains(&binding) {
                exchange.bindings.push(binding);
            }
        }
        answer!(bind.nowait => (Queue queue BindOk {}))
    }

    pub fn unbind(&mut self, place: Place, unbind: queue::Unbind) -> Answer {
        not_default(&unbind.exchange)?;
        let name = self.queue_name(place, &unbind.queue)?;
        if self.queue_names.contains_key(&name) {
            let queue = self.accessible_queue(place, &name)?;
            let gone = Binding(queue, unbind.routing_key, unbind.arguments);
            self.unbind_where(|exchange, binding| *exchange == unbind.exchange && *binding == gone);
        }
        answer!((Queue queue UnbindOk {}))
    }

    pub fn existing_exchange(&self, name: &ShortString) -> Result<&Exchange> {
        match self.exchanges.get(name) {
            Some(exchange) => Ok(exchange),
            None => refuse!(NOT_FOUND => "no exchange '{name}' in vhost '/'"),
        }
    }

    pub fn declare_exchange(&mut self, declare: exchange::Declare) -> Answer {
        let (name, asked) = (&declare.exchange, declare.kind.as_str());
        let kind = KINDS.into_iter().find(|kind| *kind == asked);
        let flags = [declare.durable, declare.auto_delete, declare.internal];
        match (self.exchanges.get(name), kind) {
            _ if declare.passive && name.as_str().is_empty() => {}
            _ if declare.passive => _ = self.existing_exchange(name)?,
            (_, None) => refuse!(COMMAND_INVALID => "unknown exchange type '{asked}'"),
            (Some(exchange), Some(kind)) => {
                let what = format!("exchange '{name}'");
                let [asked, current] = [kind, exchange.kind].map(|kind| format!("'{kind}'"));
                assert_same(&what, "type", &asked, &current)?;
                assert_equivalent(&what, &flags, &exchange.flags)?;
            }
            (None, Some(kind)) => {
                not_default(name)?;
                if name.as_str().starts_with("amq.") {
                    refuse!(ACCESS_REFUSED => "exchange name '{name}' contains reserved prefix 'amq.*'");
                }
                if declare.arguments.contains_key("alternate-exchange") {
                    refuse!(NOT_IMPLEMENTED => "alternate-exchange");
                }
                if self.exchanges.len() >= EXCHANGES_MAX {
                    refuse!(RESOURCE_ERROR => "this broker has no more than {EXCHANGES_MAX} exchanges");
                }
                let exchange = Exchange::new(kind, flags);
                self.exchanges.insert(name.clone(), exchange);
            }
        }
        answer!(declare.nowait => (Exchange exchange DeclareOk {}))
    }

    pub fn delete_exchange(&mut self, delete: &exchange::Delete) -> Answer {
        let name = &delete.exchange;
        not_default(name)?;
        if name.as_str().starts_with("amq.") {
            refuse!(ACCESS_REFUSED => "deletion of system exchange '{name}' in vhost '/' not allowed");
        }
        let exchange = self.exchanges.get(name);
        if delete.if_unused && exchange.is_some_and(|exchange| !exchange.bindings.is_empty()) {
            refuse!(PRECONDITION_FAILED => "exchange '{name}' in vhost '/' in use");
        }
        self.exchanges.remove(name);
        answer!(delete.nowait => (Exchange exchange DeleteOk {}))
    }
}

fn not_default(name: &ShortString) -> Result<()> {
    if name.as_str().is_empty() {
        refuse!(ACCESS_REFUSED => "operation not permitted on the default exchange");
    }
    Ok(())
}

fn locked(name: &ShortString) -> Refusal {
    let text = format!(
        "cannot obtain exclusive access to locked queue '{name}' in vhost '/'. It could be originally declared on \
         another connection or the exclusive property value does not match that of the original declaration."
    );
    let code = crate::refusal::RESOURCE_LOCKED;
    Refusal { code, text }
}
