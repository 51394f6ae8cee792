//! Queues and exchanges: declared, bound, emptied, deleted.

use amq_protocol::protocol::{exchange, queue};
use amq_protocol::types::ShortString;

use super::arguments::{Policy, assert_equivalent};
use super::exchange::{Binding, Destination, Exchange, Kind};
use super::queue::{Queue, QueueId};
use super::{Core, Place, Result, method};
use crate::limits::{BINDINGS_MAX, EXCHANGES_MAX, QUEUES_MAX};
use crate::refusal::{Code, Refusal};

impl Core {
    pub(super) fn declare_queue(&mut self, place: Place, declare: queue::Declare) -> Result<()> {
        let mut name = declare.queue.clone();
        let mut known = self.queue_names.get(&name).copied();
        if declare.passive {
            known = Some(self.accessible_queue(place, &name)?);
        } else if let Some(id) = known {
            let queue = &self.queues[&id];
            let fields = [
                (
                    "durable",
                    declare.durable.to_string(),
                    queue.durable.to_string(),
                ),
                (
                    "auto_delete",
                    declare.auto_delete.to_string(),
                    queue.auto_delete.to_string(),
                ),
            ];
            let what = format!("queue '{name}'");
            assert_equivalent(&what, &fields, &declare.arguments, &queue.arguments)?;
            let owner = declare.exclusive.then_some(place.connection);
            if queue.owner != owner {
                return Err(locked(&name));
            }
        }
        if known.is_none() {
            if name.as_str().is_empty() {
                name = self.unique("amq.gen");
            } else if name.as_str().starts_with("amq.") {
                return Err(reserved("queue", &name));
            }
            self.add_queue(place, &name, &declare)?;
            known = self.queue_names.get(&name).copied();
        }
        let now = self.now;
        let Some((id, queue)) = known.and_then(|id| Some((id, self.queues.get_mut(&id)?))) else {
            return Ok(());
        };
        queue.used = now;
        let (queue, message_count) = (queue.name.clone(), queue.count());
        let consumer_count = u32::try_from(self.queues[&id].consumers.len()).unwrap_or(u32::MAX);
        self.touched.insert(id);
        if let Some(channel) = self.channel(place) {
            channel.last_queue = Some(queue.clone());
        }
        let answer = method!(
            Queue,
            queue,
            DeclareOk {
                queue,
                message_count,
                consumer_count
            }
        );
        self.answer(place, declare.nowait, answer)
    }

    fn add_queue(
        &mut self,
        place: Place,
        name: &ShortString,
        declare: &queue::Declare,
    ) -> Result<()> {
        let policy = Policy::parse(name.as_str(), &declare.arguments)?;
        if self.queues.len() >= QUEUES_MAX {
            return Err(too_many(QUEUES_MAX, "queues"));
        }
        self.serial += 1;
        let id = QueueId(self.serial);
        let queue = Queue {
            durable: declare.durable,
            auto_delete: declare.auto_delete,
            owner: declare.exclusive.then_some(place.connection),
            arguments: declare.arguments.clone(),
            ..Queue::new(name.clone(), policy, self.now)
        };
        self.queues.insert(id, queue);
        self.queue_names.insert(name.clone(), id);
        Ok(())
    }

    /// The name itself, or the queue that was declared last on the channel when it is empty.
    fn queue_name(&mut self, place: Place, name: &ShortString) -> Result<ShortString> {
        if !name.as_str().is_empty() {
            return Ok(name.clone());
        }
        let last = self
            .channel(place)
            .and_then(|channel| channel.last_queue.clone());
        last.ok_or_else(|| Code::NotFound.because("no previously declared queue"))
    }

    /// A queue that is there and not exclusive to somebody else.
    pub(super) fn accessible_queue(&mut self, place: Place, name: &ShortString) -> Result<QueueId> {
        let name = self.queue_name(place, name)?;
        let id = self.queue_names.get(&name).copied();
        let id =
            id.ok_or_else(|| Code::NotFound.because(format!("no queue '{name}' in vhost '/'")))?;
        match self.queues[&id].owner {
            Some(owner) if owner != place.connection => Err(locked(&name)),
            _ => Ok(id),
        }
    }

