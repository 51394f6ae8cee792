//! Exchanges, and where they send a message.

use std::collections::{BTreeSet, HashMap};

use amq_protocol::types::{FieldTable, ShortString};

use super::queue::QueueId;
use super::{Core, Message, matching};

/// An exchange of the broker; the default one, without a name, is none of them.
#[derive(Debug, Default)]
pub struct Exchange {
    /// One of `KINDS`.
    pub kind: &'static str,
    pub durable: bool,
    pub auto_delete: bool,
    pub internal: bool,
    pub bindings: Vec<Binding>,
}

#[derive(Debug, PartialEq)]
pub struct Binding {
    pub queue: QueueId,
    pub routing_key: ShortString,
    pub arguments: FieldTable,
}

/// The kinds there are. Of each, one exchange is always there.
pub const KINDS: [&str; 4] = ["direct", "fanout", "headers", "topic"];

/// The exchanges that are always there.
pub fn predeclared() -> HashMap<ShortString, Exchange> {
    let named = KINDS
        .map(|kind| (kind, kind))
        .into_iter()
        .chain([("match", "headers")]);
    let made = named.map(|(name, kind)| {
        let exchange = Exchange {
            kind,
            durable: true,
            ..Exchange::default()
        };
        (format!("amq.{name}").into(), exchange)
    });
    made.collect()
}

impl Core {
    /// The queues that get a message; each gets it once.
    pub fn route(&self, message: &Message) -> BTreeSet<QueueId> {
        let key = message.routing_key.as_str();
        if message.exchange.as_str().is_empty() {
            return self.queue_names.get(key).copied().into_iter().collect();
        }
        let Some(exchange) = self.exchanges.get(&message.exchange) else {
            return BTreeSet::new();
        };
        let headers = message.properties.headers().as_ref();
        let takes = |binding: &&Binding| match exchange.kind {
            "direct" => binding.routing_key.as_str() == key,
            "topic" => matching::topic(binding.routing_key.as_str(), key),
            "headers" => matching::headers(&binding.arguments, headers),
            _ => true,
        };
        let bindings = exchange.bindings.iter().filter(takes);
        bindings.map(|binding| binding.queue).collect()
    }

    /// Removes the bindings that a test picks; an exchange that goes away with its last binding goes.
    pub fn unbind_where(&mut self, gone: impl Fn(&ShortString, &Binding) -> bool) {
        self.exchanges.retain(|name, exchange| {
            let before = exchange.bindings.len();
            exchange.bindings.retain(|binding| !gone(name, binding));
            !exchange.auto_delete || !exchange.bindings.is_empty() || before == 0
        });
    }
}
