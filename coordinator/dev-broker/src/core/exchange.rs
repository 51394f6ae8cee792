//! Exchanges, and where they send a message.

use std::collections::{BTreeSet, HashSet};

use amq_protocol::types::{AMQPValue, FieldTable, ShortString};

use super::queue::QueueId;
use super::{Core, Result, matching};
use crate::refusal::Code;

/// An exchange of the broker; the default one, without a name, is none of them.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) name: ShortString,
    pub(super) kind: Kind,
    pub(super) durable: bool,
    pub(super) auto_delete: bool,
    pub(super) internal: bool,
    pub(super) arguments: FieldTable,
    pub(super) bindings: Vec<Binding>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Direct,
    Fanout,
    Topic,
    Headers,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Binding {
    pub(super) destination: Destination,
    pub(super) routing_key: ShortString,
    pub(super) arguments: FieldTable,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Destination {
    Queue(QueueId),
    Exchange(ShortString),
}

impl Kind {
    /// The kind of this name. RabbitMQ closes the connection over one that it does not know.
    pub(super) fn parse(name: &str) -> Result<Self> {
        let kinds = [Self::Direct, Self::Fanout, Self::Topic, Self::Headers];
        let kind = kinds.into_iter().find(|kind| kind.name() == name);
        kind.ok_or_else(|| Code::CommandInvalid.because(format!("unknown exchange type '{name}'")))
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Fanout => "fanout",
            Self::Topic => "topic",
            Self::Headers => "headers",
        }
    }

    fn matches(self, binding: &Binding, key: &str, headers: Option<&FieldTable>) -> bool {
        match self {
            Self::Direct => binding.routing_key.as_str() == key,
            Self::Fanout => true,
            Self::Topic => matching::topic(binding.routing_key.as_str(), key),
            Self::Headers => matching::headers(&binding.arguments, headers),
        }
    }
}

/// The exchanges that are always there.
pub(super) fn predeclared() -> impl Iterator<Item = Exchange> {
    let exchanges = [
        ("amq.direct", Kind::Direct),
        ("amq.fanout", Kind::Fanout),
        ("amq.headers", Kind::Headers),
        ("amq.match", Kind::Headers),
        ("amq.topic", Kind::Topic),
    ];
    exchanges.into_iter().map(|(name, kind)| Exchange {
        durable: true,
        ..Exchange::new(name.into(), kind)
    })
}

impl Exchange {
    pub(super) fn new(name: ShortString, kind: Kind) -> Self {
        Self {
            name,
            kind,
            durable: false,
            auto_delete: false,
            internal: false,
            arguments: FieldTable::default(),
            bindings: Vec::new(),
        }
    }

    fn alternate(&self) -> Option<&str> {
        match self.arguments.inner().get("alternate-exchange") {
            Some(AMQPValue::LongString(name)) => std::str::from_utf8(name.as_bytes()).ok(),
            _ => None,
        }
    }
}

impl Core {
    /// The queues that get a message with these routing keys; each gets it once.
    pub(super) fn route(
        &self,
        exchange: &str,
        keys: &[&str],
        headers: Option<&FieldTable>,
    ) -> BTreeSet<QueueId> {
        let mut queues = BTreeSet::new();
        let (mut seen, mut open) = (HashSet::from([exchange]), vec![exchange]);
        while let Some(name) = open.pop() {
            if name.is_empty() {
                queues.extend(keys.iter().filter_map(|key| self.queue_names.get(*key)));
                continue;
            }
            let Some(exchange) = self.exchanges.get(name) else {
                continue;
            };
            let fits = |binding: &&Binding| {
                let mut keys = keys.iter();
                keys.any(|key| exchange.kind.matches(binding, key, headers))
            };
            let mut found = false;
            for binding in exchange.bindings.iter().filter(fits) {
                found = true;
                match &binding.destination {
                    Destination::Queue(queue) => _ = queues.insert(*queue),
                    Destination::Exchange(next) if seen.insert(next.as_str()) => {
                        open.push(next.as_str())
                    }
                    Destination::Exchange(_) => {}
                }
            }
            open.extend(
                exchange
                    .alternate()
                    .filter(|alternate| !found && seen.insert(alternate)),
            );
        }
        queues
    }

    /// Removes the bindings that a test picks; an exchange that goes away with its last binding goes.
    pub(super) fn unbind_where(&mut self, gone: impl Fn(&Exchange, &Binding) -> bool) {
        let mut emptied = Vec::new();
        for exchange in self.exchanges.values_mut() {
            let mut bindings = std::mem::take(&mut exchange.bindings);
            let before = bindings.len();
            bindings.retain(|binding| !gone(exchange, binding));
            if bindings.is_empty() && before > 0 && exchange.auto_delete {
                emptied.push(exchange.name.clone());
            }
            exchange.bindings = bindings;
        }
        for name in emptied {
            self.remove_exchange(&name);
        }
    }

    /// Removes an exchange and what is bound to it or by it.
    pub(super) fn remove_exchange(&mut self, name: &ShortString) {
        self.exchanges.remove(name);
        let destination = Destination::Exchange(name.clone());
        self.unbind_where(|_, binding| binding.destination == destination);
    }
}
