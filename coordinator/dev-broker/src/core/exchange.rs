//! Exchanges, and where they send a message.

use super::*;

/// An exchange of the broker; the default one, without a name, is none of them.
pub struct Exchange {
    pub kind: &'static str,
    /// Whether it is durable, auto-delete, internal.
    pub flags: [bool; 3],
    pub bindings: Vec<Binding>,
}

/// To which queue, by which routing key and arguments.
#[derive(PartialEq)]
pub struct Binding(pub QueueId, pub ShortString, pub FieldTable);

/// The kinds there are. Of each, one exchange is always there.
pub const KINDS: [&str; 4] = ["direct", "fanout", "headers", "topic"];

/// The exchanges that are always there.
pub fn predeclared() -> HashMap<ShortString, Exchange> {
    let made = KINDS.map(|kind| (format!("amq.{kind}"), kind)).into_iter();
    let named = made.chain([("amq.match".to_owned(), "headers")]);
    let exchange = |kind| Exchange::new(kind, [true, false, false]);
    let entries = named.map(|(name, kind)| (name.into(), exchange(kind)));
    entries.collect()
}

impl Exchange {
    pub fn new(kind: &'static str, flags: [bool; 3]) -> Self {
        let bindings = Vec::new();
        Self {
            kind,
            flags,
            bindings,
        }
    }
}

impl Core {
    /// The queues that get a message; each gets it once.
    pub fn route(&self, message: &Message) -> BTreeSet<QueueId> {
        let (exchange, key) = (&message.address.0, message.address.1.as_str());
        if exchange.as_str().is_empty() {
            return self.queue_names.get(key).copied().into_iter().collect();
        }
        let Some(exchange) = self.exchanges.get(exchange) else {
            return BTreeSet::new();
        };
        let headers = message.content.properties.headers().as_ref();
        let takes = |binding: &&Binding| match exchange.kind {
            "direct" => binding.1.as_str() == key,
            "topic" => matching::topic(binding.1.as_str(), key),
            "headers" => matching::headers(&binding.2, headers),
            _ => true,
        };
        let bindings = exchange.bindings.iter().filter(takes);
        bindings.map(|binding| binding.0).collect()
    }

    /// Removes the bindings that a test picks; an exchange that goes away with its last binding goes.
    pub fn unbind_where(&mut self, gone: impl Fn(&ShortString, &Binding) -> bool) {
        self.exchanges.retain(|name, exchange| {
            let before = exchange.bindings.len();
            exchange.bindings.retain(|binding| !gone(name, binding));
            !exchange.flags[1] || !exchange.bindings.is_empty() || before == 0
        });
    }
}