    pub(super) fn purge(&mut self, place: Place, purge: queue::Purge) -> Result<()> {
        let id = self.accessible_queue(place, &purge.queue)?;
        let message_count = self.queues.get_mut(&id).map_or(0, Queue::purge);
        self.touched.insert(id);
        self.answer(
            place,
            purge.nowait,
            method!(Queue, queue, PurgeOk { message_count }),
        )
    }

    pub(super) fn delete_queue(&mut self, place: Place, delete: queue::Delete) -> Result<()> {
        let name = self.queue_name(place, &delete.queue)?;
        let mut message_count = 0;
        if self.queue_names.contains_key(&name) {
            let id = self.accessible_queue(place, &name)?;
            let queue = &self.queues[&id];
            message_count = queue.count();
            if delete.if_unused && !queue.consumers.is_empty() {
                return Err(
                    Code::PreconditionFailed.because(format!("queue '{name}' in vhost '/' in use"))
                );
            }
            if delete.if_empty && message_count > 0 {
                return Err(Code::PreconditionFailed
                    .because(format!("queue '{name}' in vhost '/' not empty")));
            }
            self.remove_queue(id);
        }
        self.answer(
            place,
            delete.nowait,
            method!(Queue, queue, DeleteOk { message_count }),
        )
    }

    pub(super) fn bind_queue(&mut self, place: Place, bind: queue::Bind) -> Result<()> {
        let queue = self.accessible_queue(place, &bind.queue)?;
        let mut routing_key = bind.routing_key;
        if bind.queue.as_str().is_empty() && routing_key.as_str().is_empty() {
            routing_key = self.queues[&queue].name.clone();
        }
        let (destination, arguments) = (Destination::Queue(queue), bind.arguments);
        self.bind(
            &bind.exchange,
            Binding {
                destination,
                routing_key,
                arguments,
            },
        )?;
        self.answer(place, bind.nowait, method!(Queue, queue, BindOk {}))
    }

    pub(super) fn unbind_queue(&mut self, place: Place, unbind: queue::Unbind) -> Result<()> {
        not_default(&unbind.exchange)?;
        let name = self.queue_name(place, &unbind.queue)?;
        if self.queue_names.contains_key(&name) {
            let destination = Destination::Queue(self.accessible_queue(place, &name)?);
            let (routing_key, arguments) = (unbind.routing_key, unbind.arguments);
            self.unbind(
                &unbind.exchange,
                &Binding {
                    destination,
                    routing_key,
                    arguments,
                },
            );
        }
        self.answer(place, false, method!(Queue, queue, UnbindOk {}))
    }

    pub(super) fn bind_exchange(&mut self, place: Place, bind: exchange::Bind) -> Result<()> {
        not_default(&bind.destination)?;
        self.existing_exchange(&bind.destination)?;
        let (destination, routing_key) =
            (Destination::Exchange(bind.destination), bind.routing_key);
        self.bind(
            &bind.source,
            Binding {
                destination,
                routing_key,
                arguments: bind.arguments,
            },
        )?;
        self.answer(place, bind.nowait, method!(Exchange, exchange, BindOk {}))
    }

    pub(super) fn unbind_exchange(&mut self, place: Place, unbind: exchange::Unbind) -> Result<()> {
        not_default(&unbind.source)?;
        let (destination, routing_key) = (
            Destination::Exchange(unbind.destination),
            unbind.routing_key,
        );
        self.unbind(
            &unbind.source,
            &Binding {
                destination,
                routing_key,
                arguments: unbind.arguments,
            },
        );
        self.answer(
            place,
            unbind.nowait,
            method!(Exchange, exchange, UnbindOk {}),
        )
    }

    fn bind(&mut self, source: &ShortString, binding: Binding) -> Result<()> {
        not_default(source)?;
        self.existing_exchange(source)?;
        let all: usize = self
            .exchanges
            .values()
            .map(|exchange| exchange.bindings.len())
            .sum();
        match self.exchanges.get_mut(source) {
            Some(exchange) if exchange.bindings.contains(&binding) => {}
            Some(_) if all >= BINDINGS_MAX => return Err(too_many(BINDINGS_MAX, "bindings")),
            Some(exchange) => exchange.bindings.push(binding),
            None => {}
        }
        Ok(())
    }

    fn unbind(&mut self, source: &ShortString, gone: &Binding) {
        self.unbind_where(|exchange, binding| exchange.name == *source && binding == gone);
    }

    fn existing_exchange(&self, name: &ShortString) -> Result<&Exchange> {
        let missing = || Code::NotFound.because(format!("no exchange '{name}' in vhost '/'"));
        self.exchanges.get(name).ok_or_else(missing)
    }

    pub(super) fn declare_exchange(
        &mut self,
        place: Place,
        declare: exchange::Declare,
    ) -> Result<()> {
        let name = &declare.exchange;
        if declare.passive {
            if !name.as_str().is_empty() {
                self.existing_exchange(name)?;
            }
        } else {
            not_default(name)?;
            let kind = Kind::parse(declare.kind.as_str())?;
            match self.exchanges.get(name) {
                Some(exchange) => assert_same(exchange, kind, &declare)?,
                None if name.as_str().starts_with("amq.") => {
                    return Err(reserved("exchange", name));
                }
                None if self.exchanges.len() >= EXCHANGES_MAX => {
                    return Err(too_many(EXCHANGES_MAX, "exchanges"));
                }
                None => {
                    let exchange = Exchange {
                        durable: declare.durable,
                        auto_delete: declare.auto_delete,
                        internal: declare.internal,
                        arguments: declare.arguments,
                        ..Exchange::new(name.clone(), kind)
                    };
                    self.exchanges.insert(name.clone(), exchange);
                }
            }
        }
        self.answer(
            place,
            declare.nowait,
            method!(Exchange, exchange, DeclareOk {}),
        )
    }

    pub(super) fn delete_exchange(&mut self, place: Place, delete: exchange::Delete) -> Result<()> {
        let name = &delete.exchange;
        not_default(name)?;
        if name.as_str().starts_with("amq.") {
            let text = format!("deletion of system exchange '{name}' in vhost '/' not allowed");
            return Err(Code::AccessRefused.because(text));
        }
        let is_used = self
            .exchanges
            .get(name)
            .is_some_and(|exchange| !exchange.bindings.is_empty());
        if delete.if_unused && is_used {
            return Err(
                Code::PreconditionFailed.because(format!("exchange '{name}' in vhost '/' in use"))
            );
        }
        self.remove_exchange(name);
        self.answer(
            place,
            delete.nowait,
            method!(Exchange, exchange, DeleteOk {}),
        )
    }
}

fn assert_same(exchange: &Exchange, kind: Kind, declare: &exchange::Declare) -> Result<()> {
    let fields = [
        (
            "type",
            kind.name().to_owned(),
            exchange.kind.name().to_owned(),
        ),
        (
            "durable",
            declare.durable.to_string(),
            exchange.durable.to_string(),
        ),
        (
            "auto_delete",
            declare.auto_delete.to_string(),
            exchange.auto_delete.to_string(),
        ),
        (
            "internal",
            declare.internal.to_string(),
            exchange.internal.to_string(),
        ),
    ];
    let what = format!("exchange '{}'", exchange.name);
    assert_equivalent(&what, &fields, &declare.arguments, &exchange.arguments)
}

fn not_default(name: &ShortString) -> Result<()> {
    if name.as_str().is_empty() {
        return Err(Code::AccessRefused.because("operation not permitted on the default exchange"));
    }
    Ok(())
}

fn reserved(what: &str, name: &ShortString) -> Refusal {
    Code::AccessRefused.because(format!(
        "{what} name '{name}' contains reserved prefix 'amq.*'"
    ))
}

fn locked(name: &ShortString) -> Refusal {
    Code::ResourceLocked.because(format!(
        "cannot obtain exclusive access to locked queue '{name}' in vhost '/'. It could be originally declared on \
         another connection or the exclusive property value does not match that of the original declaration."
    ))
}

fn too_many(max: usize, what: &str) -> Refusal {
    Code::ResourceError.because(format!("this broker has no more than {max} {what}"))
}
